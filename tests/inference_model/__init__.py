"""Models without their weights: shapes, quantisations, GGUF files read and written, memory."""
