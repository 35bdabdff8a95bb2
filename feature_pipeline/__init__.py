"""Open Images -> tile shards: streamed, resumable, attributed."""
