"""The first logon: the steps of first-logon.ps1 in its order, and the result it writes."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.standin.guest import services
from tests.standin.guest.screen import say
from tests.standin.guest.system import wait

PANTHER = Path("/c/Windows/Panther/unattend.xml")
DONE = services.OURS / "done.json"
LOG = services.OURS / "first-logon.log"
_ALWAYS = frozenset(("autologon-off", "panther-clean"))
"""What takes passwords away runs after a failure too."""
_PAUSE = 0.6


class StepFailed(Exception):
    """A step ended with a code other than 0."""

    def __init__(self, code: int, detail: str) -> None:
        super().__init__(detail)
        self.code = code


class Logon:
    """The first logon from the folder of the script; ``switches`` say what fails."""

    def __init__(self, folder: Path, keys: list[str], switches: dict[str, Any]) -> None:
        self._folder = folder
        self._keys = keys
        self._switches = switches
        self._actions: dict[str, Callable[[], str]] = {
            "guest-tools": self._guest_tools,
            "agent-service": self._agent_service,
            "openssh": self._openssh,
            "ssh-keys": self._ssh_keys,
            "panther-clean": self._panther_clean,
        }
        self._plain = ("power", "rdp", "updates", "autologon-off", "done")

    def run(self, steps: list[str]) -> bool:
        """Perform the steps and write done.json; return whether all went well."""
        services.OURS.mkdir(parents=True, exist_ok=True)
        results: list[dict[str, Any]] = []
        ok = True
        for name in steps:
            if ok or name in _ALWAYS:
                results.append(self._step(name))
                ok = ok and bool(results[-1]["ok"])
        if self._switches.get("never_done"):
            log("stand-in: told never to write done.json")
            return False
        finished = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        draft = DONE.with_name("done.json.new")
        draft.write_text(json.dumps({"version": 1, "ok": ok, "steps": results, "finished": finished}))
        draft.rename(DONE)
        return ok

    def _step(self, name: str) -> dict[str, Any]:
        log(f"step: {name}")
        begin = time.monotonic()
        code, detail = 0, ""
        try:
            if name == self._switches.get("fail_step"):
                raise StepFailed(self._switches.get("fail_code", 1603), self._switches.get("fail_detail", ""))
            detail = self._perform(name)
        except StepFailed as failed:
            code, detail = failed.code, str(failed)
            log(f"failed: {name}: {detail}")
        seconds = round(time.monotonic() - begin, 1)
        return {"name": name, "ok": code == 0, "code": code, "seconds": seconds, "detail": detail}

    def _perform(self, name: str) -> str:
        if name in self._actions:
            return self._actions[name]()
        if name not in self._plain:
            raise StepFailed(1, f"the stand-in knows no step {name}")
        time.sleep(_PAUSE)
        return ""

    def _file(self, name: str) -> None:
        if not (self._folder / name).exists():
            raise StepFailed(1, f"{name} is missing")

    def _guest_tools(self) -> str:
        self._file("virtio-win-guest-tools.exe")
        if self._switches.get("never_agent"):
            return "the agent was left out"
        if not services.agent():
            raise StepFailed(1, "the machine has no port for the agent")
        return ""

    def _agent_service(self) -> str:
        running = wait(lambda: services.agent_runs() or None, 3.0)
        if not running and not self._switches.get("never_agent"):
            raise StepFailed(1, "the service QEMU-GA did not come")
        return ""

    def _openssh(self) -> str:
        self._file("OpenSSH-Win64.msi")
        services.install_ssh()
        return ""

    def _ssh_keys(self) -> str:
        keys = [] if self._switches.get("lose_keys") else self._keys
        (services.SSH / "administrators_authorized_keys").write_text("".join(f"{key}\n" for key in keys))
        settings = services.SSH / "sshd_config"
        settings.write_text("PasswordAuthentication no\n" + settings.read_text())
        services.start_ssh()
        return f"{len(keys)} keys"

    def _panther_clean(self) -> str:
        PANTHER.unlink(missing_ok=True)
        return ""


def log(text: str) -> None:
    """Add a line to the log, and show it."""
    services.OURS.mkdir(parents=True, exist_ok=True)
    with LOG.open("a") as file:
        file.write(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {text}\r\n")
    say(text)
