"""Numba kernels: arrays in, arrays out, no torch. A folder a family; every one is compiled through `compiler.jit`."""
