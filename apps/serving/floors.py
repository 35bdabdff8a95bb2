"""Versions from which on strangers may be served.

The project's own requirements are wider, because a notebook on Colab has older packages and opens its owner's pictures.
"""

from importlib.metadata import version

from packaging.version import Version

from upscaler.errors import DoubleResolutionError

FLOORS = {
    "gradio": "6.31",  # the guard was written for, and tested with, its routes from there on
    "pillow": "12.3",  # older ones have known vulnerabilities in decoders
}


class OutdatedError(DoubleResolutionError):
    """Error for an installed package that is too old to serve strangers."""


def check() -> None:
    """Raise OutdatedError if a package is older than its floor."""
    for name, floor in FLOORS.items():
        if Version(found := version(name)) < Version(floor):
            raise OutdatedError(f"{name} {found} is too old to serve; run pip install --upgrade '{name}>={floor}'")
