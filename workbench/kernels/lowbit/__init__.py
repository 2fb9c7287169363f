"""Codes of a few bits: packed, and multiplied without unpacking them in memory."""
