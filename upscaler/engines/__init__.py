"""Inference engines, which run a model on windows of a picture."""
