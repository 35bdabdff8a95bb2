"""Training of one super-resolution network from tile shards: resumable, with an artifact as result."""
