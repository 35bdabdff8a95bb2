"""Inference engines: they run a model on windows of a picture."""
