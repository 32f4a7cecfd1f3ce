"""The boot that undoes itself: an entry of GRUB's menu for one boot, and the unit that decides about it. Pure."""

from __future__ import annotations

import re

from pvekit.adapters.templates import render
from pvekit.model.hostchange import FileChange, Stage, Step, Trial
from pvekit.model.hostlook import HostLook
from pvekit.passthrough.change_options import Options

HOME = "/var/lib/pvekit/passthrough"
UNIT = "pvekit-passthrough-check.service"
UNIT_FILE = f"/etc/systemd/system/{UNIT}"
WANTS = "/etc/systemd/system/sysinit.target.d/pvekit-passthrough.conf"
MENU = "/boot/grub/custom.cfg"
ENTRY = "pvekit-trial"
_GRUB_CFG = "/boot/grub/grub.cfg"
_WHY = "trial boot: started once, undone unless it is confirmed"
_PANIC = "panic=30"


def settings(journal: str, address: str = "") -> Trial:
    """Return the settings of a trial; ``journal`` is the change set's id."""
    return Trial(marker=f"pvekit.trial={journal}", address=address)


def refusal(look: HostLook) -> str:
    """Return why this host cannot have a trial boot; "" when it can."""
    return look.once or ("" if entry_of(look) else f"{_GRUB_CFG} has no entry for the running kernel {look.release}")


def entry_of(look: HostLook) -> list[str]:
    """Return the lines inside GRUB's entry for the running kernel; the recovery entry is left out."""
    body: list[str] | None = None
    for line in look.files.get(_GRUB_CFG, "").splitlines():
        text = line.strip()
        if re.match(r"menuentry\b.*\{$", text):
            body = []
        elif text == "}" and body is not None:
            if _starts(body, look.release):
                return body
            body = None
        elif body is not None:
            body.append(line)
    return []


def _starts(body: list[str], release: str) -> bool:
    for line in body:
        words = line.split()
        if words[:1] == ["linux"] and len(words) > 1 and words[1].endswith(f"/vmlinuz-{release}"):
            return not {"single", "recovery"} & set(words)
    return False


def image(look: HostLook) -> str:
    """Return where the trial's initramfs is."""
    return f"/boot/initrd.img-{look.release}.pvekit-trial"


def files(look: HostLook, options: Options, trial: Trial, journal: str, *, rebuild: bool) -> list[FileChange]:
    """Return the menu's entry, the unit, and what starts the unit."""
    body = [_line(line, look, options, trial, rebuild=rebuild) for line in entry_of(look)]
    menu = look.files.get(MENU)
    own = render("iommu/trial-entry.cfg.j2", {"id": ENTRY, "body": body})
    gap = "" if not menu or menu.endswith("\n") else "\n"
    unit = render("iommu/watchdog.service.j2", {"folder": f"{HOME}/{journal}"})
    wants = render("iommu/watchdog.target.j2", {"unit": UNIT})
    return [
        FileChange(UNIT_FILE, look.files.get(UNIT_FILE), unit, _WHY, mode="0644", stage=Stage.TRIAL),
        FileChange(WANTS, look.files.get(WANTS), wants, _WHY, mode="0644", stage=Stage.TRIAL),
        FileChange(MENU, menu, f"{menu or ''}{gap}{own}", _WHY, mode="" if menu is not None else "0644",
                   stage=Stage.TRIAL),
    ]  # fmt: skip


def _line(line: str, look: HostLook, options: Options, trial: Trial, *, rebuild: bool) -> str:
    words = line.split()
    indent = line[: len(line) - len(line.lstrip())]
    if words[:1] == ["linux"]:
        given = [word for word in options.applied(words[2:]) if not word.startswith("panic=")]
        return indent + " ".join([*words[:2], *given, _PANIC, trial.marker])
    if words[:1] == ["initrd"] and rebuild:
        name = f"initrd.img-{look.release}"
        return indent + " ".join(f"{word}.pvekit-trial" if word.endswith(f"/{name}") else word for word in words)
    return line


def steps(look: HostLook, *, rebuild: bool) -> list[Step]:
    """Return the commands: an initramfs of its own, and the entry for one boot, last."""
    found = []
    if rebuild:
        path = image(look)
        argv = ("mkinitramfs", "-o", path, look.release)
        if look.initramfs == "dracut":
            argv = ("dracut", "--force", path, look.release)
        found.append(Step(argv, f"{_WHY}; the old initramfs stays", (path,), (), Stage.TRIAL))
    undo = ("grub-editenv", "/boot/grub/grubenv", "unset", "next_entry")
    found.append(Step(("grub-reboot", ENTRY), _WHY, ("/boot/grub/grubenv",), undo, Stage.TRIAL))
    return found
