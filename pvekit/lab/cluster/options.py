"""Datacenter options, high availability, networks by software, CPU models, backup jobs: kept and shown.

None of it moves anything on the embedded node; it is here so that a client that sets it finds it again.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import Any

from pvekit.lab import formats
from pvekit.lab.access.permissions import allowed, may
from pvekit.lab.call import Call
from pvekit.lab.cluster.documents import changing, digest, given, table
from pvekit.lab.errors import FormatInvalid, broken
from pvekit.lab.params import Param, choice, flag, integer, text
from pvekit.lab.router import route
from pvekit.lab.vm.defaults import MAC_PREFIX
from pvekit.lab.vm.keys import KEYBOARDS

AUDIT, MODIFY = may("/", "Sys.Audit"), may("/", "Sys.Modify")
_OPTIONS: Mapping[str, Param] = {
    "console": choice("applet", "vv", "html5", "xtermjs"),
    "description": text(longest=65536),
    "email_from": text(),
    "http_proxy": text(pattern=r"http://.*"),
    "keyboard": choice(*KEYBOARDS),
    "language": text(),
    "mac_prefix": text(pattern=r"[a-fA-F0-9][02468aceACE](:[a-fA-F0-9]{2}){0,2}:?"),
    "max_workers": integer(1),
    "next-id": text(pattern=r"((lower|upper)=\d+)(,(lower|upper)=\d+)?"),
    **{key: text() for key in ("bwlimit", "crs", "fencing", "ha", "migration", "notify", "registered-tags",
                               "tag-style", "u2f", "user-tag-access", "webauthn")},
}  # fmt: skip


@route("GET", "/cluster/options")
def options(call: Call) -> dict[str, Any]:
    """Return the options; without Sys.Audit on / only what everybody may know."""
    public: dict[str, Any] = {"allowed-tags": []}
    if not allowed(call.lab, call.caller, "/", "Sys.Audit"):
        return public
    return {**public, "mac_prefix": MAC_PREFIX, "description": "", **table(call.lab, "options")}


@route("PUT", "/cluster/options", check=MODIFY, params={**_OPTIONS, "delete": text()})
def options_write(call: Call) -> None:
    """Change options."""
    with changing(call.lab, "options") as rows:
        rows.update(given(call, _OPTIONS))
        for name in formats.words(call.get("delete")):
            rows.pop(name, None)


_HA: Mapping[str, Param] = {
    "comment": text(longest=4096),
    "failback": flag(),
    "group": text(),
    "max_relocate": integer(0),
    "max_restart": integer(0),
    "state": choice("started", "stopped", "enabled", "disabled", "ignored"),
    "type": choice("ct", "vm"),
}
SID = text(pattern=r"((ct|vm|[a-z][a-z0-9]*):)?[a-zA-Z0-9]+", required=True)
HA_AUDIT = AUDIT


def _sid(call: Call) -> str:
    return call.get("sid") if ":" in call.get("sid") else f"vm:{call.get('sid')}"


@route("GET", "/cluster/ha/resources", check=HA_AUDIT, params={"type": choice("ct", "vm")})
def ha_listing(call: Call) -> list[dict[str, Any]]:
    """Return the managed VMs."""
    rows = table(call.lab, "ha-resources")
    return [{"sid": sid, "type": "vm", "digest": digest(rows), **row} for sid, row in sorted(rows.items())]


@route("POST", "/cluster/ha/resources", check=may("/", "Sys.Console"), params={"sid": SID, **_HA})
def ha_create(call: Call) -> None:
    """Manage a VM; the embedded node restarts nothing because of it."""
    sid = _sid(call)
    if int(sid.partition(":")[2]) not in call.lab.vms:
        raise broken(f"resource '{sid}' does not exist in cluster")
    with changing(call.lab, "ha-resources") as rows:
        if sid in rows:
            raise broken(f"create resource failed: resource ID '{sid}' already defined")
        rows[sid] = {"state": "started", **given(call, _HA, "type")}


@route("GET", "/cluster/ha/resources/{sid}", check=HA_AUDIT, params={"sid": SID})
def ha_read(call: Call) -> dict[str, Any]:
    """Return one managed VM."""
    rows = table(call.lab, "ha-resources")
    if _sid(call) not in rows:
        raise broken(f"no such resource '{_sid(call)}'")
    return {"sid": _sid(call), "type": "vm", "digest": digest(rows), **rows[_sid(call)]}


@route(
    "PUT", "/cluster/ha/resources/{sid}", check=may("/", "Sys.Console"),
    params={"sid": SID, **_HA, "delete": text(), "digest": text()},
)  # fmt: skip
def ha_write(call: Call) -> None:
    """Change how a VM is managed."""
    with changing(call.lab, "ha-resources") as rows:
        if _sid(call) not in rows:
            raise broken(f"no such resource '{_sid(call)}'")
        rows[_sid(call)].update(given(call, _HA, "type"))


@route("DELETE", "/cluster/ha/resources/{sid}", check=may("/", "Sys.Console"), params={"sid": SID, "purge": flag()})
def ha_delete(call: Call) -> None:
    """Manage a VM no longer."""
    with changing(call.lab, "ha-resources") as rows:
        if rows.pop(_sid(call), None) is None:
            raise broken(f"cannot delete service '{_sid(call)}', not HA managed!")


@route("GET", "/cluster/ha/groups", check=HA_AUDIT)
def ha_groups(_call: Call) -> None:
    """Refuse, as PVE 9 does."""
    raise broken("cannot index groups: ha groups have been migrated to rules")


@route("GET", "/cluster/ha/status/current", check=HA_AUDIT)
def ha_status(call: Call) -> list[dict[str, Any]]:
    """Return the state of high availability."""
    node = call.lab.settings.nodes[0]
    rows: list[dict[str, Any]] = [
        {"id": "quorum", "type": "quorum", "node": node, "status": "OK", "quorate": 1},
        {"id": "fencing", "type": "fencing", "node": node, "status": "standby (CRM watchdog standby)"},
    ]
    for sid, row in table(call.lab, "ha-resources").items():
        rows.append({"id": f"service:{sid}", "type": "service", "sid": sid, "node": node, "state": row["state"],
                     "status": f"{sid} ({node}, {row['state']})"})  # fmt: skip
    return rows


def _schedule(value: str) -> None:
    if not re.search(r"\d", value) and value not in {"daily", "hourly", "weekly", "monthly", "yearly", "minutely"}:
        raise FormatInvalid(f"invalid calendar event '{value}' - unable to parse calendar event\n")


_BACKUP: Mapping[str, Param] = {
    "all": flag(), "comment": text(), "compress": text(), "enabled": flag(), "mailnotification": text(),
    "mailto": text(), "mode": choice("snapshot", "suspend", "stop"), "node": text(), "notes-template": text(),
    "notification-mode": text(), "pool": text(), "prune-backups": text(), "repeat-missed": flag(),
    "schedule": text(check=_schedule), "storage": text(), "vmid": text(),
}  # fmt: skip
_JOB = text(check=formats.config_id)


@route("GET", "/cluster/backup", check=AUDIT)
def backups(call: Call) -> list[dict[str, Any]]:
    """Return the backup jobs; none is ever run."""
    return [{"id": name, "type": "vzdump", **row} for name, row in sorted(table(call.lab, "backup").items())]


@route("POST", "/cluster/backup", check=MODIFY, params={"id": _JOB, **_BACKUP})
def backup_create(call: Call) -> None:
    """Add a backup job."""
    name = call.get("id") or f"backup-{int(time.time()):x}"
    with changing(call.lab, "backup") as rows:
        if name in rows:
            raise broken(f"Job '{name}' already exists")
        rows[name] = {"enabled": 1, **given(call, _BACKUP)}


@route("GET", "/cluster/backup/{id}", check=AUDIT)
def backup_read(call: Call) -> dict[str, Any]:
    """Return one backup job."""
    row = table(call.lab, "backup").get(call.get("id"))
    if row is None:
        raise broken(f"No such job '{call.get('id')}'")
    return {"id": call.get("id"), "type": "vzdump", **row}


@route("PUT", "/cluster/backup/{id}", check=MODIFY, params={**_BACKUP, "delete": text()})
def backup_write(call: Call) -> None:
    """Change a backup job."""
    with changing(call.lab, "backup") as rows:
        if call.get("id") not in rows:
            raise broken(f"No such job '{call.get('id')}'")
        rows[call.get("id")].update(given(call, _BACKUP))


@route("DELETE", "/cluster/backup/{id}", check=MODIFY)
def backup_delete(call: Call) -> None:
    """Delete a backup job."""
    with changing(call.lab, "backup") as rows:
        if rows.pop(call.get("id"), None) is None:
            raise broken(f"No such job '{call.get('id')}'")
