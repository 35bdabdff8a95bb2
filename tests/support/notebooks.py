"""Notebooks whose training is short enough for tests and for the docs."""

import copy
import re

from nbformat import NotebookNode

SHORT = {"parts": "0 1", "size": "8x2", "steps": 90}  # below the steps from which a run is compiled


def shortened(notebook: NotebookNode, **more: str | int) -> NotebookNode:
    """Return a copy with the settings of `SHORT` and `more` in its form."""
    changed = copy.deepcopy(notebook)
    for cell in changed.cells:
        for name, value in (SHORT | more).items():
            setting = f'"{value}"' if isinstance(value, str) else value
            cell.source = re.sub(
                rf"^{name} = \S+(?=  # @param)", f"{name} = {setting}", cell.source, flags=re.MULTILINE
            )
    return changed
