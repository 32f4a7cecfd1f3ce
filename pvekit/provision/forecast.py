"""Says beforehand what PVE will apply to a running VM, and what needs a restart.

A forecast only: after the write, PVE's ``/pending`` has the last word. Source: qemu-server 9.2, ``QemuServer.pm``,
``$fast_plug_option``, ``vmconfig_hotplug_pending``, ``vmconfig_update_disk``.
"""

from __future__ import annotations

from collections.abc import Mapping

from pvekit.model.plan import Effect
from pvekit.model.properties import PropertyInvalid, canonical

_AT_ONCE = frozenset(
    {
        *("description", "hookscript", "migrate_downtime", "migrate_speed", "name", "onboot", "protection", "shares"),
        *("startup", "tags", "vmstatestorage", "cpulimit", "cpuunits"),
    }
)
_PLUGGED = {"net": "network", "scsi": "disk", "virtio": "disk", "memory": "memory", "vcpus": "cpu", "tablet": "usb"}
"""Keys that PVE plugs in and out, and the word in ``hotplug`` that allows it."""
_DISKS = frozenset({"scsi", "virtio", "sata", "ide"})
_COLD_IN_DISKS = frozenset({"file", "aio", "discard", "iothread", "queues", "cache", "ssd", "ro", "serial", "model"})


def effect(key: str, before: str | None, after: str | None, config: Mapping[str, str], *, running: bool) -> Effect:
    """Return when a change of ``key`` reaches the guest. ``config`` is the VM's configuration as it runs now."""
    if not running:
        return Effect.NEW
    bus = key.rstrip("0123456789")
    if key == "balloon":
        live = (before != "0") == (after != "0")
    elif bus in _DISKS and before is not None and after is not None:
        live = not _differing(key, before, after) & _COLD_IN_DISKS
    elif bus in _PLUGGED:
        live = _PLUGGED[bus] in _features(config)
    else:
        live = key in _AT_ONCE
    return Effect.LIVE if live else Effect.RESTART


def _differing(key: str, before: str, after: str) -> set[str]:
    """Return the subkeys that differ; ``file`` when a value cannot be read."""
    try:
        old, new = canonical(key, before), canonical(key, after)
    except PropertyInvalid:
        return {"file"}
    assert isinstance(old, dict)  # noqa: S101 - disks are property strings
    assert isinstance(new, dict)  # noqa: S101 - disks are property strings
    return {name for name in old.keys() | new.keys() if old.get(name) != new.get(name)}


def _features(config: Mapping[str, str]) -> frozenset[str]:
    text = config.get("hotplug", "1")
    if text == "1":
        return frozenset({"network", "disk", "usb"})
    return frozenset(text.split(","))
