"""What `workbench bench` measures: ratios in one process on the same work, medians of many interleaved runs."""
