"""The machine of a report: its processor, memory and cards, from presets by name and from what was read."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace

from pvekit.inference.hardware import Cpu, CpuClass, Gpu, GpuClass, Hardware, Isa, Memory
from pvekit.inference.reports import resolve
from pvekit.inference.reports.found import Found, Part

_GENERIC = re.compile(
    r"^(?:QEMU|Common|Virtual|KVM|Intel Xeon Processor|AMD EPYC(?:-\w+)? Processor$|AMD EPYC$"
    r"|Intel Core Processor|pc-|virt|unknown)",
    re.IGNORECASE,
)
_NOISE = re.compile(
    r"\((?:R|TM|r|tm)\)|\bCPU\b|\bProcessor\b|@.*$|\bIntel\b|\bAMD\b|\bXeon\b|\b\d+-Core\b|NVIDIA"
    r"|GeForce|Tesla\b|Graphics|\s-\s.*$|\bwith Radeon.*$"
)
_SERVER = re.compile(
    r"xeon|epyc|opteron|E5[- ]|E7[- ]|altra|graviton|\b(?:gold|silver|platinum|bronze)\b", re.IGNORECASE
)
_SBC = re.compile(r"raspberry|RK3588|cortex", re.IGNORECASE)
_APPLE = re.compile(r"apple|^M\d", re.IGNORECASE)


def hardware(found: Found) -> Hardware | None:
    """Return the machine, or None where neither a processor nor a card is known."""
    part = _one(found.cpus, found, "processors")
    gpus = _gpus(found)
    if (
        part is None
        and not gpus
        and not any(name in found.facts for name in ("host.megatransfers", "host.populated_channels", "machine.box"))
    ):
        return None
    if part is not None and _APPLE.search(part.name) and any(gpu.kind is not GpuClass.APPLE for gpu in gpus):
        part = None  # no such machine: it is another one that is compared with
    preset = resolve.cpu(part.name) if part is not None else None
    cpu, memory = _parts(preset)
    sockets = _sockets(found, part)
    cpu = _cpu(found, part, cpu, sockets)
    memory = _memory(found, memory, sockets)
    if not gpus and cpu.kind is CpuClass.APPLE and part is not None and (own := resolve.gpu(part.name)) is not None:
        gpus = (own,)  # it has one, and llama.cpp uses it unless it is told not to
    name = " + ".join([part.name if part is not None else "unknown processor", *(gpu.name for gpu in gpus)])
    return Hardware(name, cpu, memory, gpus)


def _parts(preset: object) -> tuple[Cpu | None, Memory | None]:
    """Return processor and memory of a preset, in whichever form the room of machines has them."""
    if isinstance(preset, Hardware):
        return preset.cpu, preset.memory
    if isinstance(preset, Cpu):
        return preset, None
    if isinstance(preset, tuple):
        cpu = next((one for one in preset if isinstance(one, Cpu)), None)
        return cpu, next((one for one in preset if isinstance(one, Memory)), None)
    return getattr(preset, "cpu", None), getattr(preset, "memory", None)


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]+", "", _NOISE.sub("", name)).lower()


def _one(parts: list[Part], found: Found, what: str) -> Part | None:
    """Return the processor that is named: the printed one, else the one named most; none where two tie."""
    real = [part for part in parts if not _GENERIC.match(part.name)]
    for strength in (2, 1):
        kept = [part for part in real if part.strength == strength]
        counts = Counter(_plain(part.name) for part in kept)
        # A short name inside a longer one is the same part: E5-2680 in Xeon E5-2680 v4.
        for short in list(counts):
            longer = [name for name in counts if name != short and short in name]
            if longer:
                counts[longer[0]] += counts.pop(short)
        if not counts:
            continue
        # A Cortex is the core inside of the processor that is named beside it.
        if any(not name.startswith("cortex") for name in counts):
            counts = Counter({name: many for name, many in counts.items() if not name.startswith("cortex")})
        (best, most), *others = counts.most_common()
        if others and others[0][1] == most:
            found.note(f"Several {what} are named; none is taken.")
            return None
        return max((part for part in kept if _plain(part.name) == best), key=lambda part: part.count or 0)
    return None


def _sockets(found: Found, part: Part | None) -> int:
    counted = found.value("cpu.sockets")
    if isinstance(counted, int) and 1 <= counted <= 8:
        return counted
    said = max(
        (one.count or 0 for one in found.cpus if part is not None and _plain(one.name) in _plain(part.name)), default=0
    )
    return said if 1 <= said <= 8 else 1


def _cpu(found: Found, part: Part | None, preset: Cpu | None, sockets: int) -> Cpu:
    name = part.name if part is not None else "unknown processor"
    nodes = found.value("host.numa_nodes")
    nodes = nodes if isinstance(nodes, int) else None
    if preset is not None:
        per = max(1, preset.sockets)
        return replace(
            preset,
            sockets=sockets,
            cores=preset.cores * sockets // per if preset.cores else preset.cores,
            threads=preset.threads * sockets // per if preset.threads else preset.threads,
            numa_nodes=nodes if nodes is not None else preset.numa_nodes,
        )
    kind = CpuClass.SERVER if _SERVER.search(name) else CpuClass.SBC if _SBC.search(name) else CpuClass.DESKTOP
    kind = CpuClass.APPLE if _APPLE.search(name) else kind
    cores, threads, said = (found.value(one) for one in ("cpu.cores", "cpu.threads", "host.cores"))
    cores = cores if isinstance(cores, int) else said
    seen = found.value("machine.isa") or found.value("machine.box")
    return Cpu(
        name, kind, cores if isinstance(cores, int) else None, threads if isinstance(threads, int) else None, None,
        Isa(str(seen)) if isinstance(seen, str) and seen in set(Isa) else None, sockets, nodes,
    )  # fmt: skip


def _memory(found: Found, preset: Memory | None, sockets: int) -> Memory:
    channels, populated, speed = (
        found.value(f"host.{name}") for name in ("channels", "populated_channels", "megatransfers")
    )
    capacity = found.value("memory.capacity") or found.value("host.memory")
    base = preset or Memory(None, None, None)
    board = base.channels * sockets if base.channels is not None else None
    channels = channels if isinstance(channels, int) else None
    if channels is not None and board is not None and channels < board and channels * sockets == board:
        channels = board
    populated = populated if isinstance(populated, int) else None
    if populated is not None and sockets > 1 and board is not None and populated * sockets == board:
        populated = board
    return replace(
        base,
        channels=channels if channels is not None else board,
        populated=populated,
        megatransfers=speed if isinstance(speed, int) else base.megatransfers,
        capacity=capacity if isinstance(capacity, int) else None,
    )


def _gpus(found: Found) -> tuple[Gpu, ...]:
    """Return the cards, each as often as one source lists it."""
    strength = max((part.strength for part in found.gpus), default=0)
    named: dict[str, set[str]] = {}
    cards: dict[str, tuple[Gpu, int]] = {}
    for part in found.gpus:
        if part.strength != strength:
            continue
        gpu = resolve.gpu(part.name if not part.memory else f"{part.name} {part.memory // 1024**3}GB") or resolve.gpu(
            part.name
        )
        if gpu is not None and part.memory and abs(part.memory - gpu.memory) > 0.2 * gpu.memory:
            gpu = replace(gpu, memory=part.memory)  # the same name is sold with more memory, or with less
        if gpu is None:
            if "llvmpipe" not in part.name:
                found.note(f"{part.name} is no known card.")
            continue
        head = re.sub(r"\d", "", part.seen.text[:14])
        lines = named.setdefault(f"{gpu.name}/{head}", set())
        lines.add(part.seen.text)
        many = max(part.count or 1, len(lines) if strength == 2 else 1, cards.get(gpu.name, (gpu, 1))[1])
        cards[gpu.name] = (gpu, min(many, 16))
    # GTX 1060 and GTX 1060 3GB are one card, once with its memory.
    alone = {name for name in cards if not any(re.fullmatch(rf"{re.escape(name)} \d+GB", other) for other in cards)}
    return tuple(gpu for name, (gpu, many) in cards.items() if name in alone for _ in range(many))
