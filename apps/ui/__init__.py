"""Web UI that upscales photos x2."""
