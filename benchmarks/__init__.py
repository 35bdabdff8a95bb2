"""Speed, memory and quality, measured: each module prints one stage's table. Apart from the tests, which time nothing."""
