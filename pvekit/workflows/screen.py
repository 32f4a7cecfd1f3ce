"""A VM's screen as a file."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path

from pvekit.adapters import pve as api
from pvekit.model.errors import GuestNotReady
from pvekit.workflows.access import running
from pvekit.workflows.session import Session


def screenshot(session: Session, name: str) -> bytes:
    """Return the VM's screen as PNG. Raises GuestNotReady when it does not run or has no display."""
    state = running(session, name)
    display = api.pending(session.pve, state.node, state.vmid).current.get("vga", "")
    if re.match(r"(?:type=)?(?:none|serial\d)", display):
        raise GuestNotReady(
            f"{name} has no display (vga: {display})",
            where=f"VMID {state.vmid}",
            hint=f"Its serial console shows what it says: pvekit console {name}",
        )
    return api.screenshot(session.pve, state.node, state.vmid)


def file_name(name: str, now: datetime) -> Path:
    """Return the file that a screenshot taken now gets, in the current folder."""
    return Path(f"{name}-{now:%Y%m%d-%H%M%S}.png")
