"""The ways into a VM, and the secrets on the way."""

from __future__ import annotations

import os
from typing import Any

import pytest

from pvekit.adapters.ansible import ProvisionResult
from tests.helpers.cli_room import Place, stand_ins

PASSWORD = "correct horse battery"


def test_ssh_trusts_the_pinned_host_key_only(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    stack = place.stack("ways", "  one: {user: me}\n")
    place.run("up", stack, "-y").ended(0)
    called: list[list[str]] = []
    monkeypatch.setattr(os, "execvp", lambda _file, argv: called.append(argv))
    place.run("ssh", "-s", stack, "one", "--", "df", "-h").ended(0)
    (argv,) = called
    assert argv[0] == "ssh"
    assert argv[-4:-2] == [argv[-4], "--"]
    assert argv[-4].startswith("me@127.")
    assert argv[-2:] == ["df", "-h"]
    options = {argv[index + 1] for index, word in enumerate(argv) if word == "-o"}
    assert {"StrictHostKeyChecking=yes", "GlobalKnownHostsFile=/dev/null", "IdentitiesOnly=yes"} <= options
    hosts = next(option.partition("=")[2] for option in options if option.startswith("UserKnownHostsFile="))
    with open(hosts) as file:  # noqa: PTH123
        assert "ssh-ed25519" in file.read()
    place.run("down", stack, "--confirm", "ways").ended(0)


def test_a_password_leaves_no_trace(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not in what is said, not in files of this machine, not in tasks of the node, and its seed is deleted."""
    monkeypatch.setenv("PVEKIT_PW", PASSWORD)
    place.secrets.append(PASSWORD)
    got: list[dict[str, Any]] = []

    def play(*_: Any, secrets: dict[str, Any], **__: Any) -> ProvisionResult:
        got.append(secrets)
        return ProvisionResult((), {})

    vms = "  one: {password: 'env:PVEKIT_PW', ansible: {vars: {admin: {secret: 'env:PVEKIT_PW'}}}}\n"
    stack = place.stack("trace", vms)
    with stand_ins(play):
        place.run("up", stack, "-y").ended(0)
        place.run("up", stack, "-y", "--json").ended(0)
    assert got == [{"admin": PASSWORD}]
    assert place.seeds("trace") == []
    for folder in (place.folder, place.lab.settings.state):
        for path in folder.rglob("*"):
            if path.is_file():
                assert PASSWORD.encode() not in path.read_bytes(), path
    place.run("down", stack, "--confirm", "trace").ended(0)
