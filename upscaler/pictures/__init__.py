"""Reading and writing of picture files, with metadata and within limits."""
