"""Frozen values. No I/O, clock or randomness."""
