"""Products of signs and of bit planes, by xor, and and popcount."""
