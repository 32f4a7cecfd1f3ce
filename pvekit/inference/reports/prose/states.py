"""States of the machine in sentences: VM and CPU type, instruction sets, swap, disk, governor, heat."""

from __future__ import annotations

import re

from pvekit.inference.hardware import Isa
from pvekit.inference.reports.found import SAID, Found
from pvekit.inference.reports.prose.clauses import Clause, asks

_VM = re.compile(
    r"\bvm ?[:=]|\bvm on (?:proxmox|esxi|pve|kvm)\b|\b(?:in|inside|on|within|into|to) (?:a|an|my"
    r"|the|this|one)? ?(?:\w+ ){0,3}?(?:vm"
    r"|virtual machine|vps)\b|\bvm (?:has|with|runs|config|gets?)\b|\bmy vm\b|\bthe vm\b"
    r"|\bubuntu vm\b|\bproxmox vm\b|\bguest (?:has|sees|shows|os|/proc)\b|\bin the guest\b",
    re.IGNORECASE,
)
_EMULATED = re.compile(
    r"\b(?:without|has no|have no|no|lacks?) (?:kvm|vt-x|amd-v|nested virtuali[sz]ation|hardware virtuali[sz]ation)\b"
    r"|\bkvm(?: is|=|:) ?(?:off|disabled|0)\b|\bqemu tcg\b|\btcg (?:only|mode|emulation)\b",
    re.IGNORECASE,
)
_METAL = re.compile(
    r"\b(?:on|running) bare[- ]?metal\b|\bbare[- ]?metal (?:install|ubuntu|debian|linux|server)\b"
    r"|\bno (?:vm|virtuali[sz]ation|hypervisor)\b|\bnot (?:in )?a vm\b",
    re.IGNORECASE,
)
_TYPE = re.compile(
    r"\b(kvm64|qemu64|x86-64-v[1234](?:-AES)?|Haswell-noTSX|Broadwell-noTSX(?:-IBRS)?|SandyBridge"
    r"|IvyBridge|Westmere|Nehalem)\b",
    re.IGNORECASE,
)
_HOST = re.compile(
    r"\bcpu(?: ?type| model| mode)?(?: is| was)?(?: already)?(?: set)?(?: to| as|:"
    r"|=) ?[\"'`]?host\b|\btype[:= ]+[\"'`]?host\b|\bhost[- ](?:passthrough|model|cpu type)\b"
    r"|\bcpu: ?host\b|cputype=host",
    re.IGNORECASE,
)
_NO_AVX = re.compile(
    r"\b(?:no|without|lack\w*|missing|neither|not? have|n'?t (?:have|support|expose|show|see)"
    r"|n'?t (?:any )?|not? support\w*|not expos\w*"
    r"|only sse\S*)\b[^.,;]{0,24}?\bAVX(?!-?512)(2)?(?![\w-])"
    r"|\bAVX(2)?(?!-?512)(?![\w-])[^.,;]{0,20}\b(?:is |are )?(?:missing|not (?:available"
    r"|supported|exposed|present|there|visible|enabled|shown)|absent|disabled|unavailable|= ?0)",
    re.IGNORECASE,
)
_BOTH = re.compile(
    r"\bAVX(?: ?(?:,|/|or|and|nor) ?)AVX2\b|\bno avx(?: at all| whatsoever)?\b(?!2|-| ?512)|\bonly sse", re.IGNORECASE
)
_BUILD = re.compile(r"\b(?:built|builds?|compil\w+|wheels?|binar\w+|package[sd]?|docker image)\b", re.IGNORECASE)
"""Then it is about a program, and says nothing of the system."""
_AVX2 = re.compile(
    r"\b(?:has|have|with|supports?|shows?|sees?|reports?|flags?|exposes?"
    r"|lists?)\b[^.;]{0,40}?\bAVX2\b|\bAVX2 (?:is |flag )?(?:present|enabled|available|supported"
    r"|there|shows?|visible|= ?1)|\bAVX2: ?(?:yes|1)",
    re.IGNORECASE,
)
_SWAP = re.compile(
    r"\b(?:is|it'?s|starts?|started|keeps?|heavily|constantly|system|machine|server|vm"
    r"|always) (?:\w+ )?swapping\b|\b(?:going|went|goes) (?:in)?to swap\b"
    r"|\bswaps? (?:heavily|constantly|to disk|like|a lot)"
    r"|\bswapping (?:to disk|heavily|constantly)|\busing swap\b",
    re.IGNORECASE,
)
_SWAP_USED = re.compile(
    r"\b(\d{1,4}(?:\.\d)?) ?(GB|GiB|MB) (?:of )?swap (?:is |was )?(?:used|in use)|\bswap(?: usage"
    r"| used)?(?: is| at|:)? (\d{1,4}(?:\.\d)?) ?(GB|GiB|MB) used",
    re.IGNORECASE,
)
_DISK_READ = re.compile(
    r"\b(?:read\w*|disk|swap|i/o|io)\b[^.]{0,60}?\b(\d{1,5}(?:\.\d{1,2})?) ?(MB|MiB|GB|GiB)/s(?:ec)?\b"
    r"|\b(\d{1,5}(?:\.\d{1,2})?) ?(MB|MiB|GB|GiB)/s(?:ec)? (?:of )?(?:disk )?(?:reads?|reading|read i/o)\b",
    re.IGNORECASE,
)
_A_DISK = re.compile(r"\b(?:disk|ssd|nvme\w*|hdd|drive|swap|sd[a-z])\b", re.IGNORECASE)
_NOT_READ = re.compile(
    r"\b(?:sequential|boasts?|limit|max\w*|rated|up to|capable|benchmark|hdparm|bandwidth|ram|memory|pcie?"
    r"|hits? \w+ gpu)\b",
    re.IGNORECASE,
)
_NEGATED = re.compile(r"\b(?:no|not|isn'?t|doesn'?t|never|without|n't|nor)\b[^.,]{0,20}$", re.IGNORECASE)
_LIES = r"\b(?:model\w*|weights|gguf|ollama|blobs?|stored|sits?|lies?|lives?|vm disk|virtual disk)\b[^.]{0,60}"
_DISK = (
    (
        "network",
        re.compile(_LIES + r"\b(?:NFS|SMB|CIFS|NAS|network (?:share|drive|storage)|iSCSI|ceph)\b", re.IGNORECASE),
    ),
    ("hdd", re.compile(_LIES + r"\b(?:HDDs?|hard (?:disk|drive)s?|spinning|rotational|7200|5400)\b", re.IGNORECASE)),
    ("nvme", re.compile(_LIES + r"\bNVMe\b", re.IGNORECASE)),
    ("ssd", re.compile(_LIES + r"\bSSD\b", re.IGNORECASE)),
)  # fmt: skip
_GOVERNOR = re.compile(r"\b(powersave|performance|ondemand|schedutil|conservative)\b", re.IGNORECASE)
_GOVERNED = re.compile(r"\b(?:governor|scaling|cpupower|cpufreq)\b", re.IGNORECASE)
_THROTTLE = re.compile(r"\b(?:thermal(?:ly)? )?throttl(?:e[sd]?|ing)\b|\bPROCHOT\b", re.IGNORECASE)
_HEAT = re.compile(
    r"\b(?:cpu|temps?|temperatures?|package|tctl|cores?)\b[^.]{0,40}?\b(\d{2,3}) ?(?:°|º|deg\w*)? ?C\b"
    r"|\b(?:reach\w*|hits?|hitting|climbs?|goes up|up) (?:to )?(?:about |around |~)?(\d{2,3}) ?(?:°|º|deg\w*)? ?C\b",
    re.IGNORECASE,
)
_STEAL = re.compile(
    r"\b(\d{1,3}(?:\.\d)?) ?% (?:cpu )?steal\b|\bsteal(?: time)?(?: is| of| at| around"
    r"|:)? ?(?:about |around |~)?(\d{1,3}(?:\.\d)?) ?%|\b(\d{1,3}(?:\.\d)?) ?% st\b",
    re.IGNORECASE,
)
_LOAD = re.compile(
    r"\bload(?: average)?(?: is| of|:)? ?(?:about |around "
    r"|~)?(\d{1,3}(?:\.\d{1,2})?)\b[^.%]{0,20}\b(?:on the (?:host|node)|host|node)\b"
    r"|\b(?:host|node)(?:'s)? load(?: average)?(?: is| of|:)? ?(\d{1,3}(?:\.\d{1,2})?)\b",
    re.IGNORECASE,
)
_KSM = re.compile(r"\bKSM(?: is)?(?: sharing| shar\w+)?[^.\d]{0,20}(\d{1,4}(?:\.\d{1,2})?) ?(?:GB|GiB)", re.IGNORECASE)
_NODES = re.compile(r"\b(one|two|2|4|four|8|eight|1) NUMA[- ]?nodes?\b|\bNPS ?([124])\b", re.IGNORECASE)
_SPLIT = re.compile(
    r"\b(?:vm|threads?|memory|vcpus?)\b[^.]{0,50}\b(?:spans?|spread|split|across) (?:both|two|2"
    r"|over|the two)? ?(?:both |two )?(?:numa nodes?|sockets?|nodes)",
    re.IGNORECASE,
)
_BALLOON = re.compile(
    r"\bballoon\w*\b[^.]{0,60}?(?:took|taken|reclaimed|down to|shr[aiu]nk\w* (?:it )?to"
    r"|reduced\w* to) ?(\d{1,4}) ?(?:GB|GiB)",
    re.IGNORECASE,
)
_CONTEXT = re.compile(
    r"\b(?:context|ctx|num_ctx)(?: (?:length|size|window))?(?: is| set)?(?: of| to|=|:"
    r"| at)? ?(\d{1,7})(k)?\b|\b(\d{1,4})k (?:context|ctx)\b"
    r"|\b(\d{4,7}) (?:tokens? )?(?:of )?(?:context|ctx)\b",
    re.IGNORECASE,
)
_NO_BACKEND = re.compile(
    r"\b(?:doesn'?t|does not|didn'?t|isn'?t|not|never|can'?t|won'?t) (?:\w+ ){0,2}?(?:use|using"
    r"|used|detect\w*|see|find|found|recogni[sz]\w*|utili[sz]\w*) (?:\w+ ){0,3}?gpu\b"
    r"|\bgpu (?:is |was )?(?:not|isn'?t|never|wasn'?t) (?:\w+ )?(?:used|detected|found|seen"
    r"|recogni[sz]ed|utili[sz]ed)|\b(?:falls?|fell|falling) back to (?:the )?cpu\b"
    r"|\b(?:always|still|only|just|instead) +(?:uses?|using|runs?(?: only)? on|running(?: only)? on|runs? off) +"
    r"(?:the |my )?cpu\b(?! (?:and|threads?|cores?))|\b(?:uses?|using|runs? on|running on) (?:the |my )?cpu instead\b"
    r"|\bgpu (?:just )?(?:sits?|is|stays?) idle\b"
    r"|\b(?:running|runs?|run) on (?:the )?cpu (?:instead|and not|rather)|\bnot (?:being )?offload\w* to (?:the )?gpu\b"
    r"|\bonly (?:the )?cpu (?:is |gets )?(?:being )?used\b|\bcpu (?:is )?used instead\b|\bno gpu (?:usage"
    r"|utili[sz]ation|activity)\b|\bgpu (?:usage|utili[sz]ation|load)"
    r" (?:stays?|is|remains|at|sits)(?: \w+){0,2} 0 ?%|\b0 ?% gpu\b|\bgpu[- ]?(?:at|is) 0 ?%",
    re.IGNORECASE,
)


def read(clause: Clause, found: Found) -> None:
    """Keep the states that a clause names."""
    if not clause.own:
        return
    _virtual(clause, found)
    _instructions(clause, found)
    if not asks(clause.sentence):
        _pressure(clause, found)
        _power(clause, found)
    text, line = clause.text, clause.line
    for kind, pattern in _DISK:
        if pattern.search(text):
            found.say("host.disk", kind, line, SAID)
            break
    if match := _NODES.search(text):
        word = (match.group(1) or match.group(2)).lower()
        found.say("host.numa_nodes", {"one": 1, "two": 2, "four": 4, "eight": 8}.get(word) or int(word), line, SAID)
    if _SPLIT.search(text):
        found.say("host.numa_split", True, line, SAID)
    if match := _CONTEXT.search(text):
        value = int(match.group(1) or match.group(4) or 0) or int(match.group(3)) * 1024
        value = value * 1024 if match.group(2) else value
        if value >= 256:
            found.say("guest.context", value, line, SAID)
    if _NO_BACKEND.search(text) and not asks(clause.sentence):
        found.say("said.no_gpu_used", True, line, SAID)


def _virtual(clause: Clause, found: Found) -> None:
    if _EMULATED.search(clause.text):
        found.say("guest.emulated", True, clause.line, SAID)
    if _VM.search(clause.text):
        found.say("guest.virtual", True, clause.line, SAID)
    elif _METAL.search(clause.text) and not _VM.search(clause.sentence):
        found.say("guest.virtual", False, clause.line, SAID)
    if match := _TYPE.search(clause.text):
        name = match.group(1)
        lower = name.lower()
        found.say(
            "host.cpu_type",
            lower.replace("-aes", "-AES") if lower.startswith(("x86", "kvm", "qemu")) else name,
            clause.line,
            SAID,
        )
    elif _HOST.search(clause.text):
        found.say("host.cpu_type", "host", clause.line, SAID)


def _instructions(clause: Clause, found: Found) -> None:
    text = clause.text
    if (match := _NO_AVX.search(text)) and not _BUILD.search(text):
        none = _BOTH.search(text) is not None or not (match.group(1) or match.group(2))
        # Without AVX2 it may still have AVX: the widest that it can be.
        found.say("guest.isa", Isa.SSE42 if none else Isa.AVX, clause.line, SAID)
    elif _AVX2.search(text):
        found.say("said.avx2", True, clause.line, SAID)


def _pressure(clause: Clause, found: Found) -> None:
    text, line = clause.text, clause.line
    if (match := _SWAP.search(text)) and not _NEGATED.search(text[: match.end()].rpartition("swap")[0]):
        found.say("guest.swap_in_rate", 1.0, line, SAID)
    if match := _SWAP_USED.search(text):
        amount, unit = (match.group(1), match.group(2)) if match.group(1) else (match.group(3), match.group(4))
        found.say("guest.swap_used", round(float(amount) * 1024 ** (2 if unit.upper() == "MB" else 3)), line, SAID)
    match = _DISK_READ.search(text)
    if match and _A_DISK.search(text) and not _NOT_READ.search(text):
        scale = 1000 if (match.group(2) or match.group(4)).upper().startswith("G") else 1
        found.say("guest.disk_read", float(match.group(1) or match.group(3)) * scale, line, SAID)
    if match := _STEAL.search(text):
        found.say("guest.steal_percent", float(next(one for one in match.groups() if one)), line, SAID)
    if match := _LOAD.search(text):
        found.say("load.host", float(match.group(1) or match.group(2)), line, SAID)
    if match := _KSM.search(text):
        found.say("host.ksm_sharing", round(float(match.group(1)) * 1024**3 / 4096), line, SAID)
    if match := _BALLOON.search(text):
        found.say("vm.balloon_actual", int(match.group(1)) * 1024**3, line, SAID)


def _power(clause: Clause, found: Found) -> None:
    text, line = clause.text, clause.line
    if _GOVERNED.search(text) and (match := _GOVERNOR.search(text)):
        found.say("host.governor", match.group(1).lower(), line, SAID)
    elif re.search(r"\bpowersave\b", text, re.IGNORECASE):
        found.say("host.governor", "powersave", line, SAID)
    if match := _THROTTLE.search(text):
        before = text[max(0, match.start() - 30) : match.start()]
        if not re.search(r"\bgpu\b|throttled ?[=:] ?(?:0x|no\b|0)", text, re.IGNORECASE):
            found.say("host.throttled", _NEGATED.search(before) is None, line, SAID)
    if (match := _HEAT.search(text)) and not re.search(r"\b(?:gpu|card|vram|hotspot|junction)\b", text, re.IGNORECASE):
        found.say("host.temperature", float(match.group(1) or match.group(2)), line, SAID)
