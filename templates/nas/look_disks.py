"""Looks at the disks of a machine and prints what is on them, as JSON. Changes nothing.

Runs with nothing but Python's own library, on a host and in a guest: ``python3 - < look_disks.py``. Tools that are
there (lsblk, wipefs, blkid, zpool) are asked; the places where pools, arrays and partition tables keep their marks are
read directly as well, so that a pool is found where its own tools are missing. A look that failed is in the output:
"could not look" is not "nothing there".
"""

from __future__ import annotations

import json
import os
import re
import struct
import subprocess
import sys
import uuid
from pathlib import Path

KIB, MIB = 1024, 1024 * 1024
SYSTEM_MOUNTS = {"/", "/boot", "/boot/efi", "/usr", "/var", "/etc/pve"}
CONFIGS = ("nodes/*/qemu-server/*.conf", "nodes/*/lxc/*.conf")
COLUMNS = "NAME,KNAME,PATH,TYPE,SIZE,RO,SERIAL,WWN,MOUNTPOINTS"
UBERBLOCK = 0x00BAB10C
MD_MAGIC = struct.pack("<I", 0xA92B4EFC)


def run(*argv, good=(0,)):
    """Return a program's output and why it failed (empty: it did not)."""
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False, env=environment)
    except (OSError, subprocess.TimeoutExpired) as error:
        return "", f"{argv[0]}: {error}"
    if done.returncode not in good:
        return done.stdout, f"{argv[0]} ended with status {done.returncode}: {done.stderr.strip()[:200]}"
    return done.stdout, ""


class Device:
    """A disk, partition or file, open for reading only."""

    def __init__(self, path):
        """Open it; OSError says why not."""
        self.handle = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
        self.size = os.lseek(self.handle, 0, os.SEEK_END)

    def read(self, offset, length):
        """Return the bytes there; empty outside of the device."""
        if offset < 0 or offset >= self.size:
            return b""
        return os.pread(self.handle, length, offset)

    def close(self):
        """Close it."""
        os.close(self.handle)


# Marks that are read directly


def fixed_marks(device):
    """Yield type and offset of marks at fixed places."""
    places = (
        ("ext2/3/4", 1080, b"\x53\xef"), ("xfs", 0, b"XFSB"), ("crypto_LUKS", 0, b"LUKS\xba\xbe"),
        ("ntfs", 3, b"NTFS    "), ("exfat", 3, b"EXFAT   "), ("swap", 4086, b"SWAPSPACE2"),
        ("bluestore", 0, b"bluestore block device"),
        ("bcache", 4120, bytes.fromhex("c68573f64e1a45ca8265f57f48ba6d81")),
    )  # fmt: skip
    for name, offset, magic in places:
        if device.read(offset, len(magic)) == magic:
            yield name, offset
    for sector in range(4):
        if device.read(sector * 512, 8) == b"LABELONE":
            yield "LVM2_member", sector * 512


def tables(device):
    """Yield partition tables: GPT at the head and its copy at the tail, an MBR."""
    for sector in (512, 4096):
        for offset in (sector, device.size - sector):
            if device.read(offset, 8) == b"EFI PART":
                yield "gpt", offset
    if device.read(510, 2) == b"\x55\xaa":
        yield "dos", 510


def arrays(device):
    """Yield Linux RAID members: 1.1 and 1.2 at the head, 1.0 and 0.90 at the tail (md(4))."""
    sectors = device.size // 512
    for offset in (0, 4096, ((sectors - 16) & ~7) * 512, device.size // (64 * KIB) * (64 * KIB) - 64 * KIB):
        if device.read(offset, 4) in (MD_MAGIC, MD_MAGIC[::-1]):
            yield "linux_raid_member", offset


def btrfs_super(device):
    """Return what a btrfs superblock says, from the first of its three places that has one; None without any."""
    for offset in (64 * KIB, 64 * MIB, 256 * 1024 * MIB):
        block = device.read(offset, 4096)
        if block[64:72] == b"_BHRfS_M":
            return {
                "offset": offset,
                "id": str(uuid.UUID(bytes=block[32:48])),
                "disks": struct.unpack_from("<Q", block, 136)[0],
                "number": struct.unpack_from("<Q", block, 201)[0],
                "member": str(uuid.UUID(bytes=block[267:283])),
                "name": block[299:555].split(b"\0")[0].decode(errors="replace"),
            }
    return None


def zfs_labels(device):
    """Yield offset and contents (None: not readable) of each of ZFS's four labels that is there."""
    end = device.size // (256 * KIB) * (256 * KIB)
    for offset in (0, 256 * KIB, end - 512 * KIB, end - 256 * KIB):
        label = device.read(offset, 256 * KIB)
        if len(label) < 256 * KIB:
            continue
        ring = range(128 * KIB, 256 * KIB, KIB)
        found = any(struct.unpack_from(order, label, at)[0] == UBERBLOCK for at in ring for order in ("<Q", ">Q"))
        pairs = None
        if label[16 * KIB] in (0, 1) and label[16 * KIB + 1] in (0, 1) and any(label[16 * KIB : 16 * KIB + 64]):
            try:
                pairs = nvlist(label[16 * KIB + 4 : 128 * KIB])[0]
            except (struct.error, ValueError, IndexError, RecursionError):
                pairs = None
        if found or pairs:
            yield offset, pairs


def nvlist(data, at=0):
    """Return the pairs of an XDR name-value list and where it ends. Types that no label needs are left out."""
    at += 8
    pairs = {}
    while True:
        size, _, length = struct.unpack_from(">III", data, at)
        if size == 0:
            return pairs, at + 8
        name = data[at + 12 : at + 12 + length].decode()
        here = at + 12 + (length + 3) // 4 * 4
        kind, count = struct.unpack_from(">II", data, here)
        here += 8
        if kind in (8,):
            pairs[name] = struct.unpack_from(">Q", data, here)[0]
        elif kind == 9:
            (length,) = struct.unpack_from(">I", data, here)
            pairs[name] = data[here + 4 : here + 4 + length].decode(errors="replace")
        elif kind == 19:
            pairs[name], _ = nvlist(data, here)
        elif kind == 20:
            pairs[name] = []
            for _ in range(count):
                inner, here = nvlist(data, here)
                pairs[name].append(inner)
        if size < 12:
            raise ValueError("a pair of no length")
        at += size


def zfs_pool(pairs):
    """Return what a label says of its pool."""
    tree = pairs.get("vdev_tree") or {}
    leaves = tree.get("children") or [tree]
    return {
        "kind": "zfs",
        "name": str(pairs.get("name", "")),
        "id": str(pairs.get("pool_guid", "")),
        "member": str(pairs.get("guid", "")),
        # A pool of several top-level parts has more disks than one label names.
        "members": sorted(str(leaf.get("guid", "")) for leaf in leaves) if pairs.get("vdev_children") == 1 else [],
        "disks": len(leaves) if pairs.get("vdev_children") == 1 else 0,
        "host": str(pairs.get("hostname", "")),
        "exported": pairs.get("state") == 1,
    }


def marks(path, name):
    """Return what is on one device: (signs, pools, why a look failed)."""
    signs, pools, failed = [], [], []
    try:
        device = Device(path)
    except OSError as error:
        return signs, pools, [f"{name} cannot be read: {error.strerror}"]
    try:
        for look in (fixed_marks, tables, arrays):
            signs += [{"by": "read", "on": name, "type": kind, "offset": at} for kind, at in look(device)]
        superblock = btrfs_super(device)
        if superblock:
            signs.append({"by": "read", "on": name, "type": "btrfs", "offset": superblock.pop("offset")})
            pools.append({"kind": "btrfs", "on": name, **superblock})
        seen = {}
        for offset, pairs in zfs_labels(device):
            signs.append({"by": "read", "on": name, "type": "zfs_member", "offset": offset})
            if pairs and pairs.get("pool_guid"):
                pool = zfs_pool(pairs)
                seen[(pool["id"], pool["member"])] = {**pool, "on": name}
        pools += seen.values()
    except OSError as error:
        failed.append(f"{name} cannot be read: {error.strerror}")
    finally:
        device.close()
    return signs, pools, failed


# Marks that tools find


def by_wipefs(path, name):
    """Return wipefs' findings and why it failed."""
    text, failed = run("wipefs", "--no-act", "--json", path)
    if failed or not text.strip():
        return [], [failed] if failed else []
    try:
        rows = json.loads(text)["signatures"]
    except (ValueError, KeyError) as error:
        return [], [f"wipefs: {error}"]
    return [
        {
            "by": "wipefs",
            "on": name,
            "type": str(row.get("type")),
            "offset": int(str(row.get("offset", "0")), 0),
            "label": row.get("label") or "",
        }
        for row in rows
    ], []


def by_blkid(path, name):
    """Return blkid's findings (of the device itself, not of the caches) and why it failed."""
    text, failed = run("blkid", "--probe", "--output", "export", path, good=(0, 2, 8))
    if failed:
        return [], [failed]
    found = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    label = found.get("LABEL", "").replace("\\ ", " ")
    types = [found[key] for key in ("TYPE", "PTTYPE") if key in found]
    if not types:
        # Status 8: more than one thing is there, and blkid does not choose.
        _, several = run("blkid", "--probe", "--output", "export", path, good=(0, 2))
        types = ["several"] if several else []
    return [{"by": "blkid", "on": name, "type": kind, "label": label} for kind in types], []


# What is in use


def mounts():
    """Return (device name, mount point) of everything mounted; a btrfs is mounted with all of its disks."""
    found = []
    members = {}
    for path in Path("/sys/fs/btrfs").glob("*-*/devices/*"):
        members.setdefault(path.parts[4], []).append(path.name)
    of_disk = {name: names for names in members.values() for name in names}
    with Path("/proc/self/mountinfo").open(encoding="utf-8") as lines:
        for line in lines:
            before, _, after = line.partition(" - ")
            where = re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), before.split()[4])
            source = after.split()[1]
            if source.startswith("/dev/"):
                name = Path(source).resolve().name
                found += [(each, where) for each in of_disk.get(name, [name])]
            elif after.split()[0] == "zfs":
                found += [(each, where) for each in zpool_disks().get(source.split("/")[0], [])]
    return found


def swaps():
    """Return the names of devices that are swapped to."""
    lines = Path("/proc/swaps").read_text(encoding="utf-8").splitlines()[1:]
    return {Path(line.split()[0]).resolve().name for line in lines}


_POOLS = {}


def zpool_disks():
    """Return the device names of each ZFS pool that is in use here."""
    if "read" not in _POOLS:
        _POOLS["read"] = {}
        names = [path.parent.name for path in Path("/proc/spl/kstat/zfs").glob("*/state")]
        for name in names:
            text, _ = run("zpool", "list", "-v", "-H", "-P", "-L", name)
            found = [Path(word).name for word in text.split() if word.startswith("/dev/")]
            _POOLS["read"][name] = found
    return _POOLS["read"]


def users(paths):
    """Return the configurations of VMs and containers (on a PVE host) that name one of the paths."""
    found = []
    for pattern in CONFIGS:
        for config in sorted(Path("/etc/pve").glob(pattern)):
            try:
                text = config.read_text(encoding="utf-8", errors="replace")
            except OSError:
                continue
            if any(re.search(re.escape(path) + r"(?![\w.-])", text) for path in paths):
                found.append(str(config))
    return found


def has(module):
    """Return whether the kernel has a file system."""
    if module in Path("/proc/filesystems").read_text(encoding="utf-8").split():
        return True
    return not run("modprobe", "--dry-run", "--quiet", module)[1]


def blank(path):
    """Return whether the first and the last MiB hold nothing but zeros; None when that cannot be read."""
    try:
        device = Device(path)
    except OSError:
        return None
    try:
        return not any(device.read(0, MIB)) and not any(device.read(max(0, device.size - MIB), MIB))
    except OSError:
        return None
    finally:
        device.close()


def below(row):
    """Yield a row of lsblk and all rows under it."""
    yield row
    for child in row.get("children") or ():
        yield from below(child)


def examine(row, links, mounted, swapped):
    """Return everything about one disk."""
    tree = list(below(row))
    parts = [each for each in tree if each["type"] == "part"]
    names = {each["kname"] for each in tree}
    paths = [row["path"], *(f"/dev/disk/by-id/{link}" for link in links.get(row["kname"], ()))]
    wheres = sorted({where for name, where in mounted if name in names})
    made = {
        "name": row["kname"],
        "path": row["path"],
        "serial": (row.get("serial") or "").strip(),
        "wwn": row.get("wwn") or "",
        "size": int(row["size"]),
        "read_only": row.get("ro") in (True, 1, "1"),
        "by_id": sorted(links.get(row["kname"], ())),
        "partitions": [each["kname"] for each in parts],
        "mounts": wheres,
        "swap": bool(names & swapped),
        "holders": sorted({each["kname"] for each in tree if each["type"] not in ("disk", "part", "loop")}),
        "imported": sorted(pool for pool, disks in zpool_disks().items() if names & set(disks)),
        "boot": bool(SYSTEM_MOUNTS & set(wheres)),
        "users": users([p for path in paths for p in (path, *(f"{path}-part{n}" for n in range(1, 16)))]),
        "blank": blank(row["path"]),
        "signs": [],
        "pools": [],
        "failed": [],
    }
    for each in (row, *parts):
        name, path = each["kname"], each["path"]
        signs, pools, failed = marks(path, name)
        made["pools"] += pools
        for found, why in ((signs, failed), by_wipefs(path, name), by_blkid(path, name)):
            made["signs"] += found
            made["failed"] += why
    return made


def by_id_links():
    """Return the names below /dev/disk/by-id of each device, partitions left out."""
    found = {}
    for path in Path("/dev/disk/by-id").glob("*"):
        found.setdefault(path.resolve().name, []).append(path.name)
    return found


def look(kinds=("disk",)):
    """Return the whole answer."""
    text, failed = run("lsblk", "--json", "--bytes", "--tree", "--output", COLUMNS)
    made = {"version": 1, "failed": [failed] if failed else [], "disks": []}
    made["filesystems"] = {name: has(name) for name in ("zfs", "btrfs")}
    rows = json.loads(text)["blockdevices"] if text else []
    links, mounted, swapped = by_id_links(), mounts(), swaps()
    made["disks"] = [examine(row, links, mounted, swapped) for row in rows if row["type"] in kinds and int(row["size"])]
    return made


if __name__ == "__main__":
    json.dump(look(), sys.stdout)
    sys.stdout.write("\n")
