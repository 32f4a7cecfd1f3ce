"""The stand-in itself, booted without the API: what it does well, and how each failure looks."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import Figure
from tests.standin import answers, build, picture
from tests.standin.machine import ADDRESS, VMID, Machine, until
from tests.standin.switches import Switches

pytestmark = [
    pytest.mark.guest,
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("qemu-system-x86_64"), reason="qemu-system-x86 is not installed"),
    pytest.mark.skipif(bool(build.lacking()), reason=f"not installed: {build.lacking()}"),
]
STEPS = ["guest-tools", "agent-service", "openssh", "ssh-keys", "power", "rdp", "updates", "autologon-off",
         "panther-clean", "done"]  # fmt: skip
Maker = Callable[..., Machine]


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Maker]:
    """Return a function that makes a machine; it is stopped in the end."""
    made: list[Machine] = []

    def make(contents: dict[str, bytes] | None, switches: Switches = Switches(), *, udf: bool = True) -> Machine:  # noqa: B008
        answer = None
        if contents is not None:
            answer = tmp_path / "answer.iso"
            answer.write_bytes(answers.cd(contents, udf=udf))
        made.append(Machine(tmp_path, build.setup_iso(switches, folder=tmp_path), answer, answers.SIZE))
        return made[-1]

    yield make
    for each in made:
        each.stop()


def key_pair(folder: Path) -> tuple[Path, str]:
    private = folder / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", str(private)], check=True)
    return private, private.with_suffix(".pub").read_text().strip()


def shown(machine: Machine) -> str:
    """Return the text on the screen, empty while it cannot be read."""
    try:
        return picture.text(machine.picture("screen.png").read_bytes())
    except ValueError:
        return ""


def test_from_the_key_to_ssh(machine: Maker, tmp_path: Path, figure: Figure) -> None:
    private, public = key_pair(tmp_path)
    made = machine(answers.files(answers.answer(key=public)))
    begin = time.monotonic()
    times: list[str] = []

    def passed(phase: str) -> None:
        times.append(f"{phase} {time.monotonic() - begin:.0f}")

    made.start(setup_cd=True)
    assert made.press_until_started(90), shown(made)
    passed("started")
    assert made.off(120), shown(made)
    passed("off")
    made.start(setup_cd=False)
    assert until(120, lambda: made.agent("guest-ping") == {}), shown(made)
    passed("agent")
    result = made.result(60)
    assert result is not None, shown(made)
    assert (result["version"], result["ok"]) == (1, True)
    assert [step["name"] for step in result["steps"]] == STEPS
    passed("done")
    record = json.loads(made.read(r"C:\ProgramData\pvekit\standin.json"))
    for boot in ("setup", "windows"):
        assert (record[boot]["secure_boot"], record[boot]["tpm"], record[boot]["tpm_version"]) == (1, True, 2)
    assert record["accounts"] == {"Anna": True, "Ben Öz": False}
    assert until(30, lambda: "10.0.2.15" in json.dumps(made.agent("guest-network-get-interfaces")))
    known = tmp_path / "known_hosts"
    known.write_text("standin " + made.read(r"C:\ProgramData\ssh\ssh_host_ed25519_key.pub"))
    made.machines.hmp(VMID, f"hostfwd_add net0 tcp:{ADDRESS}:2222-:22")
    done = subprocess.run(
        ["ssh", "-F", "none", "-i", str(private), "-o", f"UserKnownHostsFile={known}", "-o", "HostKeyAlias=standin",
         "-o", "BatchMode=yes", "-p", "2222", f"Anna@{ADDRESS}", "hostname; id -un; ls /c/Windows/Panther"],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert (done.stdout.split(), done.returncode) == (["WORK", "Anna"], 0), done.stderr
    passed("ssh")
    assert made.machines.shutdown(VMID, 30, made.log.append)
    passed("shut down")
    figure(f"seconds: {', '.join(times)}")


def test_without_a_key_the_firmware_goes_on(machine: Maker) -> None:
    made = machine(None)
    made.start(setup_cd=True)
    assert until(90, lambda: made.cd_reads() > 2 << 20)
    time.sleep(25)
    assert made.machines.status(VMID) is not None
    assert 2 << 20 < made.cd_reads() < 16 << 20


def broken(contents: dict[str, bytes]) -> dict[str, bytes]:
    return contents | {"autounattend.xml": contents["autounattend.xml"].replace(b"</settings>", b"", 1)}


def renamed(contents: dict[str, bytes]) -> dict[str, bytes]:
    return {name.replace("autounattend.xml", "AUTOUNAT.XML"): data for name, data in contents.items()}


def without_driver(contents: dict[str, bytes]) -> dict[str, bytes]:
    return {name: data for name, data in contents.items() if not name.endswith("vioscsi.sys")}


def same(contents: dict[str, bytes]) -> dict[str, bytes]:
    return contents


@pytest.mark.parametrize(
    ("image", "change", "switches", "said"),
    [
        ("Windows 12 Pro", same, Switches(), "PVEKIT FAILED: image: install.wim has no image 'Windows 12 Pro'"),
        ("Windows 11 Pro", broken, Switches(), "The answer file is invalid."),
        ("Windows 11 Pro", renamed, Switches(), "PVEKIT FAILED: answer-file: no CD has autounattend.xml"),
        ("Windows 11 Pro", without_driver, Switches(), "PVEKIT FAILED: drivers: vioscsi.sys is missing"),
        ("Windows 11 Pro", same, Switches(used_disk=True), "PVEKIT FAILED: disk: disk 0 is not empty"),
    ],
    ids=["image", "unreadable", "wrong-name", "driver", "used-disk"],
)
def test_setup_stops_and_says_why(
    machine: Maker,
    figure: Figure,
    image: str,
    change: Callable[[dict[str, bytes]], dict[str, bytes]],
    switches: Switches,
    said: str,
) -> None:
    made = machine(change(answers.files(answers.answer(image))), switches)
    begin = time.monotonic()
    made.start(setup_cd=True)
    assert made.press_until_started(90)
    assert until(120, lambda: said in shown(made).replace("\n  ", "")), shown(made)
    figure(f"{time.monotonic() - begin:.0f} s")
    assert picture.ground((made.folder / "screen.png").read_bytes()) == "red"
    assert made.machines.status(VMID) is not None
