"""A request that is refused, with a sentence."""

from starlette.responses import JSONResponse


class RequestRefusedError(Exception):
    """An answer in place of the app's: an HTTP status and a sentence, in the form that Gradio's clients show."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status, self.sentence = status, sentence

    @property
    def response(self) -> JSONResponse:
        """The answer; the connection ends with it, since the rest of the request is not read."""
        return JSONResponse({"detail": self.sentence}, self.status, {"Connection": "close"})
