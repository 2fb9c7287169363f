"""Products with weights most of which are zero."""
