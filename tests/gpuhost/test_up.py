"""``pvekit up`` from a node whose IOMMU is off to a VM that has its card: refused, changed, restarted, gone on with."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pvekit.adapters.ansible import ProvisionResult
from pvekit.adapters.ansible.run import run as ansible_run
from tests.gpuhost.cardnode import CARD, HEALTHY, CardNode
from tests.helpers.cli_room import Place, a_place
from tests.lab.running import RunningLab

GPUS = "gpus: {p106: {match: {id: '10de:1c07'}}}\n"
VMS = "  play: {gpus: [p106]}\n  web: {}\n"


def card(group: int) -> str:
    """Return the node's devices as the API lists them; -1 without an IOMMU."""
    found = {
        "id": CARD, "class": "0x030200", "vendor": "0x10de", "device": "0x1c07", "device_name": "P106-100",
        "subsystem_vendor": "0x1458", "subsystem_device": "0x3728", "iommugroup": group,
    }  # fmt: skip
    return json.dumps([found])


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningLab]:
    pci = tmp_path_factory.mktemp("pci") / "pci.json"
    pci.write_text(card(-1))
    running = RunningLab(tmp_path_factory.mktemp("hollow"), cpus=28, memory=64 << 30, pci=pci)
    yield running
    running.close()


def passthrough_only(playbook: Path, *arguments: Any, **more: Any) -> ProvisionResult:
    """Run the host's playbook for real; hollow guests take none."""
    if playbook.name == "passthrough.yml":
        return ansible_run(playbook, *arguments, **more)
    return ProvisionResult((), {})


@pytest.fixture
def place(lab: RunningLab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    with a_place(lab, tmp_path, monkeypatch, passthrough_only) as made:
        group(made, -1)
        yield made


def group(place: Place, number: int) -> None:
    """Let the API tell the card's IOMMU group."""
    pci = place.lab.settings.pci
    assert pci is not None
    pci.write_text(card(number))


Written = Callable[..., Path]


@pytest.fixture
def written(place: Place, node: CardNode) -> Written:
    """Return what writes the stack file."""

    def write(name: str, passthrough: str, vms: str = VMS) -> Path:
        return place.stack(name, vms + GPUS, host=place.host(ssh=node.ssh.yaml(), passthrough=passthrough))

    return write


def test_only_checked_the_cause_is_named_and_nothing_is_made(place: Place, node: CardNode, written: Written) -> None:
    stack, begun = written("checked", "check"), place.wrote()
    place.run("up", stack, "-y").ended(8).says(
        f"play cannot get p106 ({CARD} on pve): intel_iommu=on is missing (KC-01, kernel option)",
        "pvekit passthrough plan pve -s",
        "pvekit passthrough explain KC-01",
    )
    assert begun() == 0
    assert node.phase == ""


@pytest.mark.slow
def test_changed_restarted_by_hand_and_gone_on_with(place: Place, node: CardNode, written: Written) -> None:
    stack = written("hand", "configure")
    place.run("plan", stack).ended(2).says(
        "1 node to make ready for cards",
        "node pve (by SSH): intel_iommu=on is missing (KC-01, kernel option)",
        "/etc/default/grub.d/pvekit-passthrough.cfg (new file)",
        "then: update-initramfs",
        "can keep the host from starting",
        "pvekit up --reboot-nodes",
    )
    assert node.phase == ""
    result = place.run("up", stack, "-y").ended(16)
    result.says("node pve has to be restarted before play can get its card", "it goes on from there")
    place.api.close()
    assert list(place.vms("hand")) == ["web"], "a VM without a card does not wait"
    assert place.vms("hand")["web"]["status"] == "running"
    assert place.api.get("/cluster/mapping/pci") == []

    place.run("up", stack, "-y").ended(16).says("the restart is missing")
    assert node.phase == "applied"

    node.restarted_by_hand()
    group(place, 31)
    place.run("up", stack, "-y").ended(0).says("every layer that passthrough needs is proven")
    place.api.close()
    (mapping,) = place.api.get("/cluster/mapping/pci")
    assert "iommugroup=31" in mapping["map"][0]
    assert place.config(place.vms("hand")["play"]["vmid"])["hostpci0"].startswith("mapping=hand-p106")

    logins = node.ssh.logins()
    place.run("up", stack, "-y").ended(0).says("no changes")
    assert node.ssh.logins() == logins, "a run without work does not look at the node"

    down = place.run("down", stack, "--confirm", "hand").ended(0)
    down.says("pvekit up changed what pve starts with (0001-", "pvekit passthrough rollback pve -s")
    assert node.phase == "applied", "down leaves the node alone"
    assert "rollback" not in place.run("down", stack).ended(0).text


@pytest.mark.slow
def test_restarted_by_the_run(place: Place, node: CardNode, written: Written) -> None:
    """One run, with a VM of the stack on the node that does not start by itself afterwards."""
    place.run("up", written("auto", "check", "  web: {}\n"), "-y").ended(0)
    web = place.vms("auto")["web"]["vmid"]
    pci = place.lab.settings.pci
    (node.home / "pci.json").write_text(card(31))
    (node.home / "at-restart").write_text(
        f"cat {node.home}/pci.json >{pci}\n"
        f"curl -sk -X POST -H 'Authorization: {place.lab.token}' "
        f"{place.url}/api2/json/nodes/pve/qemu/{web}/status/stop\nsleep 1\n"
    )
    node.tells(HEALTHY, after_restart=True)
    stack = written("auto", "configure")
    result = place.run("up", stack, "-y", "--reboot-nodes").ended(0)
    result.says("pve is restarted, with all that runs there")
    assert len(node.calls("shutdown")) == 1
    # The server has given up the connection meanwhile.
    place.api.close()
    begun = [row["type"] for row in place.api.get("/nodes/pve/tasks") if row["id"] == str(web)]
    power = [kind for kind in reversed(begun) if kind in ("qmstart", "qmstop")]
    assert power == ["qmstart", "qmstop", "qmstart"], "it runs again as before"
    found = place.vms("auto")
    assert {name: row["status"] for name, row in found.items()} == {"play": "running", "web": "running"}
    place.run("plan", stack).ended(0).says("no changes")
    place.run("down", stack, "--confirm", "auto").ended(0)


def test_a_stack_without_cards_never_logs_in(place: Place, node: CardNode) -> None:
    stack = place.stack("bare", "  web: {}\n", host=place.host(ssh=node.ssh.yaml(), passthrough="configure"))
    place.run("up", stack, "-y", "--reboot-nodes").ended(0)
    assert node.ssh.logins() == 0
    place.run("down", stack, "--confirm", "bare").ended(0)


def test_a_run_without_cards_loads_nothing_of_this() -> None:
    names = "pvekit.workflows.planning, pvekit.workflows.up, pvekit.workflows.down, pvekit.cli.show"
    test = "[name for name in sys.modules if 'gpuhost' in name or 'gpuprepare' in name or 'passthrough' in name]"
    done = subprocess.run([sys.executable, "-c", f"import sys, {names}; print({test})"], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stdout + done.stderr
