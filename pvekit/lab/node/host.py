"""Facts of the machine the embedded node runs on."""

from __future__ import annotations

import os
import platform
import re
import time
from pathlib import Path
from typing import Any

from pvekit.lab.settings import Settings

_USED_SHARE = 32


def memory() -> dict[str, int]:
    """Return the fields of /proc/meminfo in bytes."""
    found: dict[str, int] = {}
    for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
        name, _colon, rest = line.partition(":")
        found[name] = int(rest.split()[0]) << 10
    return found


def node_memory(settings: Settings, *, hollow: bool) -> tuple[int, int]:
    """Return installed and available bytes as the API tells them.

    The VMs of a ``hollow`` node take nothing, and who runs it may claim more than this machine has: it is as good as
    empty. Any other node shares this machine's memory.
    """
    if settings.hardware is not None:
        return settings.hardware.memory, settings.hardware.memory - settings.hardware.memory_used
    here = memory()
    installed = settings.memory or here["MemTotal"]
    if hollow:
        return installed, installed - installed // _USED_SHARE
    return installed, min(installed, here.get("MemAvailable", here["MemFree"]))


def uptime() -> int:
    """Return the seconds since boot."""
    return int(float(Path("/proc/uptime").read_text(encoding="ascii").split()[0]))


def cpu_info(settings: Settings) -> dict[str, Any]:
    """Return the processor as ``/nodes/N/status`` describes it."""
    if settings.hardware is not None:
        return dict(settings.hardware.processor)
    text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    fields = dict(re.findall(r"^([^\t\n]+?)\t*: (.*)$", text, re.MULTILINE))
    flags = fields.get("flags", "")
    return {
        "cpus": settings.threads,
        "cores": settings.threads,
        "sockets": 1,
        "model": fields.get("model name", platform.processor() or platform.machine()),
        "vendor": fields.get("vendor_id", "unknown"),
        "family": fields.get("cpu family", ""),
        "mhz": fields.get("cpu MHz", "0"),
        "flags": flags,
        "hvm": "1" if {"vmx", "svm"} & set(flags.split()) else "",
        "user_hz": os.sysconf("SC_CLK_TCK"),
    }


def boot_mode() -> dict[str, Any]:
    """Return how the machine was booted."""
    if not Path("/sys/firmware/efi").exists():
        return {"mode": "legacy-bios"}
    variable = Path("/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c")
    secure = variable.exists() and variable.read_bytes()[-1:] == b"\x01"
    return {"mode": "efi", "secureboot": int(secure)}


def local_time() -> dict[str, Any]:
    """Return the time, as seconds since 1970 in UTC and in local time."""
    now = time.time()
    zone = os.environ.get("TZ", "") or time.tzname[0]
    offset = time.localtime(now).tm_gmtoff
    return {"time": int(now), "localtime": int(now) + offset, "timezone": zone}
