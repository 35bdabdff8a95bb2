"""Rows of a picture that one thread computes, from the top, while another reads them."""

from threading import Condition


class Rows:
    """Number of rows of a picture that are final; thread-safe."""

    def __init__(self) -> None:
        """Begin with none."""
        self._final = 0
        self._abandoned = False
        self._changed = Condition()

    def advance(self, rows: int) -> None:
        """Declare the first `rows` final."""
        with self._changed:
            self._final = rows
            self._changed.notify_all()

    def abandon(self) -> None:
        """Declare that no more will be final."""
        with self._changed:
            self._abandoned = True
            self._changed.notify_all()

    def wait_for(self, rows: int) -> bool:
        """Wait until the first `rows` are final; return False once they are abandoned."""
        with self._changed:
            self._changed.wait_for(lambda: self._abandoned or self._final >= rows)
            return not self._abandoned
