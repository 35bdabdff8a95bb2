"""The Hub's stand-in for this stage's tests."""

from hub_server import hub

__all__ = ["hub"]
