"""What a caller may put into a VM's configuration: privileges per key, and the walls only root passes."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from urllib.parse import unquote

from pvekit.lab.access.permissions import allowed, demand
from pvekit.lab.call import Call
from pvekit.lab.errors import broken, forbidden
from pvekit.lab.propstring import split
from pvekit.lab.vm.devicespec import HOSTPCI, NET, USB, VIRTIOFS
from pvekit.lab.vm.drives import CLOUDINIT, Drive, drive_of
from pvekit.lab.vm.keys import ROOT_ONLY, privilege

ANY_CONFIG = (
    "VM.Config.Disk", "VM.Config.CDROM", "VM.Config.CPU", "VM.Config.Memory", "VM.Config.Network",
    "VM.Config.HWType", "VM.Config.Options", "VM.Config.Cloudinit",
)  # fmt: skip


def check_keys(call: Call, vmid: int, changes: Mapping[str, str], removals: Iterable[str] = ()) -> None:
    """Raise unless the caller may set and remove these keys."""
    for key, value in [*changes.items(), *((key, "") for key in removals)]:
        if key in ROOT_ONLY and not call.caller.is_root:
            raise broken(f"only root can set '{key}' config")
        _check_device(call, key, value)
        needed = privilege(key, value)
        if needed and not _holds(call, vmid, needed):
            raise forbidden(f"/vms/{vmid}, {'|'.join(needed)}")
        if key == "startup":
            demand(call.lab, call.caller, "/", "Sys.Modify")


def _holds(call: Call, vmid: int, needed: tuple[str, ...]) -> bool:
    pool = call.get("pool")
    return allowed(call.lab, call.caller, f"/vms/{vmid}", *needed) or bool(
        pool and allowed(call.lab, call.caller, f"/pool/{pool}", *needed)
    )


def _check_device(call: Call, key: str, value: str) -> None:
    if re.fullmatch(r"hostpci\d+", key) and value:
        _check_mapped(call, key, split(HOSTPCI, value), "pci")
    elif re.fullmatch(r"usb\d+", key) and value:
        values = split(USB, value)
        if values.get("host", "").lower() != "spice":
            _check_mapped(call, key, values, "usb")
    elif re.fullmatch(r"virtiofs\d+", key) and value:
        demand(call.lab, call.caller, f"/mapping/dir/{split(VIRTIOFS, value)['dirid']}", "Mapping.Use")
    elif re.fullmatch(r"net\d+", key) and value:
        bridge = split(NET, value).get("bridge")
        if bridge:
            demand(call.lab, call.caller, f"/sdn/zones/localnetwork/{bridge}", "SDN.Use")
    elif re.fullmatch(r"serial\d+", key) and value.startswith("/dev/") and not call.caller.is_root:
        raise broken(f"only root can set '{key}' config for real devices")


def _check_mapped(call: Call, key: str, values: Mapping[str, str], kind: str) -> None:
    if call.caller.is_root:
        if not ({"host", "mapping"} & set(values)):
            raise broken("either 'host' or 'mapping' must be set.")
        return
    if "host" in values:
        what = "non-mapped devices" if kind == "pci" else "real devices"
        raise broken(f"only root can set '{key}' config for {what}")
    if "romfile" in values:
        raise broken(f"only root can set 'romfile' for '{key}'")
    if "mapping" not in values:
        raise broken("either 'host' or 'mapping' must be set.")
    demand(call.lab, call.caller, f"/mapping/{kind}/{values['mapping']}", "Mapping.Use")


def check_storages(call: Call, vmid: int, changes: Mapping[str, str]) -> None:
    """Raise unless every storage and volume that the drives name exists and may be used."""
    for key, value in sorted(changes.items()):
        drive = drive_of(key, value)
        if drive is not None:
            _check_drive(call, vmid, drive)


def _check_drive(call: Call, vmid: int, drive: Drive) -> None:
    if drive.file == "cdrom":
        demand(call.lab, call.caller, "/", "Sys.Console")
        return
    if drive.is_empty:
        return
    match = CLOUDINIT.fullmatch(drive.file)
    wanted = drive.wanted
    if match or wanted:
        storage = match[1] if match else wanted[0] if wanted else ""
        call.lab.storages.config(storage)
        demand(call.lab, call.caller, f"/storage/{storage}", "Datastore.AllocateSpace")
    else:
        check_volume(call, vmid, drive.file)
    if "import-from" in drive.values:
        check_volume(call, vmid, drive.values["import-from"])


def check_volume(call: Call, vmid: int, volume_id: str) -> None:
    """Raise unless the caller may use an existing volume for this VM."""
    if volume_id.startswith("/"):
        if not call.caller.is_root:
            raise broken("Only root can pass arbitrary filesystem paths.")
        return
    storage = volume_id.split(":", 1)[0]
    call.lab.storages.config(storage)
    own = re.match(rf"[^:]+:{vmid}/", volume_id)
    if own and allowed(call.lab, call.caller, f"/vms/{vmid}", "VM.Config.Disk"):
        return
    demand(call.lab, call.caller, f"/storage/{storage}", "Datastore.Audit", "Datastore.AllocateSpace")


def check_ssh_keys(text: str) -> None:
    """Raise unless every line of the (URL-encoded) text is a public key."""
    for line in unquote(text).splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        words = line.split()
        kind = next((word for word in words if re.match(r"(ssh|ecdsa|sk)-", word)), "")
        blob = words[words.index(kind) + 1] if kind and words.index(kind) + 1 < len(words) else ""
        try:
            raw = base64.b64decode(blob, validate=True)
        except binascii.Error as wrong:
            raise broken("SSH public key validation error") from wrong
        if not _whole(raw, kind):
            raise broken("SSH public key validation error")


def _whole(raw: bytes, kind: str) -> bool:
    """Return whether the wire format is complete: length-prefixed fields that end where the blob ends."""
    fields: list[bytes] = []
    while raw:
        length = int.from_bytes(raw[:4], "big")
        if len(raw) < 4 + length:
            return False
        fields.append(raw[4 : 4 + length])
        raw = raw[4 + length :]
    return len(fields) > 1 and fields[0].decode(errors="replace") == kind
