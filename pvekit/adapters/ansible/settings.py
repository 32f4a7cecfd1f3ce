"""The surroundings of a playbook run: Ansible's settings, the environment, and a folder that leaves nothing behind."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

# Everything else stays out: an ANSIBLE_ variable or a token in the person's environment is none of the playbook's
# business, and ansible-runner writes the environment into a file.
_PASSED_ON = frozenset({"HOME", "USER", "LOGNAME", "SSH_AUTH_SOCK", "TMPDIR", "TZ"})
_RUNNERS_OWN = ("AWX_", "RUNNER_")
_RUNNERS_KEYS = frozenset({"ANSIBLE_CALLBACK_PLUGINS", "ANSIBLE_STDOUT_CALLBACK"})


@contextlib.contextmanager
def private_folder() -> Iterator[Path]:
    """Give a folder (0700) in memory where there is such a place, else in the temporary folder; remove it at the end.

    ssh's control sockets live in it, and a socket's path is limited to 108 bytes: the name is short.
    """
    places = [os.environ.get("XDG_RUNTIME_DIR", ""), "/dev/shm", tempfile.gettempdir()]  # noqa: S108
    base = next(place for place in places if place and os.access(place, os.W_OK | os.X_OK) and len(place) < 40)
    folder = Path(tempfile.mkdtemp(prefix="pvekit-", dir=base))
    try:
        (folder / "env").mkdir(mode=0o700)
        (folder / "inventory").mkdir(mode=0o700)
        (folder / "cp").mkdir(mode=0o700)
        # ansible-runner forgets settings given as an argument when this file is absent (BaseConfig.prepare_env).
        # The idle poll also is the time between two looks at the cancel callback.
        settings = {"suppress_output_file": True, "suppress_ansible_output": True, "pexpect_timeout": 0.5}
        (folder / "env" / "settings").write_text(json.dumps(settings))
        (folder / "ansible.cfg").write_text("[defaults]\n")
        yield folder
    finally:
        _stop_masters(folder / "cp")
        shutil.rmtree(folder, ignore_errors=True)


def environment(folder: Path, runner: Mapping[str, str], *, own_config: bool, forks: int) -> dict[str, str]:
    """Return the whole environment of the run. ``runner`` is what ansible-runner prepared.

    ``own_config`` keeps the person's ANSIBLE_ variables and ansible.cfg; ours still win.
    """
    kept = {
        key: value
        for key, value in runner.items()
        if key in _PASSED_ON
        or key in _RUNNERS_KEYS
        or key.startswith(_RUNNERS_OWN)
        or key.lower().endswith("_proxy")
        or (own_config and key.startswith("ANSIBLE_"))
    }
    scripts = str(Path(sys.executable).parent)
    kept["PATH"] = os.pathsep.join([scripts, runner.get("PATH", os.defpath)])
    # Ansible refuses to start under a locale that is not UTF-8.
    kept["LC_ALL"] = "C.UTF-8"
    return kept | _isolation(folder, own_config=own_config) | _ansible(folder, forks)


def _isolation(folder: Path, *, own_config: bool) -> dict[str, str]:
    """Return what keeps the person's own Ansible set-up out."""
    if own_config:
        return {}
    return {
        "ANSIBLE_CONFIG": str(folder / "ansible.cfg"),
        "ANSIBLE_HOME": str(folder / "home"),
    }


def _ansible(folder: Path, forks: int) -> dict[str, str]:
    """Return our settings: strict host keys, few round trips, nothing but data on the terminal."""
    return {
        "ANSIBLE_HOST_KEY_CHECKING": "True",
        "ANSIBLE_INVENTORY_ENABLED": "yaml",
        "ANSIBLE_LOCAL_TEMP": str(folder / "tmp"),
        "ANSIBLE_FORKS": str(forks),
        "ANSIBLE_TIMEOUT": "60",
        "ANSIBLE_GATHERING": "explicit",
        "ANSIBLE_PIPELINING": "True",
        "ANSIBLE_SSH_ARGS": "-F /dev/null -o ControlMaster=auto -o ControlPersist=60s -o ServerAliveInterval=30 "
        "-o PreferredAuthentications=publickey",
        "ANSIBLE_SSH_CONTROL_PATH_DIR": str(folder / "cp"),
        "ANSIBLE_SSH_CONTROL_PATH": "%(directory)s/%%C",
        "ANSIBLE_SSH_RETRIES": "3",
        "ANSIBLE_RETRY_FILES_ENABLED": "False",
        "ANSIBLE_DEPRECATION_WARNINGS": "False",
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_NOCOWS": "1",
        "ANSIBLE_VERBOSITY": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def _stop_masters(folder: Path) -> None:
    """Ask the ssh master processes of this run to end: they would outlive it by ControlPersist."""
    for socket in folder.glob("*"):
        argv = ["ssh", "-F", "/dev/null", "-o", f"ControlPath={socket}", "-O", "exit", "pvekit"]
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=5, check=False)
