"""How the embedded node says no: the HTTP answers and task endings that are not a success."""

from __future__ import annotations

from collections.abc import Mapping


class Refused(Exception):
    """The request ends with this status; ``reason`` is the HTTP reason phrase, as PVE puts its errors there.

    ``errors`` maps a parameter to what is wrong with it; ``silent`` leaves the body empty (PVE does so for 401).
    """

    def __init__(
        self, status: int, reason: str, *, errors: Mapping[str, str] | None = None, silent: bool = False
    ) -> None:
        """Keep the answer's parts."""
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.errors = dict(errors) if errors is not None else None
        self.silent = silent


class TaskFailed(Exception):
    """The task ends as a failure; the text becomes its exit status."""


class FormatInvalid(ValueError):
    """A value does not have the format its parameter declares; the text is PVE's."""


def broken(reason: str) -> Refused:
    """Return the 500 that PVE gives when its code dies with this text."""
    return Refused(500, reason)


def bad(**errors: str) -> Refused:
    """Return the 400 for parameters; write ``-`` in a name as ``_``."""
    return bad_map({key.replace("_", "-"): text for key, text in errors.items()})


def bad_map(errors: Mapping[str, str]) -> Refused:
    """Return the 400 that carries the errors map."""
    return Refused(400, "Parameter verification failed.", errors=errors)


def forbidden(detail: str = "") -> Refused:
    """Return the 403 with what was missing."""
    return Refused(403, f"Permission check failed ({detail})" if detail else "Permission check failed")


def unauthorized(reason: str) -> Refused:
    """Return the 401 with an empty body."""
    return Refused(401, reason, silent=True)


def no_such_vm(vmid: int, node: str = "") -> Refused:
    """Return the 500 that PVE gives for an unknown VM."""
    return broken(f"Configuration file 'nodes/{node or 'pve'}/qemu-server/{vmid}.conf' does not exist")
