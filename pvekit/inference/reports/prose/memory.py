"""Memory in sentences: how much, how fast, how many modules and channels."""

from __future__ import annotations

import re

from pvekit.inference.reports import numbers
from pvekit.inference.reports.found import SAID, Found
from pvekit.inference.reports.prose.clauses import Clause, about_vm

_WORD = r"single|dual|two|triple|quad|four|six|hexa|eight|octa|twelve|sixteen|\d{1,2}"
_CAPACITY = re.compile(
    r"\b(\d{1,4}) ?(GB|GiB|TB|G)(?: (?:of|total"
    r"|x \w+))?(?: \w{1,12}){0,2}? ?(?:\(?(?:LP)?DDR[2345]\w?|(?<!V)RAM\b|memory\b(?! bandwidth)"
    r"|(?:[\w-]{1,12} ){0,2}(?:laptop|notebook|machine|macbook|mac|desktop|workstation|server|box|mini pc)\b"
    r"|ECC|RDIMM|DIMMs?)|\b(?<!V)(?<!GPU )(?<!video )(?<!graphics )(?:RAM"
    r"|memory)(?: is)?[:=]? ?(\d{1,4}) ?(GB|GiB|TB|G)\b",
    re.IGNORECASE,
)
_MODULES = re.compile(r"\b(\d{1,2}) ?[x×*] ?(\d{1,3}) ?(?:GB|GiB|G)\b", re.IGNORECASE)
_STICKS = re.compile(
    r"\b(?:only |just )?(one|single|two|three|four|six|eight|twelve|sixteen|\d{1,2}"
    r"|a single) (?:\d{1,3} ?GB )?(?:\w+ )?(?:sticks?|dimms?|modules?|so-?dimms?)\b",
    re.IGNORECASE,
)
_SPEED = re.compile(
    r"\b(\d{1,3}) ?GB,? (?:@ ?|at |of )?(\d{4}) ?(?:MHz|MT/s)\b"
    r"|\b(?:LP)?DDR([2345])[LX]?[ -]{0,2}(?:RAM |memory |ECC |at |@ ?|running at "
    r"|\()?(\d{3,5})\b(?! ?(?:GB|x))|\b(\d{3,5}) ?(?:MT/s|MTs|MHz)(?: \w+)? ?(?:DDR|RAM|memory"
    r"|ECC|RDIMM|dimm)|\b(?:RAM|memory|DIMMs?|modules)\b[^.]{0,30}?\b(\d{3,5}) ?(?:MT/s|MTs|MHz)",
    re.IGNORECASE,
)
_OF_GPU = re.compile(r"\b(?:shared|dedicated) (?:gpu |video )?memory|\bgpu memory\b", re.IGNORECASE)
_OTHER_SIZE = re.compile(r"\b(?:file|model|gguf|weights|disk|ssd|hdd|nvme|storage|vram|gpu)\b", re.IGNORECASE)
_IN_USE = re.compile(
    r"\b(?:us(?:es?|ing|age)|is used|are used|tak(?:es|ing)|consum\w+|needs?|requir\w+|at least|wants?"
    r"|only allocat\w+)\b",
    re.IGNORECASE,
)
_PC = re.compile(r"\bPC([34])L?-(\d{4,5})\b")
_CHANNELS = re.compile(rf"\b({_WORD})[ -]?(?:memory |ddr\d )?channels?\b", re.IGNORECASE)
_OF = re.compile(
    r"\b(one|two|three|four|six|\d{1,2}) ?(?:of|/|out of) ?(?:the )?(two|three|four|six|eight"
    r"|twelve|\d{1,2}) (?:memory )?channels?\b",
    re.IGNORECASE,
)
_SLOTS = re.compile(
    rf"\b({_WORD}) ?(?:of|/|out of) ?(?:the |my )?(?:{_WORD}) (?:dimm |memory |ram )?slots?\b"
    r"(?! (?:are |is )?(?:free|empty))",
    re.IGNORECASE,
)
_FILLED = re.compile(
    rf"\bonly (?:filled|populated|used?|using|have|installed) ({_WORD}) of (?:them|those|these|the)\b"
    rf"|\bonly (?:filled|populated) ({_WORD})\b|\b({_WORD}) (?:of them|channels?) (?:are |is )?(?:empty"
    rf"|unpopulated)\b(?!.)",
    re.IGNORECASE,
)
_ABLE = re.compile(
    r"\b(?:support\w*|capable|board has|could|should|max\w*|able|cpu has|has (?:4|four|6|six|8"
    r"|eight|12|twelve)|needs?|platform|to make it|to get|full)\b",
    re.IGNORECASE,
)
_GBS = re.compile(r"\b(\d{1,4}(?:\.\d{1,2})?) ?G(?:i?B)?/s(?:ec)?\b", re.IGNORECASE)
_MEASURED = re.compile(
    r"\b(?:stream|triad|mlc|measur\w*|sysbench|aida64|benchmark\w*|memtest|tested|mbw|likwid|passmark)\b", re.IGNORECASE
)
_CARD = re.compile(r"\bV?RAM on|GPU|card|RTX|GTX|VRAM|P40|GDDR|HBM|PCI|disk|SSD|NVMe|network|link", re.IGNORECASE)
_OF_CARD = re.compile(r"^[ (]{0,3}(?:of )?(?:VRAM|GPU|GTX|RTX|P40|\w{0,3}3090|Tesla|Radeon|cards?\b)", re.IGNORECASE)
_PEAK = re.compile(r"\b(?:theoretical|peak|max\w*|spec)\b", re.IGNORECASE)
_VM = re.compile(r"\b(?:vm|guest|container|lxc)\b", re.IGNORECASE)


def read(clause: Clause, found: Found) -> None:
    """Keep what a clause about this machine says of its memory."""
    text = clause.text
    if clause.own:
        _modules(clause, found)
        _channels(clause, found)
        for match in _SPEED.finditer(text):
            value = max(int(one) for one in match.groups() if one)
            if 600 <= value <= 9600:
                found.say("host.megatransfers", value, clause.line, SAID)
        for match in _PC.finditer(text):
            found.say("host.megatransfers", _rated(int(match.group(2)) // 8), clause.line, SAID)
    if measured := _GBS.search(text):
        rate = numbers.number(measured.group(1))
        if _MEASURED.search(text) and not _PEAK.search(text) and not _CARD.search(text) and clause.own:
            found.say("host.triad", rate, clause.line, SAID)


def _rated(value: int) -> int:
    """Return the rate whose name a PC3 or PC4 number rounds."""
    return min((800, 1066, 1333, 1600, 1866, 2133, 2400, 2666, 2933, 3200), key=lambda one: abs(one - value))


def _modules(clause: Clause, found: Found) -> None:
    text = clause.text
    match = _MODULES.search(text)
    if match and not _OF_CARD.match(text[match.end() : match.end() + 24]):
        count, each = int(match.group(1)), int(match.group(2))
        if 1 <= count <= 48 and 1 <= each <= 512:
            found.say("memory.modules", count, clause.line, SAID)
            found.say("memory.capacity", count * each * 1024**3, clause.line, SAID)
    elif match := _STICKS.search(text):
        count_ = numbers.word(match.group(1).lower().removeprefix("a "))
        found.say("memory.modules", count_, clause.line, SAID)
    elif match := _SLOTS.search(text):
        found.say("memory.modules", numbers.word(match.group(1)), clause.line, SAID)
    if match := _CAPACITY.search(text):
        amount, unit = (match.group(1), match.group(2)) if match.group(1) else (match.group(3), match.group(4))
        value = int(amount) * 1024 ** (4 if unit.upper() == "TB" else 3)
        side = "guest.memory" if about_vm(clause) or _VM.search(text) else "memory.capacity"
        before = text[max(0, match.start() - 4) : match.start()]
        if _OF_GPU.search(text):
            return
        around = text[max(0, match.start() - 30) : match.end() + 16]
        if _OTHER_SIZE.search(match.group()) or _IN_USE.search(around):
            return
        if not re.search(r"[x×*] ?$", before) and value >= 1024**3:
            found.say(side, value, clause.line, SAID)


def _channels(clause: Clause, found: Found) -> None:
    text = clause.text
    if match := _OF.search(text):
        found.say("host.populated_channels", numbers.word(match.group(1)), clause.line, SAID)
        found.say("host.channels", numbers.word(match.group(2)), clause.line, SAID)
        return
    if filled := _FILLED.search(text):
        many = numbers.word(next(one for one in filled.groups() if one))
        found.say("host.populated_channels", many, clause.line, SAID)
    match = _CHANNELS.search(text)
    if match is None or (filled and _ABLE.search(text) is None and filled.start() <= match.start() < filled.end()):
        return
    count = numbers.word(match.group(1))
    if count is None or not 1 <= count <= 24:
        return
    name = "host.channels" if _ABLE.search(text) else "host.populated_channels"
    found.say(name, count, clause.line, SAID)
