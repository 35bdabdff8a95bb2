"""Texts of others as cells of a CSV: a spreadsheet takes some for formulas and runs them.

https://owasp.org/www-community/attacks/CSV_Injection
"""

_BEGINNINGS = tuple("=+-@\uff1d\uff0b\uff0d\uff20")  # some spreadsheets read the full-width signs, too
_BREAKS = ("\t", "\r", "\n")
_QUOTE = "'"


def harmless(cell: str) -> str:
    """Put a quote before a text that a spreadsheet would run; `original` takes it away again."""
    return _QUOTE + cell if _is_formula(cell) else cell


def original(cell: str) -> str:
    """Return the text of which `harmless` made a cell."""
    return cell[1:] if cell.startswith(_QUOTE) and _is_formula(cell) else cell


def _is_formula(cell: str) -> bool:
    """Return True if a text begins as a formula; quotes and blanks before it are part of the beginning."""
    return cell.lstrip(_QUOTE).startswith(_BREAKS) or cell.replace(_QUOTE, " ").lstrip().startswith(_BEGINNINGS)
