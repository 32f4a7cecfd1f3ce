"""From evidence and a look at the host to the files that change: each case is a file."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pvekit.model.bundle import Bundle
from pvekit.model.hostchange import ChangeSet, Stage
from pvekit.model.hostlook import HostLook
from pvekit.model.pci import Bdf
from pvekit.passthrough.asked import Asked
from pvekit.passthrough.changes import Wish, changes, with_look
from pvekit.passthrough.facts import Facts
from pvekit.passthrough.judge import diagnose
from tests.passthrough.test_cases import SHARED, texts
from tests.passthrough.test_folklore import WHOLE

CASES = Path(__file__).parent / "changes"
FILES = sorted(CASES.glob("*.yaml"))
KEYS = {"source", "base", "files", "look", "asked", "wish", "expect"}


def look_of(told: dict[str, Any]) -> HostLook:
    values = {
        "loader": "grub", "loader_why": "a test", "initramfs": "initramfs-tools", "esps": False, "once": "",
        "unreadable": {}, "next": "0001", "journal": None, **told,
    }  # fmt: skip
    values["images"] = tuple(values.get("images", [values["release"]]))
    return HostLook(**values)


def made(case: dict[str, Any]) -> tuple[ChangeSet, HostLook]:
    """Return the change set of a case."""
    files = dict(case.get("files", {}))
    if "base" in case:
        folder = SHARED / case["base"]
        if not folder.is_dir():
            pytest.skip("needs the recorded hosts, which are not here")
        files = texts(folder) | files
    if "common" in case:
        files = yaml.safe_load((CASES / case["common"]).read_text()) | files
    look = look_of(case["look"])
    asked = case.get("asked", {})
    facts = Facts(
        with_look(Bundle("case", files), look),
        Asked(asked.get("vm"), Bdf.parse(asked["device"]) if "device" in asked else None),
    )
    wish = {**case.get("wish", {})}
    wish["blacklist"] = tuple(wish.get("blacklist", ()))
    wish["accept"] = tuple(Bdf.parse(address) for address in wish.get("accept", ()))
    return changes(facts, diagnose(facts), look, Wish(**wish)), look


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_case(path: Path) -> None:
    case = yaml.safe_load(path.read_text())
    assert set(case) <= KEYS | {"common"}
    assert case["source"].strip()
    found, look = made(case)
    expect = case["expect"]
    written = {change.path: change.after.replace(found.id, "ID") for change in found.files}
    assert written == expect.get("files", {}), found.left
    assert [" ".join(step.argv) for step in found.steps] == expect.get("steps", [])
    for words in expect.get("why", []):
        assert any(words in change.why for change in found.files) or any(words in s.why for s in found.steps), words
    for words in expect.get("left", []):
        assert any(words in text for text in found.left), found.left
    assert len(found.refused) == len(expect.get("refused", []))
    for words in expect.get("refused", []):
        assert any(words in text for text in found.refused), found.refused
    for words in expect.get("risks", []):
        assert any(words in text for text in (*found.risks, *(change.risk for change in found.files))), words
    assert all(change.why for change in found.files)
    assert all(step.why for step in found.steps)
    for change in found.files:
        assert change.before == look.files.get(change.path)
        assert change.after != change.before


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_planned_again_after_the_change_there_is_nothing_more_to_write(path: Path) -> None:
    """The law: what is written once is not written again, whatever the evidence of the running host still says."""
    case = yaml.safe_load(path.read_text())
    found, _ = made(case)
    if found.trial is not None:
        pytest.skip("a trial is written every time")
    after = {change.path: change.after for change in found.files}
    case["look"]["files"] = {**case["look"].get("files", {}), **after}
    again, _ = made(case)
    assert [change.path for change in again.files] == []


def test_ignore_msrs_goes_only_where_no_guest_needs_it() -> None:
    case = yaml.safe_load((CASES / "tidy-clean.yaml").read_text())
    path, text = "/etc/modprobe.d/kvm.conf", "options kvm ignore_msrs=1 report_ignored_msrs=0\noptions kvm nested=1\n"
    case["look"]["files"][path] = text
    assert path not in {change.path for change in made(case)[0].files}, "nothing tells what the guests ask for"
    case["files"] = {"dmesg.txt": WHOLE, "vms/100.conf": "ostype: l26\nhostpci0: 0000:03:00,pcie=1\n"}
    (change,) = (change for change in made(case)[0].files if change.path == path)
    assert change.after == "options kvm nested=1\n"
    assert "Windows" in change.risk
    case["files"]["vms/101.conf"] = "ostype: win11\nscsihw: virtio-scsi-single\n"
    assert path not in {change.path for change in made(case)[0].files}


OPTIONS = ("quiet", "pci=noacpi,realloc", "pci=nocrs", "intel_iommu=on,relax_rmrr", "iommu=pt", "amd_iommu=on",
           "video=vesafb:off,efifb:off", "pcie_aspm=off")  # fmt: skip


@given(st.lists(st.sampled_from(OPTIONS), max_size=6))
def test_what_is_no_leftover_stays_an_option(options: list[str]) -> None:
    """The law: a word is kept, shortened by whole values, or taken out; nothing is put in."""
    case = yaml.safe_load((CASES / "tidy-clean.yaml").read_text())
    line = " ".join(options)
    case["look"]["cmdline"] += f" {line}"
    case["look"]["files"]["/etc/default/grub"] = f'GRUB_CMDLINE_LINUX_DEFAULT="{line}"\n'
    (after,) = [change.after for change in made(case)[0].files if change.path == "/etc/default/grub"] or [""]
    left = after.partition('"')[2].rpartition('"')[0].split()
    allowed = {*options, "pci=realloc", "intel_iommu=on"}
    assert set(left) <= allowed
    assert not after or {"quiet", "iommu=pt"} & set(options) <= set(left)


def test_ids_are_the_same_for_the_same_changes() -> None:
    case = yaml.safe_load((CASES / "grub-old-kernel.yaml").read_text())
    first, second = made(case)[0], made(case)[0]
    assert first == second
    assert first.folder == f"0001-{first.id}"


def test_the_menu_of_a_trial_is_one_that_grub_takes(tmp_path: Path) -> None:
    case = yaml.safe_load((CASES / "trial.yaml").read_text())
    found, _ = made(case)
    assert found.trial is not None
    menu = next(change.after for change in found.files if change.path == "/boot/grub/custom.cfg")
    assert found.trial.marker in menu
    late = [change.path for change in found.files if change.stage is Stage.LATE]
    assert late == ["/etc/default/grub.d/pvekit-passthrough.cfg"]
    if shutil.which("grub-script-check") is None:
        pytest.skip("grub-script-check is not installed")
    path = tmp_path / "custom.cfg"
    path.write_text(menu)
    done = subprocess.run(["grub-script-check", str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_shell_files_are_shell(path: Path, tmp_path: Path) -> None:
    found, _ = made(yaml.safe_load(path.read_text()))
    for change in found.files:
        if change.path.startswith(("/etc/default/grub", "/etc/initramfs-tools/")):
            script = tmp_path / "script"
            script.write_text(change.after)
            done = subprocess.run(["sh", "-n", str(script)], capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
