"""The file a probe is written to: JSON that predictions take as hardware and explanations read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from pvekit.inference.hardware import Cpu, CpuClass, Gpu, GpuClass, Hardware, Isa, Memory
from pvekit.inference.observed import Guest, Host, Run
from pvekit.inference.probed.contradictions import Contradiction
from pvekit.model.missing import Missing

VERSION = 1


@dataclass(frozen=True, slots=True)
class Probed:
    """One probe. ``reads`` are GB/s of a streaming read by threads, in the guest and on the host.

    ``model`` is what the runs were made with, ``quant`` its quantisation and ``read`` the bytes it reads per token
    (None where no run was made). ``synthetic`` tells a model of random bytes.
    """

    name: str
    at: str
    hardware: Hardware
    guest: Guest
    host: Host
    runs: tuple[Run, ...] = ()
    reads: Mapping[str, Mapping[int, float]] = field(default_factory=dict)
    missing: Mapping[str, Missing] = field(default_factory=dict)
    contradictions: tuple[Contradiction, ...] = ()
    model: str | None = None
    quant: str | None = None
    read: int | None = None
    synthetic: bool = False


def write(probed: Probed) -> str:
    """Return the file's text."""
    return json.dumps({"pvekit-probe": VERSION, **_plain(asdict(probed))}, indent=2, ensure_ascii=False) + "\n"


def read(text: str) -> Probed:
    """Return what ``write`` wrote. Raises ValueError for anything else."""
    try:
        data = json.loads(text)
        if not isinstance(data, dict) or data.get("pvekit-probe") != VERSION:
            raise ValueError("it is no file of pvekit llm probe, or one of another version")
        return Probed(
            name=str(data["name"]),
            at=str(data["at"]),
            hardware=hardware_of(data["hardware"]),
            guest=_guest(data["guest"]),
            host=Host(**_own(Host, data["host"])),
            runs=tuple(_run(each) for each in data.get("runs", ())),
            reads={side: {int(count): float(rate) for count, rate in rates.items()}
                   for side, rates in data.get("reads", {}).items()},
            missing={key: Missing(value["source"], value["why"]) for key, value in data.get("missing", {}).items()},
            contradictions=tuple(Contradiction(**each) for each in data.get("contradictions", ())),
            model=data.get("model"),
            quant=data.get("quant"),
            read=data.get("read"),
            synthetic=bool(data.get("synthetic", False)),
        )  # fmt: skip
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"a field is missing or wrong: {error}") from error


def hardware_of(data: Mapping[str, Any]) -> Hardware:
    """Return hardware from the mapping that ``asdict`` makes of it. Raises ValueError, KeyError, TypeError."""
    cpu, memory = dict(data["cpu"]), dict(data["memory"])
    cpu = {"cores": None, "threads": None, "ghz": None, **cpu}
    isa = cpu.get("isa")
    cpu |= {"kind": CpuClass(cpu["kind"]), "isa": Isa(isa) if isa else None}
    cards = tuple(Gpu(**{**_own(Gpu, each), "kind": GpuClass(each["kind"])}) for each in data.get("gpus", ()))
    rest = {
        key: value for key, value in _own(Hardware, data).items() if key not in ("cpu", "memory", "gpus", "sources")
    }
    memory = {"channels": None, "populated": None, "megatransfers": None, **memory}
    return Hardware(cpu=Cpu(**_own(Cpu, cpu)), memory=Memory(**_own(Memory, memory)), gpus=cards,
                    sources=tuple(data.get("sources", ())), **rest)  # fmt: skip


def _guest(data: Mapping[str, Any]) -> Guest:
    found = _own(Guest, data)
    return Guest(**{**found, **({"isa": Isa(found["isa"])} if found.get("isa") else {})})


def _run(data: Mapping[str, Any]) -> Run:
    return Run(**{**_own(Run, data), "samples": tuple(data.get("samples", ())), "seen": None})


def _own(form: type[Any], data: Mapping[str, Any]) -> dict[str, Any]:
    names = {each.name for each in fields(form)}
    return {key: value for key, value in data.items() if key in names}


def _plain(value: Any) -> Any:
    """Return it without what nobody knows, and with text as the names of mappings."""
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items() if each is not None}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return value
