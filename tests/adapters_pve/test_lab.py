"""The same functions against the embedded node (its API only: nothing boots), another server than fakepve."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pvekit.adapters.pve import (
    Cause,
    Endpoint,
    Login,
    Pve,
    TaskPoller,
    Token,
    Trust,
    agent,
    bridges,
    cause,
    change_mapping,
    content,
    create_mapping,
    create_snapshot,
    create_vm,
    delete_mapping,
    delete_snapshot,
    delete_vm,
    delete_volume,
    node_tasks,
    pci_mappings,
    pending,
    permissions,
    resize,
    resources,
    rollback,
    set_config,
    set_config_task,
    show_certificate,
    shutdown,
    snapshots,
    start,
    status,
    stop,
    upload,
    version,
)
from pvekit.lab import control
from pvekit.model.errors import AuthFailed, Conflict, FingerprintMismatch, NotFound
from tests.helpers.schema import SentRequests


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[control.Running]:
    state = tmp_path_factory.mktemp("lab")
    yield control.start(state, hollow=True)
    control.stop(state, guests=True)


@pytest.fixture
def endpoint(lab: control.Running) -> Endpoint:
    token = Token(lab.token_id, lab.token_secret)
    return Endpoint((lab.endpoint,), Trust((lab.fingerprint,)), token, Login("root@pam", lab.password))


@pytest.fixture
def pve(endpoint: Endpoint, sent: SentRequests) -> Iterator[Pve]:
    with Pve.open(endpoint, on_request=sent) as opened:
        yield opened
    sent.check()


@pytest.fixture
def node(pve: Pve) -> str:
    return resources(pve).nodes[0].node


def config(name: str) -> dict[str, object]:
    return {
        "name": name,
        "cores": 1,
        "memory": 128,
        "scsihw": "virtio-scsi-single",
        "scsi0": "local:1,format=qcow2",
        "net0": "virtio,bridge=vmbr0",
        "serial0": "socket",
        "agent": "enabled=1",
        "tags": "pvekit;t",
    }


def test_who_and_what(pve: Pve, lab: control.Running, node: str) -> None:
    assert version(pve) >= (8, 4, 0)
    assert "VM.Allocate" in permissions(pve)["/"]
    assert "vmbr0" in {bridge.name for bridge in bridges(pve, node)}
    seen = resources(pve).storage(node, "local")
    assert seen is not None
    assert seen.free > 0
    assert show_certificate(lab.endpoint).fingerprint == lab.fingerprint


def test_life_of_a_vm(pve: Pve, node: str) -> None:
    with TaskPoller(pve) as tasks:
        lines: list[str] = []
        assert tasks.wait(create_vm(pve, node, 300, config("three")), lines.append).ok
        assert lines[-1] == "TASK OK"
        with pytest.raises(Conflict) as taken:
            create_vm(pve, node, 300, config("three"))
        assert cause(taken.value) is Cause.EXISTS
        row = resources(pve).vm(300)
        assert row is not None
        assert row.tags == ("pvekit", "t")

        seen = pending(pve, node, 300)
        assert len(seen.digest) == 40
        assert "size=1G" in seen.current["scsi0"]
        set_config(pve, node, 300, {"description": "x <!-- {} -->\n"}, digest=seen.digest)
        with pytest.raises(Conflict) as stale:
            set_config(pve, node, 300, {"cores": 2}, digest=seen.digest)
        assert cause(stale.value) is Cause.STALE

        assert tasks.wait(start(pve, node, 300)).ok
        assert status(pve, node, 300)["status"] == "running"
        set_config(pve, node, 300, {"cores": 2})
        assert pending(pve, node, 300).pending == {"cores": "2"}
        grown = set_config_task(
            pve, node, 300, {"scsi1": "local:1,format=qcow2"}, digest=pending(pve, node, 300).digest
        )
        assert not grown or tasks.wait(grown).ok
        assert tasks.wait(resize(pve, node, 300, "scsi0", "2G")).ok
        assert not tasks.wait(resize(pve, node, 300, "scsi0", "1G")).ok
        with pytest.raises(Conflict) as busy:
            delete_vm(pve, node, 300)
        assert cause(busy.value) is Cause.RUNNING
        assert tasks.wait(shutdown(pve, node, 300, timeout=5, force=True)).ok
        assert any(task.type == "qmstart" for task in node_tasks(pve, node, vmid=300))
        assert tasks.wait(delete_vm(pve, node, 300, purge=True)).ok
    with pytest.raises(NotFound):
        pending(pve, node, 300)
    assert [volume for volume in content(pve, node, "local", "images") if volume.vmid == 300] == []


def test_snapshots(pve: Pve, node: str) -> None:
    with TaskPoller(pve) as tasks:
        assert tasks.wait(create_vm(pve, node, 301, config("snap"))).ok
        assert tasks.wait(create_snapshot(pve, node, 301, "clean", description="first")).ok
        assert [snap.name for snap in snapshots(pve, node, 301)] == ["clean"]
        assert tasks.wait(rollback(pve, node, 301, "clean")).ok
        assert tasks.wait(delete_snapshot(pve, node, 301, "clean")).ok
        assert not tasks.wait(delete_snapshot(pve, node, 301, "ghost")).ok
        assert tasks.wait(delete_vm(pve, node, 301)).ok


def test_upload_and_checksum(pve: Pve, node: str, tmp_path: Path) -> None:
    blob = b"pvekit" * 200_000
    source = tmp_path / "seed.iso"
    source.write_bytes(blob)
    with TaskPoller(pve) as tasks:
        good = hashlib.sha256(blob).hexdigest()
        assert tasks.wait(upload(pve, node, "local", source, content="iso", sha256=good)).ok
        assert ("local:iso/seed.iso", len(blob)) in {
            (volume.volid, volume.size) for volume in content(pve, node, "local", "iso")
        }
        bad = upload(pve, node, "local", source, content="iso", sha256="0" * 64, filename="bad.iso")
        assert not tasks.wait(bad).ok
        gone = delete_volume(pve, node, "local:iso/seed.iso")
        assert not gone or tasks.wait(gone).ok
    assert content(pve, node, "local", "iso") == ()


def test_sixteen_at_once(pve: Pve, node: str) -> None:
    """Sixteen threads create, start and delete their own VM over one door and one poller."""
    ends: list[bool] = []

    def one(vmid: int) -> None:
        ends.append(tasks.wait(create_vm(pve, node, vmid, {"name": f"vm{vmid}", "memory": 64})).ok)
        for step in (start, stop, delete_vm):
            ends.append(tasks.wait(step(pve, node, vmid)).ok)

    with TaskPoller(pve) as tasks:
        threads = [threading.Thread(target=one, args=(vmid,)) for vmid in range(400, 416)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert ends == [True] * 64


def test_the_life_of_a_mapping(pve: Pve, node: str) -> None:
    """Entries as a list, the digest of all mappings, and a name that is taken."""
    entry = f"node={node},path=0000:01:00,id=10de:1c07"
    create_mapping(pve, "x-gpu", [entry], "a note")
    with pytest.raises(Conflict) as taken:
        create_mapping(pve, "x-gpu", [entry], "")
    assert cause(taken.value) is Cause.EXISTS
    (row,) = (row for row in pci_mappings(pve) if row.id == "x-gpu")
    assert (row.entries, row.description, row.problems) == ((entry,), "a note", ())
    (checked,) = (row for row in pci_mappings(pve, node) if row.id == "x-gpu")
    assert checked.problems
    second = entry.replace(node, "elsewhere")
    change_mapping(pve, "x-gpu", [entry, second], "other", row.digest)
    with pytest.raises(Conflict) as stale:
        change_mapping(pve, "x-gpu", [entry], "other", row.digest)
    assert cause(stale.value) is Cause.STALE
    (row,) = (row for row in pci_mappings(pve) if row.id == "x-gpu")
    assert (set(row.entries), row.description) == ({entry, second}, "other")
    delete_mapping(pve, "x-gpu")
    delete_mapping(pve, "x-gpu")
    assert not [row for row in pci_mappings(pve) if row.id == "x-gpu"]


def test_agent_of_a_stopped_vm(pve: Pve, node: str) -> None:
    with TaskPoller(pve) as tasks:
        assert tasks.wait(create_vm(pve, node, 302, config("quiet"))).ok
        assert not agent.ping(pve, node, 302)
        assert tasks.wait(delete_vm(pve, node, 302)).ok


def test_ticket_wrong_token_and_wrong_pin(endpoint: Endpoint) -> None:
    with Pve.open(endpoint) as token:
        assert version(token.with_ticket()) == version(token)
    wrong = Endpoint(endpoint.urls, endpoint.trust, Token("root@pam!x", "11111111-2222-3333-4444-555555555555"))
    began = time.monotonic()
    with Pve.open(wrong) as refused, pytest.raises(AuthFailed):
        version(refused)
    assert time.monotonic() - began < 10
    with (
        Pve.open(Endpoint(endpoint.urls, Trust(("AB" * 32,)), endpoint.token)) as other,
        pytest.raises(FingerprintMismatch),
    ):
        version(other)
