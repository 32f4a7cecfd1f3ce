"""Plain proxmoxer, with a token and with a password."""

from __future__ import annotations

import hashlib
import io
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import proxmoxer
import pytest
from proxmoxer.tools import Files, Tasks

from tests.lab.running import RunningLab, qcow2

pytestmark = pytest.mark.foreign


@pytest.fixture
def running(tmp_path: Path) -> Iterator[RunningLab]:
    lab = RunningLab(tmp_path / "lab", cpus=4)
    yield lab
    lab.close()


@pytest.fixture(params=["token", "password"])
def api(running: RunningLab, request: pytest.FixtureRequest) -> Iterator[Any]:
    secrets = running.secrets
    user, _mark, token = secrets["token_id"].partition("!")
    who = (
        {"token_name": token, "token_value": secrets["token_secret"]}
        if request.param == "token"
        else {"password": secrets["password"]}
    )
    cert = str(running.settings.state / "pve-ssl.pem")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield proxmoxer.ProxmoxAPI("localhost", port=running.server.port, user=user, verify_ssl=cert, timeout=30, **who)


def done(api: Any, upid: str) -> str:
    status = Tasks.blocking_status(api, upid, timeout=30, polling_interval=0.05)
    return str(status["exitstatus"])


def test_life_of_a_vm(api: Any) -> None:
    node = api.nodes("pve")
    image = io.BytesIO(qcow2(1 << 30))
    image.name = "cloud.qcow2"
    checksum = hashlib.sha256(image.getvalue()).hexdigest()
    sent = {"content": "import", "filename": image, "checksum": checksum, "checksum-algorithm": "sha256"}
    assert done(api, node.storage("local").upload.post(**sent)) == "OK"
    disk = "local:0,import-from=local:import/cloud.qcow2"
    made = node.qemu.post(vmid=500, name="px", memory=512, scsi0=disk, net0="virtio,bridge=vmbr0", agent=1)
    assert done(api, made) == "OK"
    assert done(api, node.qemu(500).status.start.post()) == "OK"
    node.qemu(500).agent.ping.post()
    found = node.qemu(500).agent("network-get-interfaces").get()["result"]
    assert found[1]["ip-addresses"][0]["ip-address"] == "127.77.1.244"
    with pytest.raises(proxmoxer.ResourceException, match="VM 500 is running - destroy failed"):
        node.qemu(500).delete()
    assert done(api, node.qemu(500).status.stop.post()) == "OK"
    assert done(api, node.qemu(500).delete(purge=1)) == "OK"
    assert api.cluster.resources.get(type="vm") == []


def test_files_helper(api: Any, tmp_path: Path) -> None:
    file = tmp_path / "small.iso"
    file.write_bytes(b"x" * 4096)
    status = Files(api, "pve", "local").upload_local_file_to_storage(str(file))
    assert status["exitstatus"] == "OK"


def test_errors_are_readable(api: Any) -> None:
    with pytest.raises(proxmoxer.ResourceException) as caught:
        api.nodes("pve").qemu.post(vmid=501, memory="much")
    assert caught.value.status_code == 400
    assert "memory" in caught.value.errors
