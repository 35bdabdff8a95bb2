"""Picture files: read, written, with their metadata, and within limits."""
