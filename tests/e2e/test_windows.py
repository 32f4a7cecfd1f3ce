"""Windows through the front door, against a stand-in for its Setup: every phase, and every way it can fail.

No Windows is installed here. The stand-in boots under Secure Boot, asks for a key, reads the answer CD as strictly as
Setup does, and acts as Windows afterwards.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Figure
from tests.e2e.windows_room import room
from tests.helpers.person import Person
from tests.standin import build, picture
from tests.standin.switches import Switches

pytestmark = [
    pytest.mark.guest,
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("qemu-system-x86_64"), reason="qemu-system-x86 is not installed"),
    pytest.mark.skipif(bool(build.lacking()), reason=f"not installed: {build.lacking()}"),
]


@pytest.fixture(scope="module")
def person(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Person]:
    somebody = room(tmp_path_factory.mktemp("pcs"), {"win": (Switches(), {})})
    yield somebody
    somebody.types("lab", "reset", "--yes")


def test_what_the_cd_does_not_have_is_refused_before_anything_is_created(person: Person) -> None:
    stack = json.loads((person.folder / "stack.yaml").read_text())
    stack["vms"]["win"]["windows"] |= {"edition": "education"}
    (person.folder / "other.yaml").write_text(json.dumps(stack))
    person.types("up", "other.yaml", "--yes", code=11)
    assert "no image for amd64 of Windows 11 of the edition education on it. It has:" in person.seen
    assert "(Professional, Windows 11, build" in person.seen
    assert "missing" in person.types("status", "stack.yaml")


def test_a_missed_prompt_leaves_the_vm_off(person: Person) -> None:
    """Nobody presses a key: the firmware goes on without the CD."""
    program = (
        "from pvekit.provision.apply import install; install.KEYS_SECONDS = 0.0; "
        "from pvekit.cli.main import main; main()"
    )
    stack = json.loads((person.folder / "stack.yaml").read_text())
    stack["vms"]["win"]["windows"]["timeouts"]["started"] = "60s"
    (person.folder / "hurried.yaml").write_text(json.dumps(stack))
    person.runs([sys.executable, "-c", program, "up", "hurried.yaml", "--yes"], code=12)
    assert "Windows Setup did not start: the prompt of its CD was missed" in person.seen
    assert len(_pictures(person.folder, "win")) == 1
    (row,) = json.loads(person.types("status", "stack.yaml", "--json"))
    assert (row["state"], row["stage"]) == ("stopped", "created")


def test_a_run_that_dies_while_setup_works(person: Person) -> None:
    begun = subprocess.Popen(
        [sys.executable, "-u", "-m", "pvekit.cli", "up", "stack.yaml", "--yes"],
        cwd=person.folder, env=person.env, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert begun.stdout is not None
    assert any("Windows Setup runs" in line for line in begun.stdout)
    begun.kill()
    begun.wait(10)
    begun.stdout.close()
    (row,) = json.loads(person.types("status", "stack.yaml", "--json"))
    assert (row["state"], row["stage"]) == ("running", "created")


def test_the_next_run_goes_on_to_ssh(person: Person, figure: Figure) -> None:
    with person.watched() as watch:
        out = person.types("up", "stack.yaml", "--yes", timeout=1500)
    assert watch.found == set()
    assert "Windows Setup runs" in out
    assert "install ok" in out
    assert "ssh anna@127.77." in out
    figure(", ".join(re.findall(r"win: ((?:install|wait for the guest) ok.*)", out)))
    assert person.types("ssh", "win", "--", "id -un").split() == ["anna"]
    found = json.loads(person.types("status", "stack.yaml", "--json"))
    assert [(row["state"], row["stage"]) for row in found] == [("running", "ready")]


def test_a_second_run_changes_nothing(person: Person) -> None:
    assert "no changes" in person.types("up", "stack.yaml", "--yes")


def test_both_cds_are_out_and_the_answer_cd_is_deleted(person: Person) -> None:
    """The answer CD holds passwords. PVE keeps the drives themselves, empty."""
    lab = person.folder / "data" / "pvekit" / "lab"
    assert not [path for path in lab.rglob("*.iso") if "pvekit.pcs" in path.name]
    assert person.leaked() == []


def test_down_leaves_nothing(person: Person) -> None:
    person.types("down", "stack.yaml", "--confirm", "pcs")
    assert "missing" in person.types("status", "stack.yaml")


SHORT = {"started": "3m", "applied": "2m", "agent": "2m", "done": "1m", "ssh": "1m"}
FAILURES: dict[str, tuple[Switches, str, str]] = {
    "name": (
        Switches(images=("Windows 12 Pro",)),
        "Windows Setup did not finish",
        "PVEKIT FAILED: image: install.wim has no image",
    ),
    "answer": (Switches(garble_answer=True), "Windows Setup did not finish", "The answer file is invalid."),
    "driver": (Switches(lose_driver="vioscsi"), "Windows Setup did not finish", "PVEKIT FAILED: drivers: vioscsi"),
    "disk": (Switches(used_disk=True), "Windows Setup did not finish", "PVEKIT FAILED: disk: disk 0 is not empty"),
    "agent": (Switches(never_agent=True), "the guest agent did not answer", ""),
    "done": (Switches(never_done=True), "the first logon did not finish", ""),
    "step": (
        Switches(fail_step="openssh", fail_code=1603, fail_detail="Error 1603"),
        "the first logon failed at openssh: code 1603, Error 1603",
        "",
    ),
}


def test_every_failure_has_its_own_error_and_picture(tmp_path: Path, figure: Figure) -> None:
    cases = {name: (switches, {"timeouts": SHORT}) for name, (switches, _, _) in FAILURES.items()}
    somebody = room(tmp_path, cases)
    try:
        somebody.types("up", "stack.yaml", "--yes", code=12, timeout=2400)
        for name, (_, said, on_screen) in FAILURES.items():
            error = somebody.seen[somebody.seen.index(said) :] if said in somebody.seen else ""
            assert error, f"{name}: {said!r} is not in what pvekit said"
            (png,) = _pictures(tmp_path, name)
            shown = picture.text(png.read_bytes()).replace("\n  ", "")
            assert on_screen in shown, f"{name}: {shown}"
            figure(f"{name}: {png.name}")
    finally:
        somebody.types("lab", "reset", "--yes")


def _pictures(folder: Path, name: str) -> list[Path]:
    return sorted((folder / "data" / "pvekit" / "stacks" / "pcs" / "screens").glob(f"{name}-*.png"))
