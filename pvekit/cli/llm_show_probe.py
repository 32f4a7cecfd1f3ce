"""A probe as text."""

from __future__ import annotations

import click

from pvekit.cli.show import table
from pvekit.inference.factnames import within
from pvekit.inference.observed import Host
from pvekit.inference.probed import Probed

_UNKNOWN = "not known"


def text(probed: Probed) -> str:
    """Return the facts of both sides, what was measured, and what does not fit together."""
    parts = [_facts(probed), _measured(probed), _contradictions(probed), _missing(probed)]
    return "\n\n".join(part for part in parts if part)


def _facts(probed: Probed) -> str:
    guest, host, cpu = probed.guest, probed.host, probed.hardware.cpu
    where = "VM" if guest.virtual else "machine"
    rows = [
        ("processor", f"{cpu.name}, {_count(cpu.cores, 'core')}, {_count(cpu.threads, 'thread')}"),
        (f"the {where} has", f"{_count(guest.cpus, 'processor')}, {guest.isa or _UNKNOWN}, {_gib(guest.memory)}"),
        ("llama.cpp loads", guest.variant or _UNKNOWN),
        ("memory", _memory(probed)),
        ("cards", ", ".join(gpu.name for gpu in probed.hardware.gpus) or "none that is known"),
        ("host", _host(host)),
    ]
    return table(("", ""), [list(row) for row in rows]).strip()


def _memory(probed: Probed) -> str:
    memory = probed.hardware.memory
    bandwidth = memory.bandwidth()
    channels = f"{memory.populated} of {memory.channels} channels" if memory.populated else "channels not known"
    speed = f", {memory.megatransfers} MT/s" if memory.megatransfers else ""
    return channels + speed + (f", peak {bandwidth:.1f} GB/s" if bandwidth else "")


def _host(host: Host) -> str:
    found = [
        ("cpu type", host.cpu_type), ("governor", host.governor), ("clock", host.clock_ghz and f"{host.clock_ghz} GHz"),
        ("NUMA nodes", host.numa_nodes), ("KSM pages", host.ksm_sharing), ("load", host.load), ("disk", host.disk),
        ("link", _link(host)),
    ]  # fmt: skip
    return ", ".join(f"{name} {value}" for name, value in found if value is not None) or _UNKNOWN


def _link(host: Host) -> str | None:
    if host.link_width is None or host.link_generation is None:
        return None
    return f"PCIe {host.link_generation} x{host.link_width}" + (" under load" if host.link_under_load else "")


def _measured(probed: Probed) -> str:
    counts = sorted(
        {count for rates in probed.reads.values() for count in rates} | {run.threads or 0 for run in probed.runs}
    )
    decode = {run.threads: run for run in probed.runs if run.phase == "decode"}
    prefill = {run.threads: run for run in probed.runs if run.phase == "prefill"}
    sides = [side for side in ("guest", "host") if side in probed.reads]
    if not counts:
        return ""
    rows = []
    for count in counts:
        row = [str(count), *(_rate(probed.reads[side].get(count)) for side in sides)]
        run = decode.get(count)
        row += [_rate(run.rate if run else None), _rate(run.rate * probed.read / 1e9 if run and probed.read else None)]
        row.append(_rate(prefill[count].rate if count in prefill else None))
        rows.append(row)
    kind = " (random bytes)" if probed.synthetic else ""
    head = f"measured with {probed.model}{kind}:" if probed.model else "measured:"
    columns = ("threads", *(f"read {side} GB/s" for side in sides), "decode tok/s", "decode GB/s", "prefill tok/s")
    return f"{head}\n{table(columns, rows)}"


def _contradictions(probed: Probed) -> str:
    lines = [f"{click.style('!', fg='yellow')} {each.text}\n  {each.remedy}" for each in probed.contradictions]
    return "\n".join(lines)


def _missing(probed: Probed) -> str:
    whys: dict[str, list[str]] = {}
    for name, missing in probed.missing.items():
        whys.setdefault(missing.why, []).append(name)
    lines = [f"  {', '.join(map(within, names))}: {why}" for why, names in whys.items()]
    return "\n".join(["not known:", *lines]) if lines else ""


def _rate(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}" if value >= 1 else f"{value:.2f}"


def _count(number: int | None, noun: str) -> str:
    return f"{noun}s {_UNKNOWN}" if number is None else f"{number} {noun}{'s' if number != 1 else ''}"


def _gib(size: int | None) -> str:
    return f"memory {_UNKNOWN}" if size is None else f"{size / 2**30:.1f} GiB"
