"""Installs a system from its setup CD: the key at the prompt, the wait until the image is on the disk, the proof.

PVE tells no one when a guest restarts, so the setup script switches the VM off when the image is on its disk; that
state is what this waits for. Then the setup CD leaves its drive, and no key is ever sent again.
"""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pvekit.adapters import pve as api
from pvekit.adapters.pve import agent
from pvekit.engine import Context
from pvekit.model.desired import SETUP_SLOT, DesiredVm
from pvekit.model.errors import ApiError, Conflict, GuestNotReady, PvekitError
from pvekit.model.mark import Stage
from pvekit.model.plan import Action
from pvekit.provision.apply.job import Job
from pvekit.provision.apply.power import running, start, switch_off
from pvekit.provision.apply.standstill import Watch, until

STARTED_BYTES = 16 << 20
"""A setup CD that has read so much is past its prompt: WinPE has hundreds of MiB, the prompt's own program two."""
DONE_FILE = r"C:\ProgramData\pvekit\done.json"
LOG_FILE = r"C:\ProgramData\pvekit\first-logon.log"
KEY = "ret"
KEYS_SECONDS = 90.0
_PAUSE = 1.0


def install(job: Job, action: Action, context: Context) -> None:
    """Install the system and take the setup CD out. Raises GuestNotReady with the phase that did not end."""
    vm, live = job.vms[action.vm], job.live[action.vm]
    assert vm.install is not None  # noqa: S101 - the plan has no install action otherwise
    patience = vm.install.windows.patience
    start(job, action, context)
    if not _pressed(job, vm.name, patience.started_s, context):
        hint = "The picture shows what it does instead. pvekit up tries again."
        what = "Windows Setup did not start: the prompt of its CD was missed, or the CD does not start"
        error = late(job, vm.name, "started", what, patience.started_s, hint, context)
        # Nothing is on its disk yet, and only a fresh start shows the prompt again.
        switch_off(job, vm.name, context)
        raise error
    context.log("Windows Setup runs")
    if not until(lambda: _left_setup(job, vm), patience.applied_s, context.sleep):
        raise late(
            job,
            vm.name,
            "applied",
            "Windows Setup did not finish",
            patience.applied_s,
            f"The picture shows what it says. Then: pvekit down --only {vm.name}, and up again.",
            context,
        )
    job.remember(vm.name, live.mark.with_stage(Stage.INSTALLED), **_without_cd(vm))
    context.log("Windows is on the disk; the setup CD is out")


def _without_cd(vm: DesiredVm) -> dict[str, str]:
    # The VM is off, so that a card may become its first display now.
    return {SETUP_SLOT: "none,media=cdrom", "boot": vm.boot, **vm.first_displays}


def _pressed(job: Job, name: str, seconds: float, context: Context) -> bool:
    """Press a key once a second until the CD is read or the disk has started; return whether either happened."""
    begin = time.monotonic()
    live, slot = job.live[name], job.vms[name].disks[0].slot
    while time.monotonic() - begin < seconds:
        if not running(job, name):
            return True
        if max(api.block_reads(job.pve, live.node, live.vmid, each) for each in (SETUP_SLOT, slot)) > STARTED_BYTES:
            return True
        if time.monotonic() - begin < KEYS_SECONDS:
            _press(job, name)
        context.sleep(_PAUSE)
    return False


def _press(job: Job, name: str) -> None:
    live = job.live[name]
    try:
        api.send_key(job.pve, live.node, live.vmid, KEY)
    except Conflict as error:
        if api.cause(error) is not api.Cause.STOPPED:
            raise


def _left_setup(job: Job, vm: DesiredVm) -> bool:
    """Return whether the VM has switched itself off, or runs its own system already (after a broken run)."""
    live = job.live[vm.name]
    return not running(job, vm.name) or agent.ping(job.pve, live.node, live.vmid)


def first_logon(job: Job, name: str, seconds: float, context: Context, watch: Watch) -> None:
    """Wait for the result of the first logon. Raises GuestNotReady with the step that failed."""
    result: dict[str, Any] = {}

    def done() -> bool:
        result.update(_result(job, name))
        return "ok" in result

    if not until(done, seconds, watch.pause):
        hint = f"Its log in the guest: {LOG_FILE}. The picture shows the screen."
        raise late(job, name, "done", "the first logon did not finish", seconds, hint, context)
    steps = result.get("steps") or []
    for step in steps:
        context.log(f"{step.get('name')}: {step.get('seconds', 0):.0f} s {step.get('detail', '')}".rstrip())
    if not result["ok"]:
        failed: dict[str, Any] = next((step for step in steps if not step.get("ok")), {})
        where = picture(job, name, "done", context)
        raise GuestNotReady(
            f"the first logon failed at {failed.get('name', 'an unknown step')}: code {failed.get('code')}, "
            f"{failed.get('detail') or 'no detail'}" + where,
            where=job.where(name),
            hint=f"Its log in the guest: {LOG_FILE}. Correct the cause, then: pvekit down --only {name}, and up again.",
        )


def _result(job: Job, name: str) -> dict[str, Any]:
    """Return the result file; empty while it is not there, not whole, or the agent is busy."""
    live = job.live[name]
    try:
        found = json.loads(agent.read_file(job.pve, live.node, live.vmid, DONE_FILE).lstrip("\ufeff"))
    except (ApiError, Conflict) as error:
        if isinstance(error, ApiError) and error.status == 403:
            raise
        return {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def late(job: Job, name: str, phase: str, what: str, seconds: float, hint: str, context: Context) -> GuestNotReady:
    """Return the error of a phase that did not end, with a picture of the console."""
    shown = picture(job, name, phase, context)
    return GuestNotReady(f"{what} within {seconds:.0f} s ({phase}){shown}", where=job.where(name), hint=hint)


def picture(job: Job, name: str, phase: str, context: Context) -> str:
    """Save what the VM's console shows now; return a line that says where, or why there is none."""
    live = job.live[name]
    try:
        data = api.screenshot(job.pve, live.node, live.vmid)
    except PvekitError as error:
        return f"\n  no picture of its console: {error.message}"
    path = job.screens / f"{name}-{phase}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.png"
    _write(path, data)
    context.log(f"picture of the console: {path}")
    return f"\n  its console: {path}"


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.write_bytes(data)
    path.chmod(0o600)
