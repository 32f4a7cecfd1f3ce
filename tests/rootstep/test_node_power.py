"""What a node draws, over SSH; waking it and waiting for its API."""

from __future__ import annotations

import json
import socket

from pvekit.model.power import magic_packet
from pvekit.workflows import wake
from tests.helpers.cli_room import Place
from tests.rootstep.sshnode import SshNode


def test_measured_over_ssh_and_waited_for(place: Place, node: SshNode) -> None:
    stack = place.stack("home", "  one: {}\n", host=place.host(ssh=node.yaml()))
    found = json.loads(place.run("power", "-s", stack, "--seconds", "1", "--json").ended(0).out)
    assert list(found["nodes"]) == ["pve"]
    assert node.logins() == 1
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(5)
        port = str(receiver.getsockname()[1])
        to = ("wake", "A0:8C:FD:11:22:33", "--to", "127.0.0.1", "--wait")
        place.run(*to, "-s", stack, "--port", port).ended(0).says("the API answers")
        assert receiver.recv(2048) == magic_packet("A0:8C:FD:11:22:33")
    dead = place.stack("dead", "  one: {}\n", host=place.host(endpoint="https://127.0.0.1:1"))
    place.run(*to, "-s", dead, "--within", "3").ended(4).says("no answer within 3 s")


def test_a_stack_without_ssh_is_told_what_to_add(place: Place) -> None:
    stack = place.stack("home", "  one: {}\n")
    place.run("power", "-s", stack).ended(8).says("host: {ssh:", "--local")
    assert wake.cards("home") == {}
