"""Devices whose energy can be modelled: one TOML file each."""
