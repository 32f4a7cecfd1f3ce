"""The facts about PCI devices, groups, memory and VM configurations: real forms of text, laws, damaged text."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pvekit.model.bundle import Bundle, Line
from pvekit.model.finding import Layer
from pvekit.model.missing import Missing
from pvekit.model.pci import Bdf
from pvekit.passthrough.asked import Asked
from pvekit.passthrough.facts import Facts
from pvekit.passthrough.facts.devices import Device, Devices
from pvekit.passthrough.facts.groups import IommuGroups
from pvekit.passthrough.facts.guestdevices import GuestDevices
from pvekit.passthrough.facts.iomem import Iomem
from pvekit.passthrough.facts.lspci import Bar, PciListing
from pvekit.passthrough.facts.reserved import ReservedRegions
from pvekit.passthrough.facts.sources import Sources
from pvekit.passthrough.facts.sysfs import PciSysfs
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.facts.vmconf import VmConfig, VmConfigs
from pvekit.passthrough.facts.windows import RootWindows
from pvekit.passthrough.lspcitext import CLASSES, described
from pvekit.passthrough.reached import reached

DATA = Path(__file__).parent / "facts_pci"
SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
CASES = [
    pytest.param(case, id=f"{path.stem}-{case['name']}")
    for path in sorted(DATA.glob("*.yaml"))
    for case in yaml.safe_load(path.read_text())
]


def facts_of(files: dict[str, Any], asked: Asked | None = None) -> Facts:
    """Return the facts of texts by role; a role of a folder has texts by file."""
    roles: dict[str, tuple[Line, ...]] = {}
    texts: dict[str, str] = {}
    for role, text in files.items():
        inside = text if isinstance(text, dict) else {role: text}
        texts |= inside
        bundle = Bundle("texts", inside)
        roles[role] = tuple(line for name in inside for line in bundle.lines(name))
    return Facts(Bundle("texts", texts), asked or Asked(), Sources(roles))


def asked_of(case: dict[str, Any]) -> Asked:
    asked = case.get("asked", {})
    return Asked(asked.get("vm"), Bdf.parse(asked["device"]) if "device" in asked else None)


def size_of(size: int | None) -> str:
    if not size:
        return "-"
    power = max(power for power in range(0, 50, 10) if not size % (1 << power))
    return f"{size >> power}{' KMGT'[power // 10].strip()}"


def bar_of(bar: Bar) -> str:
    at = "-" if bar.start is None else f"{bar.start:x}"
    words = [str(bar.number), at, size_of(bar.size), str(bar.bits), "pref" if bar.prefetchable else "", bar.state]
    return " ".join(filter(None, [*words, "io" if bar.io else ""]))


def short(bdf: Bdf) -> str:
    return str(bdf).removeprefix("0000:")


def shorts(bdfs: Any) -> list[str]:
    return [short(bdf) for bdf in bdfs]


def fields(thing: object, wanted: dict[str, Any]) -> dict[str, Any]:
    values = {name: getattr(thing, name) for name in wanted}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


def groups(facts: Facts, wanted: Any) -> Any:
    found = facts.get(IommuGroups)
    if isinstance(found, Missing):
        return "missing"
    assert all(found.of(bdf) == number for number, members in found.members.items() for bdf in members)
    assert {bdf for members in found.members.values() for bdf in members} <= set(found.lines)
    members = {number: shorts(bdfs) for number, bdfs in found.members.items()}
    return {name: {"members": members, "whole": found.whole}[name] for name in wanted}


def device(facts: Facts, address: str) -> Device:
    found = facts.get(Devices)
    assert not isinstance(found, Missing)
    return found.by_bdf[Bdf.parse(address)]


def devices(facts: Facts, wanted: Any) -> Any:
    return {address: fields(device(facts, address), values) for address, values in wanted.items()}


def whole(facts: Facts, wanted: Any) -> Any:
    found = facts.get(Devices)
    assert not isinstance(found, Missing)
    return found.whole


def bars(facts: Facts, wanted: Any) -> Any:
    return {address: [bar_of(bar) for bar in device(facts, address).bars] for address in wanted}


def rom(facts: Facts, wanted: Any) -> Any:
    found = {address: device(facts, address).listed for address in wanted}
    return {address: bar_of(entry.rom) for address, entry in found.items() if entry and entry.rom}


def broken(facts: Facts, wanted: Any) -> Any:
    found = facts.get(PciListing)
    assert not isinstance(found, Missing)
    return [short(entry.bdf) for entry in found.devices.values() if entry.broken]


def listing(facts: Facts, wanted: Any) -> Any:
    found = facts.get(PciListing)
    return "missing" if isinstance(found, Missing) else fields(found, wanted)


def capability(facts: Facts, wanted: Any) -> Any:
    return {
        address: {name: len(entry.capability(name)) for name in names}
        for address, names in wanted.items()
        if (entry := device(facts, address).listed)
    }


def sysfs(facts: Facts, wanted: Any) -> Any:
    found = facts.get(PciSysfs)
    assert not isinstance(found, Missing)
    return {address: fields(found.devices[Bdf.parse(address)], values) for address, values in wanted.items()}


def values(facts: Facts, wanted: Any) -> Any:
    found = facts.get(PciSysfs)
    assert not isinstance(found, Missing)
    known = {address: found.devices[Bdf.parse(address)].values for address in wanted}
    return {address: {key: known[address][key] for key in keys} for address, keys in wanted.items()}


def iomem(facts: Facts, wanted: Any) -> Any:
    found = facts.get(Iomem)
    return "missing" if isinstance(found, Missing) else [f"{item.depth} {item.owner}" for item in found.ranges]


def windows(facts: Facts, wanted: Any) -> Any:
    found = facts.get(RootWindows)
    if isinstance(found, Missing):
        return "missing"
    return [f"{item.bus} {item.start:x}-{item.end:x} {'high' if item.high else 'low'}" for item in found.windows]


def reserved(facts: Facts, wanted: Any) -> Any:
    found = facts.get(ReservedRegions)
    assert not isinstance(found, Missing)
    return {
        group: [f"{item.start:x}-{item.end:x} {item.kind}" for item in regions]
        for group, regions in found.by_group.items()
    }


def vm(found: VmConfig, wanted: dict[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    for name, value in wanted.items():
        if name == "values":
            shown[name] = {key: found.values[key] for key in value}
        elif name == "hostpci":
            entries = {entry.key: entry for entry in found.hostpci}
            shown[name] = {key: fields(entries[key], value.get(key, {})) for key in entries}
        elif name == "waiting":
            shown[name] = {key: f"{line.file}:{line.number}" for key, line in found.waiting.items()}
        else:
            shown[name] = getattr(found, name)
    return shown


def vms(facts: Facts, wanted: Any) -> Any:
    found = facts.get(VmConfigs)
    if isinstance(found, Missing):
        return "missing"
    return {item.vmid or "-": vm(item, wanted.get(item.vmid or "-", {})) for item in found.vms}


def target(facts: Facts, wanted: Any) -> Any:
    found = facts.get(Target)
    if isinstance(found, Missing):
        return "missing"
    card = found.card
    shown = {
        "bdfs": shorts(found.bdfs),
        "functions": shorts(item.bdf for item in found.functions),
        "vmid": found.vmid,
        "why": found.why,
        "card": short(card.bdf) if card else None,
    }
    return {name: shown[name] for name in wanted}


def came(facts: Facts, wanted: Any) -> Any:
    found = reached(facts)
    shown = {"layer": list(Layer)[found.rank].name, "healthy": found.healthy}
    assert bool(found.why) == (found.rank > 0 or found.healthy)
    return {name: shown[name] for name in wanted}


SHOWN: dict[str, Callable[[Facts, Any], Any]] = {
    "groups": groups, "devices": devices, "whole": whole, "bars": bars, "rom": rom, "broken": broken,
    "listing": listing, "capability": capability, "sysfs": sysfs, "values": values, "iomem": iomem,
    "windows": windows, "reserved": reserved, "vms": vms, "target": target, "reached": came,
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_text(case: dict[str, Any]) -> None:
    assert set(case) <= {"name", "source", "files", "asked", "expect"}
    assert case["source"].strip()
    facts = facts_of(case["files"], asked_of(case))
    for name, wanted in case["expect"].items():
        assert SHOWN[name](facts, wanted) == wanted, name


KINDS: tuple[type, ...] = (
    PciListing, PciSysfs, IommuGroups, ReservedRegions, Iomem, RootWindows, Devices, VmConfigs, GuestDevices, Target,
)  # fmt: skip
ROLES = (
    "lspci.txt", "pci_sysfs.txt", "reset_method.txt", "power_state.txt", "iommu_groups.txt", "reserved_regions.txt",
    "iomem.txt", "dmesg.txt", "vm.conf", "vms/", "pending.txt", "guest/lspci.txt",
)  # fmt: skip
TEXTS = [
    text
    for param in CASES
    for found in param.values[0]["files"].values()  # type: ignore[index]
    for text in (found.values() if isinstance(found, dict) else [found])
]
MANY = settings(
    max_examples=int(os.environ.get("PVEKIT_FUZZ", "200")),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def holds(texts: dict[str, str]) -> None:
    """Every fact is its type or Missing with a reason, whatever the text."""
    facts = facts_of(texts)
    for kind in KINDS:
        found = facts.get(kind)
        assert isinstance(found, (kind, Missing))
        assert not isinstance(found, Missing) or (found.source and found.why)
    assert 0 <= reached(facts).rank < len(Layer)


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """Return real text with pieces cut out, doubled, changed, or mixed with another text."""
    text = str(draw(st.sampled_from(TEXTS)))
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(text)))
        end = draw(st.integers(start, min(len(text), start + 80)))
        other = draw(
            st.one_of(
                st.text(max_size=12),
                st.sampled_from(["", "\n", "\t", ":", "0", "f" * 20, "9" * 30, "> ", "01:00.0", "[]", "²", "\x00"]),
                st.sampled_from(TEXTS),
            )
        )
        text = text[:start] + other + text[end:]
    return text


@MANY
@given(st.sampled_from(ROLES), st.text(max_size=400))
def test_any_text_gives_a_fact_or_missing(role: str, text: str) -> None:
    holds({role: text})


@MANY
@given(st.dictionaries(st.sampled_from(ROLES), mutated(), min_size=1, max_size=4))
def test_damaged_text_gives_a_fact_or_missing(texts: dict[str, str]) -> None:
    holds(texts)


def addresses() -> st.SearchStrategy[Bdf]:
    return st.builds(Bdf, st.integers(0, 0xFFFF), st.integers(0, 0xFF), st.integers(0, 0x1F), st.integers(0, 7))


CARD = "VGA compatible controller [0300]: Maker Card [10de:1c03] (rev a1)"
FORMS: tuple[Callable[[int, Bdf], str], ...] = (
    lambda group, bdf: f"IOMMU Group {group} {short(bdf)} {CARD}",
    lambda group, bdf: f"IOMMU Group {group}:\n\t{bdf} {CARD}",
    lambda group, bdf: f"Group:  {group}  {bdf} {CARD}   Driver: vfio-pci",
    lambda group, bdf: f"Group {group}: [10de:1c03] [R] {short(bdf)}  VGA compatible controller   Card",
    lambda group, bdf: f"{group} {bdf} [10de:1c03] 0300",
)


@MANY
@given(st.dictionaries(addresses(), st.integers(0, 999), min_size=1, max_size=20), st.sampled_from(FORMS))
def test_every_form_of_a_list_says_the_same(members: dict[Bdf, int], form: Callable[[int, Bdf], str]) -> None:
    facts = facts_of({"iommu_groups.txt": "\n".join(form(group, bdf) for bdf, group in members.items())})
    found = facts.get(Devices)
    assert not isinstance(found, Missing)
    assert {item.bdf: item.group for item in found} == members
    assert {(item.klass, item.id) for item in found} == {("0300", "10de:1c03")}


@MANY
@given(st.sampled_from(sorted(CLASSES)))
def test_class_names_and_numbers_agree(name: str) -> None:
    bdf = Bdf(0, 1, 0, 0)
    numbered = described(bdf, f"{name.capitalize()} [{CLASSES[name]}]: Maker Thing [10de:1c03] (rev a1)")
    worded = described(bdf, f"{name.capitalize()}: Maker Thing (rev a1)")
    assert numbered
    assert worded
    assert numbered.klass == worded.klass == CLASSES[name]
    assert numbered.name == worded.name == "Maker Thing"


RECORDED = sorted(path for path in (SHARED / "iommu-lab").glob("*") if path.is_dir())


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the recorded hosts, which are not here")
@pytest.mark.parametrize("folder", RECORDED, ids=lambda path: path.name)
def test_every_source_of_a_recorded_host_says_the_same(folder: Path) -> None:
    """The listing, /sys, the groups and the kernel log of one host describe the same devices."""

    def seen(**names: str) -> Devices:
        found = facts_of({role.replace("_txt", ".txt"): (folder / name).read_text() for role, name in names.items()})
        devices = found.get(Devices)
        assert not isinstance(devices, Missing)
        assert devices.whole
        return devices

    lspci = seen(lspci_txt="lspci-nnvvk.txt")
    log = seen(dmesg_txt="dmesg.txt")
    files = seen(pci_sysfs_txt="pci_sysfs.txt")
    assert {(item.bdf, item.klass, item.id) for item in lspci} == {(item.bdf, item.klass, item.id) for item in log}
    # Some drivers came between the two recordings: only a driver that lspci shows can be compared.
    bound = {item.bdf: item.driver for item in lspci if item.driver}
    assert bound
    assert bound == {bdf: files.by_bdf[bdf].driver for bdf in bound}
    listed = facts_of({"iommu_groups.txt": (folder / "iommu_groups.txt").read_text()}).get(IommuGroups)
    assert not isinstance(listed, Missing)
    assert listed.whole
    assert {item.bdf: item.group for item in files if item.group is not None} == {
        bdf: group for group, members in listed.members.items() for bdf in members
    }


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the recorded hosts, which are not here")
def test_recorded_memory_windows() -> None:
    log = SHARED / "z440" / "dmesg" / "DEE79AC60623_2022_above-4g-window.txt"
    found = facts_of({"dmesg.txt": log.read_text(errors="replace")}).get(RootWindows)
    assert not isinstance(found, Missing)
    assert any(item.high and item.end - item.start + 1 == 2 << 30 for item in found.windows)
