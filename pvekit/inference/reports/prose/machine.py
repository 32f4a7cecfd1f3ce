"""Processors, cards, cores and drivers in sentences."""

from __future__ import annotations

import re

from pvekit.inference.reports import numbers, parts
from pvekit.inference.reports.found import SAID, Found, Part
from pvekit.inference.reports.prose.clauses import Clause, about_vm

_CORES = re.compile(
    r"\b(\d{1,3})[ -]?(?:physical |real )?(?:cores?\b|c(?= ?/ ?\d{1,3} ?t\b)) ?(?:/|,|and|&|\+"
    r"|\()? ?(\d{1,3})? ?(?:threads?|t\b)?",
    re.IGNORECASE,
)
_SOCKETS = re.compile(
    r"\b(\d|one|two|four) sockets?,? (?:(?:and|with|of|x) )?(\d{1,2}) (?:v?cpus?|cores) (?:each|per socket)\b",
    re.IGNORECASE,
)
_VCPUS = re.compile(
    r"\b(\d{1,3}) ?(?:v-?cpus?|v-?cores?|virtual (?:cpus?|cores?))\b|\b(?:gave|given|give"
    r"|assign\w*|allocat\w*|has|have|with|got)(?: \w+){0,4} (\d{1,3}) (?:cpu )?(?:cores?|cpus?)\b"
    r"|\blimited to (\d{1,3}) (?:cpu )?(?:cores?|cpus?)\b"
    r"|\b(\d{1,3}) (?:cpu )?(?:cores?|cpus?) (?:are )?(?:assigned|allocated|given|passed"
    r"|for the vm|to the vm)",
    re.IGNORECASE,
)
_VM = re.compile(r"\b(?:vms?|virtual machine|guest|proxmox|pve|qemu|kvm|esxi|hyper-v|vps)\b", re.IGNORECASE)
_GHZ = re.compile(
    r"\b(?:runs? at|running at|clock\w*|boost\w*(?: to)?|stuck at|drops? to"
    r"|throttl\w+ (?:down )?to|only at|sits? at|all[- ]core(?: turbo)?(?: of"
    r"| at)?)[^.\d]{0,30}(\d{1,2}(?:\.\d{1,3})?) ?GHz|\b(\d{3,4}) ?MHz (?:under|while|during)",
    re.IGNORECASE,
)
_DRIVER = re.compile(
    r"\bdrivers?(?: version)?[ :=]{0,3}(?:is |at |v|branch )?(\d{3}(?:\.\d{1,3}){0,2})\b"
    r"|\bnvidia[- ](?:driver|open)[- ](\d{3}(?:\.\d{1,3}){0,2})\b",
    re.IGNORECASE,
)
_CUDA = re.compile(
    r"\bCUDA(?: toolkit| version| runtime)?[ -]?(?:is |v|:)? ?(1[0-9](?:\.\d)?)\b|\bcu(?:da)?-?(1[1-3])[.-]?(\d)?\b",
    re.IGNORECASE,
)
_BUSY = re.compile(
    r"\bGPU(?:'s)?(?: (?:core|compute))?(?: (?:utili[sz]ation|usage|load"
    r"|util))?(?: \w+){0,4}? ?(?:is|at|shows?|sits?|stays?|hovers?|around|only|was|:|of|to|about"
    r"|~)+ ?(?:only |around |about |at |~|mostly )?(\d{1,3}) ?%|\b(\d{1,3}) ?% (?:gpu"
    r"|of the gpu)(?: (?:util\w*|usage|load))\b|nvidia-smi (?:shows?|reports?"
    r"|says?)(?: \w+){0,3} ?(\d{1,3}) ?%",
    re.IGNORECASE,
)
_LINK = re.compile(
    r"\b(?:pci-?e(?:xpress)?)? ?(?:gen ?|v)?([1-5])(?:\.0|\.1)? ?[x@×] ?(\d{1,2})\b"
    r"|\bpci-?e ?(?:gen ?)?([1-5])(?:\.0)?\b(?: \w+){0,2} ?x(\d{1,2})\b|\bx(1|4|8|16) (?:riser"
    r"|slot|link|lane)",
    re.IGNORECASE,
)
_LINK_NOW = re.compile(
    r"\b(?:run(?:s|ning)?|negotiat\w*|link(?:s|ed|ing)?|stuck|train\w*|riser|currently"
    r"|downgrad\w*|LnkSta|only|drops?|shows?|reports?|connected|hangs?|sits?)\b",
    re.IGNORECASE,
)
_LINK_MAX = re.compile(r"\b(?:support\w*|capable|LnkCap|max\w*|should|slot is|up to|instead of)\b", re.IGNORECASE)
_NO_CARD = re.compile(
    r"\b(?:iGPU|integrated|old card|sold|don'?t have|do not have|without|no (?:dedicated "
    r"|discrete )?gpu|not (?:have|using))\b",
    re.IGNORECASE,
)


def read(clause: Clause, found: Found) -> None:
    """Keep what a clause about this machine names."""
    if not clause.own:
        return
    text, seen = clause.text, clause.line.seen()
    spans = []
    for start, end, name, count in parts.cpus(text):
        spans.append((start, end))
        found.cpus.append(Part(name, seen, SAID, count))
    if not _NO_CARD.search(text):
        for start, _, name, count, memory in parts.gpus(text):
            if not any(low <= start < high for low, high in spans):
                found.gpus.append(Part(name, seen, SAID, count, memory))
    _cores(clause, found)
    _card(clause, found)
    if (match := _GHZ.search(text)) and not re.search(r"DDR|RAM|memory|GPU", text):
        value = numbers.number(match.group(1)) if match.group(1) else numbers.number(match.group(2)) / 1000
        if 0.3 < value < 6.5:
            found.say("host.clock_ghz", value, clause.line, SAID)


def _cores(clause: Clause, found: Found) -> None:
    text = clause.text
    virtual = _VM.search(clause.sentence) is not None
    if virtual and (match := _SOCKETS.search(text)):
        found.say("host.vcpus", (numbers.word(match.group(1)) or 1) * int(match.group(2)), clause.line, SAID)
        return
    if (match := _VCPUS.search(text)) and (match.group(1) or match.group(3) or virtual):
        count = int(next(one for one in match.groups() if one))
        found.say("host.vcpus", count, clause.line, SAID)
        return
    match = _CORES.search(text)
    if match is None:
        return
    if virtual:
        if about_vm(clause):
            found.say("host.vcpus", int(match.group(1)), clause.line, SAID)
        return
    found.say("said.cores", int(match.group(1)), clause.line, SAID)


def _card(clause: Clause, found: Found) -> None:
    text = clause.text
    if match := _DRIVER.search(text):
        found.say("guest.driver", match.group(1) or match.group(2), clause.line, SAID)
    if match := _CUDA.search(text):
        found.say("guest.cuda", match.group(1) or f"{match.group(2)}.{match.group(3) or 0}", clause.line, SAID)
    if match := _BUSY.search(text):
        value = int(next(one for one in match.groups() if one))
        if value <= 100:
            found.say("guest.gpu_busy_percent", float(value), clause.line, SAID)
    if (match := _LINK.search(text)) is None:
        return
    generation, width = match.group(1) or match.group(3), match.group(2) or match.group(4) or match.group(5)
    if (
        "pci" not in text.lower()
        and "riser" not in text.lower()
        and "lnk" not in text.lower()
        and not re.search(r"\bgen ?\d", text, re.IGNORECASE)
    ):
        return
    end = (
        ""
        if _LINK_NOW.search(text) and not (_LINK_MAX.search(text) and not re.search(r"riser|only|stuck", text))
        else "_max"
        if _LINK_MAX.search(text)
        else None
    )
    if end is not None:
        found.say(f"host.link_generation{end}", int(generation) if generation else None, clause.line, SAID)
        found.say(
            f"host.link_width{end}", int(width) if width in {"1", "2", "4", "8", "16"} else None, clause.line, SAID
        )
    if end == "" and re.search(
        r"under load|during (?:inference|generation)|while (?:generating|running)", clause.sentence, re.IGNORECASE
    ):
        found.say("host.link_under_load", True, clause.line, SAID)
