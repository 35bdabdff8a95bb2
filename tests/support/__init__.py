"""Stand-ins, generated data and processes that tests share."""
