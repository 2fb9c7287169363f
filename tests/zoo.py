"""The zoo's networks, each traced once a run, since nothing changes a model."""

from functools import cache

from workbench.network.model import load

loaded = cache(load)
