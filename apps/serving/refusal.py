"""Refusal of a request."""

from starlette.responses import JSONResponse


class RequestRefusedError(Exception):
    """Error that refuses a request with an HTTP status and a sentence, in the form that Gradio's clients display."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status, self.sentence = status, sentence

    @property
    def response(self) -> JSONResponse:
        """HTTP response; it closes the connection, because the rest of the request may be left unread."""
        return JSONResponse({"detail": self.sentence}, self.status, {"Connection": "close"})
