"""Protection against CSV injection: spreadsheets run cells of untrusted text that look like formulas.

https://owasp.org/www-community/attacks/CSV_Injection
"""

_FORMULA_STARTS = tuple("=+-@\uff1d\uff0b\uff0d\uff20")  # some spreadsheets also accept the full-width signs
_BREAKS = ("\t", "\r", "\n")
_QUOTE = "'"


def harmless(cell: str) -> str:
    """Prefix text that a spreadsheet would run with a quote; `original` reverses it."""
    return _QUOTE + cell if _is_formula(cell) else cell


def original(cell: str) -> str:
    """Return the text that `harmless` turned into `cell`."""
    return cell[1:] if cell.startswith(_QUOTE) and _is_formula(cell) else cell


def _is_formula(cell: str) -> bool:
    """Return True if a text begins like a formula, after any quotes and blanks."""
    return cell.lstrip(_QUOTE).startswith(_BREAKS) or cell.replace(_QUOTE, " ").lstrip().startswith(_FORMULA_STARTS)
