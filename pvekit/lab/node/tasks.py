"""Tasks over the API: list, status, log, stop."""

from __future__ import annotations

import re
from typing import Any

from pvekit.lab.access.permissions import allowed
from pvekit.lab.call import Call, Reply
from pvekit.lab.errors import bad, forbidden
from pvekit.lab.params import choice, flag, integer, text
from pvekit.lab.router import route
from pvekit.lab.tasks import Task
from pvekit.lab.upid import parse_upid


def _visible(call: Call, task: Task) -> bool:
    if call.caller.user == task.upid.user and (not call.caller.token or task.upid.auth_id == call.caller.auth_id):
        return True
    return call.caller.user == task.upid.user or allowed(call.lab, call.caller, f"/nodes/{task.upid.node}", "Sys.Audit")


def _task(call: Call) -> Task:
    text_ = call.get("upid")
    if parse_upid(text_) is None:
        raise bad(upid="unable to parse worker upid")
    task = call.lab.tasks.get(text_)
    if task is None:
        raise bad(upid="no such task")
    if not _visible(call, task):
        raise forbidden(f"/nodes/{call.node}, Sys.Audit")
    return task


def row(task: Task) -> dict[str, Any]:
    """Return the task as the lists show it."""
    fields = task.row()
    if task.end is not None:
        fields.update({"endtime": task.end, "status": task.exit})
    return fields


@route(
    "GET", "/nodes/{node}/tasks",
    params={"start": integer(0), "limit": integer(0), "userfilter": text(), "vmid": integer(), "errors": flag(),
            "source": choice("archive", "active", "all"), "since": integer(), "until": integer(),
            "typefilter": text(), "statusfilter": text()},
)  # fmt: skip
def listing(call: Call) -> Reply:
    """Return the node's tasks, the latest first."""
    source = call.get("source", "archive")
    found = [
        task for task in call.lab.tasks.newest()
        if task.upid.node == call.node and _visible(call, task) and _wanted(call, task, source)
    ]  # fmt: skip
    start, limit = call.number("start"), call.number("limit", 50)
    chosen = found[start : start + limit] if limit else found[start:]
    return Reply([row(task) for task in chosen], {"total": len(found)})


def _wanted(call: Call, task: Task, source: str) -> bool:
    running = task.end is None
    if (source == "archive" and running) or (source == "active" and not running):
        return False
    failed = not running and task.exit != "OK" and not task.exit.startswith("WARNINGS")
    tests = (
        not call.flag("errors") or failed,
        not call.get("typefilter") or task.upid.kind == call.get("typefilter"),
        not call.get("vmid") or task.upid.subject == call.get("vmid"),
        not call.get("userfilter") or call.get("userfilter") in task.upid.auth_id,
        not call.get("since") or task.upid.start >= call.number("since"),
        not call.get("until") or task.upid.start <= call.number("until"),
        not call.get("statusfilter") or _kind_of_end(task) in re.split(r"[,;\s]+", call.get("statusfilter").lower()),
    )
    return all(tests)


def _kind_of_end(task: Task) -> str:
    if task.end is None:
        return "unknown"
    if task.exit == "OK":
        return "ok"
    return "warning" if task.exit.startswith("WARNINGS") else "error"


@route("GET", "/nodes/{node}/tasks/{upid}")
def index(_call: Call) -> list[dict[str, str]]:
    """Return what can be asked of a task."""
    return [{"name": "log"}, {"name": "status"}]


@route("GET", "/nodes/{node}/tasks/{upid}/status")
def status(call: Call) -> dict[str, Any]:
    """Return whether the task runs, and how it ended."""
    task = _task(call)
    fields = task.row()
    if task.end is None:
        return {**fields, "status": "running"}
    return {**fields, "status": "stopped", "exitstatus": task.exit}


@route(
    "GET", "/nodes/{node}/tasks/{upid}/log",
    params={"start": integer(0), "limit": integer(0), "download": flag()},
)  # fmt: skip
def log(call: Call) -> Reply:
    """Return lines of the task's log."""
    upid = parse_upid(call.get("upid"))
    if upid is not None and call.lab.tasks.get(call.get("upid")) is None:
        return Reply([{"n": 1, "t": "unable to open file - No such file or directory"}], {"total": 1})
    task = _task(call)
    start, limit = call.number("start"), call.number("limit", 50)
    lines = list(task.lines)
    chosen = lines[start : start + limit] if limit else lines[start:]
    rows = [{"n": start + number, "t": line} for number, line in enumerate(chosen, 1)]
    return Reply(rows or [{"n": 1, "t": "no content"}], {"total": len(lines)})


@route("DELETE", "/nodes/{node}/tasks/{upid}")
def stop(call: Call) -> None:
    """Ask a running task to stop."""
    task = _task(call)
    if call.caller.user != task.upid.user and not allowed(call.lab, call.caller, f"/nodes/{call.node}", "Sys.Modify"):
        raise forbidden(f"/nodes/{call.node}, Sys.Modify")
    task.stop.set()
