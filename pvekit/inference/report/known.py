"""The machine by the names that llama-bench prints, where nobody described it better."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pvekit.inference.hardware import Cpu, CpuClass, Gpu, Hardware, Memory
from pvekit.inference.machines import match_cpu, match_gpu
from pvekit.inference.report.view import Bench

_NOTHING = Memory(None, None, None)


def hardware(runs: Sequence[Bench]) -> Hardware | None:
    """Return what is known of the processor and the cards of the runs, or None where neither is known.

    Of a processor that is known by its family only (a VM that shows no model) the memory is not taken: boards of one
    family differ too much.
    """
    name = next((run.cpu for run in runs if run.cpu), "")
    known = match_cpu(name) if name else None
    cards = _cards(runs)
    if known is None and not cards:
        return None
    cpu = known.cpu if known is not None else Cpu(name or "unknown", CpuClass.DESKTOP, None, None, None, None)
    memory = known.memory if known is not None and known.cpu.ghz is not None else _NOTHING
    return Hardware(cpu.name, cpu, memory, cards, sources=(known.source,) if known is not None else ())


def _cards(runs: Sequence[Bench]) -> tuple[Gpu, ...]:
    names = next((run.gpu for run in runs if run.gpu and run.on_gpu), "")
    found = [match_gpu(name.strip()) for name in re.split(r"[,;/]", names) if name.strip()]
    return tuple(card for card in found if card is not None)
