"""The catalogue of methods by number."""
