"""A server and a desktop from one image, through the front door; what they promise is asked of them by other means."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from pvekit import guests
from pvekit.adapters.data import data_dir, playbook
from pvekit.adapters.stackfile import load_stack
from tests.desktop import rdp
from tests.helpers.person import Person

pytestmark = [pytest.mark.guest, pytest.mark.slow]

STACK = """\
pvekit: 1
name: seats
host: lab
defaults:
  storage: local
  image: debian-13-desktop
  disks: [{size: 5GiB}]
  user: anna
  timezone: Europe/Berlin
  updates: security
  users:
    - name: ben
      sudo: true
      ssh_keys: ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEeCLyN8cGB0UsTZ2BzjNPfkMmsIvUbtOQOYLrBLCRNW"]
images:
  debian-13-desktop: {build: debian-13-desktop}
vms:
  server: {kind: debian, memory: 1GiB}
  desk:
    kind: debian
    memory: 2GiB
    desktop: true
    locale: de_DE.UTF-8
    keyboard: de
    password: "file:./password"
    ready: {tcp: [3389]}
"""
PASSWORD = "Correct-Horse-7"
CHECK = Path(__file__).parents[1] / "desktop" / "check.sh"


@pytest.fixture(scope="module")
def person(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Person]:
    somebody = Person(tmp_path_factory.mktemp("seats"), STACK)
    somebody.secret("password", PASSWORD)
    yield somebody
    somebody.types("lab", "reset", "--yes")


@pytest.fixture(scope="module")
def addresses(person: Person) -> dict[str, str]:
    person.types("up", "stack.yaml", "--yes", timeout=1500)
    return {row["vm"]: row["address"] for row in json.loads(person.types("status", "stack.yaml", "--json"))}


@pytest.mark.parametrize(("vm", "kind", "promises"), [("server", "server", 14), ("desk", "desktop", 21)])
def test_the_guest_is_what_the_stack_says(
    person: Person, addresses: dict[str, str], vm: str, kind: str, promises: int
) -> None:
    assert vm in addresses
    script = CHECK.read_text().replace("'", "'\\''")
    lines = person.types("ssh", vm, "--", f"sudo sh -c '{script}' sh {kind}").splitlines()
    assert [line for line in lines if not line.startswith("ok ")] == []
    assert len(lines) == promises


@pytest.mark.parametrize("name", ["base", "desktop"])
def test_a_second_run_of_each_playbook_changes_nothing(person: Person, addresses: dict[str, str], name: str) -> None:
    """By ansible-playbook itself, with the stack as its inventory."""
    stack = load_stack(person.folder / "stack.yaml", guests.kinds())
    on = [vm for vm in stack.vms if vm.linux.desktop or name == "base"]
    hosts = {vm.name: dict(guests.desired(stack, vm).provisioning.variables) for vm in on}
    inventory = data_dir("inventory") / "pvekit_inventory.py"
    for vm, variables in hosts.items():
        (person.folder / "variables.json").write_text(json.dumps(variables))
        argv = [sys.executable, "-m", "ansible", "playbook", "-i", str(inventory), "--limit", vm]
        argv += ["-e", "@variables.json", str(playbook(name))]
        person.env |= {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "LC_ALL": "C.UTF-8"}
        # Ansible's own ten seconds are too few for sudo in an emulated guest.
        person.env |= {"ANSIBLE_TIMEOUT": "60", "ANSIBLE_PIPELINING": "True"}
        recap = person.runs(argv).splitlines()[-2]
        assert "changed=0 " in recap
        assert "failed=0 " in recap


def test_nothing_is_left_to_do(person: Person, addresses: dict[str, str]) -> None:
    assert "no changes" in person.types("plan", "stack.yaml")


def test_remote_desktop_speaks_tls_only(addresses: dict[str, str]) -> None:
    taken, reason, _ = rdp.negotiate(addresses["desk"], rdp.OLD_RDP)
    assert (taken, reason) == (False, 1), "SSL_REQUIRED_BY_SERVER"
    taken, _, certificate = rdp.negotiate(addresses["desk"], rdp.TLS)
    assert taken
    assert isinstance(certificate, x509.Certificate)
    (name,) = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    assert name.value == "desk"


@pytest.mark.skipif(bool(rdp.LACKING), reason=f"not installed: {', '.join(rdp.LACKING)}")
def test_a_wrong_password_is_refused(person: Person, addresses: dict[str, str], tmp_path: Path) -> None:
    with rdp.login(addresses["desk"], "anna", "not-" + PASSWORD, tmp_path / "wrong") as screen:
        seen = screen.until(rdp.shows_message, 90)
    (tmp_path / "wrong.png").write_bytes(seen.png())
    assert rdp.shows_message(seen), f"see {tmp_path}/wrong.png"
    said = person.types("ssh", "desk", "--", "sudo journalctl -b -u xrdp-sesman --no-pager; pgrep -c -u anna Xorg || :")
    assert "AUTHFAIL: user=anna" in said
    assert said.splitlines()[-1] == "0"


@pytest.mark.skipif(bool(rdp.LACKING), reason=f"not installed: {', '.join(rdp.LACKING)}")
def test_a_person_logs_in_and_sees_their_desktop(person: Person, addresses: dict[str, str], tmp_path: Path) -> None:
    with rdp.login(addresses["desk"], "anna", PASSWORD, tmp_path / "right") as screen:
        seen = screen.until(rdp.shows_panel, 300)
    (tmp_path / "desktop.png").write_bytes(seen.png())
    assert rdp.shows_panel(seen), f"see {tmp_path}/desktop.png"
    script = "tr '\\0' '\\n' </proc/$(pgrep -u anna -o xfce4-session)/environ | grep ^LANG="
    assert person.types("ssh", "desk", "--", f'sudo sh -c "{script}"'.replace("$", "\\$")).strip() == "LANG=de_DE.UTF-8"


def test_no_password_was_shown(person: Person, addresses: dict[str, str]) -> None:
    assert PASSWORD not in person.seen.replace("not-" + PASSWORD, "")
