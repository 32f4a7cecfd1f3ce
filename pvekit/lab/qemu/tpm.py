"""swtpm: one process for each VM that has a ``tpmstate0``. Its state is the volume itself, as on PVE."""

from __future__ import annotations

from pathlib import Path

from pvekit.lab.doors import DoorError, VmStart
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


def start(vm: VmStart, place: Place) -> bool:
    """Start the VM's TPM if it has one; return whether it has.

    A blank state makes itself at the first start. It has no endorsement certificate, which no guest here asks for.
    """
    state = wanted(vm)
    if state is None:
        return False
    require("swtpm")
    stop(place)
    version = options(vm.config["tpmstate0"], "file").get("version", "v1.2")
    flags = ["--tpm2"] if version == "v2.0" else []
    store = f"backend-uri=file://{state}"
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
