"""Arithmetic of other machines, number by number: for what it gives, never for how long it takes."""
