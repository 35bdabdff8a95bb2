"""Refusal of a request, and what visitors are told of the server's own faults."""

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


def fault(error: OSError) -> str:
    """Describe an error of the operating system without the server's paths, and without advice to its operator."""
    return f"this server has a fault ({(error.strerror or str(error)).lower()})"
