"""The roofline of this machine, and where layers lie under it."""
