"""What became of a network, to be looked at: its weights, their bits and spectra, and how its answers changed."""
