"""Models without their weights: shapes, quantisations, and what they ask of a machine."""

from pvekit.inference.models.shape import Shape
from pvekit.inference.models.shapes import names, shape

__all__ = ["Shape", "names", "shape"]
