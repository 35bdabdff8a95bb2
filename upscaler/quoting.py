"""The message of a library, quoted in a sentence of ours."""


def first_line(error: Exception) -> str:
    """Return the first line of a library's message, or the exception's type."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
