"""The web UI: a photo in, a photo twice as large out."""
