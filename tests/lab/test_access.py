"""Who may do what: roles, propagation, groups, pools, tokens of their own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.lab.running import Client, RunningLab

VM = "/nodes/pve/qemu/101"


@pytest.fixture
def user(lab: RunningLab, api: Client) -> Iterator[Client]:
    """A user without rights, by a token that has all the user has."""
    api.post("/access/users", userid="lim@pve", password="password1")
    token = api.post("/access/users/lim@pve/token/tok", privsep=0)
    lab.wait(api.post("/nodes/pve/qemu", vmid=101, name="one"))
    client = Client(lab.server.port, {"Authorization": f"PVEAPIToken=lim@pve!tok={token['value']}"})
    yield client
    client.close()


def give(api: Client, path: str, role: str, **who: Any) -> None:
    api.put("/access/acl", path=path, roles=role, **(who or {"users": "lim@pve"}))


def test_nothing_without_rights(user: Client) -> None:
    answer = user.ask("GET", f"{VM}/config")
    assert (answer.status, answer.reason) == (403, "Permission check failed (/vms/101, VM.Audit)")
    assert user.get("/cluster/resources", type="vm") == []
    assert user.get("/nodes/pve/storage") == []
    assert user.ask("POST", "/nodes/pve/qemu", {"vmid": 180}).reason == "Permission check failed"
    assert user.get("/access/permissions") == {}


def test_roles_on_a_path_and_below(api: Client, user: Client) -> None:
    give(api, "/vms", "PVEVMUser")
    assert user.get(f"{VM}/config")["name"] == "one"
    assert user.ask("DELETE", VM).reason == "Permission check failed (/vms/101, VM.Allocate)"
    assert user.get("/access/permissions")["/vms"]["VM.Audit"] == 1
    give(api, "/vms/101", "NoAccess")
    assert user.ask("GET", f"{VM}/config").status == 403


def test_a_role_that_does_not_propagate(api: Client, user: Client) -> None:
    api.put("/access/acl", path="/vms", roles="PVEVMUser", users="lim@pve", propagate=0)
    assert user.ask("GET", f"{VM}/config").status == 403
    assert user.get("/access/permissions", path="/vms")["/vms"]["VM.Audit"] == 0


def test_groups(api: Client, user: Client) -> None:
    api.post("/access/groups", groupid="ops")
    give(api, "/vms", "PVEAuditor", groups="ops")
    assert user.ask("GET", f"{VM}/config").status == 403
    api.put("/access/users/lim@pve", groups="ops")
    assert user.ask("GET", f"{VM}/config").status == 200
    api.delete("/access/groups/ops")
    assert user.ask("GET", f"{VM}/config").status == 403


def test_rights_by_pool(lab: RunningLab, api: Client, user: Client) -> None:
    api.post("/pools", poolid="lab")
    give(api, "/pool/lab", "PVEVMAdmin")
    assert user.ask("GET", f"{VM}/config").status == 403
    api.put("/pools", poolid="lab", vms=101)
    assert user.ask("GET", f"{VM}/config").status == 200
    lab.wait(user.post("/nodes/pve/qemu", vmid=180, pool="lab"))
    assert [row["vmid"] for row in user.get("/cluster/resources", type="vm")] == [101, 180]


def test_a_token_with_rights_of_its_own(lab: RunningLab, api: Client, user: Client) -> None:
    give(api, "/vms", "PVEVMAdmin")
    made = api.post("/access/users/lim@pve/token/own", privsep=1)
    own = Client(lab.server.port, {"Authorization": f"PVEAPIToken=lim@pve!own={made['value']}"})
    assert own.ask("GET", f"{VM}/config").status == 403
    give(api, "/", "Administrator", tokens="lim@pve!own")
    assert own.ask("GET", f"{VM}/config").status == 200
    assert own.ask("GET", "/nodes/pve/status").status == 403
    own.close()


def test_disabled_and_expired(lab: RunningLab, api: Client, user: Client) -> None:
    give(api, "/vms", "PVEVMAdmin")
    old = api.post("/access/users/lim@pve/token/old", expire=1)
    expired = Client(lab.server.port, {"Authorization": f"PVEAPIToken=lim@pve!old={old['value']}"})
    assert expired.ask("GET", "/version").status == 401
    expired.close()
    assert user.ask("GET", "/version").status == 200
    api.put("/access/users/lim@pve", enable=0)
    assert user.ask("GET", "/version").status == 401


def test_roots_token_is_not_root(api: Client, lab: RunningLab) -> None:
    lab.wait(api.post("/nodes/pve/qemu", vmid=101))
    for key, value in {"args": "-x", "hugepages": "any", "affinity": "0", "lock": "backup"}.items():
        assert api.ask("PUT", f"{VM}/config", {key: value}).reason == f"only root can set '{key}' config"
    raw = api.ask("PUT", f"{VM}/config", {"hostpci0": "0000:01:00"})
    assert raw.reason == "only root can set 'hostpci0' config for non-mapped devices"
    path = api.ask("PUT", f"{VM}/config", {"scsi0": "/dev/disk/by-id/x"})
    assert path.reason.startswith("Only root can pass arbitrary filesystem paths.")
    skip = api.ask("PUT", f"{VM}/config", {"name": "x", "skiplock": 1})
    assert skip.document["errors"] == {"skiplock": "Only root may use this option."}


def test_secrets_are_not_on_disk(lab: RunningLab, api: Client) -> None:
    api.post("/access/users", userid="p@pve", password="very-secret-1")
    token = api.post("/access/users/p@pve/token/tok")["value"]
    stored = (lab.settings.state / "access" / "users.json").read_text(encoding="utf-8")
    assert "very-secret-1" not in stored
    assert token not in stored
    assert (lab.settings.state / "secrets.json").stat().st_mode & 0o777 == 0o600
