"""Privileges and built-in roles of PVE 9."""

from __future__ import annotations

_DATASTORE = "Datastore.Allocate Datastore.AllocateSpace Datastore.AllocateTemplate Datastore.Audit"
_SDN = "SDN.Allocate SDN.Audit SDN.Use"
_USERS = "Group.Allocate Realm.AllocateUser User.Modify"
_VM_USER = (
    "VM.Audit VM.Backup VM.Config.CDROM VM.Config.Cloudinit VM.Console VM.GuestAgent.Audit VM.GuestAgent.FileRead "
    "VM.GuestAgent.FileSystemMgmt VM.GuestAgent.FileWrite VM.PowerMgmt"
)
_VM = (
    f"{_VM_USER} VM.Allocate VM.Clone VM.Config.CPU VM.Config.Disk VM.Config.HWType VM.Config.Memory "
    "VM.Config.Network VM.Config.Options VM.GuestAgent.Unrestricted VM.Migrate VM.Replicate VM.Snapshot "
    "VM.Snapshot.Rollback"
)
_MAPPING_USER = "Mapping.Audit Mapping.Use"
_SYS = "Sys.Audit Sys.Console Sys.Syslog"
_ADMIN = f"{_DATASTORE} {_SDN} {_USERS} {_VM} {_MAPPING_USER} {_SYS} Pool.Allocate Pool.Audit"


def _role(text: str) -> frozenset[str]:
    return frozenset(text.split())


BUILT_IN: dict[str, frozenset[str]] = {
    "Administrator": _role(
        f"{_ADMIN} Mapping.Modify Permissions.Modify Realm.Allocate Sys.AccessNetwork Sys.Incoming Sys.Modify "
        "Sys.PowerMgmt"
    ),
    "NoAccess": frozenset(),
    "PVEAdmin": _role(_ADMIN),
    "PVEAuditor": _role("Datastore.Audit Mapping.Audit Pool.Audit SDN.Audit Sys.Audit VM.Audit VM.GuestAgent.Audit"),
    "PVEDatastoreAdmin": _role(_DATASTORE),
    "PVEDatastoreUser": _role("Datastore.AllocateSpace Datastore.Audit"),
    "PVEMappingAdmin": _role(f"{_MAPPING_USER} Mapping.Modify"),
    "PVEMappingUser": _role(_MAPPING_USER),
    "PVEPoolAdmin": _role("Pool.Allocate Pool.Audit"),
    "PVEPoolUser": _role("Pool.Audit"),
    "PVESDNAdmin": _role(_SDN),
    "PVESDNUser": _role("SDN.Audit SDN.Use"),
    "PVESysAdmin": _role(_SYS),
    "PVETemplateUser": _role("VM.Audit VM.Clone"),
    "PVEUserAdmin": _role(_USERS),
    "PVEVMAdmin": _role(_VM),
    "PVEVMUser": _role(_VM_USER),
}

PRIVILEGES = BUILT_IN["Administrator"]
