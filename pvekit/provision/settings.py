"""Compares a VM's settings with what the stack file wants, and writes a change so that nothing else is lost. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from pvekit.model.desired import DesiredVm
from pvekit.model.facts import VmFacts
from pvekit.model.mark import strip
from pvekit.model.pcimap import mapping_name
from pvekit.model.plan import Change
from pvekit.model.properties import HostPci, Machine, PropertyInvalid, canonical, covers
from pvekit.model.properties.compare import codec
from pvekit.provision.forecast import effect

# Parts of a property string that the stack file decides even where it leaves them out: no `vlan:` means no VLAN.
# Other parts that it does not name (a NIC's rate limit, a disk's replication) are somebody else's and stay.
_DECIDED = {
    "net": frozenset({"firewall", "mtu", "tag"}),
    "hostpci": frozenset({"host", "mapping", "pcie", "rombar", "romfile", "x-vga"}),
}
# Here the stack file has the whole value.
_WHOLE = frozenset({"boot", "cpu", "smbios", "startup"})


def setting_changes(vm: DesiredVm, own: VmFacts) -> list[Change]:
    """Return the changes of all settings but disks: what differs, and what the stack file has no more."""
    wanted = own.wanted
    found = [
        change(key, wanted.get(key), merged(key, value, wanted.get(key)), own)
        for key, value in sorted(vm.config.items())
        if differs(key, value, wanted.get(key))
    ]
    found += [change(key, wanted[key], None, own) for key in sorted(wanted) if _surplus(key, wanted[key], vm, own)]
    now = strip(wanted.get("description", "")).strip()
    if vm.description != now:
        found.append(change("description", now, vm.description, own))
    return found


def change(key: str, before: str | None, after: str | None, own: VmFacts) -> Change:
    """Return a change of an existing VM with the forecast of its effect."""
    return Change(key, before, after, effect(key, before, after, own.config, running=own.row.running))


def differs(key: str, desired: str, actual: str | None) -> bool:
    """Return whether PVE's value does not mean what is desired."""
    return bool(covers(key, desired, actual)) or bool(actual is not None and _dropped(key, desired, actual))


def merged(key: str, desired: str, actual: str | None) -> str:
    """Return the value to write: the desired one, with the parts of PVE's own that the stack file does not decide."""
    kind = codec(key)
    if kind is None or actual is None or _bus(key) in _WHOLE:
        return desired
    try:
        old, new = kind.parse(actual).pairs(), kind.parse(desired).pairs()
    except PropertyInvalid:
        return desired
    kept = {name: value for name, value in old.items() if name not in _DECIDED.get(_bus(key), frozenset())}
    return str(kind.parse(",".join(f"{name}={value}" for name, value in {**kept, **new}.items())))


def _dropped(key: str, desired: str, actual: str) -> set[str]:
    """Return the parts that PVE has, the stack file decides, and does not have."""
    kind = codec(key)
    decided = _DECIDED.get(_bus(key), frozenset())
    if kind is None or not (decided or _bus(key) in _WHOLE):
        return set()
    old, new = canonical(key, actual), canonical(key, desired)
    assert isinstance(old, dict)  # noqa: S101 - it has a codec, and `covers` could read it
    assert isinstance(new, dict)  # noqa: S101 - it has a codec
    defaults = kind.defaults()
    surplus = {name for name, value in old.items() if name not in new and value != defaults.get(name)}
    return surplus if _bus(key) in _WHOLE else surplus & decided


def _surplus(key: str, value: str, vm: DesiredVm, own: VmFacts) -> bool:
    """Return whether PVE has a setting that the stack file would write, if it wanted it."""
    if key in vm.config or key in vm.left:
        return False
    if key == "machine":
        return _chipset(value) != "i440fx"
    if key == "bios":
        return value != "seabios"
    if _bus(key) == "hostpci":
        # Only what pvekit gave the VM; what somebody else did stays.
        return own.mark is not None and _mapping(value).startswith(mapping_name(own.mark.stack, ""))
    return key == "startup" or (key.startswith("net") and key[3:].isdigit())


def _chipset(value: str) -> str:
    try:
        return Machine.parse(value).chipset
    except PropertyInvalid:
        return ""


def _mapping(value: str) -> str:
    try:
        return HostPci.parse(value).mapping or ""
    except PropertyInvalid:
        return ""


def _bus(key: str) -> str:
    return key.rstrip("0123456789")


def network_of(value: str) -> Mapping[str, str]:
    """Return the parts of a NIC (``bridge``, ``tag`` ...); empty when it cannot be read."""
    try:
        found = canonical("net0", value)
    except PropertyInvalid:
        return {}
    return found if isinstance(found, dict) else {}
