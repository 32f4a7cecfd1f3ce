"""Group members: each is sorted once, and what the host needs is told from what only might be needed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pvekit.model.bundle import Line
from pvekit.model.missing import Missing
from pvekit.model.pci import Bdf
from pvekit.passthrough.binding import blacklisted, wanted_by, wanted_ids
from pvekit.passthrough.facts.cmdline import Cmdline, Token
from pvekit.passthrough.facts.devices import Device, Devices
from pvekit.passthrough.facts.kernellog import KernelLog
from pvekit.passthrough.facts.modprobe import Modprobe, Setting
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.logs import Entry
from pvekit.passthrough.members import CONSOLE, KEYBOARD, NETWORK, STORAGE, Need, members, needs

NONE = Missing("x", "not asked")
AT = Line("lspci.txt", 1, "")
CLASSES = ("0300", "0403", "0600", "0604", "0601", "0200", "0108", "0c03", "1300", "")


def device(
    address: str, klass: str, driver: str | None = "", group: int | None = 1, boot_vga: bool | None = None
) -> Device:
    return Device(
        bdf=Bdf.parse(address), klass=klass, vendor="10de", device="1c03", subsystem="", name="", driver=driver,
        group=group, boot_vga=boot_vga, line=AT,
    )  # fmt: skip


def host(*found: Device, whole: bool = False) -> Devices:
    return Devices({item.bdf: item for item in found}, whole=whole)


def log(*texts: str) -> KernelLog:
    return KernelLog(tuple(Entry(text, Line("dmesg.txt", number, text)) for number, text in enumerate(texts, 1)))


def needed(
    item: Device, devices: Devices, said: KernelLog | Missing = NONE, options: Cmdline | Missing = NONE
) -> list[Need]:
    return list(needs(item, devices, said, options))


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.sampled_from(CLASSES)), unique_by=lambda x: x[:2]))
def test_every_member_of_a_group_is_sorted_once(drawn: list[tuple[int, int, str]]) -> None:
    found = [device(f"0{bus}:00.{function}", klass, "nvme") for bus, function, klass in drawn]
    card = device("01:00.0", "0300")
    devices = host(*found, card)
    (group,) = members(Target((card.bdf,), (card,), None, "asked for"), devices, NONE)
    parts = [*group.own, *group.strangers, *group.bridges, *group.unclear]
    assert sorted(item.bdf for item in parts) == sorted(devices.by_bdf)
    assert card in group.own
    assert all(item.bdf.slot != card.bdf.slot for item in group.strangers)


def test_a_network_card_is_needed_for_sure_when_the_bridge_has_it_or_it_is_the_only_one() -> None:
    nic, other = device("04:00.0", "0200", "r8169"), device("05:00.0", "0200", "e1000e")
    said = log("r8169 0000:04:00.0 enp4s0: renamed from eth0", "vmbr0: port 1(enp4s0) entered forwarding state")
    assert [(need.kind, need.sure) for need in needed(nic, host(nic, other, whole=True), said)] == [(NETWORK, True)]
    assert [need.sure for need in needed(other, host(nic, other, whole=True), said)] == [False]
    assert [need.sure for need in needed(nic, host(nic, whole=True))] == [True]
    assert [need.sure for need in needed(nic, host(nic))] == [False]


def test_a_disk_is_needed_when_it_holds_the_root_file_system() -> None:
    disk, other = device("02:00.0", "0108", "nvme"), device("00:17.0", "0106", "ahci")
    devices = host(disk, other, whole=True)
    said = log("nvme nvme0: pci function 0000:02:00.0")
    options = Cmdline((Token("root", "/dev/nvme0n1p3", AT),), AT)
    (need,) = needed(disk, devices, said, options)
    assert (need.kind, need.sure) == (STORAGE, True)
    assert not needed(disk, devices, said, Cmdline((Token("root", "/dev/sda1", AT),), AT))[0].sure


def test_a_keyboard_and_the_only_console_are_needed() -> None:
    usb = device("00:14.0", "0c03", "xhci_hcd")
    said = log("input: Logitech USB Keyboard as /devices/pci0000:00/0000:00:14.0/usb1/1-3/1-3:1.0/input/input5")
    assert [(need.kind, need.sure) for need in needed(usb, host(usb), said)] == [(KEYBOARD, True)]
    assert [need.sure for need in needed(usb, host(usb))] == [False]
    card, second = device("01:00.0", "0300", boot_vga=True), device("02:00.0", "0300", boot_vga=False)
    assert [(need.kind, need.sure) for need in needed(card, host(card, whole=True))] == [(CONSOLE, True)]
    assert not needed(card, host(card, second, whole=True))


@given(st.lists(st.tuples(st.integers(0, 0xFFFF), st.integers(0, 0xFFFF)), min_size=1, max_size=6))
def test_well_formed_ids_are_read_as_written(pairs: list[tuple[int, int]]) -> None:
    value = ",".join(f"{vendor:04x}:{number:04x}" for vendor, number in pairs)
    setting = Setting("options", "vfio_pci", (f"ids={value}", "disable_vga=1"), AT)
    found = wanted_ids(Modprobe((setting,)), Cmdline((Token("vfio-pci.ids", value.upper(), AT),), AT))
    assert [entry.id for entry in found] == [f"{vendor:04x}:{number:04x}" for vendor, number in pairs] * 2
    assert [entry.option for entry in found] == [False] * len(pairs) + [True] * len(pairs)


def test_halves_of_an_id_are_malformed_and_ignored_files_give_nothing() -> None:
    halves = wanted_ids(Modprobe((Setting("options", "vfio_pci", ("ids=10de,1c03",), AT),)), NONE)
    assert [(entry.text, entry.id) for entry in halves] == [("10de", ""), ("1c03", "")]
    unread = wanted_ids(Modprobe((Setting("options", "vfio_pci", ("ids=10de:1c03",), AT, ignored=True),)), NONE)
    assert wanted_by(device("01:00.0", "0300"), unread) is None


def test_a_blacklist_comes_from_files_and_from_the_command_line() -> None:
    settings = (Setting("blacklist", "nouveau", (), AT), Setting("install", "i915", ("/bin/false",), AT))
    options = Cmdline((Token("module_blacklist", "nvidia-drm,xe", AT),), AT)
    assert set(blacklisted(Modprobe(settings), options)) == {"nouveau", "i915", "nvidia_drm", "xe"}
