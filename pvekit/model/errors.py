"""Everything that can stop a run, as one tree.

    PvekitError                    1   cannot go on
    ├── StackInvalid               3   the stack file has mistakes (all of them, with positions)
    ├── SecretUnavailable          3   an env:, file: or cmd: reference gave nothing
    ├── HostUnreachable            4   no connection, name not found, time-out, TLS handshake
    ├── FingerprintMismatch        6   the server shows another certificate than the pinned one
    ├── AuthFailed                 5   401: wrong or expired token, ticket or password
    ├── ApiError                   1   any other answer of PVE that is not a success
    │   ├── ParameterRejected      8   400 with an errors map
    │   ├── PermissionDenied       7   403
    │   ├── NotFound               9   the thing asked for is not there (PVE says 500 for a VM)
    │   ├── Conflict               9   locked, checksum mismatch, VMID taken, protected, running
    │   └── ServerBusy            10   5xx and 596 that stayed after the retries
    ├── WriteUncertain            10   a write was sent and its answer never came
    ├── PermissionsMissing         7   the plan needs privileges that the token lacks (with the pveum lines)
    ├── PreflightRefused           8   the plan cannot work on this host (storage, bridge, shrink, budget ...)
    ├── ImageInvalid              11   checksum mismatch, missing or unusable image
    ├── TaskFailed                10   a PVE task ended in failure (with the log's tail)
    ├── GuestNotReady             12   agent, cloud-init, SSH or a service did not come in time
    ├── ProvisionFailed           13   a playbook failed (task, host, message)
    ├── BundleInvalid             14   evidence of a host cannot be read (missing, damaged, hostile archive)
    ├── LabError                  15   the embedded node cannot do it
    ├── RebootNeeded              16   a node has to be restarted before the rest can be done
    └── Interrupted              130   Ctrl-C, after a clean end

The number is the exit code. ``pvekit plan`` keeps 2 for "there are changes", so no error uses it; wrong
command-line usage is 64. Foreign exceptions (requests, proxmoxer, paramiko, ansible_runner) are mapped in
``adapters`` only, with ``from``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in a file, shown as ``file:line:column: field.path: what is wrong. What to write instead``.

    ``line`` and ``column`` count from 1; 0 means unknown.
    """

    file: str
    line: int
    column: int
    path: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        """Return the mistake as one line, in the form editors can jump to."""
        position = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        field = f"{self.path}: " if self.path else ""
        hint = f" {self.hint}" if self.hint else ""
        return f"{position}: {field}{self.message}{hint}"


class PvekitError(Exception):
    """The run cannot go on.

    ``where`` names the place (``file:line``, or VM and task), ``hint`` the next step.
    """

    code = 1

    def __init__(self, message: str, *, where: str = "", hint: str = "") -> None:
        """Keep what happened, where, and what to do next."""
        super().__init__(message)
        self.message = message
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        """Return what happened and where; the hint is printed apart."""
        return f"{self.where}: {self.message}" if self.where else self.message


class StackInvalid(PvekitError):
    """The stack file has mistakes; ``problems`` holds every one."""

    code = 3

    def __init__(self, problems: Sequence[Problem]) -> None:
        """Keep all problems, in file order."""
        count = len(problems)
        super().__init__(f"{count} mistake{'s' if count != 1 else ''} in the stack file")
        self.problems = tuple(problems)


class SecretUnavailable(PvekitError):
    """A secret reference gave nothing: variable not set, file unreadable, command failed."""

    code = 3


class HostUnreachable(PvekitError):
    """The server could not be reached at all."""

    code = 4


class FingerprintMismatch(PvekitError):
    """The server's certificate is not the pinned one."""

    code = 6

    def __init__(self, endpoint: str, expected: Sequence[str], actual: str) -> None:
        """Keep both fingerprints, so that they can be shown side by side."""
        super().__init__(
            f"{endpoint} shows another certificate than the pinned one\n"
            f"  pinned: {', '.join(expected)}\n  shown:  {actual}",
            hint="If you renewed the certificate, compare it on the node (pvenode cert info) and write the new "
            "fingerprint into the stack file. If not, somebody may be between you and the server.",
        )
        self.expected = tuple(expected)
        self.actual = actual


class AuthFailed(PvekitError):
    """The server does not accept the token, ticket or password."""

    code = 5


class ApiError(PvekitError):
    """PVE answered with an error. ``status`` is the HTTP status, ``errors`` the parameter map (may be empty)."""

    code = 1

    def __init__(
        self, message: str, *, status: int, where: str = "", hint: str = "", errors: dict[str, str] | None = None
    ) -> None:
        """Keep the HTTP status and PVE's own words."""
        super().__init__(message, where=where, hint=hint)
        self.status = status
        self.errors = errors or {}


class ParameterRejected(ApiError):
    """400: PVE found a parameter wrong."""

    code = 8


class PermissionDenied(ApiError):
    """403: the token may not do this."""

    code = 7


class NotFound(ApiError):
    """The thing asked for is not there."""

    code = 9


class Conflict(ApiError):
    """Locked, changed by somebody else, VMID taken, protected or running."""

    code = 9


class ServerBusy(ApiError):
    """5xx or 596 that stayed after the retries."""

    code = 10


class WriteUncertain(PvekitError):
    """A write was sent and its answer never came: look whether it took effect before doing it again."""

    code = 10


class PermissionsMissing(PvekitError):
    """The plan needs privileges that the token lacks."""

    code = 7


class PreflightRefused(PvekitError):
    """The plan cannot work on this host; ``reasons`` holds every one."""

    code = 8

    def __init__(self, reasons: Sequence[str], *, hint: str = "") -> None:
        """Keep all reasons."""
        super().__init__("\n".join(reasons), hint=hint)
        self.reasons = tuple(reasons)


class ImageInvalid(PvekitError):
    """An image is missing, unusable, or does not match its checksum."""

    code = 11


class BundleInvalid(PvekitError):
    """A bundle of evidence cannot be read: missing, damaged, or packed so that nobody should unpack it."""

    code = 14


class TaskFailed(PvekitError):
    """A PVE task ended in failure; the message ends with the log's tail."""

    code = 10


class GuestNotReady(PvekitError):
    """A guest did not become ready."""

    code = 12


class ProvisionFailed(PvekitError):
    """A playbook failed."""

    code = 13


class LabError(PvekitError):
    """The embedded node cannot do it."""

    code = 15


class RebootNeeded(PvekitError):
    """A node has to be restarted before the rest can be done; all else is done."""

    code = 16


class Interrupted(PvekitError):
    """The person pressed Ctrl-C; running tasks were finished or aborted cleanly."""

    code = 130
