"""The live host in one broken state after the other, collected over SSH and judged by pvekit's own commands."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from pvekit.adapters.collect import collect_from
from pvekit.adapters.nodessh import NodeDoor
from pvekit.adapters.ssh import Target
from pvekit.adapters.sshkeys import parse_host_key
from tests.conftest import Figure
from tests.iommu import image, machine, prepare, second
from tests.iommu.command import command, way
from tests.iommu.host import Host
from tests.iommu.recipe import VISITOR
from tests.iommu.setup import configure, keep_log

pytestmark = [
    pytest.mark.guest,
    pytest.mark.slow,
    pytest.mark.skipif(
        "PVEKIT_IOMMU_HOST" not in os.environ,
        reason="nine boots of a host with an IOMMU take 25 minutes without KVM: set PVEKIT_IOMMU_HOST=1",
    ),
]

BOOTS = yaml.safe_load((Path(__file__).parent / "cases/states.yaml").read_text())
KEYS = {"boot", "machine", "files", "options", "rebuild", "states"}
STATE_KEYS = {"state", "do", "undo", "device", "vm", "root", "verdict", "second", "with"}


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    if lacks := image.lacking():
        pytest.skip(f"needs {lacks}")
    made = Host(tmp_path_factory.mktemp("iommu"), prepare.ready())
    yield made
    made.close()


@pytest.mark.parametrize("boot", BOOTS, ids=[boot["boot"] for boot in BOOTS])
def test_every_state_is_judged_right(host: Host, boot: dict[str, Any], tmp_path: Path, figure: Figure) -> None:
    assert boot.keys() <= KEYS
    took = _boot(host, boot)
    figure(", ".join(f"{step} {seconds:.0f} s" for step, seconds in took.items()))
    wrong = []
    for number, state in enumerate(boot["states"]):
        assert state.keys() <= STATE_KEYS
        try:
            with _state(host, state):
                found = _diagnosed(host, state, tmp_path / str(number))
        except AssertionError as error:  # the others are worth knowing
            wrong.append(f"{state['state']}: {error}")
            continue
        verdict, root = found["verdict"], (found["root_cause"] or {}).get("id")
        named = [root, *(cause["id"] for cause in found["alternatives"])]
        figure(f"{state['state']}: {verdict}, {root} {named[1:]}")
        if not _right(state, verdict, named):
            wrong.append(f"{state['state']}: {verdict} {named}, not {state.get('root')}: {_told(found)}")
    assert not wrong, "\n".join(wrong)


def _boot(host: Host, boot: dict[str, Any]) -> dict[str, float]:
    """Start the host as the boot wants it. The first one is how the image is: nothing is set up."""
    if boot is BOOTS[0] and not host.on:
        return {"start": host.start()}
    given = {key: boot[key] for key in ("machine", "files", "options", "rebuild") if key in boot}
    return configure(host, **given)


@contextlib.contextmanager
def _state(host: Host, state: dict[str, Any]) -> Iterator[None]:
    host.sh(state.get("do", ":"))
    try:
        if "second" in state:
            options = f",{state['with']}" if "with" in state else ""
            started = second.start(host, state["second"], options=options)
            assert bool(started.error) is ("root" in state), started
            assert started.mapped is ("root" not in state), started
            keep_log(host, 100, state["second"], options.replace("/usr/share/kvm/", ""), started.error)
        yield
    finally:
        host.sh(state.get("undo", ":") + "\nrm -rf /etc/pve /var/log/pve")


def _diagnosed(host: Host, state: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Collect over SSH as anybody would, then judge the archive."""
    folder.mkdir(parents=True)
    archive = folder / "bundle.tar.gz"
    command("passthrough", "collect", host.name(), "-o", str(archive), *way(host))
    asked = ["--device", state["device"]] if "device" in state else ["--vm", str(state["vm"])]
    found: dict[str, Any] = json.loads(command("passthrough", "diagnose", str(archive), "--json", *asked))
    return found


def _right(state: dict[str, Any], verdict: str, named: list[str | None]) -> bool:
    """No other cause than the right one may be named: a proven one not at all, a possible one only beside it."""
    expected = state.get("root", [])
    if not expected:
        return verdict == "healthy" and named == [None]
    if state.get("verdict") == "any":
        return (named[0] in expected) if verdict == "broken" else named[0] is None and set(named[1:]) <= set(expected)
    return verdict == "broken" and named[0] in expected


def _told(found: dict[str, Any]) -> str:
    return "\n".join(
        f"    {item['id']} {item['verdict']}: {item['message']} {[line['text'] for line in item['evidence'][:3]]}"
        for item in found["findings"] if item["verdict"] in {"fail", "unknown"}
    )  # fmt: skip


def test_how_long_a_look_at_the_host_takes(host: Host, figure: Figure) -> None:
    """Beyond the login, on an emulated processor; the aim is three seconds."""
    if not host.on:
        host.start(machine.Machine())
    keys = (parse_host_key(host.host_key),)
    target = Target("host", "127.0.0.1", host.port, "root", keys, host.key, attempt_seconds=60.0)
    door = NodeDoor("host", target, sudo=False)
    try:
        began = time.monotonic()
        door.run(["true"])
        login = time.monotonic() - began
        took = []
        for _ in range(3):
            began = time.monotonic()
            bundle = collect_from(door)
            took.append(time.monotonic() - began)
    finally:
        door.close()
    assert {"dmesg.txt", "lspci.txt", "pci_sysfs.txt", "initramfs.txt"} <= bundle.files.keys(), bundle.left_out
    figure(f"login {login:.1f} s, then {', '.join(f'{each:.1f}' for each in took)} s; {len(bundle.files)} files")
    figure(f"left out: {dict(bundle.left_out)}")


def test_a_user_without_rights_gets_what_a_user_may_read(host: Host, tmp_path: Path) -> None:
    if not host.on:
        host.start(machine.Machine())
    archive = tmp_path / "bundle.tar.gz"
    text = command("passthrough", "collect", host.name(VISITOR), "-o", str(archive), *way(host))
    assert "needs root" in text
    found = json.loads(command("passthrough", "diagnose", str(archive), "--json", "--device", machine.GPU))
    assert found["verdict"] in {"unknown", "healthy", "broken"}


def test_what_was_written_out_survives_a_power_cut(host: Host, figure: Figure) -> None:
    if not host.on:
        host.start(machine.Machine())
    host.sh("echo kept >/root/kept; sync; echo lost >/root/lost")
    host.power_cut()
    figure(f"start after a power cut {host.start(machine.Machine()):.0f} s")
    assert host.sh("cat /root/kept") == "kept\n"
    assert host.driver(machine.DISPLAY) == "bochs-drm"
