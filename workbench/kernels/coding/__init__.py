"""Lossless codes for symbols."""
