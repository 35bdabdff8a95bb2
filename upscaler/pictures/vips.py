"""libvips, restricted for untrusted pictures; the only module that imports pyvips.

Some of its readers are unsafe for hostile files, so all that are not listed here are blocked.
"""

import logging

import pyvips

__all__ = ["forget_errors", "pyvips"]

_READERS = ("Jpeg", "Png", "Tiff", "Webp", "Nsgif", "Heif")

pyvips.block_untrusted_set(True)
pyvips.operation_block_set("VipsForeignLoad", True)
for reader in _READERS:
    pyvips.operation_block_set(f"VipsForeignLoad{reader}", False)

pyvips.cache_set_max(0)  # the cache would keep files open, deleted ones included
logging.getLogger("pyvips").setLevel(logging.ERROR)  # serious warnings are raised as errors, too


def forget_errors() -> None:
    """Empty the one buffer of messages that libvips has for all pictures; a success may leave some there, too."""
    pyvips.vips_lib.vips_error_clear()
