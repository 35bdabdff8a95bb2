"""libvips, for pictures of strangers: the only module that imports pyvips.

Its readers are many, and some were never meant for hostile files. Those that are not named here are blocked.
"""

import logging

import pyvips

__all__ = ["pyvips"]

_READERS = ("Jpeg", "Png", "Tiff", "Webp", "Nsgif", "Heif")

pyvips.block_untrusted_set(True)
pyvips.operation_block_set("VipsForeignLoad", True)
for reader in _READERS:
    pyvips.operation_block_set(f"VipsForeignLoad{reader}", False)

pyvips.cache_set_max(0)  # libvips would keep what was opened, deleted files among it
logging.getLogger("pyvips").setLevel(logging.ERROR)  # what matters of its warnings comes as an error as well
