"""What a Linux guest is given beyond the basics, and what the lab's image has of it."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pvekit import guests
from pvekit.adapters.data import data_dir
from pvekit.guests._linux import mount_name, unit_name
from pvekit.lab.image.recipe import VARIANTS
from pvekit.model.plan import Verb
from pvekit.model.stack import Stack
from pvekit.provision.diff import plan_for
from pvekit.provision.placement import place
from tests.provision.world import desired_of, facts_of, stack_of

PATHS = st.lists(st.from_regex(r"[A-Za-z0-9_.-]+", fullmatch=True), min_size=1, max_size=4).map(
    lambda p: "/" + "/".join(p)
)
NAS = {
    "kind": "nas",
    "disks": [{"size": "8GiB"}, {"size": "1GiB", "serial": "data-a"}],
    "nas": {
        "pool": {"layout": "single", "disks": [{"serial": "data-a", "size": "1GiB"}]},
        "users": [{"name": "anna", "password": "env:ANNA"}],
        "shares": {"photos": {"users": ["anna"]}, "films": {"users": ["anna"], "nfs": ["10.0.0.0/24"]}},
    },
}
MOUNTS = [
    {"share": "nas/photos", "path": "/srv/my-photos", "user": "anna"},
    {"share": "nas/films", "path": "/srv/films", "how": "nfs"},
]


def stack(address: str | None = None, **more: object) -> Stack:
    nic = [{"address": address}] if address else [{}]
    return stack_of({"desk": {"kind": "ubuntu", "user": "me", "mounts": MOUNTS, **more}, "nas": {**NAS, "nics": nic}})


@pytest.mark.skipif(shutil.which("systemd-escape") is None, reason="systemd-escape is not installed")
@pytest.mark.parametrize("path", ["/srv/photos", "/srv/my-photos", "/.hidden/a.b", "/mnt/_x-", "/a/.b", "/srv/a--b"])
def test_units_are_named_as_systemd_names_them(path: str) -> None:
    argv = ["systemd-escape", "--path", path]
    assert unit_name(path) == subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()


@given(PATHS, PATHS)
def test_every_place_has_its_own_login_file(one: str, other: str) -> None:
    assert (mount_name(one) == mount_name(other)) == (one == other)
    assert "/" not in mount_name(one)


def test_shares_become_variables_and_passwords_references() -> None:
    made = stack(desktop=True, locale="de_DE.UTF-8", keyboard="de", password="env:P")
    work = guests.desired(made, made.vm("desk")).provisioning
    assert work.playbooks == ("base.yml", "desktop.yml")
    assert work.hosts == ("nas",)
    assert work.variables["pvekit_mounts"] == [
        {"unit": "srv-my\\x2dphotos", "name": "srv+my-photos", "path": "/srv/my-photos", "vm": "nas"}
        | {"share": "photos", "how": "smb", "user": "anna", "owner": "me"},
        {"unit": "srv-films", "name": "srv+films", "path": "/srv/films", "vm": "nas", "share": "films", "how": "nfs"},
    ]
    assert {key: str(value) for key, value in work.secrets["pvekit_mount_passwords"].items()} == {
        "srv+my-photos": "env:ANNA"
    }
    assert [work.variables[f"pvekit_{key}"] for key in ("locale", "keyboard", "desktop_user")] == [
        "de_DE.UTF-8",
        "de",
        "me",
    ]
    assert "ANNA" not in str(work.variables)


def test_a_plain_guest_gets_none_of_it() -> None:
    made = stack_of({"web": {}})
    work = guests.desired(made, made.vms[0]).provisioning
    assert (work.playbooks, work.hosts, dict(work.secrets)) == (("base.yml",), (), {})


def test_the_playbooks_run_again_when_the_nas_moves() -> None:
    digests = set()
    for address in (None, "10.0.0.5/24", "10.0.0.6/24"):
        made = stack(address)
        digests.add(guests.desired(made, made.vm("desk")).provisioning.digest)
    assert len(digests) == 3


def test_the_image_of_the_lab_has_all_that_the_playbook_would_install() -> None:
    script = (data_dir("templates") / "desktop" / "look.sh.j2").read_text()
    listed = re.search(r"for package in (.*?)\{%", script, re.DOTALL)
    assert listed is not None
    wanted = {*listed[1].replace("\\", " ").split(), "mousepad", "firefox-esr"}
    assert wanted <= set(VARIANTS["debian-13-desktop"].packages)


@pytest.mark.parametrize(
    ("exists", "needs"),
    [({}, "nas:provision"), ({"nas": {"stage": "ready"}}, ""), ({"nas": {"running": False}}, "nas:await")],
)
def test_a_guest_waits_for_the_nas_that_it_uses(exists: dict[str, object], needs: str) -> None:
    """Its playbooks need the NAS's address, and its shares."""
    made = stack_of({"desk": {}, "nas": {}})
    facts = facts_of({"is": exists}, made)
    vms = [
        replace(vm, provisioning=replace(vm.provisioning, hosts=("nas",))) if vm.name == "desk" else vm
        for vm in place(desired_of(made), facts)
    ]
    plan = plan_for(made.name, vms, facts)
    (work,) = (action for action in plan.actions if action.verb is Verb.PROVISION and action.vm == "desk")
    assert [need for need in work.needs if need.startswith("nas:")] == ([needs] if needs else [])
    (own,) = (need for need in work.needs if need.startswith("desk:"))
    assert own == "desk:unseed"
