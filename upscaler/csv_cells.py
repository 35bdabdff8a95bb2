"""Texts of others as cells of a CSV: a spreadsheet takes some for formulas and runs them.

https://owasp.org/www-community/attacks/CSV_Injection
"""

_FULL_WIDTH = "\uff1d\uff0b\uff0d\uff20"  # some spreadsheets read these as = + - @
_BEGINNINGS = tuple("=+-@\t\r\n" + _FULL_WIDTH)
_QUOTE = "'"


def harmless(cell: str) -> str:
    """Put a quote before a text that a spreadsheet would run; `original` takes it away again."""
    return _QUOTE + cell if _is_formula(cell) else cell


def original(cell: str) -> str:
    """Return the text of which `harmless` made a cell."""
    return cell[1:] if cell.startswith(_QUOTE) and _is_formula(cell) else cell


def _is_formula(cell: str) -> bool:
    """Return True if a text begins as a formula; quotes before it count as part of the beginning."""
    return cell.lstrip(_QUOTE).startswith(_BEGINNINGS)
