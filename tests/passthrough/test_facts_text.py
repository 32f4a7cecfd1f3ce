"""The facts that are read from logs and plain tables: real text, laws, and text that nobody expects."""

from __future__ import annotations

import dataclasses
import importlib
import os
import random
import re
import typing
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pvekit.model.bundle import Bundle, Line
from pvekit.model.missing import Missing
from pvekit.model.pci import Bdf
from pvekit.passthrough import logs
from pvekit.passthrough.asked import Asked
from pvekit.passthrough.facts import Facts
from pvekit.passthrough.facts.acpi import AcpiTables
from pvekit.passthrough.facts.boot import Boot
from pvekit.passthrough.facts.cmdline import Cmdline, Token, tokens_of
from pvekit.passthrough.facts.dmi import Dmi
from pvekit.passthrough.facts.guestlog import GuestLog
from pvekit.passthrough.facts.kernellog import KernelLog
from pvekit.passthrough.facts.modprobe import Modprobe
from pvekit.passthrough.facts.sources import Sources

FOLDER = Path(__file__).parent / "facts_text"
SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
FUZZ = int(os.environ.get("PVEKIT_FUZZ", "200"))
CASES = [(path.stem, number, case) for path in sorted(FOLDER.glob("*.yaml"))
         for number, case in enumerate(yaml.safe_load(path.read_text()), 1)]  # fmt: skip
MODULES = (
    "cmdline", "kernel", "pveversion", "processor", "memory", "kernellog", "startlog", "iommu", "acpi", "guestlog",
    "guestdriver", "limits", "interrupts", "modules", "modprobe", "parameters", "boot", "initramfs", "dmi",
)  # fmt: skip
FOLDERS = ("modprobe.d/", "modules-load.d/", "default-grub.d/")


@cache
def kinds() -> dict[str, type]:
    """Return the types of fact by name."""
    found = {}
    for name in MODULES:
        module = importlib.import_module(f"pvekit.passthrough.facts.{name}")
        (kind,) = (k for k in typing.get_args(typing.get_type_hints(module.read)["return"]) if k is not Missing)
        found[kind.__name__] = kind
    return found


def facts_of(files: Mapping[str, str]) -> Facts:
    """Return the facts of files that are named by their roles."""
    bundle = Bundle("case", files)
    roles: dict[str, tuple[Line, ...]] = {}
    for file in files:
        role = next((folder for folder in FOLDERS if file.startswith(folder)), file)
        roles[role] = (*roles.get(role, ()), *bundle.lines(file))
    return Facts(bundle, Asked(), Sources(roles))


def plain(value: Any) -> Any:
    """Return a fact as the data files write it: lines as ``file:number``, a log also with its texts and their count."""
    if isinstance(value, Missing):
        return "missing"
    if isinstance(value, Line):
        return f"{value.file}:{value.number}"
    if isinstance(value, Token | Bdf):
        return str(value)
    if dataclasses.is_dataclass(value):
        found = {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
        if isinstance(value, logs.Log):
            found["texts"] = list(dict.fromkeys(entry.text for entry in value.entries))
            found["count"] = len(value.entries)
        if isinstance(value, AcpiTables):
            found["iommu"] = value.iommu
        return found
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, tuple | list) else value


def matches(want: Any, found: Any) -> bool:
    """Tell whether all that is wanted is there; a list has to be as long as the wanted one."""
    if isinstance(want, dict) and isinstance(found, dict):
        return all(key in found and matches(item, found[key]) for key, item in want.items())
    if isinstance(want, list) and isinstance(found, list):
        return len(want) == len(found) and all(matches(a, b) for a, b in zip(want, found, strict=True))
    return bool(want == found)


@pytest.mark.parametrize(("name", "number", "case"), CASES, ids=[f"{name}-{number}" for name, number, _ in CASES])
def test_reads(name: str, number: int, case: dict[str, Any]) -> None:
    assert case["source"].strip()
    facts = facts_of(case["files"])
    for kind, want in case["expect"].items():
        found = plain(facts.get(kinds()[kind]))
        if isinstance(want, dict):
            assert isinstance(found, dict), f"{name}-{number}: {kind} is {found}"
            for key, item in want.items():
                exact = kind == "Boot" and key == "wanted"
                assert found[key] == item if exact else matches(item, found[key]), f"{kind}.{key}: {found[key]}"
        else:
            assert found == want


def test_every_reader_has_a_case() -> None:
    assert {kind for _, _, case in CASES for kind in case["expect"]} == set(kinds())


# What holds for any log, given a real one


def host(name: str) -> dict[str, str]:
    """Return the files of a recorded host by their roles."""
    folder = SHARED / "iommu-lab" / name
    if not folder.is_dir():
        pytest.skip("needs the recorded hosts, which are not here")
    names = {
        "cpuinfo_flags.txt": "cpuinfo.txt",
        "etc_default_grub": "default-grub.txt",
        "initramfs_modules.txt": "initramfs.txt",
        "etc_modules": "modules.txt",
    }
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            inside = str(path.relative_to(folder))
            found[names.get(inside, inside.removeprefix("etc_"))] = path.read_text(errors="replace")
    return found


HOSTS = ("default", "healthy", "intremap-off", "no-iommu-cmdline", "rom-missing", "shared-group", "vtd-off")


@pytest.mark.parametrize("name", HOSTS)
def test_recorded_hosts(name: str) -> None:
    facts = facts_of(host(name))
    log = facts.get(KernelLog)
    assert isinstance(log, KernelLog)
    assert log.whole
    assert len(log.entries) > 600
    iommu = facts.get(kinds()["IommuClass"])
    assert plain(iommu)["names"] == ([] if name in ("no-iommu-cmdline", "vtd-off") else ["dmar0"])
    tables = facts.get(AcpiTables)
    assert isinstance(tables, AcpiTables)
    assert tables.iommu == ("" if name == "vtd-off" else "DMAR")
    from_log = facts_of({"dmesg.txt": host(name)["dmesg.txt"]}).get(AcpiTables)
    assert isinstance(from_log, AcpiTables)
    assert from_log.names == tables.names
    boot = facts.get(Boot)
    assert isinstance(boot, Boot)
    assert (boot.uefi, boot.loader) == (False, "grub")
    running = facts.get(Cmdline)
    assert isinstance(running, Cmdline)
    assert {str(token) for token in boot.wanted["/etc/default/grub"]} <= {str(token) for token in running.tokens}
    for kind in ("Kernel", "Processor", "Memory", "LoadedModules", "Modprobe", "Parameters", "Initramfs", "Dmi"):
        assert not isinstance(facts.get(kinds()[kind]), Missing), kind
    assert plain(facts.get(kinds()["LoadedModules"]))["whole"]


STAMPS: dict[str, Callable[[float | None, str], str]] = {
    "none": lambda _seconds, text: text,
    "wall": lambda _seconds, text: f"[Sat Nov 22 10:00:01 2025] {text}",
    "journal": lambda _seconds, text: f"Nov 22 10:00:01 pve kernel: {text}",
    "syslog": lambda seconds, text: f"Nov 22 10:00:01 pve kernel: [{seconds or 0:12.6f}] {text}",
    "iso": lambda _seconds, text: f"2025-11-22T10:00:01.123456+01:00 pve kernel: {text}",
    "raw": lambda seconds, text: f"<6>[{seconds or 0:12.6f}] {text}",
    "caller": lambda seconds, text: f"[{seconds or 0:12.6f}][    T1] {text}",
}


@pytest.mark.parametrize("style", STAMPS)
def test_any_style_of_time_stamp_gives_the_same_log(style: str) -> None:
    text = host("healthy")["dmesg.txt"]
    log = facts_of({"dmesg.txt": text}).get(KernelLog)
    assert isinstance(log, KernelLog)
    other = "\n".join(STAMPS[style](entry.seconds, entry.text) for entry in log.entries)
    again = facts_of({"dmesg.txt": other}).get(KernelLog)
    assert isinstance(again, KernelLog)
    assert [entry.text for entry in again.entries] == [entry.text for entry in log.entries]
    assert again.whole


GREPS = (
    "DMAR|IOMMU",
    "(?i)dmar|iommu|acpi|command line|linux version",
    "(?i)pci|vfio|acpi|e820|linux|iommu",
    "(?i)err|fail",
)


@pytest.mark.parametrize("keep", GREPS)
def test_what_a_grep_leaves_is_not_whole(keep: str) -> None:
    text = host("healthy")["dmesg.txt"]
    left = "\n".join(line for line in text.splitlines() if re.search(keep, line))
    log = facts_of({"dmesg.txt": left}).get(KernelLog)
    assert isinstance(log, KernelLog)
    assert not log.whole


def test_a_log_that_was_cut_is_not_whole() -> None:
    lines = host("healthy")["dmesg.txt"].splitlines()
    for cut in (lines[:200], lines[50:], [*lines[:300], "[...]", *lines[400:]], [*lines[:300], "--", *lines[400:]]):
        log = facts_of({"dmesg.txt": "\n".join(cut)}).get(KernelLog)
        assert isinstance(log, KernelLog)
        assert not log.whole


def test_only_the_last_start_counts() -> None:
    text = host("vtd-off")["dmesg.txt"]
    for kind, file in ((KernelLog, "dmesg.txt"), (GuestLog, "guest/dmesg.txt")):
        log = facts_of({file: host("healthy")["dmesg.txt"] + text}).get(kind)
        alone = facts_of({file: text}).get(kind)
        assert isinstance(log, logs.Log)
        assert isinstance(alone, logs.Log)
        assert log.whole
        assert [entry.text for entry in log.entries] == [entry.text for entry in alone.entries]


def test_a_match_in_a_wrapped_message_names_its_own_line() -> None:
    log = facts_of(
        {
            "guest/dmesg.txt": "[    5.100000] NVRM: This PCI I/O region assigned to your NVIDIA device is invalid:\n"
            "               NVRM: BAR0 is 0M @ 0x0 (PCI:0000:01:00.0)\n"
        }
    ).get(GuestLog)
    assert isinstance(log, GuestLog)
    hit = log.first(r"BAR\d is 0M @ 0x0")
    assert hit is not None
    assert hit[1].number == 2
    assert log.first("nothing") is None


def test_the_options_of_a_module_are_those_written_last() -> None:
    text = "options vfio-pci ids=10de:1c07 disable_vga=1\noptions vfio_pci ids=10de:1c08\n"
    found = facts_of({"modprobe.d/a.conf": text}).get(Modprobe)
    assert isinstance(found, Modprobe)
    assert {name: value for name, (value, _) in found.options("vfio_pci").items()} == {
        "ids": "10de:1c08",
        "disable_vga": "1",
    }


def test_words_of_an_option() -> None:
    found = facts_of({"cmdline.txt": "intel_iommu=on,sm_on iommu=pt intel_iommu=relax_rmrr\n"}).get(Cmdline)
    assert isinstance(found, Cmdline)
    assert found.words("intel_iommu") == {"on", "sm_on", "relax_rmrr"}
    assert [token.value for token in found.all("intel_iommu")] == ["on,sm_on", "relax_rmrr"]
    assert found.words("quiet") == frozenset()


WORD = st.text(st.characters(codec="ascii", categories=("L", "N"), include_characters="_-.:,/"), min_size=1).filter(
    lambda word: word != "--"
)


@given(st.lists(st.tuples(WORD, st.none() | WORD | st.text("ab =", max_size=5))))
@settings(max_examples=FUZZ, deadline=None)
def test_options_are_split_as_the_kernel_splits_them(options: list[tuple[str, str | None]]) -> None:
    line = Line("cmdline.txt", 1, "")
    written = " ".join(name if value is None else f'{name}="{value}"' for name, value in options)
    assert [(token.name, token.value) for token in tokens_of(written, line)] == options


@pytest.mark.parametrize("path", sorted((SHARED / "z440" / "dmi").glob("*.txt")), ids=lambda path: path.stem)
def test_slots_of_real_machines(path: Path) -> None:
    text = path.read_text(errors="replace")
    found = facts_of({"dmi.txt": text}).get(Dmi)
    assert isinstance(found, Dmi)
    assert "Z440" in found.values["product_name"]
    assert found.values["board_name"] == "212B"
    assert found.values["bios_version"].startswith("M60 ")
    slots = {slot.name: slot for slot in found.slots}
    assert len(found.slots) == text.count("System Slot Information") == 6
    assert set(slots) == {f"SLOT {number}" for number in range(1, 7)}
    assert all(slot.bdf is not None and slot.in_use is not None for slot in found.slots)
    assert slots["SLOT 2"].kind.endswith("PCI Express 3")
    summary = (SHARED / "z440" / "dmi_summary.txt").read_text()
    listed = next(line for line in summary.splitlines() if line.startswith(path.stem))
    used = listed.split("slots in use: ")[1].split("|")[0].strip(",").split(",")
    assert {name.split()[1] for name, slot in slots.items() if slot.in_use} == set(used)


# Text that nobody expects: always the fact or Missing, never an exception

ROLES: dict[str, tuple[str, ...]] = {
    "Cmdline": ("cmdline.txt", "dmesg.txt"),
    "Kernel": ("uname.txt", "dmesg.txt", "pveversion.txt", "cmdline.txt"),
    "PveVersion": ("pveversion.txt",),
    "Processor": ("cpuinfo.txt", "dmesg.txt"),
    "Memory": ("meminfo.txt",),
    "KernelLog": ("dmesg.txt",),
    "StartLog": ("task.log", "qemu.log", "libvirt.log"),
    "IommuClass": ("sys_class_iommu.txt",),
    "AcpiTables": ("acpi_tables.txt", "dmesg.txt"),
    "GuestLog": ("guest/dmesg.txt",),
    "GuestDriver": ("guest/nvidia-smi.txt", "guest/modinfo.txt", "guest/dmesg.txt"),
    "Limits": ("ulimit.txt",),
    "Interrupts": ("interrupts.txt",),
    "LoadedModules": ("lsmod.txt",),
    "Modprobe": ("modprobe.d.txt", "modprobe.d/x.conf", "modules.txt", "modules-load.d/x.conf"),
    "Parameters": ("module_params.txt",),
    "Boot": ("boot.txt", "default-grub.txt", "kernel-cmdline.txt", "cmdline.txt", "dmesg.txt"),
    "Initramfs": ("initramfs.txt",),
    "Dmi": ("dmi.txt", "dmesg.txt"),
}


@cache
def samples(role: str) -> tuple[str, ...]:
    """Return the real texts that the data files have for a role."""
    texts = [text for _, _, case in CASES for file, text in case["files"].items() if file == role]
    return tuple(texts) or ("options vfio-pci ids=10de:1c07\nvfio\n",)


def mutated(text: str, seed: int) -> str:
    """Return a text with bytes replaced, lines swapped, doubled or dropped, and cut anywhere."""
    chance = random.Random(seed)
    lines = text.split("\n")
    for _ in range(chance.randint(1, 4)):
        place, other = chance.randrange(len(lines)), chance.randrange(len(lines))
        match chance.randrange(6):
            case 0:
                lines[place], lines[other] = lines[other], lines[place]
            case 1:
                lines.insert(place, lines[other])
            case 2 if len(lines) > 1:
                del lines[place]
            case 3 if lines[place]:
                cut, odd = chance.randrange(len(lines[place])), chance.choice("\0\t \"'\\=:[]()#-\u2028é٣²\ud800")
                lines[place] = lines[place][:cut] + odd + lines[place][cut + 1 :]
            case 4:
                lines[place] = lines[place] * chance.randint(2, 40)
            case _:
                lines[place] = lines[place][: chance.randrange(len(lines[place]) + 1)]
    joined = "\n".join(lines)
    return joined[: chance.randrange(len(joined) + 1)] if chance.random() < 0.3 else joined


ODD = st.text(st.sampled_from(" \t\n\"'\\=:[](){}#$-+<>/.,0123456789abcdefxPIOMUKernl\u2028\xa0٣²"), max_size=120)
TEXT = st.one_of(st.text(max_size=60), ODD)


@pytest.mark.parametrize("name", ROLES)
def test_arbitrary_text_gives_the_fact_or_missing(name: str) -> None:
    kind = kinds()[name]

    @given(st.dictionaries(st.sampled_from(ROLES[name]), TEXT, min_size=1))
    @settings(max_examples=FUZZ, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    def law(files: dict[str, str]) -> None:
        assert isinstance(facts_of(files).get(kind), kind | Missing)

    law()


@pytest.mark.parametrize("name", ROLES)
def test_damaged_real_text_gives_the_fact_or_missing(name: str) -> None:
    kind = kinds()[name]

    @given(st.data(), st.lists(st.sampled_from(ROLES[name]), min_size=1, unique=True))
    @settings(max_examples=FUZZ, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    def law(data: st.DataObject, roles: list[str]) -> None:
        files = {
            role: mutated(data.draw(st.sampled_from(samples(role))), data.draw(st.integers(0, 1 << 32)))
            for role in roles
        }
        assert isinstance(facts_of(files).get(kind), kind | Missing)

    law()


def test_long_lines_take_no_time() -> None:
    parts = ("[", "a/", "Nov 22 ", "root@pve:", "1 ", '"', "# /etc", "a_b.c=", "[0.1] ", "Tainted: ", "DMI: a/", "-",
             "a", "ommand line: vmlinuz-", "/sys/module/a/parameters/b", "Comm: 1.1", "(versions: ",
             "$GRUB_CMDLINE_LINUX")  # fmt: skip
    long = [part * (20000 // len(part)) for part in parts]
    for name, roles in ROLES.items():
        found = facts_of({role: "\n".join(long) for role in roles}).get(kinds()[name])
        assert isinstance(found, kinds()[name] | Missing)
