"""A setup CD on the node's own storage is read over SSH, by SFTP, without being copied."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import yaml

from pvekit.adapters import pve as api
from tests.helpers.cli_room import Place
from tests.media.make import windows_iso
from tests.rootstep.sshnode import SshNode

VMS = (
    "  pc: {kind: windows, image: win, password: 'env:PVEKIT_TOKEN', storage: local, disks: [{size: 64GiB}], "
    "windows: {edition: EDITION}}\n"
)


@pytest.fixture
def iso(node: SshNode, tmp_path: Path) -> Path:
    (tmp_path / "made").mkdir()
    return windows_iso(tmp_path / "made").rename(node.folder / "win.iso")


def stack(place: Place, iso: Path, edition: str, ssh: str, *, digest: str = "") -> Path:
    digest = digest or hashlib.sha256(iso.read_bytes()).hexdigest()
    host = place.host(ssh=ssh) if ssh else place.host()
    made = place.stack("home", VMS.replace("EDITION", edition), host=host)
    text = yaml.safe_load(made.read_text())
    text["images"]["win"] = {"volume": "local:iso/win.iso", "sha256": digest}
    made.write_text(yaml.safe_dump(text))
    return made


def test_what_is_on_it_stands_in_the_plan(place: Place, node: SshNode, iso: Path) -> None:
    place.run("plan", stack(place, iso, "pro", node.yaml())).ended(2).says("pc: Windows 11 Pro, build")
    assert node.calls("pvesm") == ["pvesm path local:iso/win.iso"]


def test_another_edition_is_refused_in_the_plan(place: Place, node: SshNode, iso: Path) -> None:
    done = place.run("plan", stack(place, iso, "enterprise-eval", node.yaml())).ended(11)
    done.says("image win: no image for amd64 of Windows 11 of the edition enterprise-eval", "(Professional, Windows 11")


def test_without_ssh_the_plan_says_what_up_would_need(place: Place, node: SshNode, iso: Path) -> None:
    place.run("plan", stack(place, iso, "pro", "")).ended(2).says("cannot be read over the API", "host: ssh:")


def test_another_iso_than_the_one_in_the_stack_file(place: Place, node: SshNode, iso: Path) -> None:
    """Its sum is computed on the node when it is needed, before anything is created."""
    made = stack(place, iso, "pro", node.yaml(), digest="ab" * 32)
    digest = hashlib.sha256(iso.read_bytes()).hexdigest()
    token = api.Token(place.token_id, place.lab.secrets["token_secret"])
    with api.Pve.open(api.Endpoint((place.url,), api.Trust((place.fingerprint,)), token)) as pve:
        upid = api.upload(pve, "pve", "local", iso, content="iso", sha256=digest, filename="win.iso")
        with api.TaskPoller(pve) as poller:
            assert poller.wait(upid).ok
    done = place.run("up", made, "-y").ended(11)
    done.says("local:iso/win.iso: sha256 does not match", "expected: " + "ab" * 32)
    assert place.vms("home") == {}
