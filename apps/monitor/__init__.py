"""The monitor: NASA's Astronomy Picture of the Day, doubled, and how well the model does day by day."""
