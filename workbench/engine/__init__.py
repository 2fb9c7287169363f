"""The live engine: sessions, what they work out ahead, and reports."""
