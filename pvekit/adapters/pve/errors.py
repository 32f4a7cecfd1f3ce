"""PVE's answers become our errors. Every text match is narrow and names the place in PVE that says it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from pvekit.adapters.pve.transport import Lost
from pvekit.model.errors import (
    ApiError,
    AuthFailed,
    Conflict,
    HostUnreachable,
    NotFound,
    ParameterRejected,
    PermissionDenied,
    PvekitError,
    ServerBusy,
    WriteUncertain,
)
from pvekit.model.task import TaskResult


class Cause(Enum):
    """What PVE's text says, where the status alone does not."""

    LOCK_TIMEOUT = "lock time-out"
    LOCKED = "locked"
    STALE = "changed by somebody else"
    EXISTS = "already exists"
    PROTECTED = "protected"
    RUNNING = "running"
    STOPPED = "not running"
    MISSING = "does not exist"
    AGENT_SILENT = "guest agent does not answer"
    ROOT_ONLY = "only root@pam"
    TRANSIENT = "passing trouble"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class _Text:
    pattern: re.Pattern[str]
    cause: Cause
    error: type[ApiError]
    hint: str = ""


def _text(pattern: str, cause: Cause, error: type[ApiError], hint: str = "") -> _Text:
    return _Text(re.compile(pattern), cause, error, hint)


# The first match counts, so the narrower ones stand first.
_TEXTS = (
    # qemu-server, PVE/API2/Qemu/Agent.pm and PVE/QemuServer/Agent.pm
    _text(
        r"QEMU guest agent is not running|No QEMU guest agent configured|qmp command 'guest-[a-z-]+' failed",
        Cause.AGENT_SILENT,
        ApiError,
        "Is qemu-guest-agent installed and running in the guest, and agent: on in the VM?",
    ),
    # pve-guest-common, PVE/AbstractConfig.pm lock_config -> pve-common, PVE/Tools.pm lock_file
    # pve-common, PVE/Tools.pm and pve-cluster, PVE/Cluster.pm cfs_lock ("got lock request timeout")
    _text(
        r"can't lock file '[^']*'|got lock request timeout|trying to acquire (?:cfs )?lock",
        Cause.LOCK_TIMEOUT,
        ServerBusy,
        "Another task holds the lock. Try again when it has ended.",
    ),
    # pve-guest-common, PVE/AbstractConfig.pm check_lock
    _text(
        r"^(?:VM|CT) is locked \(", Cause.LOCKED, Conflict, "A running task or `qm unlock VMID` on the node ends it."
    ),
    # pve-common, PVE/Tools.pm assert_if_modified, and pve-cluster for section configs
    _text(
        r"checksum mismatch \(file change by other user\?\)|detected modified configuration",
        Cause.STALE,
        Conflict,
        "Somebody changed it after the plan was made. Plan again.",
    ),
    # pve-guest-common, PVE/AbstractConfig.pm create_and_lock_config; qemu-server clone; pve-storage; pve-manager
    _text(r"already exists|already defined|config file already exists", Cause.EXISTS, Conflict),
    # qemu-server, PVE/QemuConfig.pm check_protection
    _text(r"protection mode enabled", Cause.PROTECTED, Conflict, "`--unprotect` lifts the protection first."),
    # qemu-server, PVE/API2/Qemu.pm destroy_vm
    _text(r"VM \d+ is running - destroy failed", Cause.RUNNING, Conflict, "Stop it first."),
    # qemu-server, PVE/QemuServer.pm vm_start
    _text(r"VM \d+ already running", Cause.RUNNING, Conflict),
    # qemu-server: PVE/QemuServer.pm says it for the agent, PVE/API2/Qemu.pm for reboot and reset
    _text(r"^VM \d+ (?:is )?not running", Cause.STOPPED, Conflict),
    # qemu-server, PVE/API2/Qemu.pm check_vm_modify_config_perm, check_hostpci_perm; pve-storage, PVE/Storage.pm
    _text(
        r"[Oo]nly root can (?:set|pass)",
        Cause.ROOT_ONLY,
        PermissionDenied,
        "PVE takes this from the ticket of root@pam only, from no token. Give a login, or do without it.",
    ),
    # pve-cluster, PVE/INotify and AbstractConfig load_config; pve-storage; pve-access-control; mappings
    _text(
        r"does not exist|no such (?:user|token|storage|cluster node|task|VM)|mapping '[^']*' not found"
        r"|unable to find configuration file|hostname lookup '[^']*' failed|no such task",
        Cause.MISSING,
        NotFound,
    ),
    # pve-common, PVE/RESTEnvironment.pm fork_worker; pve-http-server AnyEvent (proxying to another node);
    # pve-cluster, IPCC when pmxcfs restarts
    _text(
        r"got no worker upid|^got timeout$|[Cc]onnection timed out|^Connection refused|ipcc_send_rec\[\d+\] failed"
        r"|cluster not ready - no quorum|Too many (?:redirections|open files)",
        Cause.TRANSIENT,
        ServerBusy,
    ),
)

# 595 to 599 are AnyEvent::HTTP's own: pveproxy reaches another node or pvedaemon through it.
TRANSIENT_STATUS = frozenset({502, 503, 504, 595, 596, 597, 598, 599})
# 595 means that no connection came about: the request never reached the one who would have acted on it.
NOT_REACHED_STATUS = frozenset({595})


def cause_of(text: str) -> Cause:
    """Return what one of PVE's error texts (answer, or exit status of a task) says."""
    found = _match(text)
    return found.cause if found else Cause.OTHER


def cause(error: PvekitError) -> Cause:
    """Return what PVE said, for an error of this package."""
    return cause_of(error.message) if isinstance(error, ApiError) else Cause.OTHER


def lock_timeout(result: TaskResult) -> bool:
    """Return whether the task failed only because it did not get a lock in time."""
    return not result.ok and cause_of(result.exitstatus) is Cause.LOCK_TIMEOUT


def answer_error(
    status: int, reason: str, body: Mapping[str, Any] | None, where: str, secrets: Iterable[str] = ()
) -> PvekitError:
    """Return our error for an answer that is no success.

    ``reason`` is the HTTP reason phrase, ``body`` the JSON answer (None if there was none). ``secrets`` are blotted
    out of PVE's text, which sometimes repeats a parameter.
    """
    hide = tuple(secret for secret in secrets if len(secret) >= 4)
    message = _mask(_words(status, reason, body), hide)
    errors = {str(key): _mask(str(value).strip(), hide) for key, value in ((body or {}).get("errors") or {}).items()}
    if status == 401:
        return AuthFailed(
            message or "not accepted",
            where=where,
            hint="Is the token (or password) right, not expired, and its user enabled? "
            "`pveum user token list USER` on the node shows them.",
        )
    if status == 400 and set(errors) == {"upid"} and "no such task" in errors["upid"]:
        return NotFound(errors["upid"], status=status, where=where, errors=errors)
    if status == 400:
        detail = "; ".join(f"{key}: {value}" for key, value in sorted(errors.items()))
        return ParameterRejected(f"{message} {detail}".strip(), status=status, where=where, errors=errors)
    found = _match(message)
    if status == 403:
        return PermissionDenied(
            message, status=status, where=where, hint="`pvekit plan` names the missing privileges.", errors=errors
        )
    if found:
        return found.error(message, status=status, where=where, hint=found.hint, errors=errors)
    if status in TRANSIENT_STATUS:
        return ServerBusy(message, status=status, where=where, hint="Is the node up? Try again.", errors=errors)
    return ApiError(message, status=status, where=where, errors=errors)


def lost_error(lost: Lost, where: str, *, write: bool) -> PvekitError:
    """Return our error for a request without an answer, after the tries are used up."""
    if write:
        return WriteUncertain(
            f"no answer from {lost.endpoint} ({lost.why}): whether it took effect is not known",
            where=where,
            hint="Run the same command again: it looks first.",
        )
    return HostUnreachable(
        f"{lost.endpoint} does not answer: {lost.why}",
        where=where,
        hint="Is the node on, the address right, and port 8006 reachable from here?",
    )


def _match(message: str) -> _Text | None:
    return next((text for text in _TEXTS if text.pattern.search(message)), None)


def _words(status: int, reason: str, body: Mapping[str, Any] | None) -> str:
    """Prefer the body's message: the reason phrase may be cut or folded by a proxy."""
    message = str((body or {}).get("message") or "").strip()
    return message or reason.strip() or f"HTTP status {status}"


def _mask(text: str, secrets: Iterable[str]) -> str:
    for secret in secrets:
        text = text.replace(secret, "***")
    return text
