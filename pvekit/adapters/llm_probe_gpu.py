"""Graphics cards and what llama.cpp finds, out of the answer of templates/host/llm-probe.sh."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from pvekit.adapters.llm_probe_cpu import values
from pvekit.model.bundle import Bundle

_BACKEND = re.compile(r"load_backend: loaded (?P<name>\S+) backend from (?P<path>\S+)")
_VARIANT = re.compile(r"libggml-cpu-(?P<variant>[A-Za-z0-9_-]+)\.so")
_DEVICE = re.compile(r"^\s+(?P<id>[A-Za-z]+\d+): (?P<name>.+?) \((?P<total>\d+) MiB, (?P<free>\d+) MiB free\)")
_GENERATION = {"2.5": 1, "5.0": 2, "5": 2, "8.0": 3, "8": 3, "16.0": 4, "16": 4, "32.0": 5, "32": 5, "64.0": 6}


@dataclass(frozen=True, slots=True)
class Card:
    """One card. Sizes in bytes; link generations and lanes None where nobody says."""

    name: str
    driver: str | None = None
    memory: int | None = None
    used: int | None = None
    busy_percent: float | None = None
    capability: str | None = None
    generation: int | None = None
    width: int | None = None
    generation_max: int | None = None
    width_max: int | None = None
    watts: float | None = None


@dataclass(frozen=True, slots=True)
class Llama:
    """What llama.cpp loaded: CPU variant, backends, devices (name and bytes). ``cuda`` is that of its runtime."""

    variant: str | None
    backends: tuple[str, ...]
    devices: tuple[tuple[str, int], ...]
    cuda: str | None


def cards(bundle: Bundle) -> tuple[Card, ...]:
    """Return the cards: those the driver names, else those of the PCI bus that are no emulated display."""
    lines = bundle.files.get("nvidia.csv", "").splitlines()
    found = [_nvidia([part.strip() for part in line.split(",")]) for line in lines if line.count(",") == 11]
    if found:
        return tuple(found)
    texts = [text for name, text in sorted(bundle.files.items()) if name.startswith("pci/")]
    seen = [_card(dict(values(text))) for text in texts]
    return tuple(card for card in seen if card is not None)


def _nvidia(row: list[str]) -> Card:
    name, driver, total, used, busy, capability, *links, _heat, watts = row
    generation, width, generation_max, width_max = (_whole(text) for text in links)
    return Card(
        name=name,
        driver=driver or None,
        memory=_mib(total),
        used=_mib(used),
        busy_percent=_real(busy),
        capability=capability if re.fullmatch(r"\d+\.\d", capability) else None,
        generation=generation,
        width=width,
        generation_max=generation_max,
        width_max=width_max,
        watts=_real(watts),
    )


def _card(fields: Mapping[str, str]) -> Card | None:
    by = {path.rpartition("/")[2]: value for path, value in fields.items()}
    vendor = by.get("vendor", "")
    if vendor not in ("0x10de", "0x1002", "0x8086"):  # emulated displays carry other makers' numbers
        return None
    return Card(
        name=f"{vendor[2:]}:{by.get('device', '')[2:]}",
        driver=by.get("version"),
        generation=link(by.get("current_link_speed", "")),
        width=_whole(by.get("current_link_width", "")),
        generation_max=link(by.get("max_link_speed", "")),
        width_max=_whole(by.get("max_link_width", "")),
    )


def link(speed: str) -> int | None:
    """Return the generation of a link speed as sysfs writes it (``8.0 GT/s PCIe``)."""
    return _GENERATION.get(speed.partition(" ")[0])


def llama(bundle: Bundle) -> Llama | None:
    """Return what llama.cpp loaded; None when it is not there."""
    if "llama.txt" not in bundle.files:
        return None
    text = bundle.files["llama.txt"]
    loaded = [(match["name"], match["path"]) for match in _BACKEND.finditer(text)]
    runtime = re.search(r"libcudart\.so\.(\d+(?:\.\d+)?)", bundle.files.get("cuda.txt", ""))
    devices = [(match["name"], int(match["total"]) * 2**20) for match in map(_DEVICE.match, text.splitlines()) if match]
    return Llama(
        variant=variant(text),
        backends=tuple(dict.fromkeys(name for name, _ in loaded)),
        devices=tuple(devices),
        cuda=runtime[1] if runtime else None,
    )


def variant(stderr: str) -> str | None:
    """Return the CPU variant that llama.cpp says it loaded, such as ``haswell``; the last one counts."""
    found = [match["path"] for match in _BACKEND.finditer(stderr) if match["name"] == "CPU"]
    name = _VARIANT.search(found[-1]) if found else None
    return name["variant"] if name else None


def _mib(text: str) -> int | None:
    number = _whole(text)
    return None if number is None else number * 2**20


def _whole(text: str) -> int | None:
    return int(text) if text.isdigit() else None


def _real(text: str) -> float | None:
    return float(text) if re.fullmatch(r"\d+(\.\d+)?", text) else None
