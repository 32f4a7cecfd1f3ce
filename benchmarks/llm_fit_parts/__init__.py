"""The parts of benchmarks/llm_fit.py: rows, solver, scores and the file that is written."""
