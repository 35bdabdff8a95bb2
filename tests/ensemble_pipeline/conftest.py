"""Fixture of the local Hub for this stage's tests."""

from support.hub import hub

__all__ = ["hub"]
