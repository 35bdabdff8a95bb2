"""Speed, memory and quality, measured: each module prints one stage's table. The tests time nothing."""
