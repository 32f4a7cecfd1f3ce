"""Sorting bundles: whole posts cut into their parts, names of other people, and laws for anything at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from pvekit.model.bundle import Bundle, Line
from pvekit.model.missing import Missing
from pvekit.passthrough.facts.sources import Sources, read
from pvekit.passthrough.sorting import looks, names
from pvekit.passthrough.sorting.commands import of_command, of_heading
from pvekit.passthrough.sorting.unwrap import unwrapped

CASES = Path(__file__).parent / "sources"
SHARED = Path(__file__).resolve().parents[3] / "shared" / "data" / "iommu-lab"
HOSTS = sorted(path for path in SHARED.glob("*") if path.is_dir()) if SHARED.is_dir() else []


def spans(lines: tuple[Line, ...]) -> list[int | str]:
    """Return the numbers of lines that are not blank as ``3-5`` and single numbers."""
    numbers = [line.number for line in lines if line.text.strip()]
    blank = {line.number for line in lines if not line.text.strip()}
    found: list[list[int]] = []
    for number in numbers:
        if found and all(between in blank for between in range(found[-1][1] + 1, number)) and found[-1][1] < number:
            found[-1][1] = number
        else:
            found.append([number, number])
    return [first if first == last else f"{first}-{last}" for first, last in found]


@pytest.mark.parametrize("path", sorted(CASES.glob("*.yaml")), ids=lambda path: path.stem)
def test_case(path: Path) -> None:
    case: dict[str, Any] = yaml.safe_load(path.read_text())
    assert case["source"].strip()
    found = read(Bundle("case", case["files"]))
    if "roles" in case:
        assert {role: spans(lines) for role, lines in found.roles.items()} == case["roles"]
    if "files_of_role" in case:
        files = {role: list(dict.fromkeys(line.file for line in lines)) for role, lines in found.roles.items()}
        assert files == case["files_of_role"]
    assert list(found.unknown) == case.get("unknown", [])


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("cmdline.txt", "cmdline.txt"),
        ("proc-cmdline", "cmdline.txt"),
        ("DMESG.LOG", "dmesg.txt"),
        ("journalctl-k.log", "dmesg.txt"),
        ("journal.txt", "dmesg.txt"),
        ("var/log/syslog.1", "dmesg.txt"),
        ("kern.log", "dmesg.txt"),
        ("dmesg_after_inner.txt", "dmesg.txt"),
        ("01-dmesg.txt", "dmesg.txt"),
        ("lspci-nnk.txt", "lspci.txt"),
        ("lspci_vvv", "lspci.txt"),
        ("lspci-tv.txt", "lspci-tree.txt"),
        ("iommu-groups.txt", "iommu_groups.txt"),
        ("iommu_groups_find.txt", "iommu_groups.txt"),
        ("etc_default_grub", "default-grub.txt"),
        ("grub", "default-grub.txt"),
        ("grub.cfg", "grub.cfg"),
        ("etc/default/grub.d/x.cfg", "default-grub.d/"),
        ("etc_modprobe.d/a.conf", "modprobe.d/"),
        ("modprobe.d.txt", "modprobe.d/"),
        ("etc_modules-load.d/x.conf", "modules-load.d/"),
        ("etc_modules", "modules.txt"),
        ("cpuinfo_flags.txt", "cpuinfo.txt"),
        ("initramfs_modules.txt", "initramfs.txt"),
        ("proc_modules.txt", "lsmod.txt"),
        ("100.conf", "vms/"),
        ("vms/9000.conf", "vms/"),
        ("vm-100.conf", "vms/"),
        ("vm.conf", "vm.conf"),
        ("qm_config.txt", "vm.conf"),
        ("win11.xml", "vms/"),
        ("qemu_error.txt", "qemu.log"),
        ("inner_qemu.txt", "qemu.log"),
        ("UPID:pve:0001:x", "task.log"),
        ("nvidia-smi.txt", "guest/nvidia-smi.txt"),
        ("modinfo.txt", "guest/modinfo.txt"),
        ("host/nvidia-smi.txt", "nvidia-smi.txt"),
        ("guest/dmesg.txt", "guest/dmesg.txt"),
        ("guest_lspci.txt", "guest/lspci.txt"),
        ("lspci-guest.txt", "guest/lspci.txt"),
        ("vm-dmesg.txt", "guest/dmesg.txt"),
        ("guest/uname.txt", "guest/uname.txt"),
        ("guest/vm.conf", "vm.conf"),
        ("README.md", "note.txt"),
        ("systemctl_failed.txt", "systemctl_failed.txt"),
        ("dev_vfio.txt", "dev_vfio.txt"),
        ("report.txt", None),
        ("forum.txt", None),
        ("paste.md", None),
        ("lspci_and_dmesg.txt", None),
        ("", None),
    ],
)
def test_names(name: str, role: str | None) -> None:
    found = names.named(name)
    assert (found.role if found else None) == role


@pytest.mark.parametrize(
    ("command", "role"),
    [
        ("sudo lspci -nnk | grep -A3 VGA", "lspci.txt"),
        ("cat /proc/cmdline", "cmdline.txt"),
        ("dmesg -T", "dmesg.txt"),
        ("find /sys/kernel/iommu_groups/ -type l", "iommu_groups.txt"),
        ("qm config 100", "vm.conf"),
        ("pvesh get /nodes/pve/hardware/pci --pci-class-blacklist ''", "iommu_groups.txt"),
        ("ls -la", None),
        ("nano /etc/default/grub", "default-grub.txt"),
        ("echo vfio >> /etc/modules", None),
        ("apt update", None),
    ],
)
def test_commands(command: str, role: str | None) -> None:
    assert of_command(command) == role


@pytest.mark.parametrize(
    ("text", "role"),
    [
        ("Output of `dmesg | grep -e DMAR`:", "dmesg.txt"),
        ("### lspci -nnk", "lspci.txt"),
        ("VM config:", "vm.conf"),
        ("/etc/modprobe.d/vfio.conf:", "modprobe.d/"),
        ("**IOMMU groups**", "iommu_groups.txt"),
        ("dmesg shows the following when I start it", None),
        ("And then:", None),
        ("Start", None),
    ],
)
def test_headings(text: str, role: str | None) -> None:
    assert of_heading(text) == role


def test_an_empty_file_has_its_role_and_no_lines() -> None:
    found = read(Bundle("x", {"sys_class_iommu.txt": "", "nothing.bin": ""}))
    assert found.of("sys_class_iommu.txt") == ()
    assert found.unknown == ("nothing.bin",)
    assert isinstance(found.of("dmesg.txt"), Missing)


def test_what_a_prompt_announces_in_a_known_file_counts_where_there_is_nothing_better() -> None:
    text = "[    0.1] DMAR: x\nroot@pve:~# uname -a\nLinux pve 6.8.12-2-pve #1 SMP\n"
    assert [line.number for line in read(Bundle("x", {"dmesg.txt": text})).roles["uname.txt"]] == [2, 3]
    both = read(Bundle("x", {"dmesg.txt": text, "uname.txt": "Linux a 6.8.1 #1\n"}))
    assert [line.file for line in both.roles["uname.txt"]] == ["uname.txt"]


def test_the_last_boot_comes_last() -> None:
    files = {"dmesg_after.txt": "a", "dmesg.txt": "b", "syslog.1": "c", "kern.log": "d"}
    assert [line.text for line in read(Bundle("x", files)).roles["dmesg.txt"]] == ["c", "d", "b", "a"]


@pytest.mark.skipif(not HOSTS, reason="needs the recorded hosts, which are not here")
@pytest.mark.parametrize("folder", HOSTS, ids=[path.name for path in HOSTS])
def test_recorded_hosts_are_sorted_whole(folder: Path) -> None:
    files = {str(path.relative_to(folder)): path.read_text(errors="replace")
             for path in sorted(folder.rglob("*")) if path.is_file()}  # fmt: skip
    found = read(Bundle(folder.name, files))
    assert not found.unknown
    assert {line.file for line in found.roles["dmesg.txt"]} <= {"dmesg.txt", "dmesg_after_inner.txt"}
    assert not [role for role in found.roles if role.startswith("guest/")]
    everything = Bundle(folder.name, files)
    assert sum(map(len, found.roles.values())) == sum(len(everything.lines(file)) for file in files)


KNOWN = ["dmesg.txt", "lspci-nnk.txt", "note.txt", "vm.conf", "guest/dmesg.txt", "modprobe.d/x.conf", "boot.txt",
         "kernel.txt", "qemu_error.txt", "iommu_groups.txt", "showcmd.txt"]  # fmt: skip
LINES = st.one_of(
    st.sampled_from([line for path in sorted(CASES.glob("*.yaml")) for line in path.read_text().split("\n")]),
    st.text(max_size=60),
    st.sampled_from(["```", "[CODE]", "[/CODE]", "> ", "# dmesg", "root@pve:~# lspci", "Guest:", "[", "\x1b["]),
)
TEXTS = st.lists(LINES, max_size=25).map("\n".join)


def law(bundle: Bundle, found: Sources) -> None:
    everything = {(line.file, line.number): line.text for file in bundle.files for line in bundle.lines(file)}
    # test_unwrap.py says what may be put together.
    whole = {(line.file, line.number): line.text for file in bundle.files for line in unwrapped(bundle.lines(file))}
    for line in (line for lines in found.roles.values() for line in lines):
        # What somebody quoted may stand without the marks of the quotation, and code without Markdown's indent.
        original = everything[line.file, line.number]
        known = set()
        for text in (original, whole.get((line.file, line.number), original)):
            bare = text.lstrip()
            known |= {bare, *(looks.typed(each).lstrip() for each in (text, bare))}
        # Pieces of an indented text fit together only without the indent.
        assert line.text.lstrip() in known or any(line.text.lstrip().startswith(text) for text in known if text)
    for file in bundle.files:
        named = names.named(file, names.common(bundle.files))
        if named is not None:
            role = "vm.conf" if named.role == "showcmd.txt" and "showcmd.txt" not in found.roles else named.role
            assert set(unwrapped(bundle.lines(file))) <= set(found.roles[role])
    assert set(found.unknown) <= set(bundle.files)


@settings(max_examples=250, deadline=None)
@given(st.dictionaries(st.sampled_from([*KNOWN, "post.md", "a/b", "x"]) | st.text(max_size=20), TEXTS, max_size=4))
def test_anything_is_sorted_and_known_files_keep_all_their_lines(files: dict[str, str]) -> None:
    bundle = Bundle("any", files)
    found = read(bundle)
    law(bundle, found)
    assert read(bundle) == found
