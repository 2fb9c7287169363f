"""Accuracy by running images: their order, intervals, and what the next run can start from."""
