"""Numba kernels: arrays in, arrays out, no torch. One file a family; every one is compiled through `_jit`."""
