"""Every command, used as a person would."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import click
import pytest
import yaml

from pvekit.cli.main import pvekit_group
from tests.helpers.cli_room import Place

COMMANDS = pvekit_group.list_commands(click.Context(pvekit_group))


def test_help_lists_every_command_in_full(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    result = place.run("--help").ended(0)
    for name in COMMANDS:
        assert f"\n  {name} " in result.out, name
    assert "..." not in result.out.partition("Commands:")[2], "a description is cut off"


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of(place: Place, name: str) -> None:
    result = place.run(name, "--help").ended(0).says(f"Usage: pvekit {name}")
    assert pvekit_group.get_command(None, name).help  # type: ignore[arg-type, union-attr]
    assert "\n  -h, --help" in result.out
    assert "..." not in result.out.replace("]...", "")


def test_help_loads_next_to_nothing() -> None:
    """What starts slowly is loaded by those commands only that need it."""
    heavy = {
        "pydantic",
        "requests",
        "proxmoxer",
        "paramiko",
        "ansible_runner",
        "rich",
        "yaml",
        "jinja2",
        "cryptography",
    }
    code = "import sys; from pvekit.cli.main import run; run(['--help']); print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not heavy & set(done.stderr.split())


def test_version(place: Place) -> None:
    place.run("--version").ended(0).says("pvekit 0.")


def test_validate_and_schema(place: Place) -> None:
    stack = place.stack("valid", "  one: {}\n  two: {}\n")
    place.run("validate", stack).ended(0).says("good, 2 VMs")
    schema = json.loads(place.run("schema").ended(0).out)
    assert schema["properties"]["vms"]


def test_the_stack_file_may_be_left_out(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.stack("home", "  one: {}\n", file="stack.yaml")
    place.run("validate").ended(0).says("stack.yaml: good, 1 VM")
    other = place.stack("other", "  one: {}\n  two: {}\n")
    monkeypatch.setenv("PVEKIT_STACK", str(other))
    place.run("validate").ended(0).says("other.yaml: good, 2 VMs")


def test_plan(place: Place) -> None:
    stack = place.stack("plan", "  one: {}\n  two: {cores: 2}\n")
    place.run("plan", stack).ended(2).says("plan: 2 VMs to create", "+ one", "+ two", "1G on local from tiny")
    place.run("plan", stack).says("cores: 2", "then: start, wait for the guest", "costs:", "3 virtual CPUs")
    out = place.folder / "plan.json"
    result = place.run("plan", stack, "--json", "--out", out, "--only", "two").ended(2)
    plan = json.loads(result.out)
    assert plan == json.loads(out.read_text())
    assert {action["vm"] for action in plan["actions"]} == {"", "two"}
    place.run("plan", stack, "--out", "no/such/folder/x").ended(1).says("no/such/folder/x", "error: ")


def test_up_as_json(place: Place) -> None:
    stack = place.stack("events", "  one: {}\n")
    events = place.run("up", stack, "--yes", "--json").ended(0).events()
    assert events[0]["event"] == "plan"
    assert events[-1]["event"] == "end"
    assert events[-1]["reached"][0]["vm"] == "one"
    assert events[-1]["left"] == []
    done = [event["step"] for event in events if event["event"] == "done"]
    assert done[-2:] == ["provision", "verify"]
    again = place.run("up", stack, "--yes", "--json").ended(0).events()
    assert [event["event"] for event in again] == ["plan"]
    removed = place.run("down", stack, "--confirm", "events", "--json").ended(0).events()
    assert removed[0]["removal"]["vms"][0]["vm"] == "one"
    assert removed[-1] == {"event": "end", "code": 0, "failed": []}


def test_up_only_then_the_rest_then_nothing(place: Place) -> None:
    stack = place.stack("only", "  one: {}\n  two: {}\n")
    place.run("up", stack, "-y", "--only", "one").ended(0)
    assert set(place.vms("only")) == {"one"}
    place.run("plan", stack).ended(2).says("1 VM to create", "+ two")
    place.run("up", stack, "-y").ended(0)
    begun = place.wrote()
    place.run("up", stack).ended(0).says("only: no changes.")
    assert begun() == 0
    row = place.vms("only")["two"]
    place.lab.wait(place.api.post(f"/nodes/pve/qemu/{row['vmid']}/status/stop"))
    place.run("status", stack).ended(0).says("stopped")
    place.run("up", stack, "-y").ended(0).says("two: start ok")
    assert place.vms("only")["two"]["status"] == "running"
    place.run("down", stack, "--confirm", "only", "--only", "two").ended(0)
    assert set(place.vms("only")) == {"one"}
    place.run("down", stack, "--confirm", "only").ended(0)


def test_changes_that_need_a_restart(place: Place) -> None:
    place.run("up", place.stack("more", "  one: {}\n"), "-y").ended(0)
    stack = place.stack("more", "  one: {cores: 2, disks: [{size: 2GiB}], tags: [web]}\n")
    place.run("plan", stack).ended(2).says("~ one", "cores: 1 -> 2", "forecast: needs a restart", "1G -> 2G", "[live]")
    place.run("up", stack, "-y").ended(0).says(f"wait for a restart (pvekit restart -s {stack} one)")
    place.run("status", stack).ended(0).says("cores")
    place.run("restart", "-s", stack, "one").ended(0).says("one: start ok")
    status = json.loads(place.run("status", stack, "--json").ended(0).out)
    assert status[0]["waiting"] == []
    assert status[0]["stage"] == "ready"
    place.run("down", stack, "--confirm", "more").ended(0)


def test_answering_no_and_nobody_to_answer(place: Place) -> None:
    stack = place.stack("asked", "  one: {}\n")
    begun = place.wrote()
    place.run("up", stack, typed="n\n").ended(1).says("nothing was changed")
    place.run("up", stack).ended(1).says("no terminal to ask on", "--yes")
    assert begun() == 0
    place.run("up", stack, typed="y\n").ended(0)
    place.run("down", stack, typed="wrong\n").ended(1).says("that is not the stack's name (asked): nothing was removed")
    place.run("down", stack).ended(1).says("--confirm asked")
    assert set(place.vms("asked")) == {"one"}
    place.run("down", stack, typed="asked\n").ended(0)
    assert place.vms("asked") == {}


def test_inventory(place: Place) -> None:
    stack = place.stack("inv", "  one: {tags: [web]}\n")
    place.run("up", stack, "-y").ended(0)
    document = json.loads(place.run("inventory", stack).ended(0).out)
    assert document["pvekit_web"]["hosts"] == ["one"]
    host = json.loads(place.run("inventory", stack, "--host", "one").ended(0).out)
    assert host == document["_meta"]["hostvars"]["one"]
    assert json.loads(place.run("inventory", stack, "--host", "two").ended(0).out) == {}
    place.run("down", stack, "--confirm", "inv").ended(0)


def test_snapshot_and_rollback(place: Place) -> None:
    stack = place.stack("snap", "  one: {}\n")
    place.run("snapshot", "-s", stack, "one", "s1").ended(9).says("one does not exist yet", "pvekit up")
    place.run("up", stack, "-y").ended(0)
    place.run("rollback", "-s", stack, "one", "s1", "-y").ended(9).says(
        "no snapshot s1", f"pvekit snapshot -s {stack} one NAME"
    )
    place.run("snapshot", "-s", stack, "one", "s1").ended(0).says("one: snapshot ok")
    place.run("rollback", "-s", stack, "one", "s1").ended(1).says("--yes")
    place.run("rollback", "-s", stack, "one", "s1", "-y").ended(0)
    place.run("rollback", "-s", stack, "one", "s2", "-y").ended(9).says("It has: s1")
    place.run("snapshot", "-s", stack, "two", "s1").ended(9).says("the stack has no VM two", "It has: one")
    place.run("down", stack, "--confirm", "snap").ended(0)
    assert not any("snap" in volume for volume in place.volumes())


def test_logs(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    from pvekit.lab import hollow

    files = hollow.guest_files
    stack = place.stack("logs", "  one: {}\n")
    place.run("up", stack, "-y").ended(0)
    place.run("logs", "-s", stack, "one").ended(12).says(
        "logs cannot be read", f"pvekit console -s {stack} one", "--tasks"
    )
    place.run("logs", "-s", stack, "one", "--tasks").ended(0).says("qmcreate", "qmstart", "OK", "UPID:pve:")
    log = {"/var/log/cloud-init-output.log": b"Cloud-init v. 25.1 finished\n"}
    with monkeypatch.context() as patch:
        patch.setattr(hollow, "guest_files", lambda vmid, name: {**files(vmid, name), **log})
        place.run("logs", "-s", stack, "one").ended(0).says("Cloud-init v. 25.1 finished")
    row = place.vms("logs")["one"]
    place.lab.wait(place.api.post(f"/nodes/pve/qemu/{row['vmid']}/status/stop"))
    place.run("logs", "-s", stack, "one").ended(12).says("one is stopped")
    place.run("console", "-s", stack, "one").ended(12).says("one is stopped")
    place.run("ssh", "-s", stack, "one").ended(12).says("one is stopped")
    place.run("down", stack, "--confirm", "logs").ended(0)


def test_doctor(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    checks = json.loads(place.run("doctor", "env", "--json").out)
    assert {"python", "ssh"} <= {check["what"] for check in checks}
    monkeypatch.setenv("PATH", str(place.folder))
    result = place.run("doctor", "env").ended(1)
    result.says("MISSING", "qemu-system-x86_64", "sudo apt-get install", "openssh-client")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(place: Place, shell: str) -> None:
    result = place.run("completion", shell).ended(0).says("_PVEKIT_COMPLETE", "pvekit")
    if shell == "bash":
        script = place.folder / "completion"
        script.write_text(result.out)
        subprocess.run(["bash", "-n", str(script)], check=True)


def test_example_stacks_are_valid(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    home = place.folder / "home" / ".ssh"
    home.mkdir(parents=True)
    (home / "id_ed25519.pub").write_text(
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f\n"
    )
    monkeypatch.setenv("HOME", str(home.parent))
    for path in sorted((Path(__file__).parents[2] / "inventory").glob("*.yaml")):
        result = place.run("validate", path)
        problems = [line for line in result.err.splitlines() if line.startswith(str(path))]
        later = [line for line in problems if "this version of pvekit cannot build" in line]
        assert problems == later, result.text
        assert yaml.safe_load(path.read_text())["pvekit"] == 1
