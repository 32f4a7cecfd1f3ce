"""plan, apply, confirm, rollback and status as a person uses them, and the playbook by hand, on a tree of files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from click.testing import CliRunner, Result

from pvekit.adapters.data import playbook
from pvekit.adapters.sshkeys import HostKeyMismatch
from pvekit.cli.passthrough_repair import COMMANDS
from pvekit.model.errors import Conflict, PreflightRefused, ProvisionFailed, PvekitError, TaskFailed
from pvekit.workflows import repair
from pvekit.workflows.collect import Host
from pvekit.workflows.repair_reach import reach
from tests.passthrough.hosttree import CMDLINE, build, picture
from tests.passthrough.killer import run as program
from tests.rootstep.sshnode import SshNode, need_namespaces, start

CASES = Path(__file__).parent / "changes"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return build(tmp_path / "host")


@pytest.fixture
def evidence(tmp_path: Path) -> Path:
    """A bundle of a host whose kernel does not use the IOMMU by itself."""
    folder = tmp_path / "bundle"
    folder.mkdir()
    for name, text in yaml.safe_load((CASES / "z440-off.yml").read_text()).items():
        (folder / name).write_text(text)
    return folder


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return


group = click.Group("passthrough", commands={command.name or "": command for command in COMMANDS})


def pvekit(*arguments: object) -> Result:
    return CliRunner().invoke(group, [str(word) for word in arguments], standalone_mode=False)


def planned(tree: Path, evidence: Path, *more: str) -> list[object]:
    return ["local", "--root", tree, "--evidence", evidence, "--device", "03:00.0", *more]


def test_plan_shows_the_diff_and_changes_nothing(tree: Path, evidence: Path) -> None:
    before = picture(tree, journals=True)
    done = pvekit("plan", *planned(tree, evidence))
    assert done.return_value == 2, done.exception
    assert "broken: intel_iommu=on is missing (KC-01" in done.output
    assert "--- /dev/null\n+++ b/etc/default/grub.d/pvekit-passthrough.cfg\n@@ -0,0 +1,3 @@\n" in done.output
    assert '+GRUB_CMDLINE_LINUX_DEFAULT="${GRUB_CMDLINE_LINUX_DEFAULT} intel_iommu=on"' in done.output
    assert "why: KC-01" in done.output
    assert "risk: a wrong option here can keep the host from starting" in done.output
    assert "update-initramfs -u -k 6.5.13-6-pve" in done.output
    assert "takes effect with the next start of the host" in done.output
    assert picture(tree, journals=True) == before
    told = json.loads(pvekit("plan", *planned(tree, evidence, "--json")).output)
    assert told["root_cause"] == "KC-01"
    assert [step["argv"][0] for step in told["steps"]] == ["update-initramfs", "update-initramfs", "update-grub"]


def test_apply_status_rollback(tree: Path, evidence: Path, tmp_path: Path) -> None:
    before = picture(tree)
    assert "has not changed this host" in pvekit("status", "local", "--root", tree).output
    done = pvekit("apply", *planned(tree, evidence, "--yes"))
    assert done.exception is None, done.output
    assert ": applied" in done.output
    assert "intel_iommu=on" in (tree / "boot/grub/grub.cfg").read_text()
    assert "options vfio-pci ids=10de:1c07" in (tree / "boot/initrd.img-6.2.16-20-pve").read_text()
    (kept,) = (tmp_path / "data/pvekit/passthrough/local").glob("0001-*")
    told = json.loads((kept / "before.json").read_text())
    assert told["before"]["/etc/default/grub.d/pvekit-passthrough.cfg"] is None
    there = tree / "var/lib/pvekit/passthrough" / kept.name / "changes.json"
    ours = json.loads((kept / "changes.json").read_text())
    assert [op["path"] for op in json.loads(there.read_text())["ops"] if op["kind"] == "file"] == [
        op["path"] for op in ours["ops"] if op["kind"] == "file"
    ]
    state = pvekit("status", "local", "--root", tree)
    assert state.return_value == 0
    again = pvekit("plan", *planned(tree, evidence))
    assert "/etc/" not in again.output.partition("then:")[0].partition("nothing")[0]
    back = pvekit("rollback", "local", "--root", tree, "--yes")
    assert "taken back: every file is as it was" in back.output
    assert picture(tree) == before
    assert "nothing to take back" in pvekit("rollback", "local", "--root", tree, "--yes").output


def test_an_interrupted_apply_goes_on(tree: Path, evidence: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = picture(tree)
    update = tree / "usr/sbin/update-grub"
    works = update.read_text()
    update.write_text("#!/bin/sh\nexit 3\n")
    done = pvekit("apply", *planned(tree, evidence, "--yes"))
    assert isinstance(done.exception, ProvisionFailed)
    assert "update-grub ended with 3" in done.exception.message
    state = pvekit("status", "local", "--root", tree)
    assert state.return_value == 2
    assert "interrupted: run apply again to go on" in state.output
    assert "cut off  update-grub" in state.output
    update.write_text(works)
    os.utime(update, ns=(1_700_000_000_123_456_789,) * 2)
    assert isinstance(pvekit("apply", *planned(tree, evidence, "--yes", "--reboot")).exception, PreflightRefused)
    assert pvekit("status", "local", "--root", tree).return_value == 2, "nothing is gone on with before it is refused"
    restarted: list[str] = []
    monkeypatch.setattr(repair, "refuse_restart_here", lambda _host: None)
    monkeypatch.setattr(repair, "restart", lambda host, **_: restarted.append(host.name))
    assert ": applied" in pvekit("apply", *planned(tree, evidence, "--yes", "--reboot")).output
    assert restarted == ["local"]
    assert pvekit("rollback", "local", "--root", tree, "--yes").exception is None
    assert picture(tree) == before


def test_a_trial_is_confirmed(tree: Path, evidence: Path) -> None:
    before = picture(tree)
    done = pvekit("apply", *planned(tree, evidence, "--yes", "--trial"))
    assert "[after the trial is confirmed]" in done.output
    assert "waiting for the trial boot" in done.output
    assert "panic=30 pvekit.trial=" in (tree / "boot/grub/custom.cfg").read_text()
    assert isinstance(pvekit("confirm", "local", "--root", tree).exception, TaskFailed), "it was not started yet"
    assert isinstance(pvekit("apply", *planned(tree, evidence, "--yes")).exception, Conflict)
    state = repair.status(Host("local"), root=str(tree))
    assert state is not None
    marker = f"pvekit.trial={state.name[5:]}"
    (tree / "proc/cmdline").write_text(f"{CMDLINE} intel_iommu=on panic=30 {marker}\n")
    assert "this boot is the trial" in pvekit("status", "local", "--root", tree).output
    assert ": applied" in pvekit("confirm", "local", "--root", tree).output
    assert not (tree / "boot/grub/custom.cfg").exists()
    assert "intel_iommu=on" in (tree / "boot/grub/grub.cfg").read_text()
    (tree / "proc/cmdline").write_text(f"{CMDLINE}\n")
    os.utime(tree / "proc/cmdline", ns=(1_700_000_000_123_456_789,) * 2)
    pvekit("rollback", "local", "--root", tree, "--yes")
    assert picture(tree) == before


def test_no_trial_where_grub_could_not_forget_it(tree: Path, evidence: Path) -> None:
    (tree / "proc/self/mountinfo").write_text("25 1 253:1 / / rw shared:1 - zfs rpool/ROOT/pve-1 rw\n")
    done = pvekit("plan", *planned(tree, evidence, "--trial"))
    assert isinstance(done.exception, PreflightRefused)
    assert "GRUB cannot write to zfs" in str(done.exception)


def test_pvekit_does_not_restart_its_own_machine(tree: Path, evidence: Path) -> None:
    before = picture(tree, journals=True)
    done = pvekit("apply", *planned(tree, evidence, "--yes", "--reboot"))
    assert isinstance(done.exception, PreflightRefused)
    assert picture(tree, journals=True) == before


def test_what_the_host_cannot_be_without_is_not_given_away(tree: Path, evidence: Path, tmp_path: Path) -> None:
    before = picture(tree, journals=True)
    groups = evidence / "iommu_groups.txt"
    listed = "IOMMU Group 31 03:00.0 3D controller [0302]: NVIDIA Corporation GP106 [P106-100] [10de:1c07] (rev a1)\n"
    nic = "IOMMU Group 31 00:19.0 Ethernet controller [0200]: Intel Corporation I218-LM [8086:15a0] (rev 05)\n"
    groups.write_text(listed + nic)
    (evidence / "host_uses.txt").write_text("0000:00:19.0 nic default-route vmbr0\n")
    out = tmp_path / "changes.json"
    for command in (("plan", "--out", out), ("plan", "--json"), ("apply", "--yes")):
        done = pvekit(command[0], *planned(tree, evidence), *command[1:])
        assert isinstance(done.exception, PreflightRefused), done.output
        assert done.exception.code == 8
        assert done.exception.reasons == (
            "the host cannot be without it: 0000:00:19.0 is the network card of the default route (vmbr0)",
        )
        assert "--accept-loss" in done.exception.hint
        assert "0000:00:19.0 is the network card of the default route" in " ".join(done.output.split())
    assert not out.exists()
    assert picture(tree, journals=True) == before
    assert "Write it as lspci does" in str(pvekit("plan", *planned(tree, evidence), "--accept-loss", "nic").exception)
    accepted = pvekit("plan", *planned(tree, evidence), "--accept-loss", "00:19.0")
    assert accepted.return_value == 2
    assert "the host loses it, as accepted" in " ".join(accepted.output.split())
    assert pvekit("apply", *planned(tree, evidence, "--yes"), "--accept-loss", "00:19.0").exception is None


def test_without_an_answer_nothing_is_done(tree: Path, evidence: Path) -> None:
    before = picture(tree, journals=True)
    done = pvekit("apply", *planned(tree, evidence))
    assert isinstance(done.exception, PvekitError | click.Abort)
    assert picture(tree, journals=True) == before


def ansible(tree: Path, home: Path, *variables: str) -> subprocess.CompletedProcess[str]:
    """Run the playbook as a person does, with nothing of pvekit's around it."""
    argv = [sys.executable, "-m", "ansible", "playbook", "-i", "localhost,", "-c", "local"]
    argv.append(str(playbook("passthrough")))
    for each in (f"pvekit_passthrough_root={tree}", f"ansible_python_interpreter={sys.executable}", *variables):
        argv += ["-e", each]
    env = {"PATH": os.environ["PATH"], "HOME": str(home), "LC_ALL": "C.UTF-8", "ANSIBLE_NOCOLOR": "1",
           "PYTHONPATH": os.pathsep.join(sys.path), "TMPDIR": str(home), "USER": "root"}  # fmt: skip
    return subprocess.run(argv, env=env, cwd=home, capture_output=True, text=True, check=False)


def recap(done: subprocess.CompletedProcess[str]) -> dict[str, int]:
    assert done.returncode == 0, done.stdout + done.stderr
    words = done.stdout.strip().splitlines()[-1].partition(":")[2].split()
    return {name: int(count) for name, _, count in (word.partition("=") for word in words)}


def test_the_playbook_by_hand(tree: Path, evidence: Path, tmp_path: Path) -> None:
    before = picture(tree)
    out = tmp_path / "changes.json"
    assert pvekit("plan", *planned(tree, evidence, "--out", str(out))).return_value == 2
    assert recap(ansible(tree, tmp_path, f"pvekit_passthrough_changes={out}"))["changed"] >= 1
    assert "intel_iommu=on" in (tree / "boot/grub/grub.cfg").read_text()
    assert recap(ansible(tree, tmp_path, "pvekit_passthrough_do=status"))["changed"] == 0
    assert recap(ansible(tree, tmp_path, "pvekit_passthrough_do=rollback"))["changed"] == 1
    assert picture(tree) == before


def test_the_playbook_plans_when_only_the_card_is_named(tree: Path, tmp_path: Path) -> None:
    """pvekit is run on this machine for the plan; here a stand-in that shows how."""
    asked = tmp_path / "asked"
    fake = tmp_path / "pvekit"
    empty: dict[str, Any] = {"version": 1, "id": "ab12cd34", "folder": "0001-ab12cd34", "ops": [], "trial": None}
    script = f'echo "$*" >{asked}\nfor out; do :; done\necho \'{json.dumps(empty)}\' >"$out"\nexit 2\n'
    fake.write_text(f"#!/bin/sh\n{script}")
    fake.chmod(0o755)
    done = ansible(
        tree, tmp_path, "pvekit_passthrough_device=0000:01:00.0", json.dumps({"pvekit_passthrough_pvekit": [str(fake)]})
    )
    assert recap(done)["failed"] == 0
    words = asked.read_text().split()
    assert words[:2] == ["passthrough", "plan"]
    assert words[3:6] == ["--device", "0000:01:00.0", "--out"]


def test_the_playbook_says_what_the_host_refused(tree: Path, evidence: Path, tmp_path: Path) -> None:
    out = tmp_path / "changes.json"
    pvekit("plan", *planned(tree, evidence, "--out", str(out)))
    (tree / "etc/default/grub.d").mkdir()
    (tree / "etc/default/grub.d/pvekit-passthrough.cfg").write_text("somebody was faster\n")
    done = ansible(tree, tmp_path, f"pvekit_passthrough_changes={out}")
    assert done.returncode != 0
    assert "was changed since the plan was made" in done.stdout
    assert program(tree, "status")["journal"] is None


@pytest.fixture
def node(tmp_path: Path) -> Iterator[SshNode]:
    need_namespaces()
    made = start(tmp_path / "node", {})
    yield made
    made.close()


def test_over_ssh(node: SshNode, tree: Path, evidence: Path) -> None:
    """The program by pvekit's own SSH, the playbook by OpenSSH, with one pinned key."""
    before = picture(tree)
    host = [f"root@127.0.0.1:{node.port}", "--root", tree, "--key", node.key, "--host-key", node.host_key]
    given = [*host, "--evidence", evidence, "--device", "03:00.0"]
    assert pvekit("plan", *given).return_value == 2
    assert picture(tree) == before
    done = pvekit("apply", *given, "--yes")
    assert done.exception is None, done.output
    assert ": applied" in done.output
    assert "intel_iommu=on" in (tree / "boot/grub/grub.cfg").read_text()
    assert pvekit("status", *host).return_value == 0
    assert "taken back" in pvekit("rollback", *host, "--yes").output
    assert picture(tree) == before


def test_another_host_key_ends_it(node: SshNode, tree: Path, evidence: Path) -> None:
    done = pvekit(
        *("plan", f"root@127.0.0.1:{node.port}", "--root", tree, "--key", node.key, "--host-key", KEY),
        *("--evidence", evidence),
    )
    assert isinstance(done.exception, HostKeyMismatch)


def test_one_set_of_pinned_keys_for_ssh_and_for_the_playbook(tmp_path: Path) -> None:
    reached = reach(Host("anna@192.0.2.7:2222", host_key=KEY, key=tmp_path / "id"))
    assert reached.sudo, "another user than root goes through sudo"
    inventory = reached.inventory(tmp_path)
    assert (tmp_path / "known_hosts").read_text() == f"[192.0.2.7]:2222 {KEY}\n"
    (machine,) = inventory.hosts
    assert (machine.user, machine.address, machine.port) == ("anna", "192.0.2.7", 2222)
    assert not reach(Host("192.0.2.7", host_key=KEY, key=tmp_path / "id")).sudo
