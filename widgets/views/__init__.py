"""Data for a picture: pure functions of a Report that give plain dicts of finished text. No widget is imported here."""
