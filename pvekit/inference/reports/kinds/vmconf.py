"""A VM's configuration: ``qm config``, /etc/pve/qemu-server/ID.conf, and the CPU type on a QEMU command line."""

from __future__ import annotations

import re

from pvekit.inference.reports import numbers
from pvekit.inference.reports.found import Found
from pvekit.inference.reports.lines import Line, Text

_PAIR = re.compile(
    r"^\s{0,4}(cpu|cores|sockets|vcpus|cpulimit|memory|balloon|numa|numa\d|hugepages|hostpci\d+"
    r"|affinity|args|scsihw|ostype|boot|machine|bios|scsi\d|virtio\d|agent|name|net\d|onboot"
    r"|smbios1|vmgenid|unprivileged|rootfs|arch|swap): (\S.{0,300}?)\s*$"
)
_SURE = {
    "cpu",
    "sockets",
    "numa",
    "scsihw",
    "ostype",
    "boot",
    "bios",
    "vmgenid",
    "smbios1",
    "hostpci0",
    "balloon",
    "unprivileged",
    "rootfs",
}
_QEMU = re.compile(r"-cpu ([\w.-]{2,40})\b.{0,400}")
_DEFAULT = "kvm64"


def read(text: Text, found: Found) -> None:
    """Read the lines up to a snapshot's section. A configuration with no ``cpu`` has PVE's default, kvm64."""
    values: dict[str, tuple[str, Line]] = {}
    ended = False
    for line in text.lines:
        ended = ended or (bool(values) and line.text.startswith("["))
        if not ended and (match := _PAIR.match(line.text)):
            values.setdefault(match.group(1), (match.group(2), line))
        if (match := _QEMU.search(line.text)) and ("qemu" in line.text or "kvm" in line.text):
            found.say("host.cpu_type", match.group(1), line)
            found.say("guest.virtual", True, line)
            found.take(line)
    if len(values) >= 3 and values.keys() & _SURE:
        _keep(values, found)


def _keep(values: dict[str, tuple[str, Line]], found: Found) -> None:
    found.take(*(line for _, line in values.values()))
    container = "unprivileged" in values or "rootfs" in values
    some = next(iter(values.values()))[1]
    if not container:
        found.say("guest.virtual", True, some)
        kind, at = values.get("cpu", ("", some))
        if kind:
            name = re.split(r"[,;]", kind)[0].removeprefix("cputype=")
            found.say("host.cpu_type", name, at)
        elif {"ostype", "scsihw", "boot"} & values.keys():
            found.say("host.cpu_type", _DEFAULT, Line(some.file, 0, "no cpu: line"))
    cores, sockets, vcpus = (
        numbers.whole(values[key][0]) if key in values else None for key in ("cores", "sockets", "vcpus")
    )
    if cores is not None:
        found.say("host.vcpus", vcpus or cores * (sockets or 1), values["cores"][1])
    if "memory" in values and (megabytes := numbers.whole(values["memory"][0].removeprefix("current="))):
        found.say("vm.memory", megabytes * 1024**2, values["memory"][1])
        balloon = numbers.whole(values["balloon"][0]) if "balloon" in values else None
        if balloon is not None and balloon < megabytes:
            found.say("vm.balloon_minimum", balloon, values["balloon"][1])
    if values.get("kvm", ("1", some))[0] == "0":
        found.say("guest.emulated", True, values["kvm"][1])
    if "numa" in values:
        found.say("vm.numa", values["numa"][0] == "1", values["numa"][1])
