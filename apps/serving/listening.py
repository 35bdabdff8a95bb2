"""The address of an app, taken before its model is loaded, so that a port in use is said at once."""

import socket

from apps.serving.settings import ServingSettings, SettingError


def taken_address(settings: ServingSettings) -> socket.socket:
    """Return a socket that is bound to host and port, and does not listen yet. Raises SettingError."""
    host, port = settings.host, settings.port
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # the connections of a former run may linger
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        reason = (error.strerror or str(error)).lower()
        raise SettingError(
            f"{host}:{port} cannot be served ({reason}); set another GRADIO_SERVER_PORT or GRADIO_SERVER_NAME"
        ) from error
    return bound
