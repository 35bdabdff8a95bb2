"""Benchmarks of throughput, memory and quality; each module prints the table of one stage. The tests time nothing."""
