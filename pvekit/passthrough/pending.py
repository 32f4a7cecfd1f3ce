"""Kernel options that are written down, against those that are in force. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from pvekit.passthrough.facts.boot import Boot
from pvekit.passthrough.facts.cmdline import Cmdline, Token
from pvekit.passthrough.options import intel_iommu, switched_off

FILES = {"grub": "/etc/default/grub", "systemd-boot": "/etc/kernel/cmdline"}
"""Where each boot loader's options are written down."""


def better(tokens: Iterable[Token], cmdline: Cmdline, maker: str) -> Token | None:
    """Return what would make the IOMMU work if these options were in force: the option that is missing now.

    Where an option in force switches it off and these do not, the first of these options stands for them all.
    """
    known = tuple(tokens)
    if not known or switched_off(known, maker) is not None:
        return None
    if switched_off(cmdline.tokens, maker) is not None:
        return known[0]
    state, token = intel_iommu(known)
    running = intel_iommu(cmdline.tokens)[0]
    return token if maker != "amd" and state == "on" and running != "on" else None


def read_by_loader(boot: Boot) -> str:
    """Return the file that the boot loader's options come from; "" when the loader is not known."""
    return FILES.get(boot.loader, "")
