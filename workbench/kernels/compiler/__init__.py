"""The one door to the compiler."""
