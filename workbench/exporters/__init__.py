"""Files that a compressed network is written to."""
