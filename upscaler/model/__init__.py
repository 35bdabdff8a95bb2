"""Models: network architecture, artifact format, and lookup by name or on the Hub."""
