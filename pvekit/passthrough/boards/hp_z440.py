"""HP Z440 Workstation (board 212B)."""

from __future__ import annotations

from pvekit.passthrough.boards import CHIPSET, CPU, Board, BoardSlot

BOARD = Board(
    name="z440",
    title="HP Z440 Workstation",
    products=(r"\bZ440\b", r"^212B$"),
    slots=(
        BoardSlot("1", CHIPSET, 1, 4, 2, note="PCI Express 2, one lane"),
        BoardSlot("2", CPU, 16, 16, 3, port="00:02", bus=0x02, own_group=True, note="first graphics card"),
        BoardSlot("3", CHIPSET, 4, 8, 2, note="PCI Express 2, four lanes"),
        BoardSlot("4", CPU, 8, 8, 3, port="00:01", bus=0x01, own_group=True),
        BoardSlot(
            "5", CPU, 16, 16, 3, port="00:03", bus=0x03, own_group=True,
            note="second graphics card; can be split into four times four lanes (firmware 02.59)",
        ),
        BoardSlot("6", CHIPSET, 0, 0, 0, kind="PCI", own_group=False, note="behind a PCIe-to-PCI bridge"),
    ),
    sources=(
        "67 dmidecode dumps and five kernel logs of linux-hardware.org probes (linuxhw/DMI and linuxhw/Dmesg)",
        "lspci and IOMMU groups of the probes 0EAF5722817B (Proxmox VE) and 1C2177E4DFFD (linuxhw/LsPCI)",
        "HP's white paper on the Z440: first graphics card in slot 2, second in slot 5",
    ),
    widest_low=(0xC000_0000, 0xFBFF_BFFF),
    widest_high=(0x3800_0000_0000, 0x3800_7FFF_FFFF),
    display_slot="2",
    passthrough_slot="5",
    needs_display=True,
    display_note=(
        "without a display card that its firmware can use, an HP workstation of this family stops with six beeps"
    ),
    window_note=(
        "the firmware moves the start of the window below 4 GiB by itself: 448 MiB with one card, 960 MiB with two"
    ),
)  # fmt: skip
