"""pe.cmd and disk.vbs as Wine runs them: the order of the tools, and what the screen says when one of them fails."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.answer.good import CASES
from tests.answer.wine import Pc, missing

pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(missing()), reason=missing() or "wine is here")]

GOOD = "disk 0 is empty and has 65536 MiB"
FAILURES = yaml.safe_load((CASES / "wine.yaml").read_text())


@pytest.fixture(scope="module")
def pc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pc]:
    made = Pc(tmp_path_factory.mktemp("pc"))
    yield made
    made.stop()


def test_a_good_run_uses_the_tools_in_order_and_switches_off(pc: Pc) -> None:
    pc.fill()
    screen = pc.install(says=GOOD)
    assert not [line for line in screen if "FAILED" in line]
    assert [call.split()[0].removesuffix(".exe") for call in pc.calls()] == [
        *("drvload", "drvload", "cscript", "diskpart", "dism", "bcdboot", "dism", "wpeutil")
    ]
    calls = pc.calls()
    assert calls[0] == r'drvload.exe "D:\pvekit\drivers\vioscsi\vioscsi.inf"'
    assert calls[2].endswith(r'"D:\pvekit\disk.vbs" 68702699520 68736253952')
    assert r'/ImageFile:"E:\sources\install.wim" /Name:"Windows 11 Pro" /ApplyDir:W:\ /CheckIntegrity' in calls[4]
    assert r'/Add-Driver /Driver:"D:\pvekit\drivers" /Recurse' in calls[6]
    assert calls[-1] == "wpeutil.exe shutdown"
    handed = pc.windows / "Windows" / "Panther" / "unattend.xml"
    assert handed.read_bytes() == (pc.cd / "autounattend.xml").read_bytes()


@pytest.mark.parametrize("name", FAILURES)
def test_a_failure_stays_on_the_screen_and_nothing_follows(pc: Pc, name: str) -> None:
    case = FAILURES[name]
    pc.fill()
    for path in case.get("without", []):
        (pc.folder / path).unlink()
    screen = pc.install(says=case.get("says", GOOD), fail=case.get("fail", ""))
    failed = [line for line in screen if line.startswith("PVEKIT FAILED: ")]
    assert failed == [f"PVEKIT FAILED: {case['screen']}"]
    tools = [call.split()[0].removesuffix(".exe") for call in pc.calls()]
    assert tools[-1:] == ([case["last"]] if case["last"] else [])
    assert ("wpeutil" in tools) == (case["last"] == "wpeutil")


def test_no_answer_cd_is_said_too(pc: Pc) -> None:
    pc.fill()
    (pc.cd / "pvekit" / "pe.cmd").unlink()
    screen = pc.install(says=GOOD)
    assert r"PVEKIT FAILED: files: no drive has \pvekit\pe.cmd" in screen


@pytest.mark.parametrize(
    ("sizes", "partitions", "code", "says"),
    [
        (("1", "99999999999999"), "0", 0, "disk 0 is empty and has "),
        (("1", "2"), "0", 1, "disk 0 is too large, it has "),
        (("99999999999998", "99999999999999"), "0", 1, "disk 0 is too small, it has "),
        (("1", "99999999999999"), "2", 1, "disk 0 is not empty, it has 2 partitions"),
        (("1",), "0", 1, "the script needs two sizes"),
    ],
)
def test_the_look_at_the_disk(
    pc: Pc, tmp_path: Path, sizes: tuple[str, ...], partitions: str, code: int, says: str
) -> None:
    pc.fill()
    text = (pc.cd / "pvekit" / "disk.vbs").read_text()
    assert "disk.Partitions" in text
    # Wine's query knows everything about its disk but the number of partitions.
    script = tmp_path / "look.vbs"
    script.write_text(text.replace("disk.Partitions", partitions))
    shown = pc.look(script, *sizes)
    assert shown[0] == code
    assert shown[1].splitlines()[-1].startswith(says)
