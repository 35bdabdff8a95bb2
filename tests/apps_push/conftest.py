"""Fixture of the Hub's stand-in."""

from hub_server import hub

__all__ = ["hub"]
