"""Many recipes of one network: sweeps, and what is chosen from them by validation images."""
