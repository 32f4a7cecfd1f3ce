"""The program that uses a card as a VM would: its calls, their order and layouts, and what it says of a refusal."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pvekit.model.proof import probe_of
from pvekit.passthrough.proof import sound, whole
from tests.passthrough.probekernel import AUDIO, GPU, PROBE, PROGRAM, Card, Kernel, door_of, tree


def told(root: Path, kernel: Kernel, *more: str, bdfs: tuple[str, ...] = (GPU, AUDIO)) -> dict[str, Any]:
    """Run the program against a kernel and return its answer; nothing may be left open."""
    import contextlib
    import io

    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        PROBE.main(["--root", str(root), *more, *bdfs], door_of(kernel))
    assert not kernel.opened
    assert not kernel.mapped
    value: dict[str, Any] = json.loads(out.getvalue())
    return value


def run(tmp_path: Path, kernel: Kernel, *more: str, reserved: str = "") -> dict[str, Any]:
    return told(tree(tmp_path, kernel, reserved), kernel, *more)


def test_the_whole_way_twice(tmp_path: Path) -> None:
    kernel = Kernel()
    value = run(tmp_path, kernel)
    probe = probe_of(value)
    assert whole(probe) == 2
    assert (probe.kernel, probe.boot) == ("6.8.12-2-pve", "6f3c")
    assert [use.bdf for use in probe.cycles[0].uses] == [GPU, AUDIO]
    use = probe.cycles[1].uses[0]
    assert (use.id, use.reset) == ("10de:1c07", "function")
    assert [(r.name, r.size, r.mapped, r.word) for r in use.regions] == [
        ("BAR0", 16 << 20, True, "136000a1"),
        ("BAR1", 256 << 20, True, "136000a1"),
    ]
    assert value["cycles"][0]["iommu"] == "type1v2"
    first = kernel.calls[: kernel.calls.index("close /dev/vfio/vfio") + 1]
    order = [
        *("open /dev/vfio/vfio", "VFIO_GET_API_VERSION", "VFIO_CHECK_EXTENSION", "open /dev/vfio/12"),
        *("VFIO_GROUP_GET_STATUS", "VFIO_GROUP_SET_CONTAINER", "VFIO_SET_IOMMU", "VFIO_IOMMU_MAP_DMA"),
        *("VFIO_GROUP_GET_DEVICE_FD", "VFIO_GROUP_GET_DEVICE_FD", "VFIO_DEVICE_GET_INFO"),
    ]
    assert first[: len(order)] == order
    assert first[-5:] == [f"close {AUDIO}", f"close {GPU}", "VFIO_IOMMU_UNMAP_DMA", "close /dev/vfio/12",
                          "close /dev/vfio/vfio"]  # fmt: skip
    assert kernel.resets[:2] == [GPU, AUDIO]


REFUSED = {
    "open /dev/vfio/vfio": (errno.ENOENT, "open", "ENOENT"),
    "open /dev/vfio/12": (errno.ENODEV, "open", "ENODEV"),
    "VFIO_GET_API_VERSION": (errno.ENOTTY, "VFIO_GET_API_VERSION", "ENOTTY"),
    "VFIO_GROUP_GET_STATUS": (errno.ENODEV, "VFIO_GROUP_GET_STATUS", "ENODEV"),
    "VFIO_GROUP_SET_CONTAINER": (errno.EPERM, "VFIO_GROUP_SET_CONTAINER", "EPERM"),
    "VFIO_SET_IOMMU": (errno.EPERM, "VFIO_SET_IOMMU", "EPERM"),
    "VFIO_IOMMU_MAP_DMA": (errno.EINVAL, "VFIO_IOMMU_MAP_DMA", "EINVAL"),
}


@pytest.mark.parametrize("call", REFUSED)
def test_a_refusal_names_the_call_and_the_error(call: str, tmp_path: Path) -> None:
    number, name, text = REFUSED[call]
    value = run(tmp_path, Kernel(refuse={call: number}))
    assert len(value["cycles"]) == 1, "the next cycle is not begun"
    trouble = value["cycles"][0]["trouble"]
    assert (trouble["call"], trouble["errno"], trouble["text"]) == (name, text, os.strerror(number))
    assert trouble["on"].startswith(("/dev/vfio/", "0x"))
    assert not sound(probe_of(value))


OF_A_FUNCTION = ("VFIO_GROUP_GET_DEVICE_FD", "VFIO_DEVICE_GET_INFO", "VFIO_DEVICE_GET_REGION_INFO", "VFIO_DEVICE_RESET")


@pytest.mark.parametrize("call", OF_A_FUNCTION)
def test_a_refusal_of_a_function_stays_with_it(call: str, tmp_path: Path) -> None:
    value = run(tmp_path, Kernel(refuse={call: errno.EIO}))
    uses = value["cycles"][0]["functions"]
    assert [use["trouble"]["call"] for use in uses] == [call, call]
    assert all(use["trouble"]["on"].startswith(use["bdf"]) for use in uses)
    assert value["cycles"][0]["trouble"] is None


def test_a_region_that_something_else_holds(tmp_path: Path) -> None:
    value = run(tmp_path, Kernel(refuse={"mmap 1": errno.EBUSY}))
    (bad,) = [region for region in value["cycles"][0]["functions"][0]["regions"] if region["trouble"]]
    assert (bad["name"], bad["mapped"], bad["word"]) == ("BAR1", False, "")
    assert bad["trouble"] == {"call": "mmap", "on": f"{GPU} BAR1", "errno": "EBUSY",
                              "text": "Device or resource busy"}  # fmt: skip


def test_ports_are_read_and_not_mapped(tmp_path: Path) -> None:
    kernel = Kernel({GPU: Card(bars={0: (16 << 20, True), 5: (128, False)})})
    value = told(tree(tmp_path, kernel), kernel, bdfs=(GPU,))
    region = value["cycles"][0]["functions"][0]["regions"][1]
    assert (region["name"], region["mappable"], region["mapped"], region["word"]) == ("BAR5", False, False, "136000a1")


def test_a_group_that_is_not_viable(tmp_path: Path) -> None:
    kernel = Kernel({GPU: Card(), "0000:02:00.0": Card("8086:10d3", "020000", "e1000e")}, viable=False)
    value = told(tree(tmp_path, kernel), kernel, bdfs=(GPU,))
    trouble = value["cycles"][0]["trouble"]
    assert trouble["call"] == "VFIO_GROUP_GET_STATUS"
    assert "not viable" in trouble["text"]
    assert {"bdf": "0000:02:00.0", "driver": "e1000e"} in value["functions"][0]["members"]
    assert "VFIO_GROUP_SET_CONTAINER" not in kernel.calls


def test_a_card_in_use_says_by_whom(tmp_path: Path) -> None:
    kernel = Kernel(refuse={"open /dev/vfio/12": errno.EBUSY})
    root = tree(tmp_path, kernel)
    process = root / "proc/4711"
    (process / "fd").mkdir(parents=True)
    (process / "fd/33").symlink_to("/dev/vfio/12")
    (process / "comm").write_text("kvm\n")
    (process / "cmdline").write_bytes(b"/usr/bin/kvm\0-id\x00100\0-name\0gpu1\0")
    value = told(root, kernel)
    assert value["cycles"][0]["held"] == {"node": "/dev/vfio/12", "process": 4711, "name": "kvm", "vmid": "100"}
    probe = probe_of(value)
    assert str(probe.holder) == "in use by VM 100"
    assert sound(probe)


def test_the_second_cycle_fails(tmp_path: Path) -> None:
    value = run(tmp_path, Kernel(dead_in=2), "--cycles", "5")
    probe = probe_of(value)
    assert len(probe.cycles) == 2
    assert whole(probe) == 1


def test_a_function_with_its_own_driver_is_left_alone(tmp_path: Path) -> None:
    kernel = Kernel({GPU: Card(), AUDIO: Card(driver="snd_hda_intel")})
    value = run(tmp_path, kernel)
    assert kernel.calls == []
    assert value["cycles"] == []
    assert [function["driver"] for function in value["functions"]] == ["vfio-pci", "snd_hda_intel"]


BUS = ((12, 1, 0), (12, 1, 1))


@pytest.mark.parametrize(("depends", "reset"), [(BUS, "bus"), ((*BUS, (13, 1, 8)), ""), ((), "")])
def test_without_a_reset_of_its_own(depends: tuple[tuple[int, int, int], ...], reset: str, tmp_path: Path) -> None:
    """The bus is reset only when everything on it is in the card's own groups."""
    kernel = Kernel({GPU: Card(reset=False), AUDIO: Card("10de:10f1", reset=False)}, depends=depends)
    value = run(tmp_path, kernel, "--cycles", "1")
    assert [use["reset"] for use in value["cycles"][0]["functions"]] == [reset, reset]
    assert ("bus" in kernel.resets) == bool(reset)
    assert [item["bdf"] for item in value["cycles"][0]["functions"][0]["depends_on"]][2:] == ["0000:01:01.0"][
        : max(0, len(depends) - 2)
    ]
    assert sound(probe_of(value))


def test_two_groups_share_a_container(tmp_path: Path) -> None:
    kernel = Kernel({GPU: Card(reset=False), AUDIO: Card("10de:10f1", group="13", reset=False)},
                    depends=((12, 1, 0), (13, 1, 1)))  # fmt: skip
    value = run(tmp_path, kernel)
    assert whole(probe_of(value)) == 2
    assert kernel.calls.count("VFIO_SET_IOMMU") == 2, "once in each cycle"
    assert kernel.calls.count("VFIO_GROUP_SET_CONTAINER") == 4


def test_the_rom_is_left_alone_when_asked(tmp_path: Path) -> None:
    kernel = Kernel()
    root = tree(tmp_path, kernel)
    told(root, kernel, "--cycles", "1")
    more = kernel.calls.count("VFIO_DEVICE_GET_REGION_INFO")
    kernel.calls.clear()
    told(root, kernel, "--cycles", "1", "--no-rom")
    assert kernel.calls.count("VFIO_DEVICE_GET_REGION_INFO") == more - 2


RESERVED = {
    "": 1 << 32,
    "0x0000000100000000 0x00000001ffffffff direct\n": 1 << 36,
    "0x0000000100008000 0x0000000100008fff msi\n0x0000001000000000 0x0000001000000fff msi\n": 1 << 24,
}


@pytest.mark.parametrize("reserved", RESERVED)
def test_memory_is_shown_where_nothing_is_reserved(reserved: str, tmp_path: Path) -> None:
    value = run(tmp_path, Kernel(), "--cycles", "1", reserved=reserved)
    assert value["cycles"][0]["iova"] == RESERVED[reserved]


def test_a_device_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "sys").mkdir()
    value = told(tmp_path, Kernel(), bdfs=("0000:09:00.0",))
    assert value == {
        "ok": False,
        "error": "look on /sys/bus/pci/devices/0000:09:00.0: ENOENT, No such file or directory",
    }


# --- the real doors


def real(root: Path, *more: str) -> dict[str, Any]:
    argv = [sys.executable, "-I", str(PROGRAM), "--root", str(root), *more, GPU, AUDIO]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
    assert done.stderr == ""
    value: dict[str, Any] = json.loads(done.stdout)
    return value


def test_the_program_itself_without_nodes(tmp_path: Path) -> None:
    value = real(tree(tmp_path, Kernel()))
    assert value["cycles"][0]["trouble"] == {"call": "open", "on": "/dev/vfio/vfio", "errno": "ENOENT",
                                             "text": "No such file or directory"}  # fmt: skip


def test_the_program_itself_with_a_node_that_is_none(tmp_path: Path) -> None:
    root = tree(tmp_path, Kernel())
    (root / "dev/vfio").mkdir(parents=True)
    (root / "dev/vfio/vfio").write_text("")
    value = real(root)
    assert value["cycles"][0]["trouble"]["call"] == "VFIO_GET_API_VERSION"
    assert value["cycles"][0]["trouble"]["errno"] == "ENOTTY"


def test_a_word_is_read_through_a_mapping(tmp_path: Path) -> None:
    path = tmp_path / "bar"
    path.write_bytes(bytes.fromhex("a1006013") + bytes(2 * PROBE.PAGE))
    door = PROBE.Door()
    handle = os.open(path, os.O_RDWR)
    try:
        door.map(handle, PROBE.PAGE, 0, "BAR0")
        assert door.word(handle, 0, "BAR0") == 0x136000A1
        assert door.read(handle, 4, 0, "BAR0").hex() == "a1006013"
        with pytest.raises(PROBE.Trouble, match="pread on BAR0: 0 of 4 bytes"):
            door.read(handle, 4, 1 << 20, "BAR0")
    finally:
        os.close(handle)


def test_a_card_that_is_gone_ends_the_reader_and_not_the_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    path = tmp_path / "bar"
    path.write_bytes(bytes(PROBE.PAGE))
    handle = os.open(path, os.O_RDWR)
    maps = PROBE.mmap.mmap

    def gone(*arguments: Any, **named: Any) -> Any:
        page = maps(*arguments, **named)
        os.truncate(path, 0)
        return page

    monkeypatch.setattr(PROBE.mmap, "mmap", gone)
    try:
        with pytest.raises(PROBE.Trouble, match="read through mmap on BAR0: SIGBUS: the kernel refuses"):
            PROBE.Door().word(handle, 0, "BAR0")
    finally:
        os.close(handle)


# --- linux/vfio.h

_STRUCTS = {
    "vfio_group_status": ("GROUP_STATUS", ("argsz", "flags")),
    "vfio_device_info": ("DEVICE_INFO", ("argsz", "flags", "num_regions", "num_irqs")),
    "vfio_region_info": ("REGION_INFO", ("argsz", "flags", "index", "cap_offset", "size", "offset")),
    "vfio_iommu_type1_dma_map": ("DMA_MAP", ("argsz", "flags", "vaddr", "iova", "size")),
    "vfio_iommu_type1_dma_unmap": ("DMA_UNMAP", ("argsz", "flags", "iova", "size")),
    "vfio_pci_hot_reset_info": ("HOT_RESET", ("argsz", "flags", "count")),
    "vfio_pci_hot_reset": ("HOT_RESET", ("argsz", "flags", "count")),
    "vfio_pci_dependent_device": ("DEPENDENT", ("group_id", "segment", "bus", "devfn")),
}
_NUMBERS = {
    "VFIO_API_VERSION": "API_VERSION", "VFIO_TYPE1_IOMMU": "TYPE1", "VFIO_TYPE1v2_IOMMU": "TYPE1V2",
    "VFIO_GROUP_FLAGS_VIABLE": "VIABLE", "VFIO_DEVICE_FLAGS_RESET": "RESETS", "VFIO_DEVICE_FLAGS_PCI": "PCI",
    "VFIO_REGION_INFO_FLAG_READ": "REGION_READ", "VFIO_REGION_INFO_FLAG_MMAP": "REGION_MMAP",
    "VFIO_DMA_MAP_FLAG_READ": "DMA_READ", "VFIO_DMA_MAP_FLAG_WRITE": "DMA_WRITE",
    "VFIO_PCI_ROM_REGION_INDEX": "ROM", "VFIO_PCI_CONFIG_REGION_INDEX": "CONFIG",
}  # fmt: skip


@pytest.fixture(scope="module")
def header(tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    """What the C compiler makes of linux/vfio.h."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("needs a C compiler")
    if not Path("/usr/include/linux/vfio.h").exists():
        pytest.skip("needs linux/vfio.h (linux-libc-dev)")
    folder = tmp_path_factory.mktemp("vfio")
    calls = [item.name for item in vars(PROBE).values() if isinstance(item, PROBE.Call)]
    lines = [f'printf("{name} %lld\\n", (long long)({name}));' for name in (*calls, *_NUMBERS)]
    for name, (_, fields) in _STRUCTS.items():
        lines.append(f'printf("{name} %lld\\n", (long long)sizeof(struct {name}));')
        lines += [f'printf("{name}.{item} %lld\\n", (long long)offsetof(struct {name}, {item}));' for item in fields]
    source = "#include <stddef.h>\n#include <stdio.h>\n#include <linux/vfio.h>\nint main(void) {\n"
    (folder / "vfio.c").write_text(source + "\n".join(lines) + "\nreturn 0; }\n")
    subprocess.run([compiler, "-o", "vfio", "vfio.c"], cwd=folder, check=True)
    said = subprocess.run([str(folder / "vfio")], capture_output=True, text=True, check=True).stdout
    return {name: int(value) for name, value in (line.split() for line in said.splitlines())}


def test_the_requests_are_those_of_the_header(header: dict[str, int]) -> None:
    calls = [item for item in vars(PROBE).values() if isinstance(item, PROBE.Call)]
    assert len(calls) == 13
    assert {call.name: call.number for call in calls} == {call.name: header[call.name] for call in calls}


def test_the_layouts_are_those_of_the_header(header: dict[str, int]) -> None:
    import struct

    for name, (layout, fields) in _STRUCTS.items():
        ours = getattr(PROBE, layout)
        codes = [code for code in ours.format if code.isalpha()]
        offsets = [struct.calcsize("=" + "".join(codes[:place])) for place in range(len(codes))]
        assert [header[f"{name}.{item}"] for item in fields] == offsets[: len(fields)], name
        # An older header lacks the fields at the end of vfio_device_info.
        assert ours.size >= header[name] if name == "vfio_device_info" else ours.size == header[name], name


def test_the_flags_are_those_of_the_header(header: dict[str, int]) -> None:
    assert {name: getattr(PROBE, ours) for name, ours in _NUMBERS.items()} == {name: header[name] for name in _NUMBERS}
