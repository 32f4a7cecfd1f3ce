"""The installed system: specialize, the first logon, and from then on services only."""

from __future__ import annotations

import json
import os
import select
import struct
import time
from pathlib import Path
from typing import Any

from tests.standin.guest import accounts, cds, disk, scripts, services
from tests.standin.guest.answer import Answer
from tests.standin.guest.logon import DONE, PANTHER, Logon, log
from tests.standin.guest.screen import Failed, say, title
from tests.standin.guest.system import busybox, evidence, load, power_off, wait

_SCRIPT = r"pvekit\first-logon.ps1"
_CD_SECONDS = 8.0
_EVENT = struct.Struct("llHHi")
_KEY, _POWER = 1, 116


def run() -> None:
    """Be Windows until the machine is switched off."""
    title("Windows (stand-in)")
    for group in ("cd", "virtio_scsi", "virtio_blk", "disk"):
        load(group)
    _open_drive()
    setup = json.loads(Path("/c/standin/setup.json").read_text())
    switches = json.loads(Path("/c/standin/options.json").read_text())
    if PANTHER.exists() and not DONE.exists():
        _first_boot(setup, switches)
    else:
        _later_boot(switches)
    _until_power_button()


def _open_drive() -> None:
    target = wait(disk.disk_zero, 10.0)
    drive = Path(f"{target}3")
    if target is None or wait(lambda: drive.exists() or None, 5.0) is None:
        raise Failed("boot", "drive C: is not there", "INACCESSIBLE_BOOT_DEVICE")
    busybox("mount", "-t", "ext4", str(drive), "/c")


def _first_boot(setup: dict[str, Any], switches: dict[str, Any]) -> None:
    try:
        answer = Answer(PANTHER.read_bytes())
    except ValueError as error:
        raise Failed("specialize", str(error)) from error
    people = answer.accounts()
    services.network(answer.computer() or "WIN-STANDIN")
    accounts.create(people)
    who = answer.logon()
    if who is None or who not in [(each.name, each.password) for each in people if each.admin]:
        raise Failed("logon", "the automatic logon is of no administrator among the accounts, or has another password")
    record = {"setup": setup, "windows": evidence(), "accounts": {each.name: each.admin for each in people}}
    services.OURS.mkdir(parents=True, exist_ok=True)
    (services.OURS / "standin.json").write_text(json.dumps(record))
    say(f"{answer.computer()}: first logon of {who[0]}")
    script = _logon_script(answer)
    if script is None:
        return
    try:
        steps, keys = scripts.logon_values(script.read_bytes())
    except ValueError as error:
        raise Failed("first-logon", f"{_SCRIPT}: {error}") from error
    ok = Logon(script.parent, keys, switches).run(steps)
    say("Ready." if ok else "The first logon did not succeed.")


def _logon_script(answer: Answer) -> Path | None:
    """Return the script that the answer file runs. As in Windows nothing happens where no drive has it."""
    if not any(_SCRIPT in command.casefold() for command in answer.logon_commands()):
        log(f"stand-in: no command of the first logon runs {_SCRIPT}")
        return None

    def look() -> Path | None:
        return next((path for path in (cd.find(_SCRIPT) for cd in cds.cds()) if path), None)

    found = wait(look, _CD_SECONDS)
    if found is None:
        log(f"stand-in: no drive has {_SCRIPT}")
    return found


def _later_boot(switches: dict[str, Any]) -> None:
    accounts.restore()
    services.network("WIN-STANDIN")
    if not switches.get("never_agent"):
        services.agent()
    if (services.SSH / "sshd_config").exists():
        services.start_ssh()
    say("Ready.")


def _until_power_button() -> None:
    load("button")
    time.sleep(0.3)
    ports = [os.open(path, os.O_RDONLY) for path in Path("/dev/input").glob("event*")]
    while ports:
        for port in select.select(ports, [], [])[0]:
            for _, _, kind, code, value in _EVENT.iter_unpack(os.read(port, _EVENT.size)):
                if (kind, code, value) == (_KEY, _POWER, 1):
                    power_off()
    while True:
        time.sleep(3600)
