"""Data sets: images and labels in disjoint, hashed splits."""
