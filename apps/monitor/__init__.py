"""Monitor that upscales NASA's Astronomy Picture of the Day and tracks the model's quality."""
