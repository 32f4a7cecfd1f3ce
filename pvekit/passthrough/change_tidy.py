"""What guides leave behind and serves nothing, taken out of the host's files; only when asked for. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

from pvekit.model.hostchange import FileChange
from pvekit.model.hostlook import HostLook
from pvekit.passthrough.facts.cmdline import Token
from pvekit.passthrough.folklore import KERNEL_FILES, VM_FILES, Leftover
from pvekit.passthrough.pattern import Pattern

_NAMES = {"modules.txt": "/etc/modules"}
_FOLDERS = ("modprobe.d/", "modules-load.d/")
_NOTHING_LEFT = Pattern(r"\s*(?:options\s+\w+)?\s*")
_MSRS = Pattern(r"(?<=\s)report_ignored_msrs=\S+")


def words(found: Iterable[Leftover], tokens: Iterable[Token]) -> dict[str, tuple[str, str]]:
    """Return the kernel options that change: what stays of each ("": nothing), and why."""
    known = [item for item in found if item.role in KERNEL_FILES and not item.in_force]
    changed = {}
    for text in (str(token) for token in tokens):
        left = text
        whys: list[str] = []
        for item in known:
            less = _without(left, item.token)
            if less != left:
                left, whys = less, [*whys, _why(item)]
        if whys:
            changed[text] = (left, "; ".join(whys))
    return changed


def _without(word: str, token: str) -> str:
    """Return an option without a leftover; as it is where the leftover is no part of it."""
    if word == token:
        return ""
    name, equals, rest = word.partition("=")
    other, _, values = token.partition("=") if not token.startswith(",") else (name, "", token[1:])
    if not equals or other != name or not values:
        return word
    gone, before = set(values.split(",")), rest.split(",")
    kept = [value for value in before if value not in gone]
    if not gone <= set(before):
        return word
    return f"{name}={','.join(kept)}" if kept else ""


def files(found: Iterable[Leftover], look: HostLook, *, taken: Iterable[str]) -> list[FileChange]:
    """Return the files of modprobe and of modules to load without leftovers; ``taken`` change already."""
    by_path: dict[str, list[Leftover]] = {}
    for item in found:
        name = item.line.file
        path = _NAMES.get(name, f"/etc/{name}" if name.startswith(_FOLDERS) else "")
        if path in look.files and path not in taken:
            by_path.setdefault(path, []).append(item)
    changed = []
    for path, items in sorted(by_path.items()):
        before = look.files[path]
        lines = [_line(line, items) for line in before.split("\n")]
        after = "\n".join(line for line in lines if line is not None)
        if after != before:
            whys = "; ".join(dict.fromkeys(_why(item) for item in items))
            risk = "a Windows guest can need ignore_msrs" if any("msrs" in item.token for item in items) else ""
            changed.append(FileChange(path, before, after, whys, risk))
    return changed


def _line(line: str, items: Iterable[Leftover]) -> str | None:
    """Return a line without its leftovers; None when it says nothing any more."""
    left = line
    for item in items:
        if item.line.text == line:
            left = left.replace(item.token, "", 1)
            if "ignore_msrs" in item.token:
                left = _MSRS.sub("", left)
    if left == line:
        return line
    return None if _NOTHING_LEFT.fullmatch(left) else re.sub(r"(?<=\S) {2,}", " ", left).rstrip()


def by_hand(found: Iterable[Leftover]) -> tuple[str, ...]:
    """Return what a person can take out of the configurations of VMs."""
    return tuple(
        f'{_why(item)}. Take "{item.token.strip(" ,")}" out of {item.line}' for item in found if item.role in VM_FILES
    )


def _why(item: Leftover) -> str:
    return f"{item.finding}: {item.why}" if item.finding else item.why
