"""HTTP: kept-alive connections, status lines, bodies, credentials, many clients at once."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.lab.running import Client, RunningLab, qcow2


def test_one_connection_serves_good_and_bad_requests(api: Client) -> None:
    api.get("/version")
    port = api.connection.sock.getsockname()
    assert api.ask("GET", "/nope").status == 501
    assert api.ask("POST", "/pools", body=b"{bad", headers={"Content-Type": "application/json"}).status == 500
    assert api.ask("GET", "/version", {"foo": "1"}).document["errors"].keys() == {"foo"}
    assert api.ask("GET", "/", prefix="/other").status == 404
    assert api.connection.sock.getsockname() == port


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({}, "No ticket"),
        ({"Authorization": "PVEAPIToken=root@pam!lab=wrong"}, "Authentication failed!"),
        ({"Authorization": "PVEAPIToken=garbage"}, "Authentication failed!"),
        ({"Cookie": "PVEAuthCookie=PVE:root@pam:65000000::c2ln"}, "Authentication failed!"),
    ],
)
def test_bad_credentials_get_an_empty_401(lab: RunningLab, headers: dict[str, str], reason: str) -> None:
    client = Client(lab.server.port, headers)
    answer = client.ask("GET", "/version")
    assert (answer.status, answer.reason, answer.body) == (401, reason, b"")
    client.close()


def test_login_ticket_csrf_and_renewal(lab: RunningLab) -> None:
    client = Client(lab.server.port)
    wrong = client.ask("POST", "/access/ticket", {"username": "root@pam", "password": "no"})
    assert (wrong.status, wrong.reason) == (401, "authentication failure")
    login = client.post("/access/ticket", username="root@pam", password=lab.secrets["password"])
    assert login["cap"]["vms"]["VM.Allocate"] == 1
    client.headers = {"Cookie": f"PVEAuthCookie={login['ticket']}"}
    assert client.get("/version")["version"].startswith("9.")
    refused = client.ask("POST", "/pools", {"poolid": "x"})
    assert (refused.status, refused.reason) == (401, "Permission denied - invalid csrf token")
    client.headers["CSRFPreventionToken"] = login["CSRFPreventionToken"]
    client.post("/pools", poolid="x")
    again = client.post("/access/ticket", username="root@pam", password=login["ticket"])
    assert again["username"] == "root@pam"
    client.close()


def test_tickets_grow_old(lab: RunningLab, monkeypatch: pytest.MonkeyPatch) -> None:
    ticket = lab.lab.tickets.ticket("root@pam")
    assert lab.lab.tickets.user_of(ticket) == "root@pam"
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 7300)
    assert lab.lab.tickets.user_of(ticket) is None


def test_json_bodies_and_the_other_renderer(api: Client) -> None:
    body = json.dumps({"poolid": "json", "comment": "ünï"}).encode()
    assert api.ask("POST", "/pools", body=body, headers={"Content-Type": "application/json"}).status == 200
    assert api.get("/pools/json")["comment"] == "ünï"
    told = api.ask("GET", "/nodes/pve/qemu/999/config", prefix="/api2/extjs")
    assert (told.status, told.document["success"], told.document["status"]) == (200, 0, 500)


def test_errors_are_in_the_reason_phrase(api: Client) -> None:
    answer = api.ask("GET", "/nodes/pve/qemu/999/config")
    assert answer.reason == "Configuration file 'nodes/pve/qemu-server/999.conf' does not exist"
    assert answer.document["message"] == answer.reason + "\n"
    ghost = api.ask("GET", "/nodes/ghost/status")
    assert ghost.status == 500
    assert ghost.reason.startswith("hostname lookup 'ghost' failed")


def test_thirty_two_clients_at_once(lab: RunningLab) -> None:
    failures: list[str] = []

    def work(number: int) -> None:
        client = lab.client()
        try:
            for _turn in range(10):
                answer = client.ask("GET", "/cluster/resources")
                if answer.status != 200:
                    failures.append(f"{number}: {answer.status}")
        except OSError as failure:
            failures.append(f"{number}: {failure}")
        finally:
            client.close()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_lists_answer_quickly(lab: RunningLab, api: Client) -> None:
    for vmid in range(100, 120):
        lab.wait(api.post("/nodes/pve/qemu", vmid=vmid, name=f"vm{vmid}", memory=64, net0="virtio,bridge=vmbr0"))
        lab.wait(api.post(f"/nodes/pve/qemu/{vmid}/status/start"))
    assert _median(api, "/cluster/resources") < 0.05
    assert _median(api, "/nodes/pve/qemu/100/pending") < 0.05


def _median(api: Client, path: str) -> float:
    taken = []
    for _turn in range(15):
        started = time.perf_counter()
        api.get(path)
        taken.append(time.perf_counter() - started)
    return sorted(taken)[7]


def test_latency_is_added(tmp_path: Path) -> None:
    slow = RunningLab(tmp_path / "slow", latency=0.1)
    client = slow.client()
    started = time.monotonic()
    client.get("/version")
    assert time.monotonic() - started > 0.1
    client.close()
    slow.close()


@pytest.mark.parametrize("length", [0, 1, 65536, 3_000_000])
def test_uploads_arrive_whole(lab: RunningLab, api: Client, length: int) -> None:
    data = bytes(range(256)) * (length // 256) + bytes(length % 256)
    answer = api.upload("local", "iso", "some.iso", data)
    assert lab.wait(answer.data) == "OK"
    assert lab.lab.storages.path_of("local:iso/some.iso").read_bytes() == data
    assert not any((lab.settings.state / "uploads").iterdir())


def test_upload_checks(lab: RunningLab, api: Client) -> None:
    assert api.upload("local", "iso", "x.txt", b"1").document["errors"] == {"filename": "wrong file extension"}
    assert "content" in api.upload("local", "snippets", "x.yaml", b"1").document["errors"]
    wrong = api.upload("local", "iso", "a.iso", b"1", **{"checksum": "0" * 64, "checksum-algorithm": "sha256"})
    assert lab.wait(wrong.data).startswith("checksum mismatch: got ")
    assert not lab.lab.storages.path_of("local:iso/a.iso").exists()
    assert not any((lab.settings.state / "uploads").iterdir())


def test_download_url(lab: RunningLab, api: Client, tmp_path: Path, serving: Any) -> None:
    import hashlib

    data = qcow2(1 << 30)
    (tmp_path / "image.img").write_bytes(data)
    url = serving(tmp_path) + "/image.img"
    base, digest = "/nodes/pve/storage/local/download-url", hashlib.sha256(data).hexdigest()
    right = {"checksum": digest, "checksum-algorithm": "sha256"}
    first = api.post(base, content="import", filename="image.qcow2", url=url, **right)
    assert lab.wait(first) == "OK"
    again = api.post(base, content="import", filename="image.qcow2", url=url, **right)
    assert lab.wait(again) == "OK"
    override = api.post(base, content="import", filename="image.qcow2", url=url)
    assert "refusing to override" in lab.wait(override)
    wrong = {"checksum": "0" * 64, "checksum-algorithm": "sha256"}
    bad = api.post(base, content="import", filename="other.qcow2", url=url, **wrong)
    assert lab.wait(bad).startswith("checksum mismatch")
    missing = api.post(base, content="import", filename="other.qcow2", url=url + "x")
    assert "404" in lab.wait(missing)
    names = [row["volid"] for row in api.get("/nodes/pve/storage/local/content")]
    assert names == ["local:import/image.qcow2"]
