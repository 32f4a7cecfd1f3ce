"""The one door to Proxmox VE. Only this package imports proxmoxer.

Names are loaded when first used, so that importing the package costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pvekit.adapters.pve.agent import Interface, Ran
    from pvekit.adapters.pve.auth import Login, Token
    from pvekit.adapters.pve.client import Endpoint, Pve
    from pvekit.adapters.pve.errors import Cause, cause, cause_of, lock_timeout
    from pvekit.adapters.pve.facts import (
        Bridge,
        NodeRow,
        PciMapping,
        Pending,
        Resources,
        StorageRow,
        VmRow,
        Volume,
        bridges,
        content,
        pci_mappings,
        pending,
        permissions,
        resources,
        status,
        version,
    )
    from pvekit.adapters.pve.mapping import change_mapping, create_mapping, delete_mapping
    from pvekit.adapters.pve.node import (
        NodeStatus,
        PciDevice,
        guest_config,
        node_status,
        pci_devices,
        storage_config,
    )
    from pvekit.adapters.pve.recorded import NotRecorded, Recorder, Replay
    from pvekit.adapters.pve.screen import block_reads, screenshot, send_key
    from pvekit.adapters.pve.storage import delete_volume, download_url, upload
    from pvekit.adapters.pve.tasks import TaskPoller
    from pvekit.adapters.pve.terminal import Console, console
    from pvekit.adapters.pve.trust import Certificate, Trust, normal_fingerprint, show_certificate
    from pvekit.adapters.pve.uncertain import settle
    from pvekit.adapters.pve.upid import Upid, parse_upid
    from pvekit.adapters.pve.vms import (
        RunningTask,
        Snapshot,
        create_snapshot,
        create_vm,
        delete_snapshot,
        delete_vm,
        node_tasks,
        reboot,
        resize,
        rollback,
        set_config,
        set_config_task,
        shutdown,
        snapshots,
        start,
        stop,
        unlink,
    )

_HOME = {
    "agent": ("Interface", "Ran"),
    "auth": ("Login", "Token"),
    "client": ("Endpoint", "Pve"),
    "terminal": ("Console", "console"),
    "errors": ("Cause", "cause", "cause_of", "lock_timeout"),
    "facts": (
        "Bridge",
        "NodeRow",
        "PciMapping",
        "Pending",
        "Resources",
        "StorageRow",
        "VmRow",
        "Volume",
        "bridges",
        "content",
        "pci_mappings",
        "pending",
        "permissions",
        "resources",
        "status",
        "version",
    ),
    "mapping": ("change_mapping", "create_mapping", "delete_mapping"),
    "node": ("NodeStatus", "PciDevice", "guest_config", "node_status", "pci_devices", "storage_config"),
    "recorded": ("NotRecorded", "Recorder", "Replay"),
    "screen": ("block_reads", "screenshot", "send_key"),
    "uncertain": ("settle",),
    "storage": ("delete_volume", "download_url", "upload"),
    "tasks": ("TaskPoller",),
    "trust": ("Certificate", "Trust", "normal_fingerprint", "show_certificate"),
    "upid": ("Upid", "parse_upid"),
    "vms": (
        "RunningTask",
        "Snapshot",
        "create_snapshot",
        "create_vm",
        "delete_snapshot",
        "delete_vm",
        "node_tasks",
        "reboot",
        "resize",
        "rollback",
        "set_config",
        "set_config_task",
        "shutdown",
        "snapshots",
        "start",
        "stop",
        "unlink",
    ),
}

_MODULE = {name: module for module, names in _HOME.items() for name in names}

__all__ = [
    "Bridge",
    "Cause",
    "Certificate",
    "Console",
    "Endpoint",
    "Interface",
    "Login",
    "NodeRow",
    "NodeStatus",
    "NotRecorded",
    "PciDevice",
    "PciMapping",
    "Pending",
    "Pve",
    "Ran",
    "Recorder",
    "Replay",
    "Resources",
    "RunningTask",
    "Snapshot",
    "StorageRow",
    "TaskPoller",
    "Token",
    "Trust",
    "Upid",
    "VmRow",
    "Volume",
    "block_reads",
    "bridges",
    "cause",
    "cause_of",
    "change_mapping",
    "console",
    "content",
    "create_mapping",
    "create_snapshot",
    "create_vm",
    "delete_mapping",
    "delete_snapshot",
    "delete_vm",
    "delete_volume",
    "download_url",
    "guest_config",
    "lock_timeout",
    "node_status",
    "node_tasks",
    "normal_fingerprint",
    "parse_upid",
    "pci_devices",
    "pci_mappings",
    "pending",
    "permissions",
    "reboot",
    "resize",
    "resources",
    "rollback",
    "screenshot",
    "send_key",
    "set_config",
    "set_config_task",
    "settle",
    "show_certificate",
    "shutdown",
    "snapshots",
    "start",
    "status",
    "stop",
    "storage_config",
    "unlink",
    "upload",
    "version",
]


def __getattr__(name: str) -> Any:
    """Load the module of a public name on first use."""
    module = _MODULE.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{module}"), name)
    globals()[name] = value
    return value
