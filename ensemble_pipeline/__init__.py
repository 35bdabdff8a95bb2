"""Averages trained networks into one model, tests it, describes it, and publishes it on the Hugging Face Hub."""
