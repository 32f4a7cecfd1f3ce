"""Which kernel runs."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pvekit.model.bundle import Line
from pvekit.model.missing import Missing
from pvekit.passthrough import logs
from pvekit.passthrough.facts.sources import Sources
from pvekit.passthrough.pattern import Pattern


@dataclass(frozen=True, slots=True)
class Kernel:
    """``release`` is uname -r (``6.8.12-2-pve``), ``version`` its leading numbers (6, 8, 12), ``abi`` the one after.

    ``package`` is the package version where it is known (``6.8.12-2`` from ``PMX 6.8.12-2``).
    """

    release: str
    version: tuple[int, ...]
    abi: int | None
    pve: bool
    line: Line
    package: str = ""


_NUMBER = r"\d{1,4}\.\d{1,4}[\w.+~-]{0,60}"
_PARTS = Pattern(r"(\d+(?:\.\d+){1,3})(?:-(\d+))?")
_PACKAGE = Pattern(r"#\d{1,4} .*?\b(?:PMX|PVE|Debian) (\d[\w.+:~-]*)")
_SAID = (
    ("uname.txt", Pattern(rf"(?:^|\s)Linux(?: version| \S+) ({_NUMBER})")),
    ("uname.txt", Pattern(rf"^\s*(?:[Kk]ernel(?: [Vv]ersion)?:?\s+)?(?:Linux )?({_NUMBER})\s*$")),
    ("uname.txt", Pattern(r"\b(\d+\.\d+\.\d+-\d+-pve)\b")),
    ("dmesg.txt", Pattern(rf"\bLinux version ({_NUMBER})")),
    ("pveversion.txt", Pattern(rf"running kernel: ({_NUMBER})")),
    ("cmdline.txt", Pattern(rf"\b(?:vmlinuz|initrd\.img)-({_NUMBER})")),
    ("dmesg.txt", Pattern(rf"ommand line: .{{0,999}}?(?:vmlinuz|initrd\.img)-({_NUMBER})")),
    ("dmesg.txt", Pattern(rf"\b(?:[Tt]ainted|Comm):? .{{0,99}}?({_NUMBER}) #\d")),
)
"""Where the release stands, the surest first."""


def read(sources: Sources) -> Kernel | Missing:
    """Read uname.txt, the kernel log's ``Linux version`` or pveversion.txt, the first that is there."""
    for role, pattern in _SAID:
        found = None
        for line in sources.roles.get(role, ()):
            if logs.prompt(line.text) is None and (match := pattern.search(line.text)):
                found = _kernel(match.group(1), line, sources)
        if found is not None:
            return found
    lines = sources.of("uname.txt", "dmesg.txt", "pveversion.txt")
    return lines if isinstance(lines, Missing) else Missing("uname.txt", "no kernel release is named")


def _kernel(release: str, line: Line, sources: Sources) -> Kernel | None:
    parts = _PARTS.match(release)
    if parts is None:
        return None
    version = tuple(int(part) for part in parts.group(1).split("."))
    abi = None if parts.group(2) is None else int(parts.group(2))
    package = _PACKAGE.search(line.text)
    name = package.group(1) if package else _installed(release, sources)
    return Kernel(release, version, abi, release.endswith("-pve"), line, name)


def _installed(release: str, sources: Sources) -> str:
    """Return the version of the running kernel's package as ``pveversion -v`` lists it."""
    pattern = Pattern(rf"\s*(?:proxmox|pve)-kernel-{re.escape(release)}(?:-signed)?: (\d\S*)")
    found = (pattern.match(line.text) for line in sources.roles.get("pveversion.txt", ()))
    return next((match.group(1) for match in found if match), "")
