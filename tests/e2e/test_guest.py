"""One real guest, end to end, through the front door: what a person types, and what they see afterwards."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.helpers.person import Person

pytestmark = [pytest.mark.guest, pytest.mark.slow]

STACK = """\
pvekit: 1
name: e2e
host: lab
defaults: {storage: local, updates: none}
images:
  debian-13: {build: debian-13}
vms:
  web:
    kind: debian
    image: debian-13
    memory: 1GiB
    disks: [{size: 3GiB}, {size: 1GiB, serial: data}]
    password: "file:./password"
    timezone: Europe/Berlin
    users:
      - {name: anna, ssh_keys: ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEeCLyN8cGB0UsTZ2BzjNPfkMmsIvUbtOQOYLrBLCRNW"]}
    user_data: {write_files: [{path: /etc/motd, content: "made by a test\\n"}]}
    ansible: {playbooks: [./site.yml], vars: {greeting: hello, token: {secret: "file:./password"}}}
    ready: {tcp: [22], within: 8m}
"""

SITE = """\
- hosts: all
  gather_facts: false
  become: true
  tasks:
    - name: Leave a greeting
      ansible.builtin.copy: {content: "{{ greeting }}\\n", dest: /etc/greeting, mode: "0644"}
"""

PASSWORD = "quiet-otter-lamp-5"


@pytest.fixture(scope="module")
def person(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Person]:
    somebody = Person(tmp_path_factory.mktemp("home"), STACK)
    (somebody.folder / "site.yml").write_text(SITE)
    somebody.secret("password", PASSWORD)
    yield somebody
    somebody.types("lab", "reset", "--yes")


def test_up_brings_a_verified_guest(person: Person) -> None:
    assert "1 VM to create" in person.types("plan", "stack.yaml", code=2)
    with person.watched() as watch:
        out = person.types("up", "stack.yaml", "--yes")
    assert watch.found == set()
    assert "provision ok" in out
    assert "ssh ops@127.77." in out


def test_the_guest_is_what_the_stack_says(person: Person) -> None:
    """Asked of the guest itself, over SSH with the pinned host key."""
    script = (
        "hostname; cat /etc/greeting /etc/motd; basename $(readlink /etc/localtime); id -un anna;"
        "lsblk -dno SERIAL,SIZE | grep -w data; grep -c ed25519 /home/anna/.ssh/authorized_keys; findmnt -bno SIZE /"
    )
    lines = person.types("ssh", "web", "--", f"sudo sh -c '{script}'").split("\n")
    assert [" ".join(line.split()) for line in lines[:7]] == [
        "web",
        "hello",
        "made by a test",
        "Berlin",
        "anna",
        "data 1G",
        "1",
    ]
    # The root file system has grown to the disk that the stack asked for.
    assert int(lines[7]) > 2.6 * 2**30


def test_a_second_run_changes_nothing(person: Person) -> None:
    assert "no changes" in person.types("up", "stack.yaml", "--yes")
    assert "no changes" in person.types("plan", "stack.yaml")


def test_status_and_logs_tell_the_truth(person: Person) -> None:
    (row,) = json.loads(person.types("status", "stack.yaml", "--json"))
    assert (row["state"], row["stage"], row["vm"]) == ("running", "ready", "web")
    assert "Cloud-init" in person.types("logs", "web")


def test_the_guest_keeps_its_host_key_without_the_seed(person: Person) -> None:
    """The seed is gone; a restart must not make the guest take itself for a new one."""
    person.types("restart", "web")
    person.types("up", "stack.yaml", "--yes", "--provision")
    assert "web" in person.types("ssh", "web", "--", "hostname")


def test_rollback_brings_back_what_was(person: Person) -> None:
    person.types("snapshot", "web", "before")
    person.types("ssh", "web", "--", "sudo rm /etc/greeting && sync")
    person.types("rollback", "web", "before", "--yes")
    person.types("up", "stack.yaml", "--yes", "--provision")
    assert person.types("ssh", "web", "--", "cat /etc/greeting") == "hello\n"


def test_no_secret_was_shown_or_left(person: Person) -> None:
    assert person.leaked() == []
    assert not list(person.folder.rglob("*.iso"))


def test_down_leaves_nothing(person: Person) -> None:
    out = person.types("down", "stack.yaml", "--confirm", "e2e")
    assert out.count("freed:") == 2
    assert "missing" in person.types("status", "stack.yaml")
    left = [p.name for p in (person.folder / "data" / "pvekit" / "lab").rglob("vm-*")]
    assert left == []
