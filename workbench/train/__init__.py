"""Training: one loop, and the settings that made the shipped weights."""
