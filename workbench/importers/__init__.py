"""Files that a network is read from."""
