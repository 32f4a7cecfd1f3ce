"""No tool is ever told to overwrite or to destroy without asking: its force options appear nowhere in what we ship."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHIPPED = ("pvekit", "playbooks", "templates", "scripts", "inventory")


def told(tool: str, *options: str) -> str:
    """Return what matches a tool with one of these options, as a line or as a list of arguments.

    Between them may stand other words, quotes and commas, but no end of the command.
    """
    return rf"\b{tool}(?=[\s'\",])[^\n;|&#]*?[\s'\",\[](?:{'|'.join(options)})(?=$|[\s'\",=\]])"


def short(letters: str) -> str:
    """Return what matches a short option with one of the letters, alone or among others."""
    return f"-[a-zA-Z]*[{letters}][a-zA-Z]*"


FORBIDDEN = {
    name: re.compile(pattern, re.MULTILINE)
    for name, pattern in {
        "zpool with -f": told("zpool", short("f")),
        "zfs destroy -f or -R": told(r"zfs\b.{0,20}\bdestroy", short("fR")),
        "zpool labelclear": r"\bzpool\b.{0,20}\blabelclear\b",
        "zpool destroy": r"\bzpool\b.{0,20}\bdestroy\b",
        "wipefs that erases": told("wipefs", short("afo"), "--all", "--force", "--offset"),
        "sgdisk that zaps": told("sgdisk", short("zZo"), "--zap", "--zap-all", "--clear"),
        "mkfs with force": told(r"mkfs(?:\.\w+)?", short("fF"), "--force"),
        "mke2fs with force": told("mke2fs", short("F")),
        "mdadm that takes or zeroes": told("mdadm", short("f"), "--force", "--run", "--zero-superblock"),
        "LVM with force": told("(?:pv|vg|lv)(?:create|remove|change)", short("fy"), "--force", "--yes"),
        "parted without asking": told("parted", "-s", "--script"),
        "sfdisk with force": told("sfdisk", short("fwW"), "--force", "--wipe", "--wipe-partitions"),
        "dd onto a device": r"\bdd\b[^\n]*\bof=/dev/",
        "blkdiscard": r"\bblkdiscard\b",
        "hdparm that erases": r"\bhdparm\b[^\n]*--(security-erase|trim|fallocate)",
        "nvme format": r"\bnvme\b.{0,20}\b(format|sanitize)\b",
        "a module that forces": r"^\s+(force|wipefs|force_create)\s*:\s*(true|yes|always)\b",
        "btrfs with force": told(r"btrfs\b.{0,12}\b(?:device|replace|balance|rescue|check)", short("f"), "--force"),
    }.items()
}

# What these files do to disks, they do to image files that they have made themselves a moment ago.
OWN_FILES = {
    "pvekit/lab/image": {"mke2fs with force", "mkfs with force", "sfdisk with force"},
}


def found(text: str) -> set[str]:
    return {name for name, pattern in FORBIDDEN.items() if pattern.search(text)}


def test_nothing_that_is_shipped_forces() -> None:
    seen = {}
    for folder in SHIPPED:
        for path in sorted((ROOT / folder).rglob("*")):
            if not path.is_file() or path.suffix in (".pyc", ".json") or "__pycache__" in path.parts:
                continue
            name = str(path.relative_to(ROOT))
            allowed = {each for start, names in OWN_FILES.items() if name.startswith(start) for each in names}
            bad = found(path.read_text(encoding="utf-8", errors="replace")) - allowed
            if bad:
                seen[name] = bad
    assert seen == {}


@pytest.mark.parametrize(
    "text",
    [
        "zpool create -f tank mirror a b",
        'run(["zpool", "create", "-o", "ashift=12", "-f", "tank"])',
        "zpool import -fN tank",
        "- command: zpool labelclear /dev/sdb",
        "zfs destroy -R tank/a",
        "zpool destroy tank",
        "wipefs -a /dev/sdb",
        '["wipefs", "--all", disk]',
        "sgdisk -Z /dev/sdb",
        "sgdisk --zap-all /dev/sdb",
        "mkfs.btrfs -f /dev/sdb",
        "mkfs.ext4 -F /dev/sdb",
        "argv: [mkfs.btrfs, --force, /dev/sdb]",
        "mke2fs -t ext4 -F disk",
        "mdadm --zero-superblock /dev/sdb",
        "mdadm --create /dev/md0 --run --level=1",
        "pvcreate -ff /dev/sdb",
        "vgremove --force old",
        "parted -s /dev/sdb mklabel gpt",
        "sfdisk --wipe always /dev/sdb",
        "dd if=/dev/zero of=/dev/sdb bs=1M",
        "blkdiscard /dev/sdb",
        "nvme format /dev/nvme0n1",
        "  community.general.filesystem:\n    fstype: ext4\n    force: true",
        "btrfs device add -f /dev/sdb /srv",
    ],
)
def test_each_of_them_would_be_seen(text: str) -> None:
    assert found(text)


@pytest.mark.parametrize(
    "text",
    [
        "zpool create -o ashift=12 tank mirror a b",
        "zpool import -N tank",
        "zpool status tank; rm -f /run/note",
        "zfs list -Hp -o name",
        "wipefs -n -J /dev/sdb",
        "wipefs --no-act --json /dev/sdb",
        "sgdisk -p /dev/sdb",
        "mkfs.btrfs -L tank -d raid1 -m raid1 /dev/sdb /dev/sdc",
        "mdadm --examine --export /dev/sdb",
        "sfdisk --json /dev/sdb",
        "dd if=/dev/sdb of=head.img bs=1M count=1",
        "  ansible.builtin.copy:\n    force: false",
        "btrfs filesystem show --raw",
        '("btrfs", "qgroup", "show", "--raw", "-rf", path)',
    ],
)
def test_careful_ones_are_let_through(text: str) -> None:
    assert not found(text)
