"""Changes to the kernel's options: where they are written down, what is added, what goes. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pvekit.adapters.templates import render
from pvekit.model.finding import Diagnosis, Finding, Verdict
from pvekit.model.hostchange import FileChange, Stage
from pvekit.model.hostlook import GRUB, PROXMOX_GRUB, HostLook
from pvekit.model.missing import Missing
from pvekit.passthrough import change_tidy
from pvekit.passthrough.facts import Facts
from pvekit.passthrough.facts.acpi import AcpiTables
from pvekit.passthrough.facts.boot import Boot
from pvekit.passthrough.facts.cmdline import Token
from pvekit.passthrough.facts.kernel import Kernel
from pvekit.passthrough.facts.kernellog import KernelLog
from pvekit.passthrough.facts.processor import Processor
from pvekit.passthrough.facts.translation import Translation
from pvekit.passthrough.folklore import Leftover
from pvekit.passthrough.knowledge import iommu_on_by_default
from pvekit.passthrough.options import intel_iommu, maker_of, name_of, words_of
from pvekit.passthrough.pattern import Pattern

GRUB_FILE = "/etc/default/grub"
DROP_IN = "/etc/default/grub.d/pvekit-passthrough.cfg"
CMDLINE_FILE = "/etc/kernel/cmdline"
_GRUB_LINE = Pattern(r"\s*(?:export\s+)?GRUB_CMDLINE_LINUX(?:_DEFAULT)?\+?=")
_TYPO = "a wrong option here can keep the host from starting; the recovery entry of the boot menu does not have it"
_OFF = {"iommu": "off", "intel_iommu": "off", "amd_iommu": "off", "acpi": "off", "intremap": "off"}
_BARE_OFF = frozenset({"noapic", "nolapic", "nointremap"})


@dataclass(frozen=True, slots=True)
class Options:
    """What changes among the options: ``added`` with the reason, ``replaced`` by what ("": it goes) and why."""

    added: tuple[tuple[str, str], ...] = ()
    replaced: Mapping[str, tuple[str, str]] | None = None

    @property
    def empty(self) -> bool:
        """Return whether nothing changes."""
        return not self.added and not self.replaced

    def applied(self, words: Iterable[str]) -> list[str]:
        """Return a command line with the changes, order kept."""
        replaced = self.replaced or {}
        kept = [replaced[word][0] if word in replaced else word for word in words]
        return [word for word in kept if word] + [option for option, _ in self.added]


def failed(diagnosis: Diagnosis, check: str) -> Finding | None:
    """Return a check's finding if it failed."""
    return next((f for f in diagnosis.findings if f.id == check and f.verdict is Verdict.FAIL), None)


def noted(diagnosis: Diagnosis, check: str) -> Finding | None:
    """Return a check's finding if it told something that breaks nothing."""
    return next((f for f in diagnosis.findings if f.id == check and f.verdict is Verdict.NOTE), None)


def written(facts: Facts, look: HostLook) -> tuple[Token, ...]:
    """Return the options that the host's boot loader takes at the next start."""
    boot = facts.get(Boot)
    if isinstance(boot, Missing):
        return ()
    file = GRUB_FILE if look.loader in (GRUB, PROXMOX_GRUB) else CMDLINE_FILE
    return boot.wanted.get(file, ())


def decide(
    facts: Facts, diagnosis: Diagnosis, look: HostLook, *, pt: bool, tidy: bool, idle: Iterable[Leftover] = ()
) -> Options:  # fmt: skip
    """Return what has to change among the options that are written down; ``idle`` is what serves nothing."""
    tokens = written(facts, look)
    replaced = _off(facts, diagnosis, look, tokens, tidy=tidy)
    replaced |= change_tidy.words(idle, [token for token in tokens if str(token) not in replaced])
    left = [token for token in tokens if str(token) not in replaced]
    added = [*_iommu(facts, left), *_framebuffer(diagnosis, left)]
    if pt and not any(name_of(token) == "iommu" and "pt" in words_of(token) for token in left):
        added.append(("iommu=pt", "asked for: the host's own devices bypass translation"))
    return Options(tuple(added), replaced)


def _off(
    facts: Facts, diagnosis: Diagnosis, look: HostLook, tokens: Iterable[Token], *, tidy: bool
) -> dict[str, tuple[str, str]]:  # fmt: skip
    """Return the options that lose a word which switches something off, what is left of them, and why."""
    if (finding := failed(diagnosis, "KC-06")) is not None:
        why = f"KC-06: {finding.message}"
    elif tidy and noted(diagnosis, "KC-06") is not None:
        why = "KC-06: it switches off a part of what passthrough needs"
    else:
        # The kernel that runs has none of these, so that no check of it sees them.
        why = "KC-06: from the next start on, it would switch off what passthrough needs"
        maker = maker_of(facts.get(Processor), facts.get(AcpiTables), facts.get(KernelLog))
        others = {"intel": "amd_iommu", "amd": "intel_iommu"}.get(maker, "")
        running = look.cmdline.split()
        tokens = [token for token in tokens if str(token) not in running and name_of(token) != others]
    return {str(token): (_without_off(token), why) for token in tokens if _without_off(token) != str(token)}


def _without_off(token: Token) -> str:
    """Return an option without the word that switches something off."""
    if token.name in _BARE_OFF and token.value is None:
        return ""
    word = _OFF.get(name_of(token))
    words = words_of(token)
    if word is None or word not in words:
        return str(token)
    rest = [item for item in words if item != word]
    return f"{token.name}={','.join(rest)}" if rest else ""


def _iommu(facts: Facts, tokens: Iterable[Token]) -> list[tuple[str, str]]:
    """Return ``intel_iommu=on`` where this kernel does not use the IOMMU by itself."""
    translation, kernel = facts.get(Translation), facts.get(Kernel)
    maker = maker_of(facts.get(Processor), facts.get(AcpiTables), facts.get(KernelLog))
    if maker != "intel" or isinstance(translation, Missing) or translation.works is not False:
        return []
    if intel_iommu(tokens)[0] == "on":
        return []
    default = None if isinstance(kernel, Missing) else iommu_on_by_default(kernel)
    if default:
        return []
    return [("intel_iommu=on", f"KC-01: {translation.why}, and this kernel is not known to use the IOMMU by itself")]


def _framebuffer(diagnosis: Diagnosis, tokens: Iterable[Token]) -> list[tuple[str, str]]:
    known = {str(token) for token in tokens}
    wanted = {"FB-02": "initcall_blacklist=sysfb_init", "FB-01": "video=efifb:off"}
    for check, option in wanted.items():
        finding = failed(diagnosis, check)
        if finding is not None and option not in known:
            return [(option, f"{check}: {finding.message}")]
    return []


def options_risk(options: Options) -> str:
    """Return what could go wrong with these options."""
    names = {option for option, _ in options.added}
    if names & {"initcall_blacklist=sysfb_init", "video=efifb:off"}:
        return f"the host's screen stays dark after its boot loader; {_TYPO}"
    return _TYPO


def files(options: Options, look: HostLook) -> list[FileChange]:
    """Return the files that change for these options."""
    if options.empty:
        return []
    if look.loader in (GRUB, PROXMOX_GRUB):
        return _grub_files(options, look)
    before = look.files.get(CMDLINE_FILE)
    line, newline, rest = (before if before is not None else _running(look)).partition("\n")
    after = _replaced(line, options)
    after = " ".join([after.rstrip(), *(option for option, _ in options.added)]) + (newline or "\n") + rest
    whys = [*(why for _, why in options.added), *(why for _, why in (options.replaced or {}).values())]
    why = "; ".join(dict.fromkeys(whys))
    return [FileChange(CMDLINE_FILE, before, after, why, options_risk(options), "" if before is not None else "0644",
                       Stage.LATE)]  # fmt: skip


def _running(look: HostLook) -> str:
    """Return what proxmox-boot-tool takes where no file says it: the running options without the loader's own."""
    words = look.cmdline.split()
    return " ".join(word for word in words if not word.startswith(("initrd=", "BOOT_IMAGE="))) + "\n"


def _grub_files(options: Options, look: HostLook) -> list[FileChange]:
    found = []
    for path, before in sorted(look.files.items()):
        if path != GRUB_FILE and not (path.startswith("/etc/default/grub.d/") and path.endswith(".cfg")):
            continue
        if path == DROP_IN:
            continue
        lines = before.split("\n")
        after = "\n".join(_replaced(line, options) if _GRUB_LINE.match(line) else line for line in lines)
        if after != before:
            whys = [why for word, (_, why) in (options.replaced or {}).items() if word in before]
            found.append(FileChange(path, before, after, "; ".join(dict.fromkeys(whys)), _TYPO, "", Stage.LATE))
    old = look.files.get(DROP_IN)
    added = [*_drop_in_options(old or ""), *options.added]
    if options.added or (old is not None and any(word in (options.replaced or {}) for word, _ in added)):
        kept = [(word, why) for word, why in dict(added).items() if word not in (options.replaced or {})]
        text = render("iommu/grub.cfg.j2", {"added": kept})
        why = "; ".join(why for _, why in options.added)
        found.append(FileChange(DROP_IN, old, text, why, options_risk(options), "0644", Stage.LATE))
    return found


def _drop_in_options(text: str) -> list[tuple[str, str]]:
    """Return what an earlier change set added."""
    return [(found[1], found[2]) for found in re.finditer(r"^#   (\S+): (.+)$", text, re.MULTILINE)]


def _replaced(line: str, options: Options) -> str:
    """Return a line with options replaced or taken out; everything else in it stays as it is."""
    for word, (instead, _) in (options.replaced or {}).items():
        pattern = rf"(?P<before>^|[\s\"'=]){re.escape(word)}(?P<after>$|[\s\"'])"

        def put(found: re.Match[str], instead: str = instead) -> str:
            before, after = found["before"], found["after"]
            if instead:
                return f"{before}{instead}{after}"
            if before.isspace() and (after.isspace() or after in ("", '"', "'")):
                return after if after and not after.isspace() else before if after else ""
            return before if after.isspace() else f"{before}{after}"

        line = re.sub(pattern, put, line)
    return line


def overridden(look: HostLook) -> str:
    """Return the drop-in that GRUB reads after ours and that sets the options anew; "" when there is none."""
    for path, text in sorted(look.files.items()):
        if path.startswith("/etc/default/grub.d/") and path > DROP_IN:
            for line in text.splitlines():
                if (
                    re.match(r"\s*GRUB_CMDLINE_LINUX_DEFAULT=", line)
                    and "GRUB_CMDLINE_LINUX_DEFAULT" not in (line.partition("=")[2])
                ):
                    return path
    return ""
