"""pvekit passthrough verify as a person uses it: a host in a tree, a VM of the embedded node, and the record."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from pvekit.adapters import hostprobe
from pvekit.adapters.pve import agent
from pvekit.adapters.pve.agent import Ran
from pvekit.cli.passthrough_verify import verify as command
from pvekit.model.errors import NotFound, TaskFailed
from pvekit.model.guestpci import windows_command
from pvekit.model.pci import Bdf
from pvekit.model.proof import Held, Probe, probe_of
from pvekit.workflows import verify as work
from pvekit.workflows import verify_guest, vm
from pvekit.workflows.collect import Host
from tests.helpers.cli_room import Place, stand_ins
from tests.lab.running import RunningLab
from tests.passthrough.probekernel import AUDIO, GPU, PROBE, Kernel, door_of, tree
from tests.passthrough.test_verify_proof import base
from tests.rootstep.sshnode import SshNode, need_namespaces, start

LSPCI = """\
00:00.0 Host bridge [0600]: Intel Corporation Xeon E7 v4 DMI2 [8086:6f00] (rev 01)
00:01.0 PCI bridge [0604]: Intel Corporation Xeon E7 v4 PCI Express Root Port 1 [8086:6f02] (rev 01)
\tKernel driver in use: pcieport
01:00.0 3D controller [0302]: NVIDIA Corporation GP106 [P106-100] [10de:1c07] (rev a1)
\tSubsystem: Gigabyte Technology Co., Ltd GP106 [P106-100] [1458:3751]
\tKernel driver in use: vfio-pci
\tKernel modules: nouveau
01:00.1 Audio device [0403]: NVIDIA Corporation GP106 High Definition Audio Controller [10de:10f1] (rev a1)
\tKernel driver in use: vfio-pci
\tKernel modules: snd_hda_intel
02:00.0 VGA compatible controller [0300]: NVIDIA Corporation GK107 [10de:0ffd] (rev a1)
\tKernel driver in use: nouveau
"""
FILES = {
    "lspci.txt": LSPCI,
    "uname.txt": "Linux pve 6.8.12-2-pve #1 SMP PREEMPT_DYNAMIC PMX 6.8.12-2 (2024-09-05T10:03Z) x86_64 GNU/Linux\n",
    "sys_class_iommu.txt": "dmar0\n",
    "cmdline.txt": "BOOT_IMAGE=/boot/vmlinuz-6.8.12-2-pve root=/dev/mapper/pve-root ro quiet intel_iommu=on\n",
    "iommu_groups.txt": "IOMMU Group 0 00:00.0\nIOMMU Group 1 00:01.0\nIOMMU Group 12 01:00.0\nIOMMU Group 12 01:00.1\n"
    "IOMMU Group 13 02:00.0\n",
}
HOST = Host("local")
group = click.Group("passthrough", commands={"verify": command})


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return


@pytest.fixture
def evidence(tmp_path: Path) -> Path:
    return bundle(tmp_path / "bundle", FILES)


def bundle(folder: Path, files: dict[str, str]) -> Path:
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kernel:
    """A host whose kernel can be asked, reached as this machine is."""
    made = Kernel()
    root = tree(tmp_path / "host", made)

    def here(arguments: Sequence[str], *, cycles: int, root: str = "") -> Probe:
        rom = "--no-rom" not in arguments
        bdfs = [word for word in arguments if not word.startswith("-")]
        return probe_of({"ok": True, **PROBE.probe(door_of(made)(root), bdfs, cycles, rom)})

    monkeypatch.setattr(hostprobe, "probe_here", here)
    (root / "var/lib").mkdir(parents=True)
    return made


def pvekit(tmp_path: Path, evidence: Path, *more: object) -> Result:
    words = ["verify", "local", "--root", tmp_path / "host", "--evidence", evidence, "--device", "01:00.0", *more]
    return CliRunner().invoke(group, [str(word) for word in words], standalone_mode=False)


def test_a_host_is_proven_and_the_record_kept(tmp_path: Path, evidence: Path, kernel: Kernel) -> None:
    done = pvekit(tmp_path, evidence)
    assert done.exception is None, done.exception
    assert done.return_value == 0, done.output
    lines = done.output.splitlines()
    assert lines[0] == "proven: passthrough works on this host"
    assert "card used by VFIO: 2 of 2 cycles" in lines
    assert f"  {GPU}  10de:1c07  vfio-pci, group 12, reset: function (flr bus)" in lines
    assert "    BAR0 16 MiB mapped, BAR1 256 MiB mapped" in lines
    assert any("FW-01, sys_class_iommu.txt:1)" in line for line in lines)
    assert any("memory was mapped for the card and unmapped again (by use)" in line for line in lines)
    assert lines[-1] == "proven once with this kernel, over one start of the host; run it again after the next one"
    assert kernel.resets.count(GPU) == 2
    (record,) = work.records(HOST)
    assert record["verdict"] == "proven"
    assert (record["host"], record["kernel"], record["changes"]) == ("local", "6.8.12-2-pve", None)
    assert [(card["bdf"], card["id"]) for card in record["cards"]] == [(GPU, "10de:1c07"), (AUDIO, "10de:10f1")]
    assert [cycle["functions"][0]["reset"] for cycle in record["cycles"]] == ["function", "function"]
    assert {"id": "FW-01", "evidence": ["sys_class_iommu.txt:1"]} in record["layers"]["firmware"]
    assert work.record_file(HOST).stat().st_mode & 0o777 == 0o600


def test_a_restart_of_the_host_counts(tmp_path: Path, evidence: Path, kernel: Kernel) -> None:
    pvekit(tmp_path, evidence)
    (tmp_path / "host/proc/sys/kernel/random/boot_id").write_text("7a4d\n")
    done = pvekit(tmp_path, evidence, "--json")
    told = json.loads(done.output)
    assert (told["times"], told["boots"]) == (2, 2)
    assert told["verdict"] == told["proof"]["verdict"] == "proven"
    assert told["diagnosis"]["verdict"] == "healthy"
    (tmp_path / "host/proc/sys/kernel/osrelease").write_text("6.8.12-5-pve\n")
    assert "proven once with this kernel, over one start" in pvekit(tmp_path, evidence).output
    assert len(work.records(HOST)) == 3


def test_a_broken_diagnosis_is_shown_and_nothing_is_tried(tmp_path: Path, kernel: Kernel) -> None:
    broken = bundle(tmp_path / "off", {**FILES, "sys_class_iommu.txt": "", "iommu_groups.txt": "",
                                       "acpi_tables.txt": "APIC\nFACP\n"})  # fmt: skip
    done = pvekit(tmp_path, broken)
    assert done.return_value == 1, done.output
    assert done.output.startswith("broken: ")
    assert kernel.calls == []
    last = work.last_record(HOST)
    assert last is not None
    assert (last["verdict"], last["kernel"]) == ("broken", "6.8.12-2-pve")
    assert last["reasons"][0].startswith(done.output.partition("(")[2].partition(",")[0])


def test_too_little_is_told_from_broken(tmp_path: Path, kernel: Kernel) -> None:
    done = pvekit(tmp_path, bundle(tmp_path / "little", {"lspci.txt": LSPCI}), "--json")
    assert done.return_value == 2
    assert json.loads(done.output)["proof"] is None
    assert kernel.calls == []


def test_a_card_that_does_not_come_back(tmp_path: Path, evidence: Path, kernel: Kernel) -> None:
    kernel.dead_in = 2
    done = pvekit(tmp_path, evidence, "--cycles", "4")
    assert done.return_value == 1
    text = " ".join(done.output.split())
    assert text.startswith("broken use 2 of the card fails, use 1 did not")
    assert "card used by VFIO: 1 of 4 cycles" in text
    assert "proven" not in text
    last = work.last_record(HOST)
    assert last is not None
    assert last["cycles"][1]["functions"][0]["trouble"]["call"] == "pread"


def test_the_real_program_on_a_tree(tmp_path: Path, evidence: Path) -> None:
    """Without anything in between: the program runs, and says what is missing."""
    tree(tmp_path / "host", Kernel())
    done = pvekit(tmp_path, evidence)
    assert done.return_value == 1, done.output
    assert "open on /dev/vfio/vfio: ENOENT, No such file or directory (the modules vfio" in " ".join(
        done.output.split()
    )


def test_a_device_that_the_host_does_not_have(tmp_path: Path, evidence: Path) -> None:
    tree(tmp_path / "host", Kernel({GPU: Kernel().cards[GPU]}))
    done = pvekit(tmp_path, evidence)
    assert isinstance(done.exception, TaskFailed)
    assert "0000:01:00.1: ENOENT" in done.exception.message


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshNode]:
    need_namespaces()
    made = start(tmp_path_factory.mktemp("sshd"), {})
    yield made
    made.close()


def test_over_ssh(node: SshNode, tmp_path: Path, evidence: Path) -> None:
    """The program travels through standard input, and leaves nothing."""
    root = tree(tmp_path / "host", Kernel())
    (root / "dev/vfio").mkdir(parents=True)
    (root / "dev/vfio/vfio").write_text("")
    words = ["verify", f"root@127.0.0.1:{node.port}", "--key", node.key, "--host-key", node.host_key, "--root", root]
    words += ["--evidence", evidence, "--device", "01:00.0"]
    done = CliRunner().invoke(group, [str(word) for word in words], standalone_mode=False)
    assert done.exception is None, done.exception
    assert done.return_value == 1
    assert "VFIO_GET_API_VERSION on /dev/vfio/vfio: ENOTTY" in " ".join(done.output.split())


def test_a_torn_line_of_the_record_is_passed_over() -> None:
    assert work.last_record(HOST) is None
    path = work.append(HOST, {"verdict": "proven", "n": 1})
    with path.open("a") as file:
        file.write('{"verdict": "bro')
    assert work.last_record(HOST) == {"verdict": "proven", "n": 1}
    work.append(HOST, {"verdict": "broken", "n": 2})
    assert [record["n"] for record in work.records(HOST)] == [1, 2]


# --- the VM


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningLab]:
    made = RunningLab(tmp_path_factory.mktemp("lab"), cpus=64, memory=64 << 30)
    yield made
    made.close()


@pytest.fixture
def place(lab: RunningLab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    monkeypatch.setenv("PVEKIT_TOKEN", lab.secrets["token_secret"])
    made = Place(lab, tmp_path, [lab.secrets["token_secret"]])
    with stand_ins():
        yield made
    made.api.close()


class Guest:
    """What runs in the VM when it is asked: the answers of a good guest, or others."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.files: dict[str, str] = dict(base()["guest"])
        self.compute: str = base()["compute"]
        self.ran: list[list[str]] = []
        monkeypatch.setattr(agent, "run", self.run)
        monkeypatch.setattr(verify_guest, "_BOOT_SECONDS", 5.0)
        monkeypatch.setattr(verify_guest, "_DRIVER_SECONDS", 0.0)

    def run(self, pve: object, node: str, vmid: int, argv: Sequence[str], *, stdin: str | None = None,
            **_: Any) -> Ran:  # fmt: skip
        self.ran.append(list(argv))
        if argv[0] == "powershell.exe":
            return Ran(0, "PCI\\VEN_10DE&DEV_1C07&SUBSYS_0|OK|CM_PROB_NONE|NVIDIA P106-100\r\n", "")
        if argv[0] == "python3":
            assert stdin is not None
            assert "libcuda.so.1" in stdin
            return Ran(0, f"{self.compute}\n", "")
        assert list(argv) == ["sh", "-s"]
        assert stdin is not None
        assert stdin.rstrip().endswith("collect </dev/null")
        body = "".join(f"\nMARK file {name}\n{text}" for name, text in self.files.items())
        return Ran(0, f"pvekit-collect 1 MARK\n{body}\nMARK end\n", "")


@pytest.fixture
def guest(monkeypatch: pytest.MonkeyPatch) -> Guest:
    return Guest(monkeypatch)


def tasks(place: Place, name: str) -> list[str]:
    """Return what was done with the stack's VMs, oldest first."""
    vmids = {str(row["vmid"]) for row in place.vms(name).values()}
    rows = place.api.get("/nodes/pve/tasks", limit=50)
    return [row["type"] for row in reversed(rows) if row["id"] in vmids and row["type"] in ("qmstart", "qmshutdown")]


def test_a_vm_is_stopped_and_started(
    place: Place, guest: Guest, tmp_path: Path, evidence: Path, kernel: Kernel
) -> None:  # fmt: skip
    stack = place.stack("proof", "  gpu1: {}\n")
    place.run("up", stack, "-y").ended(0)
    before = tasks(place, "proof")
    done = pvekit(tmp_path, evidence, "-s", stack, "--guest", "gpu1", "--cycles", "2", "-y")
    assert done.exception is None, done.exception
    assert done.return_value == 0, done.output
    assert tasks(place, "proof")[len(before):] == ["qmshutdown", "qmstart", "qmshutdown", "qmstart"]  # fmt: skip
    for when in ("gpu1:", "gpu1, start 1:", "gpu1, start 2:"):
        assert when in done.output.splitlines()
    assert "0000:01:00.0  10de:1c07, driver nvidia, 3 of 3 regions placed" in done.output
    assert "compute job: NVIDIA P106-100 filled 64 MiB and gave them back unchanged" in done.output
    last = work.last_record(HOST)
    assert last is not None
    assert [look["start"] for look in last["looks"]] == [0, 1, 2]
    assert last["looks"][1]["compute"]["done"] is True
    # Without --cycles it is only looked at.
    count = len(tasks(place, "proof"))
    assert pvekit(tmp_path, evidence, "-s", stack, "--guest", "gpu1").return_value == 0
    assert len(tasks(place, "proof")) == count
    # Stopping it needs a yes.
    asked = pvekit(tmp_path, evidence, "-s", stack, "--guest", "gpu1", "--cycles", "1")
    assert asked.exception is not None
    assert len(tasks(place, "proof")) == count
    # What its log says is told, with what the checks name.
    guest.files["guest/dmesg.txt"] += "[    9.1] NVRM: GPU 0000:01:00.0: RmInitAdapter failed! (0x22:0x56:762)\n"
    bad = pvekit(tmp_path, evidence, "-s", stack, "--guest", "gpu1")
    assert bad.return_value == 1
    assert "RmInitAdapter failed" in bad.output
    place.run("down", stack, "--confirm", "proof").ended(0)


def test_a_stopped_vm_is_stopped_afterwards(
    place: Place, guest: Guest, tmp_path: Path, evidence: Path, kernel: Kernel
) -> None:  # fmt: skip
    stack = place.stack("still", "  gpu1: {state: stopped}\n")
    place.run("up", stack, "-y").ended(0)
    done = pvekit(tmp_path, evidence, "-s", stack, "--guest", "gpu1")
    assert done.return_value == 2
    assert "gpu1: it is stopped; with --cycles it is started" in done.output
    before = tasks(place, "still")
    done = pvekit(tmp_path, evidence, "-s", stack, "--guest", "gpu1", "--cycles", "2", "-y")
    assert done.return_value == 0, done.output
    assert tasks(place, "still")[len(before):] == ["qmstart", "qmshutdown", "qmstart", "qmshutdown"]  # fmt: skip
    assert place.vms("still")["gpu1"]["status"] == "stopped"
    place.run("down", stack, "--confirm", "still").ended(0)


def test_a_start_that_fails_is_what_is_broken(
    place: Place, guest: Guest, tmp_path: Path, evidence: Path, kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    stack = place.stack("fails", "  gpu1: {}\n")
    place.run("up", stack, "-y").ended(0)
    starts: list[str] = []
    real = vm.restart

    def restart(session: Any, name: str, emit: Any) -> None:
        starts.append(name)
        if len(starts) == 2:
            raise TaskFailed("start failed: QEMU exited with code 1", where=name)
        real(session, name, emit)

    monkeypatch.setattr(verify_guest, "restart", restart)
    done = pvekit(tmp_path, evidence, "-s", stack, "--guest", "gpu1", "--cycles", "3", "-y")
    assert done.return_value == 1
    assert "gpu1, start 2: it does not start: start failed: QEMU exited with code 1" in " ".join(done.output.split())
    assert len(starts) == 2
    place.run("down", stack, "--confirm", "fails").ended(0)


def test_a_broken_host_starts_no_vm(
    place: Place, guest: Guest, tmp_path: Path, evidence: Path, kernel: Kernel
) -> None:  # fmt: skip
    kernel.viable = False
    stack = place.stack("unsafe", "  gpu1: {}\n")
    done = pvekit(tmp_path, evidence, "-s", stack, "--guest", "gpu1", "--cycles", "1", "-y")
    assert done.return_value == 1
    assert guest.ran == []


def test_no_such_vm_and_no_stack(
    place: Place, guest: Guest, tmp_path: Path, evidence: Path, kernel: Kernel
) -> None:  # fmt: skip
    stack = place.stack("other", "  gpu1: {}\n")
    done = pvekit(tmp_path, evidence, "-s", stack, "--guest", "gpu2")
    assert isinstance(done.exception, NotFound)
    assert isinstance(pvekit(tmp_path, evidence, "--guest", "gpu1").exception, click.UsageError)


@pytest.mark.parametrize(("tools", "says"), [("", "the guest has no python3"), ("clinfo\npython3\n", "")])
def test_the_compute_job_needs_python(
    tools: str, says: str, place: Place, guest: Guest, tmp_path: Path, evidence: Path, kernel: Kernel
) -> None:  # fmt: skip
    guest.files["guest/tools.txt"] = tools
    stack = place.stack("tools", "  gpu1: {}\n")
    place.run("up", stack, "-y").ended(0)
    done = pvekit(tmp_path, evidence, "-s", stack, "--guest", "gpu1")
    assert done.return_value == 0, done.output
    assert (says in done.output) if says else ("no compute job" not in done.output)
    place.run("down", stack, "--confirm", "tools").ended(0)


def test_windows_is_asked_for_the_device_only(
    place: Place, guest: Guest, tmp_path: Path, evidence: Path, kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    monkeypatch.setattr(verify_guest.Inside, "windows", property(lambda _: True))
    stack = place.stack("panes", "  gpu1: {}\n")
    place.run("up", stack, "-y").ended(0)
    done = pvekit(tmp_path, evidence, "-s", stack, "--guest", "gpu1")
    assert done.return_value == 0, done.output
    assert [argv[0] for argv in guest.ran] == ["powershell.exe"]
    assert "NVIDIA P106-100  10de:1c07, present" in done.output
    assert "Windows is asked only whether the device is there and works" in done.output
    place.run("down", stack, "--confirm", "panes").ended(0)


def test_what_windows_is_asked() -> None:
    argv = windows_command("10de:1c07")
    assert argv[:4] == ["powershell.exe", "-NoProfile", "-NonInteractive", "-Command"]
    assert "-like 'PCI\\VEN_10DE&DEV_1C07*'" in argv[4]


def test_the_rom_is_not_read_where_no_vm_reads_it(tmp_path: Path, evidence: Path, kernel: Kernel) -> None:
    (evidence / "vm.conf").write_text("hostpci0: 0000:01:00,pcie=1,rombar=0\nmachine: q35\n")
    found = work.verify(HOST, device=Bdf.parse("01:00.0"), cycles=1, evidence=evidence, root=str(tmp_path / "host"))
    assert found.held is Held.PROVEN
    assert kernel.calls.count("VFIO_DEVICE_GET_REGION_INFO") == 2 * (6 + 2)
