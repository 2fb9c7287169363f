"""Kernels that show how fast a processor reads."""
