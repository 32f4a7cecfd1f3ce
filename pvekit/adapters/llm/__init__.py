"""Measures language models: llama-bench, the served API over HTTP, energy; and keeps what was measured."""
