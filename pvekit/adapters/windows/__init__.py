"""Answer CDs for Windows: the answer file and the scripts beside it."""

from __future__ import annotations

from pvekit.adapters.windows.answer import answer_for
from pvekit.adapters.windows.check import check, findings
from pvekit.adapters.windows.render import render

__all__ = ["answer_for", "check", "findings", "render"]
