"""Batches: the pictures of a folder, a list or a bucket, upscaled by many workers, and resumed where they stopped.

run ── catalogue      sources, their targets and states, on disk
 │  ── report         a line of JSON for each picture
 │  ── progress       the line on the terminal
 │  ── local, on_ray  where stations work: threads of this process, or actors of a cluster
 │       ├─ crew, chunks, reservation   the actors, what each takes at once, and what Ray keeps for it
 │       └─ station   one picture: read, upscaled by a worker process, published
 │            ├─ places   folders, lists and buckets
 │            └─ worker   the program of the process
 └─ estimate          the cost, from a sample
"""
