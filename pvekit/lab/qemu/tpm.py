"""swtpm: one process for each VM that has a ``tpmstate0``. Its state is the volume itself, as on PVE."""

from __future__ import annotations

import subprocess
from pathlib import Path

from pvekit.lab.doors import DoorError, Log, VmStart
from pvekit.lab.qemu import process
from pvekit.lab.qemu.needs import require
from pvekit.lab.qemu.place import Place
from pvekit.lab.qemu.values import options

_RECORD = "swtpm.json"


def wanted(vm: VmStart) -> Path | None:
    """Return the path of the VM's TPM state, None if it has no TPM."""
    value = vm.config.get("tpmstate0")
    if value is None:
        return None
    name = options(value, "file").get("file", "")
    path = vm.volumes.get(name)
    if path is None or not path.exists():
        raise DoorError(f"volume '{name}' does not exist")
    return path


def start(vm: VmStart, place: Place, log: Log) -> bool:
    """Start the VM's TPM if it has one; return whether it has."""
    state = wanted(vm)
    if state is None:
        return False
    require("swtpm", "swtpm_setup")
    stop(place)
    version = options(vm.config["tpmstate0"], "file").get("version", "v1.2")
    flags = ["--tpm2"] if version == "v2.0" else []
    store = f"backend-uri=file://{state}"
    if _blank(state):
        log("generating TPM state")
        _manufacture(store, flags, place)
    pidfile = place.home / "swtpm.pid"
    argv = [
        "swtpm", "socket", "--daemon", *flags, "--tpmstate", f"{store},mode=0600", "--ctrl",
        f"type=unixio,path={place.socket('swtpm.sock')},mode=0600", "--pid", f"file={pidfile}",
        "--log", f"file={place.home / 'swtpm.log'},level=1", "--terminate",
    ]  # fmt: skip
    process.save(process.run_daemon(argv, place.home, pidfile), place.home / _RECORD)
    return True


def stop(place: Place) -> None:
    """End the VM's TPM if one runs; it also ends by itself when QEMU closes the channel."""
    running = process.load(place.home / _RECORD)
    if running is not None:
        running.end()
    (place.home / _RECORD).unlink(missing_ok=True)


def _blank(path: Path) -> bool:
    with path.open("rb") as file:
        return not any(file.read(4096))


def _manufacture(store: str, flags: list[str], place: Place) -> None:
    """Give the TPM its endorsement key and certificates, once."""
    argv = ["swtpm_setup", *flags, "--tpmstate", store, "--createek", "--create-ek-cert", "--create-platform-cert",
            "--lock-nvram", "--not-overwrite", "--config", "/etc/swtpm_setup.conf"]  # fmt: skip
    done = subprocess.run(
        argv, cwd=place.home, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=120
    )
    if done.returncode:
        raise DoorError(f"swtpm_setup ended with status {done.returncode}: {(done.stderr or done.stdout).strip()}")
