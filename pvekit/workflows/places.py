"""Where pvekit keeps files on this machine. Nothing in them is needed to know what runs: PVE is the truth."""

from __future__ import annotations

import os
from pathlib import Path


def data_home() -> Path:
    """Return the folder for keys, known hosts and the embedded node (XDG_DATA_HOME/pvekit)."""
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "pvekit"


def cache_home() -> Path:
    """Return the folder for what can be made again (XDG_CACHE_HOME/pvekit)."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pvekit"


def lab_state() -> Path:
    """Return the embedded node's folder; PVEKIT_LAB_STATE overrides it."""
    return Path(os.environ.get("PVEKIT_LAB_STATE") or data_home() / "lab")


def key_path() -> Path:
    """Return the private SSH key that pvekit logs in to guests with; PVEKIT_SSH_KEY overrides it."""
    return Path(os.environ.get("PVEKIT_SSH_KEY") or data_home() / "id_ed25519")


def screens(stack: str) -> Path:
    """Return the folder for pictures of the consoles of a stack's VMs."""
    return data_home() / "stacks" / stack / "screens"


def kept_secret(name: str) -> Path:
    """Return the file of a secret that pvekit made itself; ``name`` is STACK/VM/NAME."""
    stack, _, rest = name.partition("/")
    return data_home() / "stacks" / stack / "secrets" / rest.replace("/", "-")


def models() -> Path:
    """Return the folder for models that were made here."""
    return cache_home() / "models"


def known_hosts(stack: str) -> Path:
    """Return the known_hosts file of a stack."""
    return data_home() / "stacks" / stack / "known_hosts"
