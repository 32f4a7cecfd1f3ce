"""VNC tickets: what they open, and what they do not."""

from __future__ import annotations

import re
from contextlib import suppress
from urllib.parse import quote

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from pvekit.lab.vm import consoles
from tests.lab.running import Client, RunningLab
from tests.lab.sockets import Socket

VM = "/nodes/pve/qemu/100"
GREETING = b"RFB 003.008\n"


@pytest.fixture
def vm(lab: RunningLab, api: Client) -> Client:
    lab.wait(api.post("/nodes/pve/qemu", vmid=100, serial0="socket"))
    lab.wait(api.post(f"{VM}/status/start"))
    return api


def opened(lab: RunningLab, ticket: str, port: str, token: str = "") -> Socket:
    url = f"wss://localhost:{lab.server.port}/api2/json{VM}/vncwebsocket?port={port}&vncticket={quote(ticket, safe='')}"
    return Socket(url, str(lab.settings.state / "pve-ssl.pem"), {"Authorization": token or lab.token})


def refused(lab: RunningLab, ticket: str, port: str, token: str = "") -> tuple[int, str]:
    with pytest.raises(InvalidStatus) as no:
        opened(lab, ticket, port, token)
    return no.value.response.status_code, no.value.response.reason_phrase


def test_the_answer_has_the_shape_of_pve(lab: RunningLab, vm: Client) -> None:
    proxy = vm.post(f"{VM}/vncproxy", websocket=1)
    assert set(proxy) == {"user", "ticket", "password", "cert", "port", "upid"}
    assert re.fullmatch(r"[!-~]{8}", proxy["password"])
    assert proxy["ticket"].startswith(f"{proxy['password']}:PVEVNC:")
    assert proxy["cert"].startswith("-----BEGIN CERTIFICATE-----")
    vm.put(f"{VM}/config", vga="serial0")
    lab.wait(vm.post(f"{VM}/status/stop"))
    assert "password" not in vm.post(f"{VM}/vncproxy")
    assert "password" in vm.post(f"{VM}/vncproxy", websocket=1)


def test_a_ticket_opens_once(lab: RunningLab, vm: Client) -> None:
    proxy = vm.post(f"{VM}/vncproxy", websocket=1)
    with opened(lab, proxy["ticket"], proxy["port"]) as websocket:
        assert websocket.recv(5) == GREETING
    status, reason = refused(lab, proxy["ticket"], proxy["port"])
    assert (status, reason) == (500, f"connect to 'localhost:{proxy['port']}' failed: Connection refused")


def test_the_ticket_without_its_password_opens_too(lab: RunningLab, vm: Client) -> None:
    proxy = vm.post(f"{VM}/vncproxy", websocket=1)
    with opened(lab, proxy["ticket"][9:], proxy["port"]) as websocket:
        assert websocket.recv(5) == GREETING


def test_nobody_comes(lab: RunningLab, vm: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consoles, "PATIENCE", 0.0)
    proxy = vm.post(f"{VM}/vncproxy", websocket=1)
    assert refused(lab, proxy["ticket"], proxy["port"])[0] == 500


def test_two_at_once_have_two_ports(lab: RunningLab, vm: Client) -> None:
    one, two = (vm.post(f"{VM}/vncproxy", websocket=1) for _ in range(2))
    assert one["port"] != two["port"]
    assert refused(lab, one["ticket"], two["port"]) == (401, "permission denied - invalid PVEVNC ticket")
    for proxy in (two, one):
        with opened(lab, proxy["ticket"], proxy["port"]) as websocket:
            assert websocket.recv(5) == GREETING


def test_another_user_has_nothing_of_it(lab: RunningLab, vm: Client) -> None:
    vm.post("/access/users", userid="other@pve")
    made = vm.post("/access/users/other@pve/token/t1", privsep="0")
    vm.put("/access/acl", path="/", roles="Administrator", users="other@pve")
    proxy = vm.post(f"{VM}/vncproxy", websocket=1)
    other = f"PVEAPIToken={made['full-tokenid']}={made['value']}"
    assert refused(lab, proxy["ticket"], proxy["port"], other)[0] == 401


def test_a_stopped_vm_closes_without_a_word(lab: RunningLab, vm: Client) -> None:
    lab.wait(vm.post(f"{VM}/status/stop"))
    proxy = vm.post(f"{VM}/vncproxy", websocket=1)
    with pytest.raises(ConnectionClosed), opened(lab, proxy["ticket"], proxy["port"]) as websocket:
        websocket.recv(5)


def test_all_ports_taken(lab: RunningLab, vm: Client) -> None:
    """The oldest offer gives way; nothing is refused."""
    many = [lab.lab.consoles.offer(100, "x") for _ in consoles.PORTS]
    assert sorted(many) == list(consoles.PORTS)
    proxy = vm.post(f"{VM}/vncproxy", websocket=1)
    assert int(proxy["port"]) == many[0]
    with suppress(ConnectionClosed), opened(lab, proxy["ticket"], proxy["port"]) as websocket:
        assert websocket.recv(5) == GREETING


def test_counters_of_the_drives(lab: RunningLab, vm: Client) -> None:
    lab.wait(vm.post(f"{VM}/status/stop"))
    vm.put(f"{VM}/config", scsi0="local:1", ide2="none,media=cdrom")
    assert "blockstat" not in vm.get(f"{VM}/status/current")
    lab.wait(vm.post(f"{VM}/status/start"))
    now = vm.get(f"{VM}/status/current")
    assert set(now["blockstat"]) == {"scsi0", "ide2"}
    assert now["diskread"] == sum(drive["rd_bytes"] for drive in now["blockstat"].values())
    assert now["diskwrite"] == sum(drive["wr_bytes"] for drive in now["blockstat"].values())
