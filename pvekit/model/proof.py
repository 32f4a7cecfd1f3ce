"""Whether a host that was prepared for passthrough holds: what using the card showed, on the host and in its VM."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from pvekit.model.bundle import Line
from pvekit.model.finding import Layer
from pvekit.model.guestpci import Bar, GuestDevice
from pvekit.model.hostlook import parse_answer

VERSION = 1
"""The form of the answer of templates/host/passthrough-probe.py."""


class Held(Enum):
    """Whether it holds; the number is the exit code of ``pvekit passthrough verify``."""

    PROVEN = 0
    BROKEN = 1
    UNKNOWN = 2


@dataclass(frozen=True, slots=True)
class Trouble:
    """A call that did not do what it should: its name, what it was made on, the error's name ("": none) and text."""

    call: str
    on: str
    errno: str
    text: str

    def __str__(self) -> str:
        """Return it as one line."""
        name = f"{self.errno}, " if self.errno else ""
        return f"{self.call} on {self.on}: {name}{self.text}"


@dataclass(frozen=True, slots=True)
class Function:
    """One function of the card on the host. ``members`` are the devices of its group with their drivers."""

    bdf: str
    id: str
    klass: str
    driver: str
    group: str
    reset_method: str
    bars: tuple[Bar, ...] = ()
    members: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Region:
    """A region as VFIO gives it. ``word`` is the first one in it, in hex ("" not read)."""

    name: str
    size: int
    mappable: bool
    mapped: bool
    word: str
    trouble: Trouble | None


@dataclass(frozen=True, slots=True)
class Use:
    """What one function did in one cycle. ``reset`` is function, bus or "" (none was made).

    ``depends_on`` are the devices that a reset of the bus takes along.
    """

    bdf: str
    id: str
    regions: tuple[Region, ...]
    reset: str
    depends_on: tuple[str, ...]
    trouble: Trouble | None


@dataclass(frozen=True, slots=True)
class Holder:
    """Who has the card's group open. ``vmid`` and ``name`` are "" where that could not be found out."""

    node: str
    name: str
    vmid: str

    def __str__(self) -> str:
        """Return it in words."""
        if self.vmid:
            return f"in use by VM {self.vmid}"
        return f"in use by {self.name}" if self.name else "in use"


@dataclass(frozen=True, slots=True)
class Cycle:
    """One use of the card, from opening it to closing it. ``trouble`` is one of the whole group."""

    number: int
    uses: tuple[Use, ...]
    trouble: Trouble | None
    held: Holder | None


@dataclass(frozen=True, slots=True)
class Probe:
    """What the host showed. ``boot`` tells one start of the host from another, ``asked`` is how many cycles."""

    kernel: str
    boot: str
    asked: int
    functions: tuple[Function, ...]
    cycles: tuple[Cycle, ...]

    @property
    def holder(self) -> Holder | None:
        """Return who uses the card instead; None when it is free."""
        return next((cycle.held for cycle in self.cycles if cycle.held is not None), None)


@dataclass(frozen=True, slots=True)
class Compute:
    """A job on the card. ``done`` None: it was not made, and ``text`` says why."""

    done: bool | None
    text: str


@dataclass(frozen=True, slots=True)
class GuestLook:
    """What the VM showed after one start. ``number`` 0 is the look at a VM that ran already.

    ``complete`` is False where only the presence of devices was asked. ``failed`` is why the VM did not start,
    ``silent`` why it told nothing ("": it did). ``cause`` is what the checks name for it.
    """

    number: int
    devices: tuple[GuestDevice, ...] = ()
    log: tuple[Line, ...] = ()
    tools: tuple[str, ...] = ()
    compute: Compute = Compute(None, "")
    complete: bool = True
    failed: str = ""
    silent: str = ""
    cause: str = ""


@dataclass(frozen=True, slots=True)
class LayerProof:
    """What shows that one layer works."""

    layer: Layer
    id: str
    message: str
    evidence: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Proof:
    """The judgement. ``reasons`` say what is broken, or what is missing; ``notes`` are worth knowing."""

    held: Held
    reasons: tuple[str, ...]
    notes: tuple[str, ...]
    layers: tuple[LayerProof, ...]
    probe: Probe
    guest: str = ""
    looks: tuple[GuestLook, ...] = field(default=())


def parse_probe(text: str) -> Probe:
    """Read the answer of the program. Raises ValueError when it is none, or says that it could not."""
    return probe_of(parse_answer(text))


def probe_of(value: Mapping[str, Any]) -> Probe:
    """Read the object in it. Raises ValueError."""
    if not value.get("ok"):
        raise ValueError(str(value.get("error") or "an answer that says nothing"))
    if value.get("version") != VERSION:
        raise ValueError(f"an answer of version {value.get('version')!r}")
    try:
        return Probe(
            kernel=str(value["kernel"]),
            boot=str(value["boot"]),
            asked=int(value["asked"]),
            functions=tuple(_function(item) for item in value["functions"]),
            cycles=tuple(_cycle(item) for item in value["cycles"]),
        )
    except (KeyError, TypeError, AttributeError, json.JSONDecodeError) as error:
        raise ValueError(f"the answer lacks {error}") from error


def _function(value: Mapping[str, Any]) -> Function:
    texts = {name: str(value[name]) for name in ("bdf", "id", "driver", "group", "reset_method")}
    bars = tuple(
        Bar(int(bar["bar"]), int(bar["start"]), int(bar["size"]), bool(bar["ports"]), bool(bar["prefetchable"]))
        for bar in value["bars"]
    )
    members = tuple((str(item["bdf"]), str(item["driver"])) for item in value["members"])
    return Function(**texts, klass=str(value["class"]), bars=bars, members=members)


def _cycle(value: Mapping[str, Any]) -> Cycle:
    held = value["held"]
    return Cycle(
        int(value["number"]),
        tuple(_use(item) for item in value["functions"]),
        _trouble(value["trouble"]),
        None if held is None else Holder(str(held["node"]), str(held["name"]), str(held["vmid"])),
    )


def _use(value: Mapping[str, Any]) -> Use:
    regions = tuple(
        Region(str(item["name"]), int(item["size"]), bool(item["mappable"]), bool(item["mapped"]), str(item["word"]),
               _trouble(item["trouble"]))
        for item in value["regions"]
    )  # fmt: skip
    depends = tuple(str(item["bdf"]) for item in value["depends_on"])
    return Use(str(value["bdf"]), str(value["id"]), regions, str(value["reset"]), depends, _trouble(value["trouble"]))


def _trouble(value: Mapping[str, Any] | None) -> Trouble | None:
    if value is None:
        return None
    return Trouble(str(value["call"]), str(value["on"]), str(value["errno"]), str(value["text"]))
