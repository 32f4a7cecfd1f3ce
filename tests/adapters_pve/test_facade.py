"""The typed functions against fakepve, over real HTTPS; the ``pve`` fixture checks every request's schema."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from pvekit.adapters.pve import (
    Cause,
    Pve,
    TaskPoller,
    agent,
    bridges,
    cause,
    console,
    content,
    create_snapshot,
    create_vm,
    delete_snapshot,
    delete_vm,
    delete_volume,
    download_url,
    node_tasks,
    pci_mappings,
    pending,
    permissions,
    reboot,
    resize,
    resources,
    rollback,
    set_config,
    set_config_task,
    shutdown,
    snapshots,
    start,
    stop,
    upload,
    version,
)
from pvekit.model.errors import ApiError, Conflict, NotFound, ParameterRejected
from tests.helpers.schema import SentRequests

CONFIG = {
    "name": "u1",
    "cores": 2,
    "memory": 512,
    "scsi0": "local-lvm:4",
    "net0": "virtio,bridge=vmbr0",
    "serial0": "socket",
    "agent": "enabled=1",
    "tags": "pvekit;home",
    "onboot": True,
}


def test_one_request_tells_all(pve: Pve, fakepve: Any, sent: SentRequests) -> None:
    fakepve.add_vm(101, "one", status="running", config={"tags": "a;b", "cores": 3, "memory": 1024}, pool="lab")
    fakepve.add_vm(100, "two", lock="backup")
    seen = resources(pve)
    assert sent.count() == 1
    assert [vm.vmid for vm in seen.vms] == [100, 101]
    row = seen.vm(101)
    assert row is not None
    assert (row.name, row.node, row.status, row.tags, row.pool) == ("one", "pve1", "running", ("a", "b"), "lab")
    assert (row.maxcpu, row.maxmem) == (3, 1024 * 1024**2)
    assert seen.vms[0].lock == "backup"
    node = seen.node("pve1")
    assert node is not None
    assert node.online
    local = seen.storage("pve1", "local")
    assert local is not None
    assert "iso" in local.content


def test_version_and_own_permissions(pve: Pve) -> None:
    assert version(pve) == (9, 0, 10)
    assert "VM.Allocate" in permissions(pve)["/"]


def test_life_of_a_vm(pve: Pve, fakepve: Any) -> None:
    with TaskPoller(pve) as tasks:
        result = tasks.wait(create_vm(pve, "pve1", 200, CONFIG))
        assert result.ok
        assert result.log[-1] == "TASK OK"
        seen = pending(pve, "pve1", 200)
        assert seen.current["cores"] == "2"
        assert seen.current["onboot"] == "1"
        assert not seen.pending
        assert not seen.delete
        with pytest.raises(Conflict) as taken:
            create_vm(pve, "pve1", 200, CONFIG)
        assert cause(taken.value) is Cause.EXISTS

        assert tasks.wait(start(pve, "pve1", 200)).ok
        set_config(pve, "pve1", 200, {"cores": 4, "description": "hello <!-- {} -->"}, delete=("serial0",))
        seen = pending(pve, "pve1", 200)
        assert seen.pending == {"cores": "4"}
        assert seen.delete == {"serial0"}
        assert seen.after_restart["cores"] == "4"
        assert "serial0" not in seen.after_restart
        assert tasks.wait(reboot(pve, "pve1", 200)).ok
        assert pending(pve, "pve1", 200).current["cores"] == "4"

        assert tasks.wait(set_config_task(pve, "pve1", 200, {"onboot": False})).ok
        assert tasks.wait(resize(pve, "pve1", 200, "scsi0", "8G")).ok
        assert tasks.wait(shutdown(pve, "pve1", 200, timeout=30, force=True)).ok
        assert tasks.wait(start(pve, "pve1", 200)).ok
        with pytest.raises(Conflict) as busy:
            delete_vm(pve, "pve1", 200)
        assert cause(busy.value) is Cause.RUNNING
        assert tasks.wait(stop(pve, "pve1", 200)).ok
        assert any(task.type == "qmstart" and task.exitstatus == "OK" for task in node_tasks(pve, "pve1", vmid=200))
        assert tasks.wait(delete_vm(pve, "pve1", 200, purge=True)).ok
    with pytest.raises(NotFound):
        pending(pve, "pve1", 200)


def test_stale_digest_changes_nothing(pve: Pve, fakepve: Any) -> None:
    vm = fakepve.add_vm(100, "one", config={"cores": 1})
    good = vm.digest()
    set_config(pve, "pve1", 100, {"cores": 2}, digest=good)
    with pytest.raises(Conflict) as stale:
        set_config(pve, "pve1", 100, {"cores": 3}, digest=good)
    assert cause(stale.value) is Cause.STALE
    assert pending(pve, "pve1", 100).current["cores"] == "2"


def test_snapshots(pve: Pve, fakepve: Any) -> None:
    fakepve.add_vm(100, "one")
    with TaskPoller(pve) as tasks:
        assert tasks.wait(create_snapshot(pve, "pve1", 100, "clean", description="first")).ok
        assert [(snap.name, snap.description) for snap in snapshots(pve, "pve1", 100)] == [("clean", "first")]
        assert tasks.wait(rollback(pve, "pve1", 100, "clean")).ok
        assert tasks.wait(delete_snapshot(pve, "pve1", 100, "clean")).ok
    assert snapshots(pve, "pve1", 100) == ()


def test_upload_is_streamed_with_progress(pve: Pve, fakepve: Any, tmp_path: Path) -> None:
    blob = bytes(range(256)) * 4096
    source = tmp_path / "seed.iso"
    source.write_bytes(blob)
    steps: list[tuple[int, int]] = []
    digest = hashlib.sha256(blob).hexdigest()
    with TaskPoller(pve) as tasks:
        upid = upload(
            pve,
            "pve1",
            "local",
            source,
            content="iso",
            sha256=digest,
            filename="pvekit-seed.iso",
            progress=lambda done, whole: steps.append((done, whole)),
        )
        assert tasks.wait(upid).ok
        assert steps[-1] == (len(blob), len(blob))
        assert len(steps) == 4
        listed = content(pve, "pve1", "local", "iso")
        assert [(volume.volid, volume.size) for volume in listed] == [("local:iso/pvekit-seed.iso", len(blob))]
        gone = delete_volume(pve, "pve1", "local:iso/pvekit-seed.iso")
        assert not gone or tasks.wait(gone).ok
    assert content(pve, "pve1", "local") == ()


def test_download_url(pve: Pve, fakepve: Any) -> None:
    upid = download_url(
        pve,
        "pve1",
        "local",
        "https://images.example/x.iso",
        content="iso",
        filename="x.iso",
        checksum="0" * 64,
    )
    with TaskPoller(pve) as tasks:
        assert tasks.wait(upid).upid == upid


def test_networks_and_mappings(pve: Pve) -> None:
    assert all(bridge.name for bridge in bridges(pve, "pve1"))
    assert isinstance(pci_mappings(pve, "pve1"), tuple)


def test_guest_agent(pve: Pve, fakepve: Any) -> None:
    vm = fakepve.add_vm(100, "one", status="running")
    assert not agent.ping(pve, "pve1", 100)
    vm.agent = {"files": {"/etc/hostname": "one\n"}, "exec": {"cloud-init status": {"exitcode": 2, "out-data": "x"}}}
    assert agent.ping(pve, "pve1", 100)
    cards = agent.interfaces(pve, "pve1", 100)
    assert [(card.name, card.mac, card.addresses) for card in cards] == [("eth0", "BC:24:11:00:00:01", ("192.0.2.10",))]
    assert agent.read_file(pve, "pve1", 100, "/etc/hostname") == "one\n"
    ran = agent.run(pve, "pve1", 100, ["cloud-init", "status"])
    assert (ran.code, ran.out, ran.ok) == (2, "x", False)
    vm.agent = None
    with pytest.raises(ApiError) as silent:
        agent.interfaces(pve, "pve1", 100)
    assert cause(silent.value) is Cause.AGENT_SILENT
    vm.status = "stopped"
    assert not agent.ping(pve, "pve1", 100)


def test_console(pve: Pve, fakepve: Any) -> None:
    fakepve.add_vm(100, "one", status="running", config={"serial0": "socket"})
    with console(pve, "pve1", 100) as terminal:
        terminal.resize(80, 24)
        terminal.send(b"echo hi\n")
        got = b""
        while b"echo hi" not in got:
            piece = terminal.recv(5)
            assert piece, got
            got += piece
        terminal.keep_alive()
    assert fakepve.termdata[:2] == ["1:80:24:", "0:8:echo hi\n"]


def test_the_same_with_a_ticket(pve: Pve, fakepve: Any) -> None:
    fakepve.add_vm(100, "one", status="running", config={"serial0": "socket"})
    ticketed = pve.with_ticket()
    assert (pve.user, ticketed.user) == ("root@pam!pvekit", "root@pam")
    set_config(ticketed, "pve1", 100, {"description": "by ticket"})
    fakepve.revoke_tickets()
    set_config(ticketed, "pve1", 100, {"description": "again"})
    assert pending(ticketed, "pve1", 100).current["description"] == "again"
    with console(ticketed, "pve1", 100) as terminal:
        terminal.send(b"x")
        assert terminal.recv(5)


def test_parameter_errors_name_the_parameter(pve: Pve, fakepve: Any, sent: SentRequests) -> None:
    fakepve.add_vm(100, "one")
    with pytest.raises(ParameterRejected) as wrong:
        set_config(pve, "pve1", 100, {"cores": "many"})
    assert "cores" in wrong.value.errors
    assert "PUT /nodes/pve1/qemu/100/config" in str(wrong.value)
    with pytest.raises(AssertionError, match="cores"):
        sent.check()
    sent.all.clear()
