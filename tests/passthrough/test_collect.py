"""The script that asks a host: real sh, real /sys and /proc, real sshd; and the frame that its answer comes in."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pvekit.adapters import hostscript
from pvekit.adapters.collect import SCRIPT, collect_here, parse
from pvekit.adapters.knownhosts import known_keys
from pvekit.adapters.sshkeys import parse_host_key
from pvekit.cli.main import run
from pvekit.model.bundle import Bundle
from pvekit.model.errors import NotFound
from pvekit.model.pci import Bdf
from pvekit.workflows.collect import split_host
from tests.conftest import Figure
from tests.rootstep.sshnode import SshNode, need_namespaces, start

_TEXT = hostscript.text(SCRIPT).decode()
_FUNCTIONS = "\n".join(line for line in _TEXT.splitlines() if not line.startswith("collect <"))
_ALWAYS = {
    *("cmdline.txt", "uname.txt", "pci_sysfs.txt", "iommu_groups.txt", "reserved_regions.txt", "sys_class_iommu.txt"),
    *("interrupts.txt", "cpuinfo.txt", "meminfo.txt", "boot.txt", "host_uses.txt", "initramfs.txt"),
}


def _sh(*before: str, text: str = _TEXT, path: Path | None = None) -> subprocess.CompletedProcess[bytes]:
    """Run the script, or a part of it, as pvekit does: by sh, from standard input."""
    shell = "dash" if shutil.which("dash") else "sh"
    search = os.environ.get("PATH", "/usr/bin:/bin")
    environment = {"PATH": f"{path}:{search}" if path else search}
    return subprocess.run(
        [*before, shell, "-s", "--"], input=text.encode(), capture_output=True, timeout=60, check=False, env=environment
    )


def _bundle(done: subprocess.CompletedProcess[bytes]) -> Bundle:
    assert done.returncode == 0, done.stderr
    assert done.stderr == b""
    return parse("here", done.stdout.decode(errors="replace"))


def _elsewhere(folder: Path, files: Mapping[str, str], *, path: Path | None = None, more: str = "") -> Bundle:
    """Run the script where these files are laid over those of the machine, in mounts of its own."""
    need_namespaces()
    for name, text in files.items():
        made = folder / "over" / name.lstrip("/")
        made.parent.mkdir(parents=True, exist_ok=True)
        made.write_text(text)
    tops = sorted({name.split("/")[1] for name in files})
    mounts = "".join(f"mount -t overlay overlay -o lowerdir={folder}/over/{top}:/{top} /{top}; " for top in tops)
    return _bundle(_sh("unshare", "--mount", "sh", "-c", f'{mounts}{more}exec "$@"', "sh", path=path))


# --- the frame

_NAMES = st.from_regex(r"(vms/)?[a-z0-9][a-z0-9._+-]{0,12}", fullmatch=True)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(_NAMES, st.binary(max_size=300) | st.sampled_from([b"\nM end\n", b"\nM left vms/a b\nM file x\n"]))
)
def test_any_text_comes_through_as_it_is(tmp_path: Path, files: dict[str, bytes]) -> None:
    lines = [_FUNCTIONS, "uid=0 mark=M-1", "echo 'pvekit-collect 1 M-1'"]
    for number, (name, data) in enumerate(files.items()):
        (tmp_path / str(number)).write_bytes(data)
        lines.append(f"take {name} {tmp_path}/{number}")
        lines.append(f"hold cat {tmp_path}/{number}; file {name}@held; printf '%s' \"$held\"")
    found = _bundle(_sh(text="\n".join([*lines, "printf '\\nM-1 end\\n'", ""])))
    # The shell's variables hold everything but zero bytes.
    texts = {name: data.decode(errors="replace") for name, data in files.items()}
    held = {f"{name}@held": data.replace(b"\0", b"").decode(errors="replace") for name, data in files.items()}
    assert found.files == held | texts
    assert found.left_out == {}


def test_the_mark_is_another_one_each_time() -> None:
    starts = {next(line for line in _sh().stdout.decode().splitlines() if line.startswith("pvekit-")) for _ in "12"}
    assert len(starts) == 2


@given(st.text(max_size=200) | st.lists(st.sampled_from(["M file a", "M left a b", "M end", "M x", "M", "text", "é"])))
def test_a_damaged_answer_is_an_error(noise: str | list[str]) -> None:
    text = noise if isinstance(noise, str) else "\n".join(["pvekit-collect 1 M", *noise])
    try:
        found = parse("x", text)
    except ValueError:
        return
    assert "M end" in text.splitlines()
    assert not found.files.keys() & found.left_out.keys()


def test_an_answer_that_was_cut_is_an_error() -> None:
    whole = _sh().stdout.decode()
    assert parse("x", f"Last login: yesterday\n{whole}").files["cmdline.txt"]
    for place in range(0, len(whole) - 6, max(1, len(whole) // 40)):
        with pytest.raises(ValueError, match=r"begin|early|unknown"):
            parse("x", whole[:place])


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/../b", "a//b", ".ssh", "a\x1b[2J", "", "-o"])
def test_an_answer_names_no_file_outside_the_bundle(name: str) -> None:
    with pytest.raises(ValueError, match="unknown name"):
        parse("x", f"pvekit-collect 1 M\n\nM file {name}\na\nM end\n")


def test_an_answer_moves_no_cursor() -> None:
    assert parse("x", "pvekit-collect 1 M\n\nM left a b\x1b[2Jc\n\nM end\n").left_out == {"a": "b[2Jc"}


# --- this machine


def test_this_machine_as_root(figure: Figure) -> None:
    if os.geteuid() != 0:
        pytest.skip("not root here")
    began = time.monotonic()
    found = collect_here()
    seconds = time.monotonic() - began
    figure(f"{seconds:.2f} s for {len(found.files)} files")
    assert seconds < 5
    assert found.files.keys() >= _ALWAYS | {"dmesg.txt", "iomem.txt"}
    assert found.files["cmdline.txt"] == Path("/proc/cmdline").read_text()
    assert found.files["iomem.txt"] == Path("/proc/iomem").read_text()
    assert "Linux version " in found.files["dmesg.txt"]
    assert set(found.files["sys_class_iommu.txt"].split()) == {path.name for path in Path("/sys/class/iommu").glob("*")}
    assert all(why for why in found.left_out.values())


def test_the_devices_are_those_of_sys() -> None:
    found = _bundle(_sh())
    lines = {line.split()[0]: line for line in found.files["pci_sysfs.txt"].splitlines()}
    devices = list(Path("/sys/bus/pci/devices").glob("*"))
    assert lines.keys() == {device.name for device in devices}
    for device in devices:
        line = lines[device.name]
        Bdf.parse(device.name)
        for key in ("vendor", "device", "class", "subsystem_vendor", "subsystem_device", "numa_node", "d3cold_allowed"):
            assert f" {key}={(device / key).read_text().strip()}" in line
        driver = device / "driver"
        assert f" driver={driver.readlink().name if driver.exists() else ''} override=(null) " in line
        rom = device / "rom"
        assert f" rom={rom.stat().st_size if rom.exists() else 'none'} " in line
        for number, row in enumerate((device / "resource").read_text().splitlines()):
            first, last, flags = row.split()
            assert (f" resource{number}={first}-{last}:{flags}" in line) == (int(last, 16) != 0)


def test_what_the_host_itself_needs_is_named() -> None:
    uses = [line.split(maxsplit=2) for line in _bundle(_sh()).files["host_uses.txt"].splitlines()]
    found = {(what, why.split()[0]): bdf for bdf, what, why in uses}
    assert all(Bdf.parse(bdf) for bdf, _, _ in uses)
    routes = [line.split() for line in Path("/proc/net/route").read_text().splitlines()[1:]]
    nic = next((row[0] for row in routes if row[1] == "00000000"), "")
    card = Path(f"/sys/class/net/{nic}/device")
    if nic and card.exists():
        assert found["nic", "default-route"] in str(card.resolve())
    device = Path("/").stat().st_dev
    disk = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}")
    if disk.exists() and "0000:" in str(disk.resolve()):
        assert found["disk", "root-filesystem"] in str(disk.resolve())


def test_an_ordinary_user_gets_what_he_may_read() -> None:
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("another user can be played only by root, with setpriv")
    found = _bundle(_sh("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs"))
    assert found.files.keys() >= _ALWAYS
    assert found.left_out["iomem.txt"] == "/proc/iomem needs root"
    assert "iomem.txt" not in found.files
    if Path("/proc/sys/kernel/dmesg_restrict").read_text().strip() == "1":
        assert "needs root" in found.left_out["dmesg.txt"]


def test_nothing_is_written_and_nothing_needs_to_be() -> None:
    need_namespaces()
    places = "mount | grep -E ' type (ext4|xfs|btrfs|overlay|tmpfs|zfs) ' | cut -d ' ' -f 3"
    only = f"{places} | while read -r place; do mount -o remount,bind,ro $place; done 2>/dev/null"
    done = _sh("unshare", "--mount", "sh", "-c", f'{only}; touch /tmp/x && exit 9; exec "$@"', "sh")
    assert b"Read-only" in done.stderr
    assert done.stderr.count(b"\n") == 1
    assert parse("x", done.stdout.decode()).files.keys() >= _ALWAYS


def test_the_script_has_no_quoting_mistakes() -> None:
    if shutil.which("shellcheck") is None:
        pytest.skip("no shellcheck here")
    subprocess.run(["shellcheck", "-"], input=_TEXT.encode(), check=True, timeout=60)


# --- a node of Proxmox VE

_CONF = """#bought for alice
#second line
args: -fw_cfg name=opt/a,string=Hunter2
bios: ovmf
cipassword: $5$hunter2
description: keep hunter2 safe
hostpci0: 0000:01:00,pcie=1
memory: 8192
sshkeys: ssh-ed25519%20hunter2

[PENDING]
cipassword: hunter2
machine: q35

[special:cloudinit]
cipassword: hunter2

[before-hunter2]
memory: 1024
"""


def _upid(start: int, kind: str, vmid: int) -> str:
    return f"UPID:pve:0000C530:001C9BEC:{start:08X}:{kind}:{vmid}:root@pam:"


def _tasks(*tasks: tuple[int, str, int, str]) -> dict[str, str]:
    files = {}
    index = []
    for began, kind, vmid, status in tasks:
        upid = _upid(began, kind, vmid)
        index.append(f"{upid} {began + 1:08X} {status}\n")
        files[f"/var/log/pve/tasks/{upid.split(':')[4][-1]}/{upid}"] = f"{kind} {vmid} at {began}\nTASK {status}\n"
    return {**files, "/var/log/pve/tasks/index": "".join(index)}


def test_vm_configurations_leave_their_secrets_behind(tmp_path: Path) -> None:
    found = _elsewhere(tmp_path, {"/etc/pve/qemu-server/100.conf": _CONF, "/etc/pve/priv/key": "hunter2"})
    assert not [name for name, text in found.files.items() if "hunter2" in text.lower()]
    assert found.files["vms/100.conf"].split("\n") == [
        *("args: -fw_cfg name=opt/a,string=removed", "bios: ovmf", "hostpci0: 0000:01:00,pcie=1", "memory: 8192", ""),
        *("[PENDING]", "machine: q35", "", ""),
    ]
    assert "task.log" in found.left_out


def test_libvirt_names_its_devices_and_nothing_else(tmp_path: Path) -> None:
    disk = "<domain type='kvm'>\n  <name>hunter2</name>\n</domain>\n"
    card = (
        "<domain type='kvm'>\n  <name>hunter2</name>\n  <description>of\n  hunter2</description>\n"
        "  <graphics type='vnc' passwd='hunter2' port='-1'/>\n  <hostdev mode='subsystem'>\n  </hostdev>\n</domain>\n"
    )
    files = {"/etc/libvirt/qemu/disk.xml": disk, "/etc/libvirt/qemu/hunter2.xml": card}
    found = _elsewhere(tmp_path, {**files, "/var/log/libvirt/qemu/hunter2.log": "shutting down, reason=failed\n"})
    assert [name for name in found.files if name.startswith("vms/")] == ["vms/libvirt-1.xml"]
    assert not [name for name, text in found.files.items() if "hunter2" in name + text]
    assert "<hostdev mode='subsystem'>" in found.files["vms/libvirt-1.xml"]
    assert found.files["libvirt.log"] == "shutting down, reason=failed\n"


def test_the_newest_start_of_each_vm_with_a_card_is_told(tmp_path: Path) -> None:
    at = 0x67F00000
    confs = {f"/etc/pve/qemu-server/{vmid}.conf": "hostpci0: 01:00\n" for vmid in (100, 101)}
    confs["/etc/pve/qemu-server/102.conf"] = "memory: 1\n"
    tasks = _tasks(
        (at, "qmstart", 100, "start failed: old"),
        (at + 1, "qmstart", 101, "start failed: mended since"),
        (at + 2, "qmstart", 101, "OK"),
        (at + 3, "qmstart", 102, "no card: nobody asks"),
        (at + 4, "qmstop", 100, "stopping"),
        (at + 5, "qmstart", 100, "start failed: QEMU exited with code 1"),
    )
    found = _elsewhere(tmp_path / "one", {**confs, **tasks})
    label, *lines = found.files["task.log"].split("\n")
    assert label.startswith("UPID:")
    assert ":qmstart:100:" in label
    assert lines == [
        *(f"qmstart 100 at {at + 5}", "TASK start failed: QEMU exited with code 1", "", ""),
    ]
    mended = _tasks((at, "qmstart", 100, "start failed: old"), (at + 7, "qmstart", 100, "WARNINGS: 1"))
    found = _elsewhere(tmp_path / "two", {**confs, **mended})
    assert f":qmstart:100:root@pam:\nqmstart 100 at {at + 7}\nTASK WARNINGS: 1\n" in found.files["task.log"]


def test_configuration_is_found_where_modprobe_and_the_boot_tools_look(tmp_path: Path) -> None:
    files = {
        "/etc/modprobe.d/vfio.conf": "options vfio-pci ids=10de:1c07\n",
        "/usr/lib/modprobe.d/vfio.conf": "options vfio-pci ids=none\n",
        "/usr/lib/modprobe.d/other.conf": "blacklist nouveau\n",
        "/etc/modules": "vfio\n",
        "/etc/modules-load.d/x.conf": "vfio_pci\n",
        "/etc/default/grub": 'GRUB_CMDLINE_LINUX_DEFAULT="quiet"\n',
        "/etc/default/grub.d/z.cfg": 'GRUB_CMDLINE_LINUX="iommu=pt"\n',
        "/etc/kernel/cmdline": "root=ZFS=rpool/ROOT/pve-1 intel_iommu=on\n",
        "/etc/kernel/proxmox-boot-uuids": "0000-0000\n",
        "/etc/kernel/proxmox-boot-pin": "6.8.12-1-pve\n",
    }
    found = _elsewhere(tmp_path, files)
    assert found.files["modprobe.d/vfio.conf"] == files["/etc/modprobe.d/vfio.conf"]
    assert found.files["modprobe.d/other.conf"] == "blacklist nouveau\n"
    assert found.files["modules.txt"] == "vfio\n"
    assert found.files["modules-load.d/x.conf"] == "vfio_pci\n"
    assert found.files["kernel-cmdline.txt"] == files["/etc/kernel/cmdline"]
    grub = found.files["default-grub.txt"].splitlines()
    assert grub[0] == 'GRUB_CMDLINE_LINUX_DEFAULT="quiet"'
    assert grub[grub.index("# /etc/default/grub.d/z.cfg") + 1] == 'GRUB_CMDLINE_LINUX="iommu=pt"'
    boot = found.files["boot.txt"]
    assert "WARN: /dev/disk/by-uuid/0000-0000 does not exist" in boot
    assert "Pinned kernel:\n6.8.12-1-pve\n" in boot
    ages = dict(line.rsplit("=", 1) for line in found.files["initramfs.txt"].splitlines() if "=" in line)
    assert abs(int(ages["/etc/modprobe.d/vfio.conf"]) - time.time()) < 600
    assert ages["boot_time"] in Path("/proc/stat").read_text()


# --- stand-ins for what this machine lacks


def _shim(folder: Path, name: str, text: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)


def test_a_slow_tool_is_not_waited_for(tmp_path: Path) -> None:
    shims = tmp_path / "bin"
    _shim(shims, "lspci", '[ "$1" = -nnk ] && echo quick || sleep 30')
    _shim(shims, "lsinitramfs", "echo etc/modprobe.d/vfio.conf; sleep 30")
    release = os.uname().release
    began = time.monotonic()
    found = _elsewhere(tmp_path, {f"/boot/initrd.img-{release}": "x"}, path=shims)
    assert time.monotonic() - began < 12
    assert found.files["lspci.txt"] == "quick\n"
    ages = found.files["initramfs.txt"]
    assert "not listed: lsinitramfs did not end within 2.5 s\n" in ages
    assert "vfio.conf\n" not in ages
    assert f"/boot/initrd.img-{release}=" in ages


def test_of_the_initramfs_the_paths_that_matter_are_told(tmp_path: Path) -> None:
    shims = tmp_path / "bin"
    modules = "usr/lib/modules/6.12.117+deb13-amd64"
    kept = ["etc/modprobe.d/vfio.conf", "conf/modules", f"{modules}/kernel/drivers/vfio/vfio.ko.xz"]
    other = [f"{modules}/modules.alias", f"{modules}/kernel/fs/ext4/ext4.ko.xz", "bin/sh"]
    _shim(shims, "lsinitramfs", f"printf '%s\\n' {' '.join(kept + other)}; seq 1 40000")
    release = os.uname().release
    found = _elsewhere(tmp_path, {f"/boot/initrd.img-{release}": "x"}, path=shims)
    assert [line for line in found.files["initramfs.txt"].splitlines() if "=" not in line] == kept


# A bridge with a card behind it, of which one thing or other is missing; and a device in a domain of its own.
_CARD = {
    "vendor": "0x10de", "device": "0x1c03", "class": "0x030000", "numa_node": "-1", "max_link_speed": "8.0 GT/s PCIe",
    "driver_override": "(null)", "reset_method": "bus", "boot_vga": "0", "power/runtime_status": "suspended",
    "resource": "0x00000000f6000000 0x00000000f6ffffff 0x0000000000040200\n" + "0x0000000000000000 " * 2
    + "0x0000000000000000\n0x000000000000e000 0x000000000000e07f 0x0000000000040101",
    "resource0_resize": "00000000000007c0", "resource2_resize": "0000000000000001",
}  # fmt: skip
_CARD_LINE = (
    "0000:01:00.0 driver=vfio-pci override=(null) rom=524288 reset=bus boot_vga=0 group=12 parent=0000:00:01.0"
    " vendor=0x10de device=0x1c03 class=0x030000 subsystem_vendor= numa_node=-1 max_link_speed=8.0 GT/s PCIe"
    " runtime_status=suspended mdev=1 resource0=0x00000000f6000000-0x00000000f6ffffff:0x0000000000040200"
    " resource2=0x000000000000e000-0x000000000000e07f:0x0000000000040101"
    " resize=0:0x00000000000007c0,2:0x0000000000000001"
)
_OTHER_LINE = "driver= override= rom=none reset= boot_vga= group= parent={} vendor=0x8086 runtime_status="


def _sys(folder: Path, others: int = 0) -> str:
    """Make a /sys of PCI devices; return the command that puts it in place of the machine's."""
    top = folder / "sys"
    for place in ("bus/pci/devices", "bus/pci/drivers/vfio-pci", "kernel/iommu_groups/12/devices"):
        (top / place).mkdir(parents=True)
    bridge = top / "devices/pci0000:00/0000:00:01.0"
    far = [top / f"devices/pci10000:e0/10000:e0:{number:02x}.0" for number in range(others + 1)]
    for device in (bridge, bridge / "0000:01:00.0", *far):
        device.mkdir(parents=True)
        (device / "vendor").write_text("0x8086\n")
        (top / "bus/pci/devices" / device.name).symlink_to(f"../../../{device.relative_to(top)}")
    card = bridge / "0000:01:00.0"
    for name, text in _CARD.items():
        (card / name).parent.mkdir(exist_ok=True)
        (card / name).write_text(text + "\n")
    (card / "subsystem_vendor").write_text("")
    (card / "rom").write_bytes(bytes(512 * 1024))
    (card / "mdev_supported_types").mkdir()
    (card / "driver").symlink_to("../../../../bus/pci/drivers/vfio-pci")
    (card / "iommu_group").symlink_to("../../../../kernel/iommu_groups/12")
    for device in (bridge, card):
        (top / f"kernel/iommu_groups/12/devices/{device.name}").symlink_to(f"../../../../{device.relative_to(top)}")
    return f"mount --rbind {top} /sys; "


def test_a_device_is_told_by_links_and_files_that_may_be_missing(tmp_path: Path) -> None:
    found = _elsewhere(tmp_path, {}, more=_sys(tmp_path))
    bridge, card, far = found.files["pci_sysfs.txt"].splitlines()
    assert card == _CARD_LINE
    assert bridge == "0000:00:01.0 " + _OTHER_LINE.format("")
    assert far == "10000:e0:00.0 " + _OTHER_LINE.format("")
    nothing = _elsewhere(tmp_path, {}, more="mount -t tmpfs none /sys; mkdir -p /sys/bus/pci/devices; ")
    assert nothing.files["pci_sysfs.txt"] == ""


def test_one_listing_of_lspci_serves_for_the_groups_as_well(tmp_path: Path) -> None:
    shims = tmp_path / "bin"
    card = "VGA compatible controller [0300]: NVIDIA GP106 (GeForce) [10de:1c03] (rev a1)"
    told = f"01:00.0 {card} (prog-if 00 [VGA controller])\n\tRegion 0: Memory at f6000000 (prog-if 02)\n\n\n"
    (tmp_path / "listing").write_text(told)
    _shim(shims, "lspci", f"echo $* >>{tmp_path}/asked; cat {tmp_path}/listing")
    found = _elsewhere(tmp_path, {}, path=shims, more=_sys(tmp_path))
    assert (tmp_path / "asked").read_text() == "-nnvvk\n"
    assert found.files["lspci.txt"] == told
    groups = ["IOMMU Group 12 0000:00:01.0", f"IOMMU Group 12 0000:01:00.0 {card}"]
    assert found.files["iommu_groups.txt"].splitlines() == groups


def test_more_devices_take_no_more_programs(tmp_path: Path) -> None:
    shims = tmp_path / "bin"
    for tool in ("awk", "cat", "grep", "ls", "readlink", "sed", "sort", "stat", "timeout", "xargs"):
        _shim(shims, tool, f'echo {tool} >>{tmp_path}/started; exec {shutil.which(tool)} "$@"')
    started = []
    for others in (0, 200):
        (tmp_path / "started").unlink(missing_ok=True)
        found = _elsewhere(tmp_path, {}, path=shims, more=_sys(tmp_path / str(others), others))
        assert len(found.files["pci_sysfs.txt"].splitlines()) == 3 + others
        started.append(sorted((tmp_path / "started").read_text().split()))
    assert started[0] == started[1]


def test_the_start_of_a_long_kernel_log_comes_from_the_journal(tmp_path: Path) -> None:
    shims = tmp_path / "bin"
    kept = "".join(f"echo '[{at:5}.000000] line {at}';" for at in (50, 60, 70))
    early = "".join(f"echo '[{at:5}.000000] pve kernel: line {at}';" for at in (10, 50, 60))
    first = "echo '[    0.000000] pve kernel: Linux version 6.8'"
    _shim(shims, "dmesg", kept)
    _shim(shims, "journalctl", f'case "$*" in *QEMU*) exit 1 ;; esac; {first}; {early}')
    found = _bundle(_sh(path=shims)).files["dmesg.txt"].splitlines()
    assert found[0] == "[    0.000000] Linux version 6.8"
    assert [line.split()[-1] for line in found[1:]] == ["10", "50", "60", "70"]
    _shim(shims, "dmesg", "exit 1")
    assert len(_bundle(_sh(path=shims)).files["dmesg.txt"].splitlines()) == 4
    _shim(shims, "journalctl", "exit 1")
    assert "systemd-journal" in _bundle(_sh(path=shims)).left_out["dmesg.txt"]


# --- over SSH


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SshNode]:
    need_namespaces()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    (tmp_path / "home" / ".ssh").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    made = start(tmp_path / "node", {})
    yield made
    made.close()


def _pvekit(*arguments: str | Path) -> tuple[int, str]:
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        code = run([str(argument) for argument in arguments])
    assert "Traceback" not in said.getvalue()
    return code, said.getvalue()


def test_one_login_brings_a_bundle(node: SshNode, tmp_path: Path, figure: Figure) -> None:
    node.put("/etc/pve/qemu-server/100.conf", _CONF)
    known = ("--host-key", node.host_key, "--key", node.key)
    began = time.monotonic()
    code, said = _pvekit("passthrough", "collect", f"root@127.0.0.1:{node.port}", *known, "-o", "one.tar.gz")
    figure(f"{time.monotonic() - began:.2f} s, login and writing included")
    assert code == 0, said
    assert "redacted" in said
    assert node.logins() == 1
    code, said = _pvekit("passthrough", "collect", f"127.0.0.1:{node.port}", *known, "-o", "one.tar.gz")
    assert code == 9, said
    assert "-o" in said
    assert node.logins() == 1
    code, said = _pvekit("passthrough", "diagnose", "one.tar.gz")
    assert code in (0, 1, 2), said
    code, said = _pvekit("passthrough", "diagnose", f"127.0.0.1:{node.port}", *known, "--json")
    assert '"verdict"' in said
    assert node.logins() == 2


def test_only_a_known_host_is_asked(node: SshNode, tmp_path: Path) -> None:
    host = f"127.0.0.1:{node.port}"
    code, said = _pvekit("passthrough", "collect", host, "--key", node.key)
    assert code == 8
    assert f"ssh-keyscan -t ed25519 -p {node.port} 127.0.0.1" in said
    wrong = "ssh-ed25519 " + (node.folder / "user.pub").read_text().split()[1]
    code, said = _pvekit("passthrough", "collect", host, "--key", node.key, "--host-key", wrong)
    assert code == 6
    assert node.logins() == 0
    known = tmp_path / "home/.ssh/known_hosts"
    known.write_text(f"[127.0.0.1]:{node.port} {node.host_key}\n")
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", str(known)], check=True, capture_output=True)
    assert "127.0.0.1" not in known.read_text()
    shutil.copy(node.key, tmp_path / "home/.ssh/id_ed25519")
    code, said = _pvekit("passthrough", "collect", host, "-o", "known.tar.gz", "--no-redact")
    assert code == 0, said
    assert "look at it before you pass it on" in said


def test_an_ordinary_user_logs_in_and_sudo_is_only_used_when_asked_for(node: SshNode, tmp_path: Path) -> None:
    node.put("/etc/passwd", node.text("/etc/passwd") + "ops:x:64000:64000::/:/bin/sh\n")
    # The server reads the key as that user, who may not look into the folders of this test.
    folders = [folder for folder in (node.folder, *node.folder.parents) if folder.stat().st_mode & 0o7077 == 0]
    for folder in folders:
        folder.chmod(0o711)
    (node.folder / "bin" / "sudo").write_text("#!/bin/sh\necho 'sudo: a password is required' >&2\nexit 1\n")
    (node.folder / "bin" / "sudo").chmod(0o755)
    known = (f"ops@127.0.0.1:{node.port}", "--host-key", node.host_key, "--key", node.key)
    try:
        code, said = _pvekit("passthrough", "collect", *known, "-o", "ops.tar.gz")
        assert code == 0, said
        assert "iomem.txt: /proc/iomem needs root" in said
        code, said = _pvekit("passthrough", "collect", *known, "-o", "sudo.tar.gz", "--sudo")
        assert code == 10, said
        assert "leave --sudo out" in said
        assert not (tmp_path / "sudo.tar.gz").exists()
    finally:
        for folder in folders:
            folder.chmod(0o700)


def test_a_node_of_the_stack_is_asked_by_its_name(node: SshNode, tmp_path: Path) -> None:
    pinned, token = ":".join(["AA"] * 32), "{id: root@pam!pvekit, secret: 'env:X'}"
    host = f"{{endpoint: 'https://192.0.2.1:8006', fingerprint: '{pinned}', token: {token}, ssh: {node.yaml()}}}"
    (tmp_path / "tiny.qcow2").write_bytes(b"QFI\xfb\0\0\0\2".ljust(4096, b"\0"))
    vm = "{kind: debian, image: tiny, storage: local, memory: 1GiB, cores: 1, disks: [{size: 1GiB}]}"
    (tmp_path / "s.yaml").write_text(
        f"pvekit: 1\nname: home\nhost: {host}\nimages: {{tiny: {{path: tiny.qcow2}}}}\nvms: {{one: {vm}}}\n"
    )
    code, said = _pvekit("passthrough", "collect", "pve", "-s", "s.yaml", "-o", "node.tar.gz")
    assert code == 0, said
    assert node.logins() == 1


def test_what_is_no_host_and_no_bundle_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert _pvekit("passthrough", "diagnose", "gone.tar.gz")[0] == 64
    assert _pvekit("passthrough", "diagnose", "./gone")[0] == 64
    code, said = _pvekit("passthrough", "collect", "a b")
    assert code == 9
    assert "[user@]address[:port]" in said


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("pve", ("root", "pve", 22)),
        ("alice@10.0.0.2:2222", ("alice", "10.0.0.2", 2222)),
        ("[2001:db8::2]", ("root", "2001:db8::2", 22)),
        ("root@[fe80::1%eno1]:22", ("root", "fe80::1%eno1", 22)),
        ("pve:0", None),
        ("pve:99999", None),
        ("-oProxyCommand=x", None),
        ("2001:db8::2", None),
        ("", None),
    ],
)
def test_hosts_as_people_write_them(text: str, wanted: tuple[str, str, int] | None) -> None:
    if wanted is None:
        with pytest.raises(NotFound):
            split_host(text)
    else:
        assert split_host(text) == wanted


_ONE = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        (f"pve,10.0.0.2 {_ONE} a comment", True),
        (f"PVE {_ONE}", True),
        (f"p?e {_ONE}", True),
        (f"*,!pve {_ONE}", False),
        (f"[pve]:2222 {_ONE}", False),
        (f"pvex {_ONE}", False),
        (f"# pve {_ONE}", False),
        (f"@cert-authority pve {_ONE}", False),
        (f"pve {_ONE}\n@revoked * {_ONE}", False),
        ("pve ssh-ed25519 AAAA\n|1|x|y ssh-ed25519 AAAA\npve", False),
    ],
)
def test_known_hosts_as_ssh_reads_them(tmp_path: Path, lines: str, found: bool) -> None:
    file = tmp_path / "known"
    file.write_text(lines + "\n")
    assert known_keys("pve", 22, [file, tmp_path / "gone"]) == ((parse_host_key(_ONE),) if found else ())
