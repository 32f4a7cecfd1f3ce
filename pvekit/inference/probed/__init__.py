"""What a probe of one machine, or of a VM and the node below it, found: parts for predictions and explanations."""

from pvekit.inference.probed.document import Probed, read, write
from pvekit.inference.probed.parts import observed_parts

__all__ = ["Probed", "observed_parts", "read", "write"]
