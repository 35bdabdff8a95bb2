"""Fixture of the local Hub for this stage's tests."""

from hub_server import hub

__all__ = ["hub"]
