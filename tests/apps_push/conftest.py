"""The Hub's stand-in for these tests."""

from hub_server import hub

__all__ = ["hub"]
