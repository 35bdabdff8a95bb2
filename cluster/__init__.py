"""Execution of the stages on several machines: shared storage, and an engine that places tasks on nodes."""
