"""What the host boots with, and what the next boot would use."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pvekit.model.bundle import Line
from pvekit.model.missing import Missing
from pvekit.passthrough import logs
from pvekit.passthrough.facts.cmdline import Cmdline, Token, tokens_of
from pvekit.passthrough.facts.kernellog import KernelLog
from pvekit.passthrough.facts.sources import Sources
from pvekit.passthrough.pattern import Pattern


@dataclass(frozen=True)
class Boot:
    """``loader`` is grub, systemd-boot or "" (unknown); ``uefi`` None: unknown.

    ``wanted`` are the options written down by file (``/etc/default/grub``, ``/etc/kernel/cmdline``), with those of the
    drop-ins of a file under its name; ``pinned`` the pinned kernel release. ``proxmox_tool``: the ESPs are kept by
    proxmox-boot-tool. ``warnings`` are its complaints.
    """

    uefi: bool | None
    loader: str
    wanted: Mapping[str, tuple[Token, ...]]
    pinned: str
    kernels: tuple[str, ...]
    proxmox_tool: bool | None
    secure_boot: bool | None
    warnings: tuple[Line, ...]
    evidence: tuple[Line, ...]


def read(sources: Sources, log: KernelLog | Missing, cmdline: Cmdline | Missing) -> Boot | Missing:
    """Read boot.txt, default-grub.txt, kernel-cmdline.txt, and the kernel log for the firmware."""
    notes = _Notes()
    for line in sources.roles.get("boot.txt", ()):
        if logs.prompt(line.text) is None:
            notes.add(line)
    wanted = {**_grub(sources), **_plain(sources)}
    uefi, secure = notes.uefi, notes.secure
    logged = None if isinstance(log, Missing) else _firmware(log)
    if logged is not None:
        uefi = logged[0] if uefi is None else uefi
        secure = logged[1] if secure is None else secure
    running = None if isinstance(cmdline, Missing) else _running(cmdline)
    loader = running[0] if running else notes.loader
    evidence = (*((running[1],) if running else ()), *notes.evidence, *((logged[2],) if logged else ()))
    roles = ("boot.txt", "default-grub.txt", "default-grub.d/", "kernel-cmdline.txt")
    if not evidence and not wanted:
        found = sources.of(*roles)
        return found if isinstance(found, Missing) else Missing("boot.txt", "tells nothing about the boot loader")
    return Boot(
        uefi=uefi,
        loader=loader,
        wanted=wanted,
        pinned=notes.pinned,
        kernels=tuple(notes.kernels),
        proxmox_tool=notes.tool,
        secure_boot=secure if uefi is not False else False,
        warnings=tuple(notes.warnings),
        evidence=tuple(dict.fromkeys(evidence)),
    )


_KERNEL = Pattern(r"\s*(\d+\.\d+\.\d+[\w.+~-]*)(?:\s.*)?")
_STATUS = Pattern(r"\s*(\S+) is configured with: (.*)")
_VERSIONS = Pattern(r"(uefi|grub) ?\(versions: ([^()]*)\)|(uefi|grub)")
_ENTRY = Pattern(r"\s*Boot([0-9A-Fa-f]{4})[* ]\s?(.*)")
_CURRENT = Pattern(r"\s*BootCurrent:\s*([0-9A-Fa-f]{4})\s*")
_SECURE = Pattern(r"\s*Secure ?Boot:? (enabled|disabled)\b.*")
_WARNING = Pattern(r"\s*(?:WARN|W|E|ERROR): .*")
_SAID = Pattern(r"(?i:(UEFI|EFI|BIOS|Legacy(?: BIOS)?)(?: (?:boot|mode)(?: on HDD)?)?)")
_EFI = Pattern(
    r"(?:^|[\s/])(?:fw_platform_size|efivars|runtime-map|fw_vendor|config_table)(?=[\s/]|$)|^/sys/firmware/efi/?$"
)
_HEADINGS = {
    "Manually selected kernels:": "kernels",
    "Automatically selected kernels:": "kernels",
    "Pinned kernel:": "pinned",
    "Kernel pinned on next-boot:": "next",
}


class _Notes:
    """What boot.txt says, line by line: the outputs of several tools, in any order and with or without headings."""

    def __init__(self) -> None:
        self.uefi: bool | None = None
        self.secure: bool | None = None
        self.tool: bool | None = None
        self.pinned = ""
        self.kernels: list[str] = []
        self.warnings: list[Line] = []
        self.evidence: list[Line] = []
        self._section = ""
        self._current = ""
        self._entries: dict[str, str] = {}
        self._configured: set[str] = set()
        self._product = ""

    @property
    def loader(self) -> str:
        """Return the boot loader as far as the tools tell it: the entry that was booted, or else the only one kept."""
        entry = self._entries.get(self._current, "").lower()
        if "systemd-boot" in entry or "linux boot manager" in entry:
            return "systemd-boot"
        if "grub" in entry or "shim" in entry:
            return "grub"
        if self._product:
            return self._product
        if self.uefi is False and self.tool is not None:
            return "grub"
        if len(self._configured) == 1:
            return "systemd-boot" if "uefi" in self._configured else "grub"
        return ""

    def add(self, line: Line) -> None:
        """Take in one line."""
        text = line.text.strip()
        if not text or (self._section and text == "None."):
            return
        heading = next((name for name in _HEADINGS if text.startswith(name)), "")
        if heading:
            self._section = _HEADINGS[heading]
        elif self._section and (kernel := _KERNEL.fullmatch(text)):
            self._kernel(kernel.group(1))
        else:
            self._section = ""
            if not (self._firmware(text) or self._tool(text, line) or self._bootctl(text)):
                return
        self.evidence.append(line)

    def _kernel(self, release: str) -> None:
        if self._section == "pinned":
            self.pinned = release
        if release not in self.kernels:
            self.kernels.append(release)

    def _firmware(self, text: str) -> bool:
        if "EFI variables are not supported" in text or ("/sys/firmware/efi" in text and "No such file" in text):
            self.uefi = False
        elif found := _CURRENT.fullmatch(text):
            self.uefi, self._current = True, found.group(1).lower()
        elif found := _ENTRY.fullmatch(text):
            self._entries[found.group(1).lower()] = found.group(2)
        elif found := _SECURE.fullmatch(text):
            self.secure, self.uefi = found.group(1) == "enabled", True
        elif found := _SAID.fullmatch(text):
            self.uefi = found.group(1).upper() in ("UEFI", "EFI")
        elif _EFI.search(text):
            self.uefi = True if self.uefi is None else self.uefi
        else:
            return False
        return True

    def _tool(self, text: str, line: Line) -> bool:
        if text.startswith("System currently booted with "):
            self.uefi = text.endswith("uefi")
        elif found := _STATUS.fullmatch(text):
            self.tool = True
            for part in _VERSIONS.finditer(found.group(2)):
                self._configured.add(part.group(1) or part.group(3))
                versions = [version.strip() for version in (part.group(2) or "").split(",") if version.strip()]
                self.kernels += [version for version in versions if version not in self.kernels]
        elif text.endswith("is listed in /etc/kernel/proxmox-boot-uuids"):
            self.tool = True
        elif "/etc/kernel/proxmox-boot-uuids does not exist" in text:
            self.tool = False
        elif _WARNING.fullmatch(text):
            self.warnings.append(line)
        else:
            return False
        return True

    def _bootctl(self, text: str) -> bool:
        found = re.fullmatch(r"Product: (systemd-boot|GRUB)\b.*", text)
        if found is None:
            return False
        self._product = found.group(1).lower()
        return True


_EFI_LOG = Pattern(r"^efi: EFI v|^efi: \w+=0x|secureboot: Secure boot |fb0: EFI VGA|X\.509 certificate: UEFI:")
_SECURE_LOG = Pattern(r"secureboot: Secure boot (enabled|disabled)|locked down from EFI Secure Boot")


def _firmware(log: KernelLog) -> tuple[bool, bool | None, Line] | None:
    """Return whether the kernel was started by UEFI and whether Secure Boot was on."""
    hit, secure = log.first(_EFI_LOG), log.first(_SECURE_LOG)
    if secure is not None:
        return True, secure[0].group(1) != "disabled", secure[1]
    if hit is not None:
        return True, None, hit[1]
    if log.whole and log.first(r"^(?:efi|EFI)\b") is None:
        return False, False, log.entries[0].line
    return None


def _running(cmdline: Cmdline) -> tuple[str, Line] | None:
    """Return the boot loader that the running kernel's options give away: each adds one of its own."""
    for token in cmdline.tokens:
        if token.name == "BOOT_IMAGE":
            return "grub", token.line
        if token.name == "initrd" and (token.value or "").startswith("\\"):
            return "systemd-boot", token.line
    return None


_GRUB = "/etc/default/grub"
_ASSIGNED = Pattern(r"\s*(?:export\s+)?(GRUB_CMDLINE_LINUX(?:_DEFAULT)?)(\+?)=(.*)")
_EXPANDED = Pattern(r"\$\{?(GRUB_CMDLINE_LINUX(?:_DEFAULT)?)\}?(?!\w)")


def _grub(sources: Sources) -> dict[str, tuple[Token, ...]]:
    """Return the options for GRUB, those of the files in /etc/default/grub.d among them.

    As in the shell, the last assignment counts and may take in the others.
    """
    present = [role for role in ("default-grub.txt", "default-grub.d/") if role in sources.roles]
    values: dict[str, tuple[Token, ...]] = {"GRUB_CMDLINE_LINUX": (), "GRUB_CMDLINE_LINUX_DEFAULT": ()}
    for line in (line for role in present for line in sources.roles[role]):
        found = _ASSIGNED.fullmatch(line.text)
        if found is None:
            continue
        name, more, text = found.groups()
        text = _shell_value(text)
        tokens, place = list(values[name] if more else ()), 0
        for expanded in _EXPANDED.finditer(text):
            tokens += tokens_of(text[place : expanded.start()], line)
            tokens += values[expanded.group(1)]
            place = expanded.end()
        values[name] = (*tokens, *tokens_of(text[place:], line))
    if not any(line.text.strip() for role in present for line in sources.roles[role]):
        return {}
    return {_GRUB: (*values["GRUB_CMDLINE_LINUX"], *values["GRUB_CMDLINE_LINUX_DEFAULT"])}


def _shell_value(text: str) -> str:
    """Return the first word of a shell command line, its quotes taken off."""
    found, quote, number = "", "", 0
    while number < len(text):
        char = text[number]
        if quote and char == quote:
            quote = ""
        elif not quote and char in "\"'":
            quote = char
        elif char == "\\" and quote != "'" and number + 1 < len(text):
            number += 1
            found += text[number]
        elif not quote and char.isspace():
            break
        else:
            found += char
        number += 1
    return found


def _plain(sources: Sources) -> dict[str, tuple[Token, ...]]:
    """Return the options in /etc/kernel/cmdline, which systemd-boot's entries are made of."""
    lines: Iterable[Line] | None = sources.roles.get("kernel-cmdline.txt")
    if lines is None:
        return {}
    written = [line for line in lines if line.text.strip() and logs.prompt(line.text) is None]
    if any("No such file or directory" in line.text for line in written):
        return {}
    return {"/etc/kernel/cmdline": tuple(token for line in written for token in tokens_of(line.text, line))}
