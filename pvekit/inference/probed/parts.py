"""Facts by dotted names become Guest, Host and Hardware."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

from pvekit.adapters.llm_probe_dmi import Modules, populated
from pvekit.adapters.llm_probe_gpu import Card
from pvekit.inference.hardware import Cpu, CpuClass, Gpu, Hardware, Isa, Memory
from pvekit.inference.machines import KnownCpu, match_cpu, match_gpu
from pvekit.inference.observed import Guest, Host
from pvekit.model.missing import Missing

Facts = Mapping[str, object]
_Part = TypeVar("_Part", Guest, Host)
_SERVER = re.compile(r"\b(?:Xeon|EPYC|Opteron|Neoverse|Ampere)\b", re.IGNORECASE)
_EMULATED = re.compile(
    r"QEMU Virtual|KVM processor|\b(?:qemu|kvm)(?:32|64)\b|^AMD EPYC$|^Intel Xeon Processor", re.IGNORECASE
)
_LANE = (0.25, 0.5, 0.985, 1.97, 3.94, 7.56)
"""GB/s of one PCIe lane, generation 1 first."""


def observed_parts(facts: Facts, below: Facts | None = None, name: str = "") -> tuple[Guest, Host, Hardware]:
    """Return what the machine says of itself, what the one below it says, and the hardware.

    ``below`` are the facts of the node of a VM. Without it a machine that is no VM is its own host; of a VM's host
    nothing is known then. The hardware is the node's where that is known.
    """
    guest = _part(Guest, "guest", facts)
    bare = facts.get("guest.virtual") is False
    host = _part(Host, "host", {**host_facts(facts, below), **_channels(below or (facts if bare else {}))})
    source = below or facts
    cards = known(facts, "gpus", tuple) or known(source, "gpus", tuple) or ()
    return guest, host, hardware(source, host, name, cards)


def host_facts(facts: Facts, below: Facts | None) -> dict[str, object]:
    """Return the facts of the host: the node's, or the machine's own when it is no VM, or none with the reason."""
    if below is not None:
        return {key: value for key, value in below.items() if key.startswith("host.")}
    own = {key: value for key, value in facts.items() if key.startswith("host.")}
    if facts.get("guest.virtual") is False:
        return own
    unseen = Missing("host", "this is a virtual machine, and the machine below it was not asked")
    # What a VM sees of these is its own: a virtual processor's clock, nodes and links say nothing of the machine.
    return {key: unseen if not key.startswith("host.link_") else value for key, value in own.items()}


def hardware(facts: Facts, host: Host, name: str, cards: tuple[Card, ...]) -> Hardware:
    """Return the hardware that the facts describe; what they leave open comes from what is known of the processor."""
    text = known(facts, "cpu.name", str) or ""
    kin = match_cpu(text) if not _EMULATED.search(text) else None
    found = known(facts, "guest.isa", str)
    bare = facts.get("guest.virtual") is False
    channels = host.channels or _all_channels(kin, facts)
    processor = Cpu(
        name=text or "unknown processor",
        kind=kin.cpu.kind if kin else kind(text, found),
        cores=known(facts, "host.cores", int),
        threads=known(facts, "host.threads", int),
        ghz=(kin.cpu.ghz if kin else None) or host.clock_ghz,
        isa=Isa(found) if found else None,
        sockets=known(facts, "cpu.sockets", int) or 1,
        numa_nodes=host.numa_nodes,
    )
    memory = Memory(
        channels=channels if bare else None,
        populated=host.populated_channels,
        megatransfers=host.megatransfers
        or (kin.memory.megatransfers if kin and bare and not host.populated_channels else None),
        capacity=known(facts, "memory.capacity", int) or known(facts, "guest.memory", int),
        width_bits=known(facts, "memory.width", int) or 64,
    )
    gpus = tuple(gpu for card in cards if (gpu := graphics(card)) is not None)
    return Hardware(name or text or "probed machine", processor, memory, gpus, sources=("read on the machine",))


def kind(name: str, isa: str | None) -> CpuClass:
    """Return the class of a processor that no preset knows."""
    if name.startswith("Apple"):
        return CpuClass.APPLE
    if _SERVER.search(name):
        return CpuClass.SERVER
    return CpuClass.SBC if (isa or "").startswith("neon") else CpuClass.DESKTOP


def graphics(card: Card) -> Gpu | None:
    """Return the card with what is known of its kind and read of this one; None for a kind nobody knows."""
    kin = match_gpu(card.name)
    if kin is None:
        return None
    rate = None
    if card.generation_max or card.generation:
        generation, lanes = card.generation_max or card.generation or 1, card.width or card.width_max or 16
        rate = round(_LANE[min(generation, len(_LANE)) - 1] * lanes, 2)
    return Gpu(kin.name, kin.kind, kin.bandwidth, card.memory or kin.memory, kin.tflops, kin.half_tflops,
               card.capability or kin.capability, rate or kin.link, card.watts or kin.watts)  # fmt: skip


def _channels(facts: Facts) -> dict[str, object]:
    """Return channels where the slots' names do not tell them, from the processor that is in the board."""
    layout = facts.get("memory.layout")
    if not isinstance(layout, Modules) or layout.channels is not None:
        return {}
    kin = match_cpu(known(facts, "cpu.name", str) or "")
    channels = _all_channels(kin, facts)
    return {"host.channels": channels, "host.populated_channels": populated(layout, channels)} if channels else {}


def _all_channels(kin: KnownCpu | None, facts: Facts) -> int | None:
    """Return the channels of all sockets."""
    if kin is None or kin.memory.channels is None:
        return None
    return kin.memory.channels * (known(facts, "cpu.sockets", int) or 1)


def known(facts: Facts, name: str, form: type[Any]) -> Any:
    """Return a fact of this type; None when it is missing."""
    value = facts.get(name)
    return value if isinstance(value, form) else None


def _part(form: type[_Part], prefix: str, facts: Facts) -> _Part:
    names = {field.name for field in fields(form)}
    found: dict[str, Any] = {
        name: value
        for key, value in facts.items()
        if key.startswith(f"{prefix}.") and (name := key.partition(".")[2]) in names
        if not isinstance(value, Missing)
    }
    if form is Guest and "isa" in found:
        found["isa"] = Isa(found["isa"])
    return form(**found)
