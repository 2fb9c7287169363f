"""Threads that share the work of one kernel call, outside the GIL."""
