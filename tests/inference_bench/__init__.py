"""Benchmarks: records, llama-bench, the served API, energy; with the real tools where it matters."""
