"""How a playbook run ended, as a value, and how ansible-runner's events become ours."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pvekit.adapters.ansible.secrets import Redactor
from pvekit.model.event import Emit, Event, Kind

_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_COUNTS = ("ok", "changed", "skipped", "failures", "dark", "rescued", "ignored")
_KEPT_LINES = 20


@dataclass(frozen=True, slots=True)
class HostFailure:
    """One task that failed on one host. ``task`` is its name; the message is Ansible's, with secrets struck out."""

    host: str
    task: str
    message: str

    def __str__(self) -> str:
        """Return host, task and message as one text."""
        return f"{self.host}: {self.task}: {self.message}"


@dataclass(frozen=True, slots=True)
class ProvisionResult:
    """The end of a playbook run. ``changed`` and ``failed`` are host names; ``stats`` counts tasks per host.

    ``ok`` is True when no host failed or was unreachable. ``dark`` in ``stats`` is Ansible's word for unreachable.
    """

    failures: tuple[HostFailure, ...]
    stats: Mapping[str, Mapping[str, int]]

    @property
    def failed(self) -> frozenset[str]:
        """Return the hosts on which something failed or that could not be reached."""
        counted = {host for host, counts in self.stats.items() if counts["failures"] or counts["dark"]}
        return frozenset(counted | {failure.host for failure in self.failures})

    @property
    def changed(self) -> frozenset[str]:
        """Return the hosts on which at least one task changed something."""
        return frozenset(host for host, counts in self.stats.items() if counts["changed"])

    @property
    def ok(self) -> bool:
        """Return whether every host came through."""
        return not self.failed


@dataclass(slots=True)
class Collector:
    """Takes ansible-runner's events as they come: tells ``emit`` and remembers what the result needs."""

    emit: Emit
    redact: Redactor
    failures: list[HostFailure] = field(default_factory=list)
    stats: dict[str, dict[str, int]] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    pid: int | None = None
    _items: dict[tuple[str, str], list[str]] = field(default_factory=dict)

    def take(self, event: Mapping[str, Any]) -> bool:
        """Handle one event; False tells ansible-runner not to keep it in a file."""
        name = str(event.get("event", ""))
        if isinstance(event.get("pid"), int):
            self.pid = event["pid"]
        data = event.get("event_data") or {}
        if name.startswith("runner_"):
            self._host_event(name, data)
        elif name == "playbook_on_stats":
            self._count(data)
        elif name in ("warning", "error", "system_warning", "verbose"):
            self._line(name, str(event.get("stdout", "")))
        return False

    def result(self) -> ProvisionResult:
        """Return the result; a failure that a rescue block caught does not count."""
        counted = {host for host, counts in self.stats.items() if counts["failures"] or counts["dark"]}
        kept = self.failures if not self.stats else [each for each in self.failures if each.host in counted]
        return ProvisionResult(tuple(kept), self.stats)

    def _host_event(self, name: str, data: Mapping[str, Any]) -> None:
        """Tell what happened to one task on one host."""
        host, task = str(data.get("host", "")), str(data.get("task", ""))
        result = data.get("res") or {}
        if name == "runner_on_start":
            self.emit(Event(Kind.START, host, task))
        elif name == "runner_on_ok":
            self.emit(Event(Kind.DONE, host, task, "changed" if result.get("changed") else "ok", _seconds(data)))
        elif name == "runner_on_skipped":
            self.emit(Event(Kind.SKIP, host, task))
        elif name == "runner_retry":
            self.emit(Event(Kind.LOG, host, task, self.redact(message_of(result) or "tried again")))
        elif name == "runner_item_on_failed":
            self._items.setdefault((host, task), []).append(message_of(result))
        elif name in ("runner_on_failed", "runner_on_unreachable"):
            self._failed(host, task, result, data)

    def _failed(self, host: str, task: str, result: Mapping[str, Any], data: Mapping[str, Any]) -> None:
        """Remember a failure, with the messages of its loop items, unless the playbook ignores it."""
        items = self._items.pop((host, task), [])
        message = self.redact("; ".join(items) or message_of(result) or "failed without a message")
        if data.get("ignore_errors"):
            self.emit(Event(Kind.DONE, host, task, f"failed, ignored: {message}", _seconds(data)))
            return
        self.failures.append(HostFailure(host, task, message))
        self.emit(Event(Kind.FAIL, host, task, message, _seconds(data)))

    def _count(self, data: Mapping[str, Any]) -> None:
        """Turn Ansible's counters (per kind, then host) round."""
        for host in data.get("processed") or {}:
            self.stats[host] = {kind: int((data.get(kind) or {}).get(host, 0)) for kind in _COUNTS}

    def _line(self, name: str, text: str) -> None:
        """Keep the last lines that belong to no task: they explain a run that never started."""
        cleaned = self.redact(_ANSI.sub("", text)).replace("\r\n", "\n").strip()
        if not cleaned:
            return
        self.lines = [*self.lines, *cleaned.splitlines()][-_KEPT_LINES:]
        if name != "verbose":
            self.emit(Event(Kind.NOTE, "", "ansible", cleaned))


def message_of(result: Mapping[str, Any]) -> str:
    """Return what a task's result says about its failure: the message and what the command printed."""
    if "censored" in result:
        return "the message is hidden, because the task handles a secret"
    parts = [_plain(str(result.get("msg") or ""))]
    for key in ("stderr", "module_stderr", "stdout", "module_stdout"):
        text = _plain(str(result.get(key) or ""))
        if text and text not in parts[0]:
            parts.append("\n".join(text.splitlines()[-5:]))
            break
    return "\n".join(part for part in parts if part)


def _plain(text: str) -> str:
    """Return ssh's shouted warning about a host key as one sentence, any other text without carriage returns."""
    text = text.replace("\r", "").strip()
    if "REMOTE HOST IDENTIFICATION HAS CHANGED" in text:
        shown = re.search(r"SHA256:[A-Za-z0-9+/]+", text)
        return f"the SSH host key is not the pinned one (shown: {shown[0] if shown else 'unknown'})"
    return text


def last_words(lines: Sequence[str]) -> str:
    """Return the lines that say why a run did not start: from the first error on, else the last five."""
    for number, line in enumerate(lines):
        if line.lower().startswith(("[error]", "error")):
            return "\n".join(lines[number:])
    return "\n".join(lines[-5:])


def _seconds(data: Mapping[str, Any]) -> float | None:
    """Return the task's duration on this host, in seconds."""
    duration = data.get("duration")
    return float(duration) if isinstance(duration, int | float) else None
