"""The parts of ``benchmarks/llm_http.py``."""
