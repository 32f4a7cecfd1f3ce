"""Paths whose answer never changes: indexes, and lists of what the embedded node does not have."""

from __future__ import annotations

from typing import Any

from pvekit.lab.access.permissions import may
from pvekit.lab.call import Call
from pvekit.lab.errors import Refused
from pvekit.lab.params import integer, text
from pvekit.lab.router import Check, route


def _names(text_: str, key: str = "name") -> list[dict[str, str]]:
    return [{key: name} for name in text_.split()]


_AUDIT = may("/", "Sys.Audit")
_NODE_AUDIT = may("/nodes/{node}", "Sys.Audit")
_ANSWERS: dict[str, Any] = {
    "/": _names("version cluster nodes storage access pools", "subdir"),
    "/cluster": _names(
        "acme backup backup-info bulk-action ceph config firewall ha jobs log mapping metrics notifications nextid "
        "options qemu replication resources status tasks sdn"
    ),
    "/cluster/config": _names("nodes totem join qdevice apiversion"),
    "/cluster/ha": _names("status resources groups rules", "id"),
    "/cluster/jobs": _names("schedule-analyze realm-sync", "subdir"),
    "/cluster/metrics": _names("server"),
    "/cluster/sdn": _names("vnets zones controllers ipams dns fabrics", "id"),
    "/cluster/notifications/targets": [
        {"name": "mail-to-root", "type": "sendmail", "origin": "builtin", "comment": "Send mails to root@pam's address"}
    ],
    "/cluster/notifications/matchers": [
        {"name": "default-matcher", "mode": "all", "target": ["mail-to-root"], "origin": "builtin"}
    ],
    "/nodes/{node}/capabilities": _names("qemu"),
    "/nodes/{node}/disks": _names("directory list lvm lvmthin smart zfs"),
    "/nodes/{node}/scan": _names("cifs iscsi lvm nfs pbs zfs", "method"),
    "/nodes/{node}/sdn": _names("fabrics vnets zones"),
    "/nodes/{node}/disks/lvm": {"children": [], "leaf": 0},
}
_EMPTY = (
    "/cluster/acme/account", "/cluster/config/nodes", "/cluster/ha/rules", "/cluster/replication",
    "/cluster/sdn/controllers", "/cluster/sdn/dns", "/cluster/sdn/ipams", "/nodes/{node}/aplinfo",
    "/nodes/{node}/disks/lvmthin", "/nodes/{node}/disks/zfs", "/nodes/{node}/replication",
    "/nodes/{node}/sdn/zones", "/nodes/{node}/ceph/pool",
)  # fmt: skip


def _register(path: str, answer: Any, check: Check | None) -> None:
    @route("GET", path, check=check)
    def handler(_call: Call) -> Any:
        return answer


for _path, _answer in _ANSWERS.items():
    _register(_path, _answer, None)
for _path in _EMPTY:
    _register(_path, [], _NODE_AUDIT if _path.startswith("/nodes") else _AUDIT)


@route("GET", "/cluster/config/join", check=_AUDIT, params={"node": text()})
def join(_call: Call) -> None:
    """Refuse: the node is in no cluster."""
    raise Refused(424, "node is not in a cluster, no join info available!")


@route("GET", "/cluster/log", params={"max": integer(1)})
def log(call: Call) -> list[dict[str, Any]]:
    """Return the latest starts and ends of tasks."""
    rows: list[dict[str, Any]] = []
    for task in call.lab.tasks.newest()[: call.number("max", 50)]:
        if task.end is not None:
            rows.append(_line(call, task.end, f"end task {task.upid}: {task.exit}", task.upid.auth_id, len(rows)))
        rows.append(_line(call, task.upid.start, f"starting task {task.upid}", task.upid.auth_id, len(rows)))
    return rows[: call.number("max", 50)]


def _line(call: Call, when: int, text_: str, user: str, number: int) -> dict[str, Any]:
    node = call.lab.settings.nodes[0]
    return {"id": f"{number}:{node}", "uid": str(number), "time": when, "node": node, "pri": 6, "tag": "pvedaemon",
            "user": user, "msg": text_, "pid": 0}  # fmt: skip
