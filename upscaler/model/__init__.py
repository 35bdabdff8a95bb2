"""Models: the network's description, its artifact on disk, and where models are found."""
