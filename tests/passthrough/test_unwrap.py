"""Text that was cut at the width of a terminal says what it said before, or nothing: never something else."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pvekit.model.bundle import Bundle, Line
from pvekit.model.finding import Overall
from pvekit.passthrough.sorting.unwrap import unwrapped
from tests.passthrough.test_cases import FILES, judged


def hard(text: str, width: int) -> str:
    """Cut every line at the width, as a terminal does."""
    lines = [line[at : at + width] for line in text.split("\n") for at in range(0, max(len(line), 1), width)]
    return "\n".join(lines)


def again(text: str) -> list[tuple[int, str]]:
    return [(line.number, line.text) for line in unwrapped(Bundle("cut", {"paste.txt": text}).lines("paste.txt"))]


WHOLE = {
    "kernel": (
        "[   26.485239] vfio-pci 0000:01:00.0: not ready 8191ms after bus reset; waiting\n"
        "[   87.412759] vfio-pci 0000:01:00.0: Unable to change power state from D3cold to D0, device inaccessible\n"
        "[   88.100000] vfio-pci 0000:01:00.0: BAR 1: can't reserve [mem 0xe0000000-0xefffffff 64bit pref]"
    ),
    "lspci": (
        "01:00.0 VGA compatible controller [0300]: Advanced Micro Devices, Inc. [AMD/ATI] Navi 10 [Radeon RX 5600] "
        "[1002:731f] (rev c1)\n\tSubsystem: Sapphire Technology Limited Device [1da2:e410]\n"
        "\tKernel driver in use: vfio-pci\n01:00.1 Audio device [0403]: Advanced Micro Devices, Inc. [AMD/ATI] Navi 10 "
        "HDMI Audio [1002:ab38]\n\tKernel driver in use: vfio-pci"
    ),
    "QEMU": (
        "kvm: -device vfio-pci,host=0000:01:00.0,id=hostpci0,bus=ich9-pcie-port-1,addr=0x0: vfio 0000:01:00.0: group "
        "14 is not viable\nPlease ensure all devices within the iommu_group are bound to their vfio bus driver.\n"
        "TASK ERROR: start failed: QEMU exited with code 1"
    ),
    "command line": (
        "BOOT_IMAGE=/boot/vmlinuz-6.5.13-6-pve root=/dev/mapper/pve-root ro quiet intel_iommu=on,iommu=pt "
        "pcie_acs_override=downstream,multifunction"
    ),
    "quoted": (
        "> 2025-05-15T13:49:50.787125Z qemu-system-x86_64: -device vfio-pci,host=0000:01:00.0: vfio 0000:01:00.0: "
        "failed to open /dev/vfio/1: Device or resource busy"
    ),
}


@pytest.mark.parametrize("width", [72, 80, 100])
@pytest.mark.parametrize("name", WHOLE)
def test_what_was_cut_is_whole_again(name: str, width: int) -> None:
    cut = hard(WHOLE[name], width)
    assert [text for _, text in again(cut)] == WHOLE[name].split("\n")
    numbers = [number for number, _ in again(cut)]
    assert all(cut.split("\n")[number - 1] == text[: len(cut.split("\n")[number - 1])]
               for number, text in zip(numbers, (text for _, text in again(cut)), strict=True))  # fmt: skip


def test_a_quotation_of_cut_lines() -> None:
    cut = "\n".join(f"> {line}" for line in hard(WHOLE["kernel"], 80).split("\n"))
    assert [text for _, text in again(cut)] == [f"> {line}" for line in WHOLE["kernel"].split("\n")]


PROSE = "That is what it says, and it says so every time that I start the machine, whatever I do."


@pytest.mark.parametrize(
    "text",
    [
        # The longest line, with something below it that is none of it.
        WHOLE["kernel"].split("\n")[1] + "\n" + PROSE,
        WHOLE["QEMU"],
        "error: Failed to start domain 'win10', which is a very long name for a domain, isn't it, and goes on\nrc=1",
        f"{PROSE}\n{PROSE}\n{PROSE[:40]}",
        # libvirt writes one option on a line and says itself that the next one goes on.
        "-machine pc-q35-8.2,usb=off,smm=on,kernel_irqchip=on,dump-guest-core=off,memory-backend=pc.ram \\\n" * 2
        + "-device vfio-pci,host=0000:01:00.0 \\",
    ],
    ids=["prose below", "whole", "result", "prose", "options"],
)
def test_what_was_not_cut_stays(text: str) -> None:
    assert [line for _, line in again(text)] == text.split("\n")


@pytest.mark.parametrize("path", FILES[::3], ids=[f"{path.parent.name}/{path.stem}" for path in FILES[::3]])
def test_a_cut_text_has_the_same_cause_or_none(path: Path) -> None:
    """The law: nothing that was cut is taken for something else."""
    case = yaml.safe_load(path.read_text())
    if "base" in case or "baseline.json" in case.get("files", {}):
        pytest.skip("a recorded host, or what pvekit keeps itself: nobody pastes that")
    whole = judged(case)
    found = judged({**case, "files": {name: hard(text, 80) for name, text in case["files"].items()}})
    if found.root_cause is not None:
        assert whole.root_cause is not None
        assert found.root_cause.id == whole.root_cause.id
    assert found.verdict in (whole.verdict, Overall.UNKNOWN)


@given(
    st.lists(st.one_of(st.text(max_size=120), st.sampled_from([*WHOLE.values(), PROSE])), max_size=8),
    st.integers(60, 140),
)
def test_no_text_is_lost_and_every_line_keeps_its_place(parts: list[str], width: int) -> None:
    text = hard("\n".join(parts), width)
    lines = Bundle("cut", {"paste.txt": text}).lines("paste.txt")
    found = unwrapped(lines)
    numbers = [line.number for line in found]
    assert numbers == sorted(set(numbers))
    marks = " \t>"
    assert "".join(line.text for line in found).translate({ord(mark): None for mark in marks}) == "".join(
        line.text for line in lines
    ).translate({ord(mark): None for mark in marks})
    assert unwrapped([Line("x", line.number, line.text[:50]) for line in lines]) == [
        Line("x", line.number, line.text[:50]) for line in lines
    ]
