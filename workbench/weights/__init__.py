"""A layer's weights: what they are (form, part, levels) and how they are stored (encodings)."""
