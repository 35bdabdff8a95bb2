"""The two apps, the web UI and the monitor of the picture of the day, and their deployment to Spaces."""
