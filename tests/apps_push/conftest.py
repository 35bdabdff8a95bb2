"""Fixture of the Hub's stand-in."""

from support.hub import hub

__all__ = ["hub"]
