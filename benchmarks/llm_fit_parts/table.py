"""Rows of the public table as devices, work and seconds."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from benchmarks.llm_fit_parts import shapes
from pvekit.inference.hardware import Cpu, CpuClass, Gpu, GpuClass, Memory
from pvekit.inference.machines import match_cpu, match_gpu
from pvekit.inference.predict.features import Device, cpu_device, gpu_device
from pvekit.inference.predict.work import Work

_GB = 2**30
_BOARDS = ("Pi ", "HiFive")
_EARLY = re.compile(r"XiongjieDai|\(20(?:23|24)-")
"""Sources measured with llama.cpp of 2024 or before: its kernels, Metal's above all, have become faster since."""
_APPLE = ("Apple", "M1", "M2", "M3", "M4", "M5", "Mac")


@dataclass(frozen=True, slots=True)
class Row:
    """One measured speed. ``machine`` tells rows apart that a probe of one another can be."""

    device: Device
    work: Work
    rate: float
    phase: str
    hardware: str
    machine: str
    model: str
    kind: str


def rows(table: Iterable[Mapping[str, str]]) -> list[Row]:
    """Return the usable rows."""
    found = []
    for line in table:
        row = _row(line)
        if row is not None:
            found.append(row)
    return found


def kind_of(hardware: str, given: str) -> str:
    """Return the class of the hardware. The table takes HBM2 and SXM2 for Apple's M2."""
    if given != "apple-gpu" or hardware.startswith(_APPLE):
        return given
    if "P100" in hardware:
        return "nvidia-pascal-old"
    return "nvidia-volta-turing" if "V100" in hardware else "nvidia-hbm-dc"


def _row(line: Mapping[str, str]) -> Row | None:
    try:
        size, rate, peak = (float(line[name]) for name in ("model_GiB", "tok_s", "mem_bw_GBs"))
    except (KeyError, TypeError, ValueError):
        return None
    hardware, test = line["hardware"], line["test"]
    phase = "decode" if test.startswith("tg") else "prefill"
    if not all(math.isfinite(value) and value > 0 for value in (size, rate, peak)):
        return None
    if line["source"].startswith("blog post of 2025-03-08"):
        return None  # The case pvekit began with: it is what is to be explained.
    if phase == "decode" and rate * size * _GB / 1e9 > peak * 1.05:
        return (
            None  # More than the memory can: the bandwidth in the row is of something else, such as one of ten boards.
        )
    kind = kind_of(hardware, line["device_class"])
    local = "LocalScore" in line["source"]
    device = _cpu(line, hardware, peak, kind, local) if kind.startswith(("cpu", "apple-cpu")) else (
        _gpu(line, hardware, peak, kind, local)
    )  # fmt: skip
    known = match_cpu(hardware) if device.model == "cpu" else None
    work = shapes.work(line["model"], line["quant"], size, test, known.cpu.isa if known else None)
    if work is None:
        return None
    source = line["source"].partition(",")[0]
    host = re.sub(r"(\d+)\.\d+GB", r"\1GB", line["host_or_power"]) if local else ""
    return Row(device, work, rate, phase, _plain(hardware), f"{hardware}|{host}|{source}|{line['backend']}",
               f"{line['model']} {line['quant']}", kind)  # fmt: skip


def _plain(hardware: str) -> str:
    """Return one name for the same hardware in several sources."""
    card = match_gpu(hardware)
    known = None if card else match_cpu(hardware)
    if card or known is None:
        return card.name if card else hardware
    return known.family if known.cpu.kind is CpuClass.SBC else known.model or hardware


def _cpu(line: Mapping[str, str], hardware: str, peak: float, kind: str, local: bool) -> Device:
    known = match_cpu(hardware)
    cpu = known.cpu if known else Cpu(hardware, CpuClass(kind), None, None, None, None)
    cpu = replace(cpu, kind=CpuClass(kind), sockets=2 if hardware.startswith("2x") else 1)
    threads = re.search(r"t=(\d+)", line["backend"])
    speed = known.memory.megatransfers if known else None
    channels = re.search(r"(\d+)ch DDR\d-(\d+)", line["mem_bw_from"])
    memory = Memory(int(channels[1]), None, int(channels[2])) if channels else Memory(None, None, speed, peak=peak)
    if memory.bandwidth() is None or abs((memory.bandwidth() or 0) / peak - 1) > 0.02:
        memory = Memory(None, None, memory.megatransfers, peak=peak)
    return cpu_device(cpu, memory, threads=int(threads[1]) if threads else None,
                      windows=line["host_or_power"].startswith("Windows"), localscore=local)  # fmt: skip


def _gpu(line: Mapping[str, str], hardware: str, peak: float, kind: str, local: bool) -> Device:
    known = match_gpu(hardware)
    card = replace(known, bandwidth=peak, kind=GpuClass(kind)) if known else Gpu(hardware, GpuClass(kind), peak, 0)
    return gpu_device(replace(card, name=hardware), localscore=local, weak_host=hardware.startswith(_BOARDS),
                      early=bool(_EARLY.search(line["source"])))  # fmt: skip
