"""Redacting: no secret stays, all evidence stays, lines keep their numbers, and doing it again changes nothing."""

from __future__ import annotations

import dataclasses
import re
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pvekit.model.bundle import Bundle, Line
from pvekit.model.missing import Missing
from pvekit.passthrough.asked import Asked
from pvekit.passthrough.facts import Facts
from pvekit.passthrough.facts.cmdline import Cmdline
from pvekit.passthrough.facts.kernel import Kernel
from pvekit.passthrough.facts.lspci import PciListing
from pvekit.passthrough.facts.translation import Translation
from pvekit.passthrough.judge import diagnose
from pvekit.passthrough.redact import redact

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
HOSTS = sorted(path for path in (SHARED / "iommu-lab").glob("*") if path.is_dir()) if SHARED.is_dir() else []

PLANTED: dict[str, tuple[str, tuple[str, ...]]] = {
    "uname.txt": (
        "Linux zaphod 6.8.12-2-pve #1 SMP PREEMPT_DYNAMIC PMX 6.8.12-2 (2024-09-05T10:03Z) x86_64 GNU/Linux\n",
        ("zaphod",),
    ),
    "journal.txt": (
        ("Mar 04 10:11:12 trillian.example.net systemd[1]: Hostname set to <trillian>.\n"
        "Mar 04 10:11:12 trillian kernel: DMAR: IOMMU enabled\n"
        "2024-03-04T10:11:13+01:00 trillian pvedaemon[812]: <ford@pam> starting task "
        "UPID:slartibart:0000A1B2:00C0FFEE:65E5A1B2:qmstart:100:ford@pam:\n"
        "Mar 04 10:11:14 trillian sshd[99]: Accepted publickey for ford from 10.20.30.41 port 50022 ssh2\n"
        "Mar 04 10:11:15 trillian kernel: usb 1-4: SerialNumber: 4C530001271205117\n"
        "-- Boot 4f9d2b7c8e1a4d6f9b3c5a7e8d0f1a2b --\n"
        "Mar 04 10:11:16 trillian kernel: igb 0000:05:00.0 eth0: (PCIe:5.0Gb/s:Width x4) a0:36:9f:11:22:33\n"
        "Mar 04 10:11:17 trillian kernel: enxa0369f445566: renamed from eth1\n"),
        ("trillian", "ford", "slartibart", "10.20.30.41", "4C530001271205117", "4f9d2b7c8e1a4d6f9b3c5a7e8d0f1a2b",
         "a0:36:9f:11:22:33", "a0369f445566"),
    ),
    "terminal.txt": (
        ("marvin@heartofgold:~$ cat /proc/cmdline\n"
        "BOOT_IMAGE=/boot/vmlinuz-6.8.12-2-pve root=/dev/mapper/heartofgold--vg-root ro intel_iommu=on "
        "resume=UUID=5f0c1d2e-3a4b-4c5d-8e6f-70819a2b3c4d\n"
        "marvin@heartofgold:~$ ls /home/marvin/.ssh\n"
        "root=PARTUUID=1a2b3c4d-02 UUID=7B3C-19FA\n"),
        ("marvin", "heartofgold", "5f0c1d2e-3a4b-4c5d-8e6f-70819a2b3c4d", "1a2b3c4d-02", "7B3C-19FA"),
    ),
    "dmi.txt": (
        ("System Information\n\tManufacturer: Hewlett-Packard\n\tProduct Name: HP Z440 Workstation\n"
        "\tSerial Number: CZC5431ABC\n\tUUID: 6a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9\n"
        "Chassis Information\n\tAsset Tag: ACME-004711\nMemory Device\n\tSerial Number: 34A1B2C3\n"
        "\tSerial Number: Not Specified\nproduct_serial=CZC5431XYZ\n"),
        ("CZC5431ABC", "6a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9", "ACME-004711", "34A1B2C3", "CZC5431XYZ"),
    ),
    "lspci.txt": (
        ("05:00.0 Ethernet controller [0200]: Intel Corporation I350 [8086:1521] (rev 01)\n"
        "\tCapabilities: [140 v1] Device Serial Number a0-36-9f-ff-ff-11-22-33\n"
        "\t\t[SN] Serial number: MYCARD0815X\n"),
        ("a0-36-9f-ff-ff-11-22-33", "MYCARD0815X"),
    ),
    "disks.txt": (
        ("lrwxrwxrwx 1 root root 9 Mar 4 10:11 ata-Samsung_SSD_870_EVO_1TB_S5Y1NJ0R123456A -> ../../sda\n"
        "/dev/disk/by-id/nvme-WD_BLACK_SN850X_2000GB_22334Z800123_1-part2\n"
        "/dev/disk/by-id/wwn-0x5002538e40a1b2c3 /dev/disk/by-id/nvme-eui.0025385c11b2d3e4\n"
        "Serial Number:    S3Z8NB0K912345\nLU WWN Device Id: 5 002538 d40a1b2c3\n"),
        ("S5Y1NJ0R123456A", "22334Z800123", "5002538e40a1b2c3", "0025385c11b2d3e4", "S3Z8NB0K912345", "d40a1b2c3"),
    ),
    "vms/100.conf": (
        ("#Bought from Arthur Dent, Cottington\n"
        "cipassword: $5$abcdefgh$0123456789\nciuser: fenchurch\n"
        "sshkeys: ssh-ed25519%20AAAAC3NzaC1lZDI1NTE5%20x%40y\n"
        "hostpci0: 0000:01:00,pcie=1\nipconfig0: ip=192.168.77.5/24,gw=192.168.77.1\n"
        "ipconfig1: ip6=2a01:4f8:12:34::5/64\n"
        "name: vogon-gaming\nnet0: virtio=BC:24:11:AA:BB:CC,bridge=vmbr0\n"
        "scsi1: /dev/disk/by-id/ata-WDC_WD40EFRX-68N32N0_WD-WCC7K1234567,serial=SECRETDISK1\n"
        "smbios1: uuid=0c1d2e3f-4a5b-6c7d-8e9f-0a1b2c3d4e5f\nvmgenid: 1c1d2e3f-4a5b-6c7d-8e9f-0a1b2c3d4e5f\n"
        "nameserver: 192.168.77.2\nargs: -spice port=5930,password=Bl0rt\n"),
        ("Arthur", "$5$abcdefgh", "fenchurch", "AAAAC3Nza", "192.168.77.5", "192.168.77.1", "2a01:4f8:12:34::5",
         "vogon-gaming", "BC:24:11:AA:BB:CC", "WCC7K1234567", "SECRETDISK1", "0c1d2e3f-4a5b", "1c1d2e3f-4a5b",
         "192.168.77.2", "Bl0rt"),
    ),
    "pci-mapping.cfg": (
        ("gpu\n\tdescription lent by Wowbagger\n"
        "\tmap id=10de:1c07,iommugroup=14,node=zaphod,path=0000:01:00,subsystem-id=10de:11c1\n"
        "\tmap id=10de:1c07,iommugroup=2,node=lunkwill,path=0000:02:00,subsystem-id=10de:11c1\n"),
        ("zaphod", "lunkwill", "Wowbagger"),
    ),
    "keys.txt": (
        ("-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmU\nAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gt\n"
        "-----END OPENSSH PRIVATE KEY-----\n"
        "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQDsecretsecret arthur@magrathea\n"
        "PVEAPIToken=automation@pve!ci=6b1b2c3d-4e5f-6071-8293-a4b5c6d7e8f0\n"
        "password: hunter2secret\nhttps://alice:pa55word@repo.magrathea.org/x\nmail zarniwoop@megadodo.com please\n"
        "C:\\Users\\agrajag\\Desktop\n"
        "Fingerprint 11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44\n"),
        ("b3BlbnNzaC1r", "AAAAEbm9uZ", "AAAAB3NzaC1yc2E", "automation", "6b1b2c3d-4e5f", "hunter2secret", "pa55word",
         "zarniwoop", "agrajag", "11:22:33:44:55", "arthur@magrathea"),
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def planted() -> dict[str, str]:
    return redact({file: text for file, (text, _) in PLANTED.items()})


@pytest.mark.parametrize("file", sorted(PLANTED))
def test_no_planted_secret_stays(planted: dict[str, str], file: str) -> None:
    everything = "\n".join(planted.values()).lower()
    for secret in PLANTED[file][1]:
        assert secret.lower() not in everything, secret


def test_evidence_and_what_says_nothing_stay(planted: dict[str, str]) -> None:
    assert "6.8.12-2-pve #1 SMP PREEMPT_DYNAMIC PMX 6.8.12-2" in planted["uname.txt"]
    assert "vmlinuz-6.8.12-2-pve" in planted["terminal.txt"]
    assert "\tSerial Number: Not Specified\n" in planted["dmi.txt"]
    assert "HP Z440 Workstation" in planted["dmi.txt"]
    assert "hostpci0: 0000:01:00,pcie=1" in planted["vms/100.conf"]
    assert ",path=0000:02:00,subsystem-id=10de:11c1" in planted["pci-mapping.cfg"]
    assert "ata-Samsung_SSD_870_EVO_1TB_SERIAL-" in planted["disks.txt"]
    assert "DMAR: IOMMU enabled" in planted["journal.txt"]


KEPT = (
    "[    0.1] pci 0000:01:00.0: BAR 1: assigned [mem 0x380000000000-0x38000fffffff 64bit pref]",
    "01:00.0 VGA compatible controller [0300]: NVIDIA Corporation GP106 [10de:1c03] (rev a1)",
    "Linux version 6.8.12-2-pve (build@proxmox) (gcc (Debian 12.2.0-14) 12.2.0, GNU ld 2.40) #1 SMP",
    "[    0.000000] DMI: Hewlett-Packard HP Z440 Workstation/212B, BIOS M60 v02.58 01/25/2021",
    "NVRM: loading NVIDIA UNIX x86_64 Kernel Module  580.65.06  Sun Jul 27",
    "nvme firmware 1.2.3.4 loaded",
    "libpve-something: 1.2.3.4",
    "10:11:12 up 3 days, address 0.0.0.0 and 127.0.0.1 and ::1",
    "fec00000-fec003ff : IOAPIC 0",
    "kvm: -device vfio-pci,host=0000:01:00.0,id=hostpci0.0,bus=ich9-pcie-port-1,addr=0x0.0",
    "std::string PVE::QemuServer::PCI",
    "TASK ERROR: start failed: QEMU exited with code 1",
    "root@pve:~# qm start 100",
    "d3cold_allowed=1 serial0: socket",
    "Boot0000* debian HD(1,GPT)/File(\\EFI\\debian\\shimx64.efi)",
    "SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c",
    "systemd[1]: modprobe@drm.service: Deactivated successfully.",
    "Linux version 6.1.0-18-amd64 (debian-kernel@lists.debian.org) (gcc-12 (Debian 12.2.0-14) 12.2.0)",
)


@pytest.mark.parametrize("line", KEPT)
def test_what_is_no_secret_stays(line: str) -> None:
    assert redact({"a.txt": line}) == {"a.txt": line}


def test_the_same_value_has_the_same_stand_in_in_all_files() -> None:
    found = redact({
        "b.txt": "ip 10.1.2.3 and 10.1.2.4\n",
        "a.txt": "ip 10.1.2.4\nSerial Number: AB12CD34EF\n",
        "c.txt": "ata-DISK_AB12CD34EF then ab12cd34ef\n",
    })  # fmt: skip
    assert found == {
        "a.txt": "ip 192.0.2.1\nSerial Number: SERIAL-1\n",
        "b.txt": "ip 192.0.2.2 and 192.0.2.1\n",
        "c.txt": "ata-DISK_SERIAL-1 then SERIAL-1\n",
    }


def test_a_stand_in_that_is_there_already_is_not_given_to_something_else() -> None:
    found = redact({"a.txt": "Serial Number: NEW0001\nSerial Number: SERIAL-1\nip 192.0.2.1 and 10.0.0.7\n"})
    assert found["a.txt"] == "Serial Number: SERIAL-2\nSerial Number: SERIAL-1\nip 192.0.2.1 and 192.0.2.2\n"


WORDS = st.sampled_from([
    "Serial Number: ", "Serial Number: AB12CD34", "SERIAL-1", "HOST-2", "10.0.0.1", "fe80::1", "2001:db8::1",
    "aa:bb:cc:dd:ee:ff", "02:00:00:00:00:01", "root@", "bob@zeus:~$ ls", "bob@example.com", "UUID=", "-part1",
    "ata-X_",
    "5f0c1d2e-3a4b-4c5d-8e6f-70819a2b3c4d", "password=", "/home/bob", "name: zeus", "-----BEGIN PRIVATE KEY-----",
    "-----END PRIVATE KEY-----", "YWJjZGVmZ2hpamtsbW5vcA==",
    "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQ",
    "wwn-0x5002538e",
    "Linux zeus 6.8.12-2-pve #1", "Mar 04 10:11:12 zeus kernel: ", "\n", " ", ":", "/", "=", ".", "-", "#",
    "\r\n", "\x0b",
    "serial=", "<serial>", "</serial>", "https://", "@", "zeus", "\u2028", "MBR,0x1234", "GPU-",
])  # fmt: skip
TEXTS = st.lists(WORDS, max_size=30).map("".join) | st.text(max_size=200)


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from(["a.txt", "vm.conf", "hostname", "b.log"]), TEXTS, max_size=3))
def test_redacting_again_changes_nothing_and_lines_keep_their_numbers(files: dict[str, str]) -> None:
    once = redact(files)
    assert redact(once) == once
    assert set(once) == set(files)
    for file, text in files.items():
        assert len(once[file].splitlines()) == len(text.splitlines())
        assert once[file].count("\n") == text.count("\n")


@pytest.mark.parametrize("part", ["ata-", "a@", " ", "1.", "a:", "serial ", "password=", "http://a:"])
def test_a_very_long_line_takes_no_very_long_time(part: str) -> None:
    start = time.monotonic()
    redact({"a.txt": part * (50_000 // len(part))})
    assert time.monotonic() - start < 20


def texts(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): path.read_text(errors="replace")
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def neutral(value: Any) -> Any:
    """Return a fact without the words of its lines, which may be changed; where they stand has to be the same."""
    if isinstance(value, Line):
        return (value.file, value.number)
    if dataclasses.is_dataclass(value):
        return {item.name: neutral(getattr(value, item.name)) for item in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(key): neutral(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [neutral(item) for item in value]
    return value


@pytest.mark.skipif(not HOSTS, reason="needs the recorded hosts, which are not here")
@pytest.mark.parametrize("folder", HOSTS, ids=[path.name for path in HOSTS])
def test_the_judgement_is_the_same_afterwards(folder: Path) -> None:
    files = texts(folder)
    clean = redact(files)
    before, after = Facts(Bundle("x", files), Asked()), Facts(Bundle("x", clean), Asked())
    for kind in (PciListing, Kernel, Translation):
        assert neutral(after.get(kind)) == neutral(before.get(kind))
    old, new = before.get(Cmdline), after.get(Cmdline)
    assert not isinstance(old, Missing)
    assert not isinstance(new, Missing)
    unnamed = [token for token in old.tokens if token.name != "root"]
    assert [(t.name, t.value) for t in new.tokens if t.name != "root"] == [(t.name, t.value) for t in unnamed]
    assert "pvehost" not in "".join(clean.values())
    assert neutral(diagnose(after)) == neutral(diagnose(before))


@pytest.mark.skipif(not HOSTS, reason="needs the recorded hosts, which are not here")
@pytest.mark.parametrize("path", sorted((SHARED / "z440" / "dmi").glob("*.txt"))[:8], ids=lambda path: path.stem)
def test_a_dmidecode_dump_keeps_its_slots(path: Path) -> None:
    text = path.read_text(errors="replace")
    clean = redact({"dmi.txt": text})["dmi.txt"]
    telling = re.compile("Designation|Bus Address|Product")
    slots = [line for line in text.splitlines() if telling.search(line)]
    assert slots == [line for line in clean.splitlines() if telling.search(line)]
    serials = re.findall(r"Serial Number: (?!Not|\s)(\S+)", clean)
    assert all(re.fullmatch(r"SERIAL-\d+|None|NO|0+|-+|[Uu]nknown|N/A|\.+", word) for word in serials), serials
