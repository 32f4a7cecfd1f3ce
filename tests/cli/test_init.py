"""The first stack file, against a server and without one."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from tests.helpers.cli_room import Place

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f\n"


@pytest.fixture(autouse=True)
def home(place: Place, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = place.folder / "home"
    (folder / ".ssh").mkdir(parents=True)
    (folder / ".ssh" / "id_ed25519.pub").write_text(KEY)
    monkeypatch.setenv("HOME", str(folder))
    return folder


def init(place: Place, *more: str) -> list[str]:
    return ["init", "--endpoint", place.url, "--token", place.token_id, *more]


def test_what_it_writes_can_be_planned(place: Place) -> None:
    result = place.run(*init(place, "--accept", place.fingerprint)).ended(0)
    result.says("Proxmox VE 9", "nodes: pve", "wrote stack.yaml", "pvekit plan stack.yaml")
    text = (place.folder / "stack.yaml").read_text()
    assert place.fingerprint in text
    assert "env:PVEKIT_TOKEN" in text
    assert os.environ["PVEKIT_TOKEN"] not in text
    assert stat.S_IMODE((place.folder / "stack.yaml").stat().st_mode) == 0o644
    place.run("validate", "stack.yaml").ended(0)
    place.run("plan", "stack.yaml").ended(2).says("1 VM to create")


def test_the_certificate_is_shown_and_asked_about(place: Place) -> None:
    result = place.run(*init(place), typed="y\n").ended(0)
    result.says(f"SHA-256 {place.fingerprint}", "subject", "until", "pvenode cert info")
    place.run(*init(place, "--out", "other.yaml"), typed="n\n").ended(1)
    place.run(*init(place, "--out", "other.yaml")).ended(1).says("--accept")
    assert not (place.folder / "other.yaml").exists()


def test_another_fingerprint_than_the_accepted_one(place: Place) -> None:
    wrong = ":".join(["AB"] * 32)
    place.run(*init(place, "--accept", wrong)).ended(6).says(wrong, place.fingerprint)
    place.run(*init(place, "--accept", "what?")).ended(64).says("--accept", "what?")
    assert not (place.folder / "stack.yaml").exists()


def test_a_file_that_is_there_stays(place: Place) -> None:
    (place.folder / "stack.yaml").write_text("mine\n")
    place.run(*init(place, "--accept", place.fingerprint)).ended(64).says("stack.yaml exists", "--out")
    assert (place.folder / "stack.yaml").read_text() == "mine\n"


def test_a_wrong_token(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PVEKIT_TOKEN", "11111111-2222-3333-4444-555555555555")
    place.run(*init(place, "--accept", place.fingerprint)).ended(5).says("next: ")
    assert not (place.folder / "stack.yaml").exists()


@pytest.mark.parametrize(
    ("endpoint", "code", "words"),
    [
        ("https://127.0.0.1:9", 4, "127.0.0.1:9"),
        ("https://no-such-host.invalid:8006", 4, "no-such-host.invalid"),
        ("http://127.0.0.1:8006", 64, "https"),
        ("https://", 64, "host"),
    ],
)
def test_an_endpoint_that_is_none(place: Place, endpoint: str, code: int, words: str) -> None:
    place.run("init", "--endpoint", endpoint, "--token", "root@pam!xx").ended(code).says(words)


def test_a_token_id_that_is_none(place: Place) -> None:
    place.run("init", "--endpoint", place.url, "--token", "root", "--accept", place.fingerprint).ended(64).says(
        "user@realm!name"
    )


def test_a_token_that_lacks_rights(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.api.post("/access/users", userid="init@pve")
    made = place.api.post("/access/users/init@pve/token/tt", privsep="1")
    monkeypatch.setenv("PVEKIT_TOKEN", made["value"])
    place.secrets.append(made["value"])
    arguments = ["init", "--endpoint", place.url, "--token", "init@pve!tt", "--accept", place.fingerprint]
    place.run(*arguments).ended(0).says("the token lacks", "VM.Allocate", "pveum role add", "pveum acl modify /vms")
    place.api.delete("/access/users/init@pve")


@pytest.mark.parametrize("preset", ["starter", "z440-home"])
def test_offline(place: Place, preset: str) -> None:
    place.run("init", "--offline", "--preset", preset, "--name", "den", "--out", "den.yaml").ended(0)
    text = (place.folder / "den.yaml").read_text()
    assert "name: den" in text
    if preset == "starter":
        place.run("validate", "den.yaml").ended(0)


def test_names_that_a_stack_cannot_have(place: Place) -> None:
    place.run("init", "--offline", "--name", "Not A Name").ended(64).says("Not A Name")
    assert not (place.folder / "stack.yaml").exists()
