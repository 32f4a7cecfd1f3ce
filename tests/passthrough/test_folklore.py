"""Leftovers of guides: found where they are written, and only where they serve nothing."""

from __future__ import annotations

import re

from pvekit.model.bundle import Bundle
from pvekit.passthrough.asked import Asked
from pvekit.passthrough.checks import all_checks
from pvekit.passthrough.facts import Facts
from pvekit.passthrough.folklore import _RULES, Leftover, leftovers
from pvekit.passthrough.judge import diagnose

UNAME = "Linux pve 6.8.12-4-pve #1 SMP PREEMPT_DYNAMIC PMX 6.8.12-4 (2023-06-17T05:58Z) x86_64 GNU/Linux\n"
REMAPPED = "[    0.170264] DMAR-IR: Enabled IRQ remapping in x2apic mode\n"
LSPCI = """01:00.0 3D controller [0302]: NVIDIA Corporation GP106 [P106-100] [10de:1c07] (rev a1)
\tKernel driver in use: vfio-pci
"""
WHOLE = (
    "[    0.000000] Linux version 6.8.12-4-pve (build@proxmox) (gcc (Debian 12.2.0-14) 12.2.0) #1 SMP PMX 6.8.12-4\n"
    "[    0.000000] Command line: BOOT_IMAGE=/boot/vmlinuz-6.8.12-4-pve root=/dev/mapper/pve-root ro quiet\n"
    "[    0.000000] BIOS-e820: [mem 0x0000000000000000-0x000000000009ffff] usable\n"
    "[    0.010000] Zone ranges:\n"
    "[    0.100000] Memory: 65837672K/67042312K available\n"
    "[    0.352414] pci_bus 0000:00: root bus resource [mem 0xe0000000-0xfbffbfff window]\n"
    + "".join(f"[    0.4{at:05}] pci 0000:ff:1f.{at % 8}: Adding to iommu group {at}\n" for at in range(100))
    + "[    2.000000] Freeing unused kernel image (initmem) memory: 4796K\n"
)


def found(files: dict[str, str]) -> list[Leftover]:
    facts = Facts(Bundle("leftovers", files), Asked())
    return list(leftovers(facts, diagnose(facts)))


def words(items: list[Leftover]) -> list[str]:
    return [item.token for item in items]


def test_unsafe_interrupts_where_interrupts_are_remapped() -> None:
    conf = {"modprobe.d/vfio.conf": "options vfio_iommu_type1 allow_unsafe_interrupts=1\n", "uname.txt": UNAME}
    (item,) = found({"dmesg.txt": REMAPPED, **conf})
    assert (item.token, item.line.file, item.line.number) == ("allow_unsafe_interrupts=1", "modprobe.d/vfio.conf", 1)
    assert (item.finding, item.whole) == ("IR-01", True)
    assert found(conf) == [], "nothing shows that interrupts are remapped"


def test_options_of_the_kernel_are_shown_where_they_can_be_taken_out() -> None:
    line = "quiet amd_iommu=on iommu=pt video=efifb:off"
    running = f"BOOT_IMAGE=/boot/vmlinuz-6.8.12-4-pve root=/dev/mapper/pve-root ro {line}\n"
    grub = f'GRUB_DEFAULT=0\nGRUB_CMDLINE_LINUX_DEFAULT="{line}"\n'
    items = found({"cmdline.txt": running, "default-grub.txt": "", "uname.txt": UNAME})
    assert words(items) == ["amd_iommu=on", "video=efifb:off"]
    assert all(item.in_force for item in items)
    items = found({"cmdline.txt": running, "default-grub.txt": grub, "uname.txt": UNAME})
    assert [(item.token, item.line.file, item.line.number) for item in items] == [
        ("amd_iommu=on", "default-grub.txt", 2), ("video=efifb:off", "default-grub.txt", 2),
    ]  # fmt: skip
    assert [item.finding for item in items] == ["KC-05", ""]


def test_efifb_off_has_a_purpose_on_old_kernels() -> None:
    old = UNAME.replace("6.8.12-4", "5.13.19-6")
    assert found({"cmdline.txt": "root=/dev/sda1 ro video=efifb:off\n", "uname.txt": old}) == []


def test_vfio_virqfd_since_it_is_no_module() -> None:
    text = "vfio\nvfio_iommu_type1\nvfio_pci\nvfio_virqfd\n# vfio_virqfd\n"
    (item,) = found({"modules.txt": text, "uname.txt": UNAME})
    assert (item.token.strip(), item.line.number, item.whole) == ("vfio_virqfd", 4, True)
    assert found({"modules.txt": text, "uname.txt": UNAME.replace("6.8.12-4", "5.15.35-1")}) == []


def test_ignore_msrs_without_a_guest_that_needs_it() -> None:
    files = {
        "modprobe.d/kvm.conf": "options kvm ignore_msrs=1 report_ignored_msrs=0\n",
        "vm.conf": "ostype: l26\nhostpci0: 0000:01:00,pcie=1\n",
        "dmesg.txt": WHOLE,
    }

    assert words(found(files)) == ["ignore_msrs=1"]
    windows = {"vm.conf": "ostype: win11\nhostpci0: 0000:01:00,pcie=1\n"}
    assert found({**files, **windows}) == []
    asked = {"dmesg.txt": WHOLE + "[  99.000000] kvm [4242]: ignored rdmsr: 0x1a2 data 0x0\n"}
    assert found({**files, **asked}) == []
    assert found({**files, "dmesg.txt": REMAPPED}) == [], "a part of a log shows nothing"


def test_words_in_the_configuration_of_a_vm() -> None:
    config = (
        "args: -cpu host,kvm=off -machine kernel_irqchip=split\nbios: ovmf\ncpu: host,hidden=1\n"
        "hostpci0: 0000:01:00,pcie=1,x-vga=1\nmachine: q35\nvga: std\n"
    )
    items = found({"vms/100.conf": config, "lspci.txt": LSPCI, "uname.txt": UNAME})
    assert {(item.finding, item.token) for item in items} == {
        ("VM-17", "-cpu host,kvm=off"), ("VM-03", ",kvm=off"), ("VM-03", ",hidden=1"), ("VM-02", ",x-vga=1"),
        ("VM-18", "-machine kernel_irqchip=split"),
    }  # fmt: skip
    assert {item.line.file for item in items} == {"vms/100.conf"}


def test_every_rule_is_about_a_check_that_exists_and_compiles() -> None:
    known = {check.id for check in all_checks()}
    for rule in _RULES:
        assert rule.finding in known
        assert re.compile(rule.token)
        assert rule.why


def test_a_clean_host_has_no_leftovers() -> None:
    files = {
        "cmdline.txt": "BOOT_IMAGE=/boot/vmlinuz-6.8.12-4-pve root=/dev/sda1 ro quiet intel_iommu=on iommu=pt\n",
        "modules.txt": "vfio\nvfio_iommu_type1\nvfio_pci\n",
        "dmesg.txt": REMAPPED,
        "uname.txt": UNAME,
    }
    assert found(files) == []
