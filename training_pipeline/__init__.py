"""Trains one upscaling network from tile shards: resumable, scored at every thousand steps, written as an artifact."""
