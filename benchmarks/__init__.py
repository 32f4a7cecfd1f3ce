"""Measurements, as ratios against a peer or a limit in the same run. Never part of the tests."""
