"""Putting the lines of a bundle into roles."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby, takewhile

from pvekit.model.bundle import Bundle, Line
from pvekit.passthrough.pattern import Pattern
from pvekit.passthrough.sorting import looks, names
from pvekit.passthrough.sorting.cut import Run, announces, cut, holds
from pvekit.passthrough.sorting.unwrap import unwrapped


@dataclass(frozen=True, slots=True)
class _Part:
    """Lines of one file that have one role.

    ``guess``: its side was not told, so that the text may show it. ``announced``: at least the person named it.
    """

    role: str
    file: str
    lines: tuple[Line, ...]
    guess: bool = False
    announced: bool = False


_CANONICAL = Pattern(r"(?:.*/)?(?:dmesg|lspci|iommu_groups|task|qemu|boot|cmdline|journal)\.(?:txt|log)")
_NEVER_CUT = frozenset({"note.txt", "modprobe.d/", "modules-load.d/", "default-grub.txt", "default-grub.d/", "vms/",
                        "vm.conf", "grub.cfg", "baseline.json"})  # fmt: skip
_NO_GUEST = names.HOST_ONLY | {"boot.txt", "modprobe.d/"}
_SIGNS = {
    "dmesg.txt": Pattern(
        r"Hypervisor detected: |DMI: (?:QEMU|Red Hat|VMware)|Booting paravirtualized kernel on KVM|\bkvm-clock: "
    ),
    "lspci.txt": Pattern(
        r"\[(?:1234:1111|1af4:[0-9a-f]{4}|1b36:[0-9a-f]{4})\]|QEMU Virtual Machine|: Red Hat, Inc\. (?:Virtio|QXL|QEMU)"
    ),
}
"""What shows that a machine is a virtual one."""
_HOST_SIGN = Pattern(r"\bvfio[-_]pci\b|\bvfio_")
"""A host that is itself a virtual machine has these too."""


def sort(bundle: Bundle) -> tuple[Mapping[str, tuple[Line, ...]], tuple[str, ...]]:
    """Return the lines by role, and the files that nobody can read."""
    depth = names.common(bundle.files)
    parts: list[_Part] = []
    unknown: list[str] = []
    further: list[_Part] = []
    for file in sorted(bundle.files):
        lines = tuple(unwrapped(bundle.lines(file)))
        found = names.named(file, depth)
        if found is not None:
            parts.append(_Part(found.role, file, lines))
            further += _further(found.role, file, lines)
            continue
        runs = [_part(file, run) for run in cut(unwrapped(_unindented(lines)), names.side(file, depth))]
        parts += runs
        if not runs:
            unknown.append(file)
    there = {part.role for part in parts}
    parts += [part for part in further if part.role not in there]
    parts = _with_command_line(_with_listing(_sided(parts)))
    roles: dict[str, list[_Part]] = {}
    for part in parts:
        roles.setdefault(part.role, []).append(part)
    return {role: _joined(role, found) for role, found in roles.items()}, tuple(unknown)


def _unindented(lines: Iterable[Line]) -> list[Line]:
    """Take away the indent that Markdown wants of code: four spaces or a tab, before every line of a paragraph."""
    found: list[Line] = []
    for blank, block in groupby(lines, key=lambda line: not line.text.strip()):
        part = list(block)
        if not blank and all(line.text.startswith(("    ", "\t")) for line in part):
            indents = [line.text[: len(line.text) - len(line.text.lstrip())] for line in part]
            common = takewhile(lambda signs: len(set(signs)) == 1, zip(*indents, strict=False))
            width = len(list(common))
            part = [Line(line.file, line.number, line.text[width:]) for line in part]
        found += part
    return found


def _part(file: str, run: Run) -> _Part:
    role = run.role
    lines = tuple(Line(line.file, line.number, looks.typed(line.text)) for line in run.lines)
    guest = run.side == "guest" and not (role == "dmesg.txt" and _speaks_as_host(lines))
    if guest and role not in _NO_GUEST and not role.startswith("guest/"):
        role = f"guest/{role}"
    elif run.side == "host" and role.startswith("guest/") and role != "guest/dmesg.txt":
        role = role.removeprefix("guest/")
    return _Part(role, file, lines, guess=not run.side, announced=run.announced)


def _speaks_as_host(lines: Iterable[Line]) -> bool:
    """Tell whether a log that words around it give to a guest is the host's: vfio-pci works for guests, not in them."""
    texts = [line.text for line in lines]
    virtual = _SIGNS["dmesg.txt"]
    return any(_HOST_SIGN.search(text) for text in texts) and not any(virtual.search(text) for text in texts)


def _further(role: str, file: str, lines: tuple[Line, ...]) -> list[_Part]:
    """Return what a file holds besides that which its name says.

    Under the bundle's own names only what a shell prompt announces counts; a name of somebody's own making counts
    less than the lines, where none of them is what the name says.
    """
    canonical = _CANONICAL.fullmatch(file.lower()) is not None
    # Cutting takes long, and most files hold one thing: nothing is announced in them.
    if role in _NEVER_CUT:
        return []
    side = "guest" if role.startswith("guest/") else ""
    bare = role.removeprefix("guest/")
    if not any(announces(line) for line in lines) and (canonical or holds(lines, side, bare)):
        return []
    runs = cut(lines, side)
    found = [run for run in runs if run.role.removeprefix("guest/") != bare]
    if canonical or len(found) < len(runs):
        found = [run for run in found if run.announced]
    return [_part(file, run) for run in found]


def _sided(parts: Iterable[_Part]) -> list[_Part]:
    """Give the guest what shows a virtual machine, where the bundle has something of the host as well."""
    parts = list(parts)
    return [_Part(f"guest/{part.role}", part.file, part.lines) if _of_guest(part, parts) else part for part in parts]


def _of_guest(part: _Part, parts: Iterable[_Part]) -> bool:
    if not part.guess or not _virtual(part):
        return False
    others = [other for other in parts if other is not part]
    if any(other.role == part.role and not _virtual(other) for other in others):
        return True
    return not part.announced and any(other.role in names.HOST_ONLY - {"note.txt"} for other in others)


def _virtual(part: _Part) -> bool:
    signs = _SIGNS.get(part.role)
    if signs is None or not any(signs.search(line.text) for line in part.lines):
        return False
    return not any(_HOST_SIGN.search(line.text) for line in part.lines)


_DRIVER = Pattern(r"^\s+Kernel driver in use: ")


def _with_listing(parts: list[_Part]) -> list[_Part]:
    """Take a list of groups for a listing of lspci too where it shows the drivers and there is no other listing."""
    if any(part.role == "lspci.txt" for part in parts):
        return parts
    return [
        *parts,
        *(
            _Part("lspci.txt", part.file, part.lines)
            for part in parts
            if part.role == "iommu_groups.txt" and any(_DRIVER.match(line.text) for line in part.lines)
        ),
    ]


def _with_command_line(parts: list[_Part]) -> list[_Part]:
    """Take QEMU's command line for the configuration of the VM where there is no other."""
    if any(part.role in ("vm.conf", "vms/") for part in parts):
        return parts
    return [_Part("vm.conf", part.file, part.lines) if part.role == "showcmd.txt" else part for part in parts]


_RICH = frozenset({"lspci.txt", "guest/lspci.txt", "iommu_groups.txt"})
_EARLIER = Pattern(r"(?:^|[^a-z])(?:prev|previous|old|before|b-1)(?:[^a-z]|$)|\.\d$")
_LATER = Pattern(r"(?:^|[^a-z])after(?:[^a-z]|$)")


def _joined(role: str, parts: list[_Part]) -> tuple[Line, ...]:
    """Return the lines of all files: the richest listing first, logs in the order in which they were written."""
    if role in _RICH:
        size: dict[str, int] = {}
        for part in parts:
            size[part.file] = size.get(part.file, 0) + sum(len(line.text) for line in part.lines)
        parts = sorted(parts, key=lambda part: -size[part.file])
    elif role.endswith("dmesg.txt"):
        parts = sorted(parts, key=lambda part: _age(part.file.lower()))
    return tuple(line for part in parts for line in part.lines)


def _age(file: str) -> tuple[int, str]:
    if _EARLIER.search(file):
        return 0, file
    if _LATER.search(file):
        return 3, file
    return (2 if file.rpartition("/")[2].startswith("dmesg") else 1), file
