"""Serving code of both apps: the worker process that opens pictures, and the guard in front of Gradio."""
