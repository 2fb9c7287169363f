"""One file a method; see `workbench.shelf`."""
