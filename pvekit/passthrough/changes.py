"""From what a host says to what would be changed on it. Pure.

Only what the diagnosis gives a reason for changes, and every change names it. What needs a hand at the machine
(firmware, slots) is told, and where it comes first nothing else is touched.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace

from pvekit.model.bundle import Bundle
from pvekit.model.finding import Confidence, Diagnosis, Layer, Overall, Verdict
from pvekit.model.hostchange import ChangeSet, FileChange, Step
from pvekit.model.hostlook import GRUB, PROXMOX_GRUB, PROXMOX_SYSTEMD_BOOT, HostLook
from pvekit.model.pci import Bdf
from pvekit.passthrough import change_binding, change_options, change_tidy, change_trial
from pvekit.passthrough.change_losses import losses
from pvekit.passthrough.change_options import Options, failed
from pvekit.passthrough.facts import Facts
from pvekit.passthrough.folklore import leftovers
from pvekit.passthrough.pattern import Pattern
from pvekit.passthrough.sorting.sort import sort

_LOADERS = (GRUB, PROXMOX_GRUB, PROXMOX_SYSTEMD_BOOT)
_CHANGED_HERE = frozenset({"KC-01", "KC-02", "KC-03", "KC-05", "KC-06", "FB-01", "FB-02",
                           "DB-01", "DB-02", "DB-03", "DB-04", "GR-06"})  # fmt: skip
"""Findings that a change set answers."""
_LOOKED_AT = frozenset({"cmdline.txt", "default-grub.txt", "default-grub.d/", "kernel-cmdline.txt", "modules.txt"})
_COPIED = Pattern(r"/etc/(?:modprobe\.d/|initramfs-tools/|dracut\.conf\.d/)")
"""What an initramfs holds a copy of."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What the person asked for. ``binding`` is auto, ids, override or none; ``address`` has to answer in a trial.

    ``accept`` are devices that the host may lose.
    """

    binding: str = change_binding.AUTO
    trial: bool = False
    pt: bool = False
    tidy: bool = False
    blacklist: tuple[str, ...] = ()
    address: str = ""
    accept: tuple[Bdf, ...] = ()


def with_look(bundle: Bundle, look: HostLook) -> Bundle:
    """Return the evidence with the configuration as the look at the host found it."""
    files = {name: text for name, text in bundle.files.items() if not _looked_at(name, text)}
    files["cmdline.txt"] = f"{look.cmdline}\n"
    grub = [path for path in sorted(look.files) if path.startswith("/etc/default/grub")]
    if grub:
        files["default-grub.txt"] = "\n".join(f"# {path}\n{look.files[path]}" for path in grub)
    names = {"/etc/kernel/cmdline": "kernel-cmdline.txt", "/etc/modules": "modules.txt"}
    for path, text in look.files.items():
        if path in names:
            files[names[path]] = text
        elif path.startswith(("/etc/modprobe.d/", "/etc/modules-load.d/")):
            files[path.removeprefix("/etc/")] = text
    return replace(bundle, files=files)


def _looked_at(name: str, text: str) -> bool:
    """Tell whether a file of the bundle is one that the look at the host has as well."""
    roles, _ = sort(Bundle(name, {name: text}))
    return bool(roles.keys() & _LOOKED_AT)


def changes(facts: Facts, diagnosis: Diagnosis, look: HostLook, wish: Wish) -> ChangeSet:
    """Return what would be done; an empty change set where there is nothing to do, or where it must not be done."""
    blocked = _blocked(diagnosis, look)
    none = ChangeSet("", "", left=blocked or _left(diagnosis))
    lost = losses(facts, wish.accept)
    if lost.refused:
        return replace(none, left=(*lost.refused, *none.left), refused=lost.refused)
    asked = wish.pt or wish.tidy or wish.blacklist or wish.binding in (change_binding.IDS, change_binding.OVERRIDE)
    if blocked or (diagnosis.verdict is Overall.HEALTHY and not asked):
        return none
    idle = leftovers(facts, diagnosis) if wish.tidy else ()
    options = change_options.decide(facts, diagnosis, look, pt=wish.pt, tidy=wish.tidy, idle=idle)
    binding = change_binding.Binding()
    works = diagnosis.verdict is Overall.HEALTHY and wish.binding == change_binding.AUTO and not wish.blacklist
    if wish.binding != change_binding.NONE and not works:
        binding = change_binding.decide(facts, diagnosis, look, how=wish.binding, blacklist=wish.blacklist)
    other = change_options.overridden(look)
    if options.added and other and look.loader != PROXMOX_SYSTEMD_BOOT:
        return replace(none, left=(f"{other} is read after pvekit's file and sets the options anew; correct it",))
    early = [*binding.files, *change_tidy.files(idle, look, taken=[file.path for file in binding.files])]
    late = change_options.files(options, look)
    rebuild = [*_rebuilds(early, diagnosis, look)]
    waits = _waits(facts, diagnosis, look)
    boot = () if waits and not (late or rebuild) else _boot_steps(bool(late), bool(rebuild), diagnosis, look)
    left = (*waits, *binding.refused, *_left(diagnosis), *change_tidy.by_hand(idle))
    if not (early or late or rebuild or boot):
        return replace(none, left=left)
    made = ChangeSet("", "", (*early, *late), (*rebuild, *boot), lost.risks, left)
    return _named(_with_trial(made, look, options, wish, rebuild=bool(rebuild)), look)


def _blocked(diagnosis: Diagnosis, look: HostLook) -> tuple[str, ...]:
    """Return what has to be done by hand before anything else makes sense, or why this host cannot be changed."""
    found = []
    if look.loader not in _LOADERS:
        found.append(f"this host starts with {look.loader} ({look.loader_why}); pvekit changes GRUB hosts and those "
                     "that proxmox-boot-tool keeps")  # fmt: skip
    if look.initramfs == "none":
        found.append("neither update-initramfs nor dracut is installed on this host")
    found += [f"{path} cannot be read: {why}" for path, why in sorted(look.unreadable.items())]
    cause = diagnosis.root_cause
    if cause is not None and cause.layer is Layer.FIRMWARE and cause.confidence is not Confidence.LOW:
        remedy = next((f.remedy.text for f in diagnosis.findings if f.id == cause.id and f.remedy), "")
        found.append(f"{cause.id}: {cause.title}. First: {remedy}" if remedy else f"{cause.id}: {cause.title}")
    return tuple(found)


def _left(diagnosis: Diagnosis) -> tuple[str, ...]:
    """Return what only a person can change."""
    return tuple(
        f"{finding.id}: {finding.message}. {finding.remedy.text}"
        for finding in diagnosis.findings
        if finding.verdict is Verdict.FAIL
        and finding.id not in _CHANGED_HERE
        and finding.remedy is not None
        and finding.confidence is not Confidence.LOW
        and finding.consequence_of is None
    )


def _rebuilds(early: Iterable[FileChange], diagnosis: Diagnosis, look: HostLook) -> list[Step]:
    """Return one step for each kernel: the running one first, the others after it."""
    stale = failed(diagnosis, "DB-02")
    copied = [change for change in early if _COPIED.match(change.path)]
    if not copied and stale is None:
        return []
    why = f"the initramfs holds copies of {', '.join(change.path for change in copied)}"
    if not copied and stale is not None:
        why = f"DB-02: {stale.message}"
    found = []
    for release in sorted(look.images, key=lambda name: (name != look.release, name)):
        image = f"/boot/initrd.img-{release}"
        if look.initramfs == "dracut":
            found.append(Step(("dracut", "--force", image, release), why, (image,)))
        else:
            beside = tuple(f"{image}.{end}" for end in ("new", "bak", "dpkg-bak"))
            outputs = (image, *beside, f"/var/lib/initramfs-tools/{release}")
            found.append(Step(("update-initramfs", "-u", "-k", release), why, outputs))
    return found


def _waits(facts: Facts, diagnosis: Diagnosis, look: HostLook) -> tuple[str, ...]:
    """Return that only the restart is missing: the boot loader has the options already."""
    finding = failed(diagnosis, "KC-03")
    if finding is None:
        return ()
    words = {str(token) for token in change_options.written(facts, look)}
    entry = {word for line in change_trial.entry_of(look) for word in line.split()}
    ours = look.journal is not None and look.journal.phase == "applied" and look.loader != GRUB
    if (words and words <= entry) or ours:
        return (f"KC-03: {finding.message}. The boot loader has it: start the host again",)
    return ()


def _boot_steps(options: bool, rebuilt: bool, diagnosis: Diagnosis, look: HostLook) -> list[Step]:
    """Return what brings the changes into the boot loader."""
    waiting = failed(diagnosis, "KC-03")
    why = "the boot loader reads a copy" if options or rebuilt else f"KC-03: {waiting.message}" if waiting else ""
    if not why:
        return []
    found = []
    if look.loader == GRUB and (options or waiting):
        outputs = ("/boot/grub/grub.cfg", "/boot/grub/grub.cfg.new")
        found.append(Step(("update-grub",), why, outputs))
    if look.loader != GRUB or look.esps:
        found.append(Step(("proxmox-boot-tool", "refresh"), f"{why}, on every ESP"))
    return found


def _with_trial(made: ChangeSet, look: HostLook, options: Options, wish: Wish, *, rebuild: bool) -> ChangeSet:
    if not wish.trial:
        return made
    made = _named(made, look)
    trial = change_trial.settings(made.id, wish.address)
    files = change_trial.files(look, options, trial, made.folder, rebuild=rebuild)
    steps = change_trial.steps(look, rebuild=rebuild)
    return replace(made, files=(*made.files, *files), steps=(*made.steps, *steps), trial=trial)


def _named(made: ChangeSet, look: HostLook) -> ChangeSet:
    """Give the change set an id that is always the same for the same changes, and the name of its journal."""
    if made.id:
        return made
    said = repr((look.next, look.cmdline, made.files, made.steps)).encode("utf-8", "surrogateescape")
    name = hashlib.sha256(said).hexdigest()[:8]
    return replace(made, id=name, folder=f"{look.next}-{name}")
