"""The hardware of the IOMMU host: a q35 with VT-d, and devices as they sit in a real one."""

from __future__ import annotations

from dataclasses import dataclass

from pvekit.lab.qemu.kvm import SOFTWARE
from tests.iommu.recipe import SEED

GPU, AUDIO, NIC, NVME = "01:00.0", "01:00.1", "02:00.0", "03:00.0"
OLD_NIC, OLD_GPU = "05:01.0", "05:02.0"
"""Behind one PCIe-to-PCI bridge, in one group."""
DISPLAY = "00:01.0"
"""What the host's own console is on."""
GPU_ID, AUDIO_ID, NIC_ID, DISPLAY_ID = "1002:5046", "8086:293e", "8086:10d3", "1234:1111"
"""Vendor and device: a Rage 128, ICH9's audio, an 82574L, QEMU's own VGA (twice: display and ``OLD_GPU``)."""

VTD = "intel-iommu,intremap=on,caching-mode=on,aw-bits=48"
VTD_WITHOUT_REMAPPING = "intel-iommu,intremap=off,caching-mode=on,aw-bits=48"


@dataclass(frozen=True, slots=True)
class Machine:
    """What can differ between two starts: QEMU's devices. No ``iommu``: the firmware has it switched off."""

    iommu: str = VTD
    gpu: str = "ati-vga"
    memory: int = 1536
    processors: int = 2
    processor: str = "max,vendor=GenuineIntel,-la57,-erms,-fsrm"

    def argv(self) -> list[str]:
        """Return QEMU's options for the board and all that is plugged into it."""
        return [
            *("-machine", "q35", *SOFTWARE.argv(), "-cpu", self.processor),
            *("-smp", str(self.processors), "-m", str(self.memory), "-nodefaults", "-no-user-config"),
            *("-display", "none", "-device", "VGA,addr=0x1"),
            # Before all others: what comes after it is behind it
            *(("-device", self.iommu) if self.iommu else ()),
            *_port(1, 0x10),
            *_device(f"{self.gpu},bus=port1,addr=0.0,multifunction=on"),
            *_device("ich9-intel-hda,bus=port1,addr=0.1"),
            *_port(2, 0x11),
            *("-netdev", "user,id=idle1,restrict=on", "-device", "e1000e,bus=port2,netdev=idle1,mac=BC:24:11:00:0E:01"),
            *_port(3, 0x12),
            *("-drive", "if=none,id=flash,driver=null-co,size=256M"),
            *_device("nvme,bus=port3,drive=flash,serial=LABNVME1"),
            *_port(4, 0x13),
            *_device("pcie-pci-bridge,id=bridge,bus=port4"),
            *("-netdev", "user,id=idle2,restrict=on"),
            *_device("e1000,bus=bridge,addr=1,netdev=idle2,mac=BC:24:11:00:0E:02"),
            *_device("secondary-vga,bus=bridge,addr=2"),
        ]


def management(disk: str, port: int, seed: str) -> list[str]:
    """Return QEMU's options for what the host runs from: its disk, the way in, the archive with the run's keys."""
    return [
        # Flushes are honoured: what the host has synced is there after a power cut, and nothing else is promised
        *("-drive", f"if=none,id=root,file={disk},format=qcow2,cache=writeback,discard=unmap"),
        *_device("virtio-blk-pci,drive=root,addr=0x2,bootindex=1"),
        *("-netdev", f"user,id=way,hostfwd=tcp:127.0.0.1:{port}-10.0.2.15:22"),
        *_device("virtio-net-pci,netdev=way,addr=0x3,mac=BC:24:11:00:00:99,romfile="),
        *("-object", "rng-random,filename=/dev/urandom,id=rng", "-device", "virtio-rng-pci,rng=rng,addr=0x4"),
        *("-fw_cfg", f"name={SEED},file={seed}"),
    ]


def _device(text: str) -> tuple[str, str]:
    return "-device", text


def _port(number: int, slot: int) -> tuple[str, str]:
    return _device(f"pcie-root-port,id=port{number},chassis={number},slot={number},bus=pcie.0,addr={slot:#x}")
