"""Decides whether hardware virtualisation is usable.

The device node proves nothing: a para-virtualised ``/dev/kvm`` may open, even create a VM, and then hang every stock
kernel. So three things must hold: the CPU announces vmx or svm, the device may be opened, and a 64-byte guest that
only writes to QEMU's exit port gets that far.
"""

from __future__ import annotations

import functools
import os
import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from pvekit.lab.qemu.needs import require

_PROBE_CODE = bytes([0xB0, 0x15, 0xE6, 0xF4, 0xF4])  # mov al, 0x15; out 0xf4, al; hlt
_PROBE_STATUS = (0x15 << 1) | 1
_PROBE_SECONDS = 10.0
_THREADS_SAFE = (8, 1)


@dataclass(frozen=True, slots=True)
class Accelerator:
    """How guests run: ``kvm``, or ``tcg`` (software emulation, some ten times slower). ``why`` is for people."""

    name: str
    why: str

    def argv(self, translation_cache: int = 256) -> list[str]:
        """Return QEMU's option; ``translation_cache`` (MiB) bounds what TCG adds to the VM's memory."""
        if self.name == "kvm":
            return ["-accel", "kvm"]
        return ["-accel", f"tcg,thread={threads()},tb-size={translation_cache}"]


SOFTWARE = Accelerator("tcg", "asked for")


@functools.cache
def threads() -> str:
    """Return how QEMU emulates several processors: each in a thread of its own (``multi``), or all in one (``single``).

    Before 8.1 a processor may translate code while another one changes it, and keep the old (QEMU commit deba78709ae8).
    Linux changes its own code while it boots: now and then a guest panicked ("Oops: int3") and stood still. One thread
    boots a guest with two processors as fast.
    """
    require("qemu-system-x86_64")
    said = subprocess.run(["qemu-system-x86_64", "--version"], capture_output=True, text=True, check=False).stdout
    return threads_of(said)


def threads_of(version: str) -> str:
    """Return how processors run in the QEMU whose ``--version`` said this; in one thread where it is not known."""
    found = re.search(r"version (\d+)\.(\d+)", version)
    return "multi" if found and (int(found[1]), int(found[2])) >= _THREADS_SAFE else "single"


@functools.cache
def choose() -> Accelerator:
    """Return the accelerator of this host; looked at once per process."""
    reason = cpu_lacks(Path("/proc/cpuinfo").read_text())
    if reason:
        return Accelerator("tcg", reason)
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return Accelerator("tcg", "/dev/kvm is missing or not writable (is the user in the group kvm?)")
    if not _probe():
        return Accelerator("tcg", "/dev/kvm is there, but a probe guest does not run on it")
    return Accelerator("kvm", "the CPU has it and a probe guest ran")


def cpu_lacks(cpuinfo: str) -> str:
    """Return why this CPU cannot do it; empty if it can."""
    flags = {flag for line in re.findall(r"(?m)^flags\s*:(.*)$", cpuinfo) for flag in line.split()}
    return "" if flags & {"vmx", "svm"} else "the CPU shows neither vmx nor svm"


def _probe() -> bool:
    require("qemu-system-x86_64")
    with tempfile.TemporaryDirectory(prefix="pvekit-kvm-") as directory:
        firmware = Path(directory) / "probe.bin"
        firmware.write_bytes(probe_firmware())
        argv = [
            "qemu-system-x86_64", "-accel", "kvm", "-machine", "pc", "-m", "16", "-nodefaults", "-display", "none",
            "-no-reboot", "-bios", str(firmware), "-device", "isa-debug-exit,iobase=0xf4,iosize=0x04",
        ]  # fmt: skip
        try:
            done = subprocess.run(
                argv, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=_PROBE_SECONDS
            )
        except subprocess.TimeoutExpired:
            return False
        return done.returncode == _PROBE_STATUS


def probe_firmware() -> bytes:
    """Return a 64 KiB firmware whose reset vector, 16 bytes before its end, holds the probe."""
    return bytes(65536 - 16) + _PROBE_CODE.ljust(16, b"\xf4")
