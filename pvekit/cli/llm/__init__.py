"""The commands of ``pvekit llm``: one module each, with its ``command``."""
