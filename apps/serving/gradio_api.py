"""Gradio without the stubs for editors that it writes into its own folder, which took 45 % of its import.

It writes them for each class of a component whose file it finds, at every import.
"""

import inspect
from unittest.mock import patch

with patch.object(inspect, "getfile", side_effect=OSError):
    import gradio as gr

from gradio import queueing
from gradio.routes import templates
from gradio.server_messages import ProcessCompletedMessage

__all__ = ["ProcessCompletedMessage", "gr", "queueing", "templates"]
