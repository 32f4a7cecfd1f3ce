"""Windows' answer file: what it says, and a lint that knows when it is wrong."""

from __future__ import annotations

from pvekit.model.answer.finding import Finding
from pvekit.model.answer.lint import Image, lint
from pvekit.model.answer.values import Account, Answer, Hidden, disk_range

__all__ = ["Account", "Answer", "Finding", "Hidden", "Image", "disk_range", "lint"]
