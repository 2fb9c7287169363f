"""The zoo: small networks with trained weights."""
