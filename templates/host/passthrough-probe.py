"""Uses a card through VFIO as a VM would, without a VM: opens it, maps its memory, resets it, closes it, N times.

Python 3.9, standard library only; runs on the host as root. Nothing is written to the card's memory and no driver is
changed: a function that is not with vfio-pci is named and left alone. The calls are those of QEMU when a VM starts. The
answer is one JSON object on standard output. ``--root DIR`` takes /sys, /proc and /dev from below DIR.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import errno
import fcntl
import json
import mmap
import os
import re
import signal
import struct
import sys
from collections import namedtuple

VERSION = 1
_BDF = re.compile(r"[0-9a-f]{4,8}:[0-9a-f]{2}:[01][0-9a-f]\.[0-7]")
_VFIO_DRIVER = re.compile(r"(?:\w+[-_])*vfio[-_]pci")
PAGE = mmap.PAGESIZE

# --- linux/vfio.h: every request is _IO(';', 100 + n), so it tells neither size nor direction.

Call = namedtuple("Call", "name number")


def _call(name, number):
    return Call(name, (ord(";") << 8) | (100 + number))


GET_API_VERSION = _call("VFIO_GET_API_VERSION", 0)
CHECK_EXTENSION = _call("VFIO_CHECK_EXTENSION", 1)
SET_IOMMU = _call("VFIO_SET_IOMMU", 2)
GROUP_GET_STATUS = _call("VFIO_GROUP_GET_STATUS", 3)
GROUP_SET_CONTAINER = _call("VFIO_GROUP_SET_CONTAINER", 4)
GROUP_GET_DEVICE_FD = _call("VFIO_GROUP_GET_DEVICE_FD", 6)
DEVICE_GET_INFO = _call("VFIO_DEVICE_GET_INFO", 7)
DEVICE_GET_REGION_INFO = _call("VFIO_DEVICE_GET_REGION_INFO", 8)
DEVICE_RESET = _call("VFIO_DEVICE_RESET", 11)
DEVICE_GET_PCI_HOT_RESET_INFO = _call("VFIO_DEVICE_GET_PCI_HOT_RESET_INFO", 12)
DEVICE_PCI_HOT_RESET = _call("VFIO_DEVICE_PCI_HOT_RESET", 13)
IOMMU_MAP_DMA = _call("VFIO_IOMMU_MAP_DMA", 13)
IOMMU_UNMAP_DMA = _call("VFIO_IOMMU_UNMAP_DMA", 14)

GROUP_STATUS = struct.Struct("=II")  # argsz flags
DEVICE_INFO = struct.Struct("=IIIIII")  # argsz flags num_regions num_irqs cap_offset pad
REGION_INFO = struct.Struct("=IIIIQQ")  # argsz flags index cap_offset size offset
DMA_MAP = struct.Struct("=IIQQQ")  # argsz flags vaddr iova size
DMA_UNMAP = struct.Struct("=IIQQ")  # argsz flags iova size
HOT_RESET = struct.Struct("=III")  # argsz flags count; then devices, or file descriptors of groups
DEPENDENT = struct.Struct("=IHBB")  # group_id segment bus devfn

API_VERSION = 0
TYPE1, TYPE1V2 = 1, 3
VIABLE = 1
RESETS, PCI = 1, 2
REGION_READ, REGION_MMAP = 1, 4
DMA_READ, DMA_WRITE = 1, 2
ROM, CONFIG = 6, 7
_DEPENDENTS = 64
_DMA_BYTES = 16 * PAGE
_IOVAS = (1 << 32, 1 << 36, 1 << 24, 1 << 30)
"""Where memory is shown to the card; the first that the host does not reserve."""
_MEMORY, _PORTS, _PREFETCH = 0x200, 0x100, 0x2000
"""Flags of /sys/bus/pci/devices/*/resource."""


class Trouble(Exception):
    """A call that did not do what it should; the message begins with the call."""

    def __init__(self, call, on, number=0, text=""):
        self.call = call
        self.on = on
        self.errno = errno.errorcode.get(number, str(number)) if number else ""
        self.text = text or (os.strerror(number) if number else "")
        super().__init__(f"{call} on {on}: {self.errno}{', ' if self.errno else ''}{self.text}")

    def told(self):
        """Return it as JSON can hold it."""
        return {"call": self.call, "on": self.on, "errno": self.errno, "text": self.text}


class Door:
    """The kernel's doors. Every refusal is a Trouble that names the call."""

    def __init__(self, root=""):
        self.root = root.rstrip("/")

    def open(self, path):
        """Open a device node."""
        try:
            return os.open(self.root + path, os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            raise Trouble("open", path, error.errno) from error

    def close(self, handle):
        """Close it. Closing resets the card, too: what goes wrong there shows in the next cycle."""
        os.close(handle)

    def ioctl(self, handle, call, argument=0, on=""):
        """Call it and return its number; a bytearray is filled in place."""
        try:
            if isinstance(argument, bytearray):
                return fcntl.ioctl(handle, call.number, argument, True)
            return fcntl.ioctl(handle, call.number, argument)
        except OSError as error:
            raise Trouble(call.name, on, error.errno) from error

    def read(self, handle, count, offset, on):
        """Read from a region through the kernel."""
        try:
            found = os.pread(handle, count, offset)
        except OSError as error:
            raise Trouble("pread", on, error.errno) from error
        if len(found) != count:
            raise Trouble("pread", on, 0, f"{len(found)} of {count} bytes")
        return found

    def map(self, handle, length, offset, on):
        """Map a whole region and let it go; nothing is touched, so that nothing has to be filled in."""
        try:
            mmap.mmap(handle, length, mmap.MAP_SHARED, mmap.PROT_READ, offset=offset).close()
        except (OSError, ValueError) as error:
            raise Trouble("mmap", on, getattr(error, "errno", 0) or 0, str(error)) from error

    def word(self, handle, offset, on):
        """Return the first word of a region through a mapping.

        In a process of its own: reading from a card that does not answer ends a process with SIGBUS.
        """
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            _read_word(handle, offset, writing)
        os.close(writing)
        with os.fdopen(reading, "rb") as pipe:
            found = pipe.read()
        _, ended = os.waitpid(child, 0)
        if os.WIFSIGNALED(ended):
            name = signal.Signals(os.WTERMSIG(ended)).name
            raise Trouble("read through mmap", on, 0, f"{name}: the kernel refuses the access, or the card is gone")
        if os.WEXITSTATUS(ended) or len(found) != 4:
            raise Trouble("read through mmap", on, os.WEXITSTATUS(ended))
        return struct.unpack("=I", found)[0]

    def memory(self, length):
        """Return the address of anonymous memory, and the memory: it has to be kept as long as the address is used."""
        area = mmap.mmap(-1, length)
        return ctypes.addressof(ctypes.c_char.from_buffer(area)), area

    def text(self, path):
        """Return a file of /sys or /proc without the line end; "" when it cannot be read."""
        try:
            with open(self.root + path, errors="replace") as file:  # noqa: PTH123
                return file.read().strip("\0\n ")
        except OSError:
            return ""

    def link(self, path):
        """Return the last part of what a link points to; "" when there is none."""
        try:
            return os.path.basename(os.readlink(self.root + path))  # noqa: PTH115, PTH119
        except OSError:
            return ""

    def names(self, path):
        """Return the names in a folder."""
        try:
            return sorted(os.listdir(self.root + path))  # noqa: PTH208
        except OSError:
            return []

    def exists(self, path):
        """Tell whether there is something."""
        return os.path.lexists(self.root + path)


def _read_word(handle, offset, writing):
    """Read in the child process and end it; its exit status is the error's number."""
    signal.signal(signal.SIGBUS, signal.SIG_DFL)
    status = 255
    try:
        page = mmap.mmap(handle, PAGE, mmap.MAP_SHARED, mmap.PROT_READ, offset=offset)
        # As one access of four bytes: registers do not like others.
        word = memoryview(page).cast("I")[0]
        os.write(writing, struct.pack("=I", word))
        status = 0
    except OSError as error:
        status = error.errno or 255
    finally:
        os._exit(status)


# --- what is there


class Function:
    """One function of the card, as /sys tells it."""

    def __init__(self, door, bdf):
        self.bdf = bdf
        here = f"/sys/bus/pci/devices/{bdf}"
        if not door.exists(here):
            raise Trouble("look", here, errno.ENOENT)
        self.ids = tuple(door.text(f"{here}/{name}").replace("0x", "") for name in ("vendor", "device"))
        self.klass = door.text(f"{here}/class").replace("0x", "")
        self.driver = door.link(f"{here}/driver")
        self.group = door.link(f"{here}/iommu_group")
        self.reset_method = door.text(f"{here}/reset_method")
        self.bars = list(_bars(door.text(f"{here}/resource")))
        self.members = [
            {"bdf": name, "driver": door.link(f"/sys/bus/pci/devices/{name}/driver")}
            for name in door.names(f"/sys/kernel/iommu_groups/{self.group}/devices" if self.group else "/nothing")
        ]

    @property
    def ready(self):
        """Tell whether a VFIO driver has it."""
        return bool(self.group) and _VFIO_DRIVER.fullmatch(self.driver) is not None

    def told(self):
        """Return it as JSON can hold it."""
        return {
            "bdf": self.bdf,
            "id": ":".join(self.ids),
            "class": self.klass,
            "driver": self.driver,
            "group": self.group,
            "reset_method": self.reset_method,
            "bars": self.bars,
            "members": self.members,
        }


def _bars(text):
    """Yield the regions in /sys/bus/pci/devices/*/resource that are there."""
    for number, line in enumerate(text.splitlines()[:6]):
        words = [int(word, 16) for word in line.split()[:3] if re.fullmatch(r"0x[0-9a-f]+", word)]
        if len(words) == 3 and words[2] & (_MEMORY | _PORTS):
            start, end, flags = words
            size = end - start + 1 if end else 0
            ports = bool(flags & _PORTS)
            yield {
                "bar": number,
                "start": start,
                "size": size,
                "ports": ports,
                "prefetchable": bool(flags & _PREFETCH),
            }


def _free_iova(door, groups):
    """Return a place for memory that no group reserves."""
    taken = []
    for group in groups:
        for line in door.text(f"/sys/kernel/iommu_groups/{group}/reserved_regions").splitlines():
            words = line.split()
            if len(words) > 1:
                taken.append((int(words[0], 16), int(words[1], 16)))
    for place in _IOVAS:
        if not any(start < place + _DMA_BYTES and place <= end for start, end in taken):
            return place
    return _IOVAS[0]


def _holder(door, path):
    """Return who has a node open: name, process and VM, as far as it can be found."""
    for process in door.names("/proc"):
        if not process.isdecimal():
            continue
        folder = f"/proc/{process}/fd"
        for handle in door.names(folder):
            with contextlib.suppress(OSError):
                if os.readlink(f"{door.root}{folder}/{handle}") == path:  # noqa: PTH115
                    words = door.text(f"/proc/{process}/cmdline").split("\0")
                    vmid = words[words.index("-id") + 1] if "-id" in words[:-1] else ""
                    return {"process": int(process), "name": door.text(f"/proc/{process}/comm"), "vmid": vmid}
    return {"process": 0, "name": "", "vmid": ""}


# --- one use of the card


class Held(Exception):
    """Somebody else uses it."""

    def __init__(self, path):
        super().__init__(path)
        self.path = path


class Cycle:
    """One use: open everything, look at every function, reset, close everything. Filled in as far as it comes."""

    def __init__(self, door, functions, number, rom):
        self.door = door
        self.functions = functions
        self.rom = rom
        self.groups = {}
        self.said = {"number": number, "iommu": "", "iova": 0, "trouble": None, "held": None, "functions": []}

    def run(self):
        """Do it and return what was seen."""
        try:
            with contextlib.ExitStack() as opened:
                self._use(opened)
        except Held as held:
            self.said["held"] = {"node": held.path, **_holder(self.door, held.path)}
        except Trouble as trouble:
            self.said["trouble"] = trouble.told()
        return self.said

    def _open(self, opened, path):
        handle = self.door.open(path)
        opened.callback(self.door.close, handle)
        return handle

    def _use(self, opened):
        container = self._container(opened)
        kind = self._kind(container)
        for group in dict.fromkeys(function.group for function in self.functions):
            self.groups[group] = self._group(opened, container, group)
            if len(self.groups) == 1:
                self.door.ioctl(container, SET_IOMMU, kind, "/dev/vfio/vfio")
                self.said["iommu"] = "type1v2" if kind == TYPE1V2 else "type1"
        self._memory(opened, container)
        uses = [self._open_function(opened, function) for function in self.functions]
        for use, handle in uses:
            if handle is not None:
                self._guarded(use, lambda use=use, handle=handle: self._look(use, handle))
        for use, handle in uses:
            if handle is not None and use["trouble"] is None and use["can_reset"]:
                self._guarded(use, lambda use=use, handle=handle: self._reset(use, handle))
        if not any(use["can_reset"] for use, _ in uses):
            self._hot_reset(uses)
        for use, handle in uses:
            if use["reset"] in ("function", "bus") and use["trouble"] is None:
                self._guarded(use, lambda use=use, handle=handle: self._back(use, handle))

    def _guarded(self, use, act):
        """Keep a function's trouble with it, and go on to the others."""
        try:
            act()
        except Trouble as trouble:
            use["trouble"] = trouble.told()

    def _container(self, opened):
        container = self._open(opened, "/dev/vfio/vfio")
        version = self.door.ioctl(container, GET_API_VERSION, 0, "/dev/vfio/vfio")
        if version != API_VERSION:
            raise Trouble(GET_API_VERSION.name, "/dev/vfio/vfio", 0, f"version {version}, not {API_VERSION}")
        return container

    def _kind(self, container):
        for kind in (TYPE1V2, TYPE1):
            if self.door.ioctl(container, CHECK_EXTENSION, kind, "/dev/vfio/vfio"):
                return kind
        raise Trouble(CHECK_EXTENSION.name, "/dev/vfio/vfio", 0, "no VFIO_TYPE1_IOMMU: is vfio_iommu_type1 loaded?")

    def _group(self, opened, container, group):
        path = f"/dev/vfio/{group}"
        try:
            handle = self._open(opened, path)
        except Trouble as trouble:
            if trouble.errno == "EBUSY":
                raise Held(path) from trouble
            raise
        status = bytearray(GROUP_STATUS.pack(GROUP_STATUS.size, 0))
        self.door.ioctl(handle, GROUP_GET_STATUS, status, path)
        if not GROUP_STATUS.unpack(status)[1] & VIABLE:
            raise Trouble(GROUP_GET_STATUS.name, path, 0, "not viable: a driver of the host has one of its devices")
        self.door.ioctl(handle, GROUP_SET_CONTAINER, bytearray(struct.pack("=i", container)), path)
        return handle

    def _memory(self, opened, container):
        """Show memory to the card, as a VM's is; taken back before the container is closed."""
        address, area = self.door.memory(_DMA_BYTES)
        iova = _free_iova(self.door, self.groups)
        wanted = DMA_MAP.pack(DMA_MAP.size, DMA_READ | DMA_WRITE, address, iova, _DMA_BYTES)
        where = f"{_DMA_BYTES:#x} bytes at {iova:#x}"
        self.door.ioctl(container, IOMMU_MAP_DMA, bytearray(wanted), where)
        self.said["iova"] = iova

        def unmap():
            back = bytearray(DMA_UNMAP.pack(DMA_UNMAP.size, 0, iova, _DMA_BYTES))
            self.door.ioctl(container, IOMMU_UNMAP_DMA, back, where)
            done = DMA_UNMAP.unpack(back)[3]
            if done != _DMA_BYTES:
                raise Trouble(IOMMU_UNMAP_DMA.name, where, 0, f"{done:#x} bytes only")
            area.close()

        opened.callback(unmap)

    def _open_function(self, opened, function):
        use = {
            "bdf": function.bdf,
            "id": "",
            "regions": [],
            "can_reset": False,
            "reset": "",
            "depends_on": [],
            "trouble": None,
        }
        self.said["functions"].append(use)
        try:
            name = bytearray(function.bdf.encode() + b"\0")
            handle = self.door.ioctl(self.groups[function.group], GROUP_GET_DEVICE_FD, name, function.bdf)
        except Trouble as trouble:
            use["trouble"] = trouble.told()
            return use, None
        opened.callback(self.door.close, handle)
        return use, handle

    def _look(self, use, handle):
        info = bytearray(DEVICE_INFO.pack(DEVICE_INFO.size, 0, 0, 0, 0, 0))
        self.door.ioctl(handle, DEVICE_GET_INFO, info, use["bdf"])
        _, flags, regions, _, _, _ = DEVICE_INFO.unpack(info)
        if not flags & PCI or regions <= CONFIG:
            raise Trouble(DEVICE_GET_INFO.name, use["bdf"], 0, f"flags {flags:#x}, {regions} regions: no PCI device")
        use["can_reset"] = bool(flags & RESETS)
        self._identify(use, handle)
        if use["id"] == "ffff:ffff":
            raise Trouble(
                "pread", f"{use['bdf']} configuration space", 0, "the card does not answer, all bits are ones"
            )
        for index in range(6):
            self._bar(use, handle, index)
        if self.rom:
            # The kernel reads the ROM to answer this; some cards do not survive it.
            flags, size, _ = self._region(use, handle, ROM, "ROM")
            if size:
                use["regions"].append(_region("ROM", size, flags))

    def _region(self, use, handle, index, name):
        info = bytearray(REGION_INFO.pack(REGION_INFO.size, 0, index, 0, 0, 0))
        self.door.ioctl(handle, DEVICE_GET_REGION_INFO, info, f"{use['bdf']} {name}")
        _, flags, _, _, size, offset = REGION_INFO.unpack(info)
        return flags, size, offset

    def _identify(self, use, handle):
        """Read who it is from its configuration space."""
        _, _, offset = self._region(use, handle, CONFIG, "configuration space")
        vendor, device = struct.unpack("<HH", self.door.read(handle, 4, offset, f"{use['bdf']} configuration space"))
        use["id"] = f"{vendor:04x}:{device:04x}"

    def _bar(self, use, handle, index):
        name = f"BAR{index}"
        flags, size, offset = self._region(use, handle, index, name)
        if not size:
            return
        region = _region(name, size, flags)
        use["regions"].append(region)
        on = f"{use['bdf']} {name}"
        try:
            if flags & REGION_MMAP:
                self.door.map(handle, -(-size // PAGE) * PAGE, offset, on)
                region["mapped"] = True
                region["word"] = f"{self.door.word(handle, offset, on):08x}"
            elif flags & REGION_READ:
                count = min(4, size)
                region["word"] = self.door.read(handle, count, offset, on)[::-1].hex()
        except Trouble as trouble:
            region["trouble"] = trouble.told()

    def _reset(self, use, handle):
        self.door.ioctl(handle, DEVICE_RESET, 0, use["bdf"])
        use["reset"] = "function"

    def _hot_reset(self, uses):
        """Reset the bus or the slot where no function can be reset alone; only if all of it is ours."""
        for use, handle in uses:
            if handle is None or use["trouble"] is not None:
                return
        use, handle = uses[0]
        info = bytearray(HOT_RESET.size + _DEPENDENTS * DEPENDENT.size)
        HOT_RESET.pack_into(info, 0, len(info), 0, 0)
        try:
            self.door.ioctl(handle, DEVICE_GET_PCI_HOT_RESET_INFO, info, use["bdf"])
            count = HOT_RESET.unpack_from(info)[2]
            found = [DEPENDENT.unpack_from(info, HOT_RESET.size + at * DEPENDENT.size) for at in range(count)]
            use["depends_on"] = [_dependent(*item) for item in found]
            if any(str(item[0]) not in self.groups for item in found):
                return
            handles = list(self.groups.values())
            size = HOT_RESET.size + 4 * len(handles)
            wanted = HOT_RESET.pack(size, 0, len(handles)) + struct.pack(f"={len(handles)}i", *handles)
            self.door.ioctl(handle, DEVICE_PCI_HOT_RESET, bytearray(wanted), use["bdf"])
        except Trouble as trouble:
            if (trouble.call, trouble.errno) != (DEVICE_GET_PCI_HOT_RESET_INFO.name, "ENODEV"):
                use["trouble"] = trouble.told()
            return
        for other, _ in uses:
            other["reset"] = "bus"

    def _back(self, use, handle):
        """Tell whether it is the same after the reset."""
        before = use["id"]
        self._identify(use, handle)
        if use["id"] != before:
            now, use["id"] = use["id"], before
            raise Trouble("look after the reset", use["bdf"], 0, f"it was {before} before and is {now} now")


def _region(name, size, flags):
    return {
        "name": name,
        "size": size,
        "mappable": bool(flags & REGION_MMAP),
        "mapped": False,
        "word": "",
        "trouble": None,
    }


def _dependent(group, segment, bus, devfn):
    return {"bdf": f"{segment:04x}:{bus:02x}:{devfn >> 3:02x}.{devfn & 7}", "group": str(group)}


def _failed(cycle):
    """Tell whether a cycle is not whole; then the next one is not begun."""
    if cycle["trouble"] is not None or cycle["held"] is not None:
        return True
    uses = cycle["functions"]
    return any(use["trouble"] or any(region["trouble"] for region in use["regions"]) for use in uses)


def probe(door, bdfs, cycles, rom=True):
    """Return everything that was seen."""
    functions = [Function(door, bdf) for bdf in bdfs]
    seen = []
    if functions and all(function.ready for function in functions):
        for number in range(1, cycles + 1):
            seen.append(Cycle(door, functions, number, rom).run())
            if _failed(seen[-1]):
                break
    return {
        "version": VERSION,
        "kernel": door.text("/proc/sys/kernel/osrelease"),
        "boot": door.text("/proc/sys/kernel/random/boot_id"),
        "asked": cycles,
        "functions": [function.told() for function in functions],
        "cycles": seen,
    }


def _demand_root(root):
    if os.geteuid() != 0 and not root:
        raise Trouble("open", "/dev/vfio", errno.EPERM, "only root can do this")


def main(arguments=None, door_of=Door):
    """Read the command line and return the exit code."""
    parser = argparse.ArgumentParser(prog="passthrough-probe.py", description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--root", default="", help="take /sys, /proc and /dev from below this folder")
    parser.add_argument("--cycles", type=int, default=2, help="how often to use the card")
    parser.add_argument("--no-rom", action="store_true", help="do not have the kernel read the card's ROM")
    parser.add_argument("bdf", nargs="+", help="every function of the card, such as 0000:01:00.0")
    given = parser.parse_args(arguments)
    wrong = [bdf for bdf in given.bdf if not _BDF.fullmatch(bdf)]
    if wrong:
        parser.error(f"not a PCI address: {wrong[0]}")
    # A lost connection is no reason to leave the card open.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    root = os.path.abspath(given.root) if given.root else ""  # noqa: PTH100
    try:
        _demand_root(root)
        result = {"ok": True, **probe(door_of(root), given.bdf, given.cycles, not given.no_rom)}
    except Trouble as trouble:
        result = {"ok": False, "error": str(trouble)}
    with contextlib.suppress(OSError):
        sys.stdout.write(json.dumps(result) + "\n")
        sys.stdout.flush()
    return 0 if result["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
