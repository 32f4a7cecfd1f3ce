"""Names of processors and cards in text."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pvekit.inference.reports import numbers

_CPU = re.compile(

    r"(?:(?:Intel(?:\(R\))? ?)?(?:(?i:Xeon)(?:\(R\))? ?)?(?:CPU )?\b(?:[Ee][357][- ]?\d{4}[A-Z]{0,2}(?:[- "
    r"]?[vV][2-6])?|[EXLW]\d{4}(?= |,|\)|\.|$)"

    r"|(?:Gold|Silver|Bronze|Platinum)(?: CPU)? ?\d{4}[A-Z+]{0,2}|W[- ]?\d{4,5}[A-Z]{0,2}"
    r"|w[3579]-\d{4}X?|D-\d{4}[A-Z]{0,2})\b"
    r"|Xeon(?:\(R\))? (?:CPU )?(?:[EXLW]-?\d{4}\w{0,3}|Phi \w+|Max \d{4}|[3-9][12345]\d\d[A-Z]?)"

    r"|\b(?i:i[3579][- ]\d{3,5}[A-Z]{0,2}\d?[A-Z]?)\b"
    r"|\b(?:Intel )?1[0-4][1-9]\d0(?i:KF|KS|K|F|T|HX|HK|H|P)\b|\bIntel 1[0-4][1-9]00\b"
    r"|(?:\bAMD|\b)(?:[1-9]\d[05]0(?i:X3D|WX|X|G|GE|HX|HS|H|U)|[1-9]\d[05]0X[ -]?3D)\b(?! ?[Tt][Xx])"
    r"|Core(?:\(TM\))? Ultra [3579](?: \d{3}[A-Z]{0,2})?|Core\(TM\)2? \w+(?: CPU)? +\w+"

    r"|(?i:(?:AMD )?Ryzen(?:\(TM\))? ?(?:AI )?(?:Max\+? ?)?(?:Threadripper )?(?:PRO )?(?:[3579] )?(?:P"
    r"RO )?(?:HX )?\d{3,4}[A-Z0-9]{0,4}\b"
    r"|(?:AMD )?(?:Ryzen )?Threadripper (?:PRO )?\d{4}[A-Z]{0,2})|\bR[3579][- ]\d{4}[A-Z0-9]{0,3}\b"

    r"|(?i:(?:AMD )?EPYC(?:\(TM\)| Genoa| Rome| Milan| Turin)? ?[379][0-9A-Z][0-9A-Z]\d[A-Z]{0,2})\b"
    r"|(?:AMD )?Opteron(?:\(TM\))? \w+(?: \d{4})?"

    r"|(?:AMD )?FX(?:\(tm\))?[- ]\d{4}\w?|Phenom\S* \w+ \w+|(?:Celeron"
    r"|Pentium)(?:\(R\))? (?:Gold |Silver |CPU )?[A-Z]?\d{3,4}\w{0,2}"

    r"|\b[NJ]\d{3,4}\b|Atom\S* \w?\d{4}\w?|Core ?2 (?:Duo|Quad)(?: \w+)?|Apple M[1-6](?: (?:Pro"
    r"|Max|Ultra))?|\bM[1-6] ?(?:Pro|Max|Ultra)\b"

    r"|\bM[1-6](?= (?:[Mm]ac|chip|mini|MBP|Air)|:| with \d{1,2} ?[Bb]\b)|Ampere Altra(?: Max)?(?: \w?\d+-\d+)?"
    r"|(?i:Raspberry Pi ?[345]\w?|\bRK3588\w?|\bOrange Pi 5)\b|Graviton ?\d|Cortex-A\d+)"
)  # fmt: skip
_GPU = re.compile(

    r"(?:(?i:NVIDIA |GeForce )*(?:(?i:\b[RG]TX ?(?:PRO )?(?:A?\d{3,4})(?:[ -]?(?:Ti"
    r"|SUPER)){0,2}(?: Laptop)?(?: Max-Q)?|\bMX ?[1-4][1-5]0)\b"

    r"|Jetson (?:AGX Orin|Orin(?: (?:Nano(?: Super)?|NX|AGX))?)\b"

    r"|Tesla [A-Z]?\d{1,3}\w?(?:-\w+)*|Quadro [A-Z]{0,3} ?\d{3,5}\w*|TITAN \w+|Titan [XV]p?\b"
    r"|GT ?\d{3,4}\b|CMP ?\d{2,3}HX)"

    r"|\b(?:P106(?:-\d{2,3})?|[Pp]10[24]-100|P40|P4|P100|P41?00|P[2456]000|K80|M40|M60|V100S?|T4|A2"
    r"|A10G?|A16|A30|A40|A100|A6000|A[245]000|L4|L40S?|H100|H200"
    r"|B200|GB10|GH200)\b"

    r"|(?:AMD |Radeon )*(?i:\bRX ?\d{3,4}(?: ?(?:XTX?|GRE))?\b|\bRadeon [5679]\d{2}0(?: ?(?:XTX?|GRE))?\b"
    r"|\b[5679][5-9]\d0 ?XTX?\b)|Radeon (?:VII|Pro \w+|\d{3}M)"
    r"|\bMI\d{2,3}[AX]?\b|(?:Intel )?\bArc(?:\(TM\))? (?:Pro )?[AB]\d{2,3}M?\b"

    r"|\b(?:1650|1660|3060|3070|3080|3090|4060|4070|4080|4090|5060|5070|5080|5090|1050|1060|1070|1080|2060"
    r"|2070|2080)(?: ?(?:Ti|ti|TI|SUPER|Super))?(?= |,|\.|\)|s\b|$))"
)  # fmt: skip
_MAC = re.compile(r"\bMac(?:Book)?(?: (?:Pro|Air|mini|Mini|Studio)){0,2}[ ,(]{1,3}(M[1-5](?: (?:Pro|Max|Ultra))?)\b")
_COUNT = re.compile(
    r"(?:(\d{1,2}) ?[x×*]|\b(dual|two|2|quad|four|single|three|1|3|4|8))[ -]+(?:socket "
    r"|sockets? of )?(?:AMD |Intel(?:\(R\))? )?$",
    re.IGNORECASE,
)
_TIMES = re.compile(r"(?<![\w.])[x×](\d{1,2})[ -]+$")
_BEHIND = re.compile(r"^ ?(?:[x×*] ?(\d{1,2})\b|\((\d)x\))")
_CARD_MEMORY = re.compile(
    r"^[ (,-]{0,3}(?:with )?(\d{1,3}) ?G(?:i?B)?\b(?! ?(?:RAM|DDR[345]|of RAM|system))", re.IGNORECASE
)


def _count(text: str, start: int, end: int) -> int | None:
    times = _TIMES.search(text[max(0, start - 8) : start])
    if times is not None:
        return int(times.group(1))
    before = _COUNT.search(text[max(0, start - 30) : start])
    if before is not None:
        return numbers.word(before.group(1) or before.group(2))
    behind = _BEHIND.match(text[end : end + 8])
    return numbers.word(behind.group(1) or behind.group(2)) if behind else None


def cpus(text: str) -> Iterator[tuple[int, int, str, int | None]]:
    """Return start, end, name and count of every processor named."""
    apple = _MAC.search(text)
    if apple is not None:
        yield apple.start(), apple.end(), f"Apple {apple.group(1)}", None
    for match in _CPU.finditer(text):
        if apple is None or not apple.start() <= match.start() < apple.end():
            yield match.start(), match.end(), match.group().strip(), _count(text, match.start(), match.end())


def gpus(text: str) -> Iterator[tuple[int, int, str, int | None, int | None]]:
    """Return start, end, name, count and memory of every card named."""
    for match in _GPU.finditer(text):
        if re.match(r" ?(?:MHz|MT/s|tokens?|t/s|MB|GB|MiB|GiB|W\b|MB/s|ms)", text[match.end() : match.end() + 8]):
            continue
        memory = _CARD_MEMORY.match(text[match.end() : match.end() + 16])
        bytes_ = None if memory is None else int(memory.group(1)) * 1024**3
        yield match.start(), match.end(), match.group().strip(), _count(text, match.start(), match.end()), bytes_
