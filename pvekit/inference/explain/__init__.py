"""Why a machine is as fast as it is: one file per hypothesis, weighed against each other."""

from pvekit.inference.explain.judge import explain, pages

__all__ = ["explain", "pages"]
