"""The node is killed and started again: guests go on, state is whole, half-done work is undone."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest

from pvekit.lab import control
from pvekit.lab.store import Store, write_atomic
from pvekit.model.errors import LabError
from tests.lab.running import Client, RunningLab, until

QEMU = "/nodes/pve/qemu"


def client_of(node: control.Running) -> Client:
    port = int(node.endpoint.rpartition(":")[2])
    return Client(port, {"Authorization": f"PVEAPIToken={node.token_id}={node.token_secret}"})


def ended(api: Client, upid: str) -> str:
    until(lambda: api.get(f"/nodes/pve/tasks/{upid}/status")["status"] == "stopped")
    return str(api.get(f"/nodes/pve/tasks/{upid}/status")["exitstatus"])


def test_everything_is_there_after_a_restart(lab: RunningLab, api: Client) -> None:
    lab.wait(api.post(QEMU, vmid=100, name="a", scsi0="local:1,format=qcow2", agent="enabled=1"))
    upid = api.post(f"{QEMU}/100/status/start")
    lab.wait(upid)
    api.put(f"{QEMU}/100/config", memory=2048)
    api.post("/pools", poolid="p")
    lab.wait(api.post(f"{QEMU}/100/snapshot", snapname="snap"))
    before, log = api.get(f"{QEMU}/100/pending"), api.get(f"/nodes/pve/tasks/{upid}/log")
    api.close()
    lab.restart()
    again = lab.client()
    assert again.get(f"{QEMU}/100/status/current")["status"] == "running"
    assert again.get(f"{QEMU}/100/pending") == before
    assert again.get(f"/nodes/pve/tasks/{upid}/log") == log
    assert again.get("/pools")[0]["poolid"] == "p"
    assert [row["name"] for row in again.get(f"{QEMU}/100/snapshot")] == ["snap", "current"]
    again.post(f"{QEMU}/100/agent/ping")
    again.close()


@pytest.mark.parametrize("kind", ["qmcreate", "qmclone", "qmsnapshot"])
def test_killed_in_the_middle_of_a_task(tmp_path: Path, kind: str) -> None:
    state = tmp_path / "lab"
    node = control.start(state, hollow=True)
    api = client_of(node)
    assert ended(api, api.post(QEMU, vmid=100, scsi0="local:1,format=qcow2")) == "OK"
    api.close()
    control.stop(state)
    node = control.start(state, hollow=True, delays=f"{kind}=30")
    api = client_of(node)
    requests = {
        "qmcreate": (QEMU, {"vmid": "101", "scsi0": "local:1"}),
        "qmclone": (f"{QEMU}/100/clone", {"newid": "101"}),
        "qmsnapshot": (f"{QEMU}/100/snapshot", {"snapname": "snap"}),
    }
    path, params = requests[kind]
    upid = api.post(path, **params)
    assert api.get(f"/nodes/pve/tasks/{upid}/status")["status"] == "running"
    if kind == "qmsnapshot":
        assert "lock" not in api.get(f"{QEMU}/100/config")
    else:
        assert {row["vmid"]: row.get("lock") for row in api.get("/cluster/resources", type="vm")}[101] in {
            "create",
            "clone",
        }
    api.close()
    os.kill(node.pid, signal.SIGKILL)
    os.waitpid(node.pid, 0)
    node = control.start(state, hollow=True)
    api = client_of(node)
    assert ended(api, upid) == "interrupted by a restart of the node"
    assert [row["vmid"] for row in api.get("/cluster/resources", type="vm")] == [100]
    assert [row["vmid"] for row in api.get("/nodes/pve/storage/local/content")] == [100]
    assert ended(api, api.post(QEMU, vmid=101, scsi0="local:1")) == "OK"
    api.close()
    control.reset(state)
    assert not state.exists()


def test_undo_of_a_task_cut_off_between_two_disks(lab: RunningLab, api: Client) -> None:
    """What a killed create leaves: its claim, a finished disk, a torn one and a task without an end."""
    from pvekit.lab.vm.vms import Vm

    storages = lab.lab.storages
    with lab.lab.exclusive():
        volume = storages.free_name("local", 100, "raw")
    storages.path(volume).write_bytes(b"half")
    torn = storages.path(volume).with_name("vm-100-disk-1.qcow2.part")
    torn.write_bytes(b"torn")
    lab.lab.vms.save(Vm(100, "pve", {"lock": "create"}))
    upid = "UPID:pve:00000001:00000001:67000000:qmcreate:100:root@pam:"
    steps = [{"step": "vm", "vmid": 100}, {"step": "volume", "volume": volume.id},
             {"step": "volume", "volume": "local:100/vm-100-disk-1.qcow2"}]  # fmt: skip
    record = {"upid": upid, "steps": steps, "end": None, "exit": ""}
    write_atomic(lab.settings.state / "tasks" / f"{upid}.json", json.dumps(record).encode())
    api.close()
    lab.restart()
    again = lab.client()
    assert again.get("/cluster/resources", type="vm") == []
    assert not storages.path(volume).exists()
    assert not torn.exists()
    assert again.get(f"/nodes/pve/tasks/{upid}/status")["exitstatus"].startswith("interrupted")
    again.close()


def test_a_torn_write_loses_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.put("100", {"a": 1})
    (tmp_path / ".100.json.dead.tmp").write_text('{"a": 2', encoding="utf-8")
    again = Store(tmp_path)
    assert dict(again.items()) == {"100": {"a": 1}}
    assert not list(tmp_path.glob(".*.tmp"))


def test_a_failed_write_leaves_the_old_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "x.json"
    write_atomic(target, b"old")
    monkeypatch.setattr(os, "fsync", lambda _handle: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        write_atomic(target, b"new")
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_start_stop_status_reset(tmp_path: Path) -> None:
    state = tmp_path / "lab"
    assert control.status(state) is None
    assert control.stop(state) is False
    node = control.start(state, hollow=True)
    assert control.start(state, hollow=True).pid == node.pid
    found = control.status(state)
    assert found is not None
    assert (found.endpoint, found.fingerprint, found.token_id) == (node.endpoint, node.fingerprint, "root@pam!lab")
    assert node.token_secret not in repr(node)
    api = client_of(node)
    ended(api, api.post(QEMU, vmid=100))
    ended(api, api.post(f"{QEMU}/100/status/start"))
    api.close()
    assert control.stop(state) is True
    assert control.status(state) is None
    node = control.start(state, hollow=True)
    assert node.fingerprint == found.fingerprint
    assert node.token_secret == found.token_secret
    api = client_of(node)
    assert api.get(f"{QEMU}/100/status/current")["status"] == "running"
    api.close()
    control.stop(state, guests=True)
    assert not list((state / "hollow").glob("*.json"))
    control.reset(state)
    assert not state.exists()
    control.reset(state)


def test_reset_refuses_what_is_no_node(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("x", encoding="utf-8")
    with pytest.raises(LabError):
        control.reset(tmp_path)
    assert (tmp_path / "precious").exists()


def test_a_port_in_use_is_said(tmp_path: Path) -> None:
    first = control.start(tmp_path / "one", hollow=True)
    port = int(first.endpoint.rpartition(":")[2])
    started = time.monotonic()
    with pytest.raises(LabError, match="Address already in use"):
        control.start(tmp_path / "two", port, hollow=True)
    assert time.monotonic() - started < 15
    control.reset(tmp_path / "one")
