"""Runs inside the guest, with a small part of Python's standard library and nothing else."""
