"""Cells of CSV files that spreadsheets take for text, not for formulas."""

_BEGINNINGS = ("=", "+", "-", "@")  # OWASP, "CSV Injection"


def harmless(cell: str) -> str:
    """Put an apostrophe before a cell that a spreadsheet would run as a formula.

    A carriage return becomes a blank: csv.writer does not quote it, and spreadsheets begin a new row there.
    """
    cell = cell.replace("\r", " ")
    return f"'{cell}" if cell.lstrip().startswith(_BEGINNINGS) else cell
