"""The program that changes a host: killed at every step, and put back to the byte."""

from __future__ import annotations

import ast
import base64
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pvekit.model.pci import Bdf
from pvekit.passthrough.changes import Wish
from pvekit.workflows import repair
from pvekit.workflows.collect import Host
from tests.passthrough.hosttree import CMDLINE, OLDER, RELEASE, build, picture
from tests.passthrough.killer import HOST, PROGRAM, copy, run

ID = "ab12cd34"
FOLDER = f"0001-{ID}"
HOME = "var/lib/pvekit/passthrough"
MARKER = f"pvekit.trial={ID}"
IMAGE = f"/boot/initrd.img-{RELEASE}"


def file(root: Path, path: str, after: str, stage: str = "now", mode: str | None = None) -> dict[str, Any]:
    here = root / path.lstrip("/")
    seen = hashlib.sha256(here.read_bytes()).hexdigest() if here.exists() else "absent"
    content = base64.b64encode(after.encode()).decode()
    return {"kind": "file", "stage": stage, "path": path, "after": content, "seen": seen, "mode": mode, "why": "a test"}


def step(
    *argv: str, stage: str = "now", outputs: tuple[str, ...] = (), undo: list[str] | None = None
) -> dict[str, Any]:  # fmt: skip
    return {"kind": "step", "stage": stage, "argv": list(argv), "outputs": list(outputs), "undo": undo, "why": "a test"}


def rebuild(release: str, stage: str = "now") -> dict[str, Any]:
    image = f"/boot/initrd.img-{release}"
    outputs = (image, f"{image}.new", f"{image}.dpkg-bak", f"/var/lib/initramfs-tools/{release}")
    return step("update-initramfs", "-u", "-k", release, stage=stage, outputs=outputs)


def changes(root: Path, *, trial: bool = False) -> dict[str, Any]:
    """Return what a plan would hold: new files, a new folder, an edited file, an image, the boot menu."""
    ops = [
        file(root, "/etc/modprobe.d/zz-pvekit-vfio.conf", "options vfio-pci ids=10de:1c07\n", mode="0644"),
        file(root, "/etc/modprobe.d/pve-blacklist.conf", "blacklist nvidiafb\n# more\n"),
        file(root, "/etc/modules-load.d/pvekit-vfio.conf", "vfio_pci\n"),
        file(root, "/etc/default/grub.d/pvekit-passthrough.cfg", "GRUB_CMDLINE_LINUX_DEFAULT=on\n", "late"),
        file(root, "/etc/default/grub", "GRUB_CMDLINE_LINUX=iommu=pt\n", "late"),
        rebuild(RELEASE, "late"),
        rebuild(OLDER, "late"),
        step("update-grub", stage="late", outputs=("/boot/grub/grub.cfg", "/boot/grub/grub.cfg.new")),
        step("proxmox-boot-tool", "refresh", stage="late"),
    ]
    if trial:
        image = f"{IMAGE}.pvekit-trial"
        ops += [
            file(root, "/etc/systemd/system/sysinit.target.d/pvekit-passthrough.conf", "[Unit]\n", "trial"),
            file(root, "/boot/grub/custom.cfg", "menuentry 'trial' {\n}\n", "trial"),
            step("mkinitramfs", "-o", image, RELEASE, stage="trial", outputs=(image,), undo=[]),
            step(
                *("grub-reboot", "pvekit-trial"),
                stage="trial",
                outputs=("/boot/grub/grubenv",),
                undo=["grub-editenv", "/boot/grub/grubenv", "unset", "next_entry"],
            ),
        ]
    settings = {"marker": MARKER, "network_seconds": 4, "confirm_seconds": 4, "address": ""} if trial else None
    return {"version": 1, "id": ID, "folder": FOLDER, "made": "2026-11-28", "ops": ops, "trial": settings}


SLOW = pytest.mark.slow
MEMORY = Path("/dev/shm")
"""Some thousand trees are copied: in memory, where that is possible."""


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("host") / "fresh")


@pytest.fixture
def tmp_path(tmp_path: Path) -> Iterator[Path]:
    if not os.access(MEMORY, os.W_OK):
        yield tmp_path
        return
    made = Path(tempfile.mkdtemp(dir=MEMORY, prefix="pvekit-"))
    yield made
    shutil.rmtree(made)


@pytest.fixture
def host(fresh: Path, tmp_path: Path) -> Path:
    return copy(fresh, tmp_path / "host")


def phase(root: Path) -> str | None:
    told = run(root, "status")
    assert told["ok"], told
    return None if told["journal"] is None else told["journal"]["phase"]


def boots(root: Path, options: str) -> None:
    (root / "proc/cmdline").write_text(f"{CMDLINE} {options}\n")


def texts(root: Path) -> dict[str, str]:
    """Return the contents that an applied state is known by; images differ from run to run."""
    return {
        name: (root / name).read_text()
        for name in picture(root)
        if (root / name).is_file() and not name.startswith(("boot/initrd", "var/lib/initramfs", "proc/"))
    }


def test_apply_status_rollback(host: Path, fresh: Path) -> None:
    done = run(host, "apply", stdin=changes(host))
    assert done["ok"], done
    assert done["changed"]
    assert done["journal"]["phase"] == "applied"
    assert done["journal"]["skipped"] == ["proxmox-boot-tool refresh"]
    assert {entry["state"] for entry in done["journal"]["steps"]} == {"done"}
    assert (host / "etc/modprobe.d/zz-pvekit-vfio.conf").read_text() == "options vfio-pci ids=10de:1c07\n"
    assert (host / "etc/default/grub").stat().st_mode & 0o777 == 0o640, "an edited file keeps its mode"
    assert "options vfio-pci" in (host / IMAGE.lstrip("/")).read_text()
    back = run(host, "rollback")
    assert back["journal"]["phase"] == "rolled-back"
    assert picture(host) == picture(fresh)
    assert run(host, "rollback") == {"ok": True, "changed": False, "journal": None}


def test_the_copy_in_the_journal_is_enough(host: Path, fresh: Path) -> None:
    """From the console, with nothing but the host's own Python."""
    run(host, "apply", stdin=changes(host))
    program = host / HOME / FOLDER / "passthrough.py"
    assert program.read_bytes() == PROGRAM.read_bytes()
    argv = [sys.executable, "-I", str(program), "--root", str(host), "rollback"]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["ok"]
    assert "put back /etc/default/grub" in done.stderr
    assert picture(host) == picture(fresh)


@SLOW
@pytest.mark.parametrize("trial", [False, True], ids=["plain", "trial"])
def test_killed_at_every_step_of_apply(fresh: Path, tmp_path: Path, trial: bool) -> None:
    """Whatever the moment: status tells, rollback restores every byte, resume ends where apply would have."""
    given = changes(fresh, trial=trial)
    before = picture(fresh)
    whole = copy(fresh, tmp_path / "whole")
    assert run(whole, "apply", stdin=given, steps=tmp_path / "steps")["ok"]
    total = int((tmp_path / "steps").read_text())
    assert total > 100
    cut = tmp_path / "cut"
    for number in range(1, total + 1):
        copy(fresh, cut)
        assert run(cut, "apply", stdin=given, kill=number) == {}, number
        found = phase(cut)
        assert found in (None, "applying", "trial" if trial else "applied"), number
        if found is None:
            assert picture(cut) == before, f"changed before it was written down: {number}"
        if found is None or number % 3 == 0:
            other = copy(cut, tmp_path / "other")
            assert run(other, *(("apply",) if found is None else ("resume",)), stdin=given)["ok"], number
            assert texts(other) == texts(whole), number
        assert run(cut, "rollback")["ok"], number
        assert picture(cut) == before, number


@SLOW
@pytest.mark.parametrize("trial", [False, True], ids=["plain", "trial"])
def test_killed_at_every_step_of_rollback(fresh: Path, tmp_path: Path, trial: bool) -> None:
    before = picture(fresh)
    whole = copy(fresh, tmp_path / "whole")
    assert run(whole, "apply", stdin=changes(fresh, trial=trial))["ok"]
    cut = copy(whole, tmp_path / "cut")
    assert run(cut, "rollback", steps=tmp_path / "steps")["ok"]
    for number in range(1, int((tmp_path / "steps").read_text()) + 1):
        copy(whole, cut)
        assert run(cut, "rollback", kill=number) == {}
        verb = ("resume", "rollback")[number % 2]
        if phase(cut) in ("applied", "trial"):
            verb = "rollback"
        assert run(cut, verb)["ok"], number
        assert picture(cut) == before, number


@SLOW
@pytest.mark.parametrize("trial", [False, True], ids=["plain", "trial"])
def test_what_is_really_planned_comes_back_from_everywhere(fresh: Path, tmp_path: Path, trial: bool) -> None:
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    for name, text in yaml.safe_load((Path(__file__).parent / "changes/z440-off.yml").read_text()).items():
        (bundle / name).write_text(text)
    device = Bdf.parse("03:00.0")
    made = repair.plan(Host("local"), Wish(trial=trial), device=device, bundle=bundle, root=str(fresh))
    given = made.changes.document("now")
    cut = copy(fresh, tmp_path / "cut")
    assert run(cut, "apply", stdin=given, steps=tmp_path / "steps")["ok"]
    for number in range(1, int((tmp_path / "steps").read_text()) + 1, 4):
        copy(fresh, cut)
        assert run(cut, "apply", stdin=given, kill=number) == {}
        if number % 8 == 1:
            run(cut, "resume", kill=number // 2)
        run(cut, "rollback", kill=number // 3)
        assert run(cut, "rollback")["ok"], number
        assert picture(cut) == picture(fresh), number


@SLOW
def test_killed_at_every_step_of_confirm(fresh: Path, tmp_path: Path) -> None:
    trial = copy(fresh, tmp_path / "trial")
    assert run(trial, "apply", stdin=changes(fresh, trial=True))["ok"]
    boots(trial, MARKER)
    whole = copy(trial, tmp_path / "whole")
    assert run(whole, "confirm", steps=tmp_path / "steps")["journal"]["phase"] == "applied"
    assert not (whole / "boot/grub/custom.cfg").exists()
    assert not (whole / f"{IMAGE.lstrip('/')}.pvekit-trial").exists()
    cut = tmp_path / "cut"
    before = copy(fresh, tmp_path / "before")
    boots(before, "")
    for number in range(1, int((tmp_path / "steps").read_text()) + 1, 2):
        copy(trial, cut)
        assert run(cut, "confirm", kill=number) == {}
        if phase(cut) == "confirming":
            assert run(copy(cut, tmp_path / "other"), "boot-check")["journal"]["phase"] == "applied"
            assert texts(tmp_path / "other") == texts(whole), number
        assert run(cut, "rollback")["ok"], number
        boots(cut, "")
        assert texts(cut) == texts(before), number


@SLOW
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kills=st.lists(st.integers(1, 260), max_size=5), trial=st.booleans())
def test_any_number_of_power_cuts_and_then_rollback_is_before(
    fresh: Path, tmp_path: Path, kills: list[int], trial: bool
) -> None:
    """The law: rollback after any prefix of any sequence of interrupted runs gives the tree that was."""
    cut = copy(fresh, tmp_path / "law")
    verbs: Iterator[str] = iter(["apply", "resume", "rollback", "rollback", "resume"])
    for number in kills:
        run(cut, next(verbs), stdin=changes(fresh, trial=trial), kill=number)
    run(cut, "rollback")
    assert picture(cut) == picture(fresh)


def test_a_file_changed_since_the_plan_is_refused_and_nothing_is_done(host: Path) -> None:
    given = changes(host)
    (host / "etc/default/grub").write_text("somebody else's\n")
    before = picture(host)
    done = run(host, "apply", stdin=given)
    assert not done["ok"]
    assert "/etc/default/grub was changed since the plan was made" in done["error"]
    assert picture(host) == before
    assert phase(host) is None


def test_a_file_changed_after_apply_is_not_lost(host: Path, fresh: Path) -> None:
    run(host, "apply", stdin=changes(host))
    (host / "etc/default/grub").write_text("somebody else's\n")
    before = picture(host)
    done = run(host, "rollback")
    assert not done["ok"]
    assert "/etc/default/grub" in done["error"]
    assert picture(host) == before, "nothing half done"
    assert phase(host) == "applied"
    assert run(host, "rollback", "--leave", "/etc/default/grub")["ok"]
    assert (host / "etc/default/grub").read_text() == "somebody else's\n"
    (host / "etc/default/grub").write_bytes((fresh / "etc/default/grub").read_bytes())
    assert texts(host) == texts(fresh)


def test_an_image_made_anew_meanwhile_is_made_again(host: Path) -> None:
    """A kernel update has rebuilt it since: the old copy does not come back, the command runs again."""
    run(host, "apply", stdin=changes(host))
    (host / IMAGE.lstrip("/")).write_text("by a kernel update, options vfio-pci\n")
    assert run(host, "rollback")["ok"]
    text = (host / IMAGE.lstrip("/")).read_text()
    assert text.startswith("initramfs of")
    assert "vfio-pci" not in text
    assert (host / f"boot/initrd.img-{OLDER}").read_text() == "the older initramfs\n"


def test_a_failing_command_leaves_something_that_can_go_on(host: Path, fresh: Path) -> None:
    program = host / "usr/sbin/update-initramfs"
    works = program.read_text()
    program.write_text("#!/bin/sh\necho the disk is full >&2\nexit 1\n")
    done = run(host, "apply", stdin=changes(host))
    assert "update-initramfs -u -k 6.5.13-6-pve ended with 1\n  the disk is full" in done["error"]
    assert phase(host) == "applying"
    again = run(host, "apply", stdin=changes(host))
    assert "not finished" in again["error"]
    program.write_text(works)
    os.utime(program, ns=(1_700_000_000_123_456_789,) * 2)
    assert run(host, "resume")["journal"]["phase"] == "applied"
    assert run(host, "rollback")["ok"]
    assert picture(host) == picture(fresh)


def test_links_are_left_alone(host: Path) -> None:
    given = changes(host)
    target = host / "etc/modprobe.d/zz-pvekit-vfio.conf"
    target.symlink_to("pve-blacklist.conf")
    done = run(host, "apply", stdin=given)
    assert "no ordinary file" in done["error"]
    assert target.is_symlink()


def test_two_at_once(host: Path) -> None:
    run(host, "apply", stdin=changes(host))
    with (host / HOME / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "another run is at work" in run(host, "rollback")["error"]
        assert phase(host) == "applied"


def test_a_torn_last_record_does_not_count(host: Path, fresh: Path) -> None:
    run(host, "apply", stdin=changes(host))
    log = host / HOME / FOLDER / "log"
    log.write_bytes(log.read_bytes() + b'{"at": 17, "op": 3, "st')
    assert phase(host) == "applied"
    assert run(host, "rollback")["ok"]
    assert all(json.loads(line) for line in log.read_text().splitlines())
    assert picture(host) == picture(fresh)


def test_killed_by_another_process(fresh: Path, tmp_path: Path) -> None:
    """kill -9 from outside, at some of the real system calls, with nothing of the test inside the program."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    given = json.dumps(changes(fresh))
    cut = tmp_path / "cut"
    for call, number in [("rename", 1), ("rename", 6), ("fsync", 9), ("fsync", 25), ("fsync", 40), ("vfork", 1)]:
        copy(fresh, cut)
        argv = ["strace", "-qq", "-o", str(tmp_path / "trace"), "-e", f"trace={call}"]
        argv += ["-e", f"inject={call}:signal=KILL:when={number}"]
        argv += [sys.executable, "-I", str(PROGRAM), "--root", str(cut), "apply"]
        done = subprocess.run(argv, input=given, capture_output=True, text=True, check=False)
        if "ptrace" in done.stderr or "Operation not permitted" in done.stderr:
            pytest.skip("this machine allows no tracing")
        if call == "vfork" and done.returncode == 0:
            continue
        assert done.returncode in (-9, 137), (call, number, done.stderr)
        assert run(cut, "rollback")["ok"], (call, number)
        assert picture(cut) == picture(fresh), (call, number)


def test_it_is_python_of_debian_11() -> None:
    ast.parse(PROGRAM.read_text(), feature_version=(3, 9))


# --- the trial boot


@pytest.fixture
def trial(host: Path) -> Path:
    assert run(host, "apply", stdin=changes(host, trial=True))["journal"]["phase"] == "trial"
    return host


def test_before_the_trial_nothing_is_touched_that_the_old_entry_starts_from(trial: Path, fresh: Path) -> None:
    for name in ("boot/grub/grub.cfg", "etc/default/grub", IMAGE.lstrip("/"), f"boot/initrd.img-{OLDER}"):
        assert (trial / name).read_bytes() == (fresh / name).read_bytes(), name
    assert "next_entry=pvekit-trial" in (trial / "boot/grub/grubenv").read_text()
    assert "options vfio-pci" in (trial / f"{IMAGE.lstrip('/')}.pvekit-trial").read_text()


def test_the_trial_that_did_not_come_back(trial: Path, fresh: Path) -> None:
    """GRUB forgot the entry as it started it, and the old one came up."""
    (trial / "boot/grub/grubenv").write_text("# GRUB Environment Block\nnext_entry=\n")
    done = run(trial, "boot-check")
    assert done["journal"]["phase"] == "rolled-back"
    assert "did not come up" in done["journal"]["notes"][0]
    assert not (trial / "../systemctl").exists(), "the old entry runs already"
    assert picture(trial) == picture(fresh)


def test_the_check_at_boot_that_cannot_put_back_says_so_once(trial: Path) -> None:
    (trial / "etc/modprobe.d/pve-blacklist.conf").write_text("somebody else's\n")
    for _ in range(3):
        assert "changed by somebody else" in run(trial, "boot-check")["error"]
    told = run(trial, "status")["journal"]
    assert told["phase"] == "trial"
    assert len(told["notes"]) == 1


def test_the_trial_without_network_gives_up_and_restarts(trial: Path, fresh: Path) -> None:
    boots(trial, MARKER)
    (trial / "sys/class/net/vmbr0/operstate").write_text("down\n")
    done = run(trial, "boot-check")
    assert done["journal"]["notes"] == ["no network within 4 s"]
    assert (trial / "../systemctl").read_text() == "reboot\n"
    assert texts(trial).keys() == texts(fresh).keys()
    assert phase(trial) == "rolled-back"


def test_the_trial_that_nobody_confirms(trial: Path) -> None:
    boots(trial, MARKER)
    done = run(trial, "boot-check")
    assert done["journal"]["notes"][-1] == "nobody confirmed within 4 s"
    assert phase(trial) == "rolled-back"


def test_the_trial_that_is_confirmed_while_the_check_waits(trial: Path) -> None:
    boots(trial, MARKER)
    tree = HOST.Tree(str(trial))
    naps = []

    def sleep(seconds: float) -> None:
        naps.append(seconds)
        if len(naps) == 1:
            assert run(trial, "confirm")["ok"]

    done = HOST.boot_check(tree, sleep=sleep, clock=lambda: float(len(naps)))
    assert done["journal"]["phase"] == "applied"
    assert "options vfio-pci" in (trial / IMAGE.lstrip("/")).read_text()


def test_only_the_trial_boot_can_be_confirmed(trial: Path) -> None:
    done = run(trial, "confirm")
    assert "has not started the trial entry" in done["error"]
    assert phase(trial) == "trial"


def test_power_cut_between_the_entry_for_one_boot_and_its_record(trial: Path) -> None:
    log = trial / HOME / FOLDER / "log"
    kept = log.read_text().splitlines(keepends=True)
    assert '"phase": "trial"' in kept.pop()
    log.write_text("".join(kept))
    boots(trial, MARKER)
    assert run(trial, "boot-check")["journal"]["notes"][-1] == "nobody confirmed within 4 s"
