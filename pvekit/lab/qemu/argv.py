"""From a PVE configuration to QEMU's command line. Pure: everything it needs is given."""

from __future__ import annotations

import base64
import binascii
import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pvekit.lab.doors import VmStart, has_display
from pvekit.lab.qemu import network, passed, storage
from pvekit.lab.qemu.cpu import cpu_model, memory, topology
from pvekit.lab.qemu.firmware import Firmware
from pvekit.lab.qemu.guestnet import GuestNet
from pvekit.lab.qemu.kvm import Accelerator
from pvekit.lab.qemu.storage import as_json, is_q35
from pvekit.lab.qemu.values import boot_order, enabled, numbered, options

BINARY = "qemu-system-x86_64"
HOTPLUG_PORTS = 4
"""PCIe slots kept free on a q35 for devices that come later; an i440fx takes them anywhere."""
_FIRST_BOOT_INDEX = 100
_SMBIOS = ("uuid", "manufacturer", "product", "version", "serial", "sku", "family")
_VGA = {"std": "VGA", "cirrus": "cirrus-vga", "vmware": "vmware-svga", "qxl": "VGA", "virtio": "virtio-vga",
        "virtio-gl": "virtio-vga"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the command line depends on besides the configuration."""

    accelerator: Accelerator
    sockets: Path
    home: Path
    firmware: Firmware | None = None
    tpm: bool = False
    networks: Mapping[str, GuestNet] | None = None
    forwards: Sequence[tuple[int, int]] = ()
    incoming: bool = False
    """Start with the CPUs stopped, because a saved state is loaded first."""


def command(vm: VmStart, around: Surroundings) -> list[str]:
    """Return the whole command line. DoorError for what the configuration cannot mean."""
    return [
        *_base(vm, around),
        *_firmware(around.firmware),
        *_channels(vm.config, around),
        *_display(vm.config, around),
        *_drives(vm),
        *_cards(vm, around),
        *passed.devices(vm),
        *_extras(vm.config),
    ]


def left_out(config: Mapping[str, str], given: Collection[str] = ()) -> list[str]:
    """Return the keys that a VM here does without, for the task's log; it has those ``given``."""
    prefixes = ("hostpci", "usb", "parallel", "ivshmem", "virtiofs")
    found = [key for prefix in prefixes for _, key, _ in numbered(config, prefix) if key not in given]
    return found + [key for key in ("ivshmem", "audio0", "spice_enhancements") if key in config]


def _base(vm: VmStart, around: Surroundings) -> list[str]:
    config = vm.config
    argv = [
        BINARY, "-name", f"{_word(vm.name)},debug-threads=on", "-nodefaults", "-no-user-config", "-daemonize",
        "-pidfile", str(around.home / "qemu.pid"), "-machine", machine(config, around),
        *around.accelerator.argv(), "-cpu", cpu_model(config, around.accelerator), "-smp", topology(config),
        "-m", str(memory(config)), "-boot", "strict=on",
    ]  # fmt: skip
    if config.get("smbios1"):
        argv += ["-smbios", smbios(config["smbios1"])]
    if config.get("vmgenid", "0") not in {"0", ""}:
        argv += ["-device", f"vmgenid,guid={config['vmgenid']}"]
    windows = config.get("ostype", "").startswith("w")
    if enabled(config, "localtime", "1" if windows else "0"):
        argv += ["-rtc", "base=localtime,driftfix=slew"]
    if around.incoming or enabled(config, "freeze"):
        argv.append("-S")
    if enabled(config, "reboot", "1") is False:
        argv.append("-no-reboot")
    return argv


def machine(config: Mapping[str, str], around: Surroundings) -> str:
    """Return the value of ``-machine``.

    PVE's pinned versions (``pc-q35-10.0+pve1``) are of its own QEMU; here the machine is the newest of its kind.
    """
    parts = ["q35" if is_q35(config) else "pc"]
    if around.firmware is not None:
        parts.append(f"smm={'on' if around.firmware.secure else 'off'}")
        parts += ["pflash0=pflash0", "pflash1=pflash1"]
    if not enabled(config, "acpi", "1"):
        parts.append("acpi=off")
    if config.get("ostype", "").startswith("w"):
        parts.append("hpet=off")
    return ",".join(parts)


def smbios(text: str) -> str:
    """Return the value of ``-smbios`` for type 1; with ``base64=1`` all texts but the uuid are encoded."""
    pairs = options(text)
    encoded = pairs.get("base64") == "1"
    parts = ["type=1"]
    for key in _SMBIOS:
        if key in pairs:
            value = pairs[key] if key == "uuid" or not encoded else _decoded(pairs[key])
            parts.append(f"{key}={value.replace(',', ',,')}")
    return ",".join(parts)


def _firmware(found: Firmware | None) -> list[str]:
    if found is None:
        return []
    nodes: list[dict[str, object]] = [
        {"node-name": "pflash0", "driver": "raw", "read-only": True,
         "file": {"driver": "file", "filename": str(found.code)}},
        {"node-name": "pflash1", "driver": found.variables_format, "file": {"driver": "file",
         "filename": str(found.variables), "node-name": "file-efidisk0"}},
    ]  # fmt: skip
    argv = [part for node in nodes for part in ("-blockdev", as_json(node))]
    if found.secure:
        argv += ["-global", "driver=cfi.pflash01,property=secure,value=on", "-global", "ICH9-LPC.disable_s3=1"]
    return argv


def _channels(config: Mapping[str, str], around: Surroundings) -> list[str]:
    """Return monitor, serial ports, guest agent and TPM: everything with a socket."""
    argv = ["-chardev", f"socket,id=qmp,path={around.sockets / 'qmp'},server=on,wait=off",
            "-mon", "chardev=qmp,mode=control"]  # fmt: skip
    for number, key, value in numbered(config, "serial"):
        if value == "socket":
            log = around.home / f"{key}.log"
            argv += ["-chardev", f"socket,id={key},path={around.sockets / key},server=on,wait=off,logfile={log}"]
            argv += ["-device", f"isa-serial,chardev={key},index={number}"]
    if enabled(config, "agent"):
        argv += ["-chardev", f"socket,id=qga0,path={around.sockets / 'qga'},server=on,wait=off"]
        if options(config["agent"], "enabled").get("type") == "isa":
            argv += ["-device", "isa-serial,chardev=qga0"]
        else:
            argv += ["-device", "virtio-serial,id=qga0",
                     "-device", "virtserialport,chardev=qga0,name=org.qemu.guest_agent.0"]  # fmt: skip
    if around.tpm:
        argv += ["-chardev", f"socket,id=tpmchar,path={around.sockets / 'swtpm.sock'}",
                 "-tpmdev", "emulator,id=tpmdev,chardev=tpmchar", "-device", "tpm-tis,tpmdev=tpmdev"]  # fmt: skip
    return argv


def _display(config: Mapping[str, str], around: Surroundings) -> list[str]:
    pairs = options(config.get("vga", "std"), "type")
    kind = pairs.get("type", "std")
    argv = ["-display", "none"]
    if not has_display(config):
        return argv
    argv += ["-vnc", f"unix:{_word(str(around.sockets / 'vnc'))},password=on"]
    made = {"driver": _VGA.get(kind, "VGA"), "id": "vga"}
    if "memory" in pairs and made["driver"] == "VGA":
        made["vgamem_mb"] = pairs["memory"]
    return [*argv, "-device", ",".join([made.pop("driver"), *(f"{key}={value}" for key, value in made.items())])]


def _drives(vm: VmStart) -> list[str]:
    argv: list[str] = []
    for controller in storage.controllers(vm):
        argv += ["-device", as_json(controller)]
    order = boot_order(vm.config)
    for each in storage.drives(vm):
        if each.path is not None:
            argv += ["-blockdev", as_json(storage.node(each))]
        argv += ["-device", as_json(storage.device(each, vm.config, boot_index(order, each.key)))]
    return argv


def boot_index(order: Sequence[str], key: str) -> int | None:
    """Return PVE's boot index of a device, None if it is not in the boot order."""
    return _FIRST_BOOT_INDEX + order.index(key) if key in order else None


def _cards(vm: VmStart, around: Surroundings) -> list[str]:
    argv: list[str] = []
    order = boot_order(vm.config)
    for position, each in enumerate(network.interfaces(vm.config)):
        net = (around.networks or {})[each.key]
        opened = around.forwards if position == 0 else ()
        argv += ["-netdev", network.netdev_option(network.netdev(each, net, vm.address, opened))]
        argv += ["-device", as_json(network.device(each, boot_index(order, each.key)))]
    return argv


def _extras(config: Mapping[str, str]) -> list[str]:
    argv: list[str] = []
    if "rng0" in config:
        pairs = options(config["rng0"], "source")
        limit = pairs.get("max_bytes", "1024")
        rate = f",max-bytes={limit},period={pairs.get('period', '1000')}" if limit != "0" else ""
        argv += ["-object", f"rng-random,filename={pairs.get('source', '/dev/urandom')},id=rng0",
                 "-device", f"virtio-rng-pci,rng=rng0{rate}"]  # fmt: skip
    if config.get("balloon", "0") != "0":
        argv += ["-device", "virtio-balloon-pci,id=balloon0"]
    if "watchdog" in config:
        pairs = options(config["watchdog"], "model")
        argv += ["-device", pairs.get("model", "i6300esb"), "-action", f"watchdog={pairs.get('action', 'none')}"]
    if is_q35(config):
        for number in range(HOTPLUG_PORTS):
            argv += ["-device", f"pcie-root-port,id=hot{number},chassis={number + 1}"]
    return argv + shlex.split(config.get("args", ""))


def _word(text: str) -> str:
    return text.replace(",", ",,")


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text).decode(errors="replace")
    except binascii.Error:
        return text
