"""kcli, unmodified: a plan is created, listed and deleted."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from pvekit.lab.control import Running
from tests.foreign.clients import lab, program, run

pytestmark = [pytest.mark.foreign, pytest.mark.slow]
__all__ = ["lab"]

PLAN = """
one:
  numcpus: 1
  memory: 256
  disks: [2, {size: 3, interface: scsi}]
  nets: [vmbr0]
two:
  numcpus: 1
  memory: 256
  disks: [1]
  nets: [default]
"""


def host_for_kcli(running: Running) -> str:
    """Return the address in the one form in which kcli leaves a port alone: IPv6 in brackets, mapped from IPv4."""
    port = running.endpoint.rpartition(":")[2]
    try:
        socket.create_connection(("::ffff:127.0.0.1", int(port)), timeout=5).close()
    except OSError as missing:
        pytest.skip(f"kcli takes a port only with an IPv6 address, and this machine has no IPv6: {missing}")
    return f"[::ffff:127.0.0.1]:{port}"


def test_plan_create_list_delete(lab: Running, tmp_path: Path) -> None:
    kcli = str(program("kcli"))
    user, _mark, token = lab.token_id.partition("!")
    client = {
        "type": "proxmox", "host": host_for_kcli(lab), "user": user, "auth_token_name": token,
        "auth_token_secret": lab.token_secret, "verify_ssl": False, "pool": "local", "node": "pve",
    }  # fmt: skip
    folder = tmp_path / ".kcli"
    folder.mkdir()
    config = json.dumps({"default": {"client": "lab", "pool": "local"}, "lab": client})
    (folder / "config.yml").write_text(config, encoding="utf-8")
    (tmp_path / "plan.yml").write_text(PLAN, encoding="utf-8")
    env = {"HOME": str(tmp_path), "PYTHONWARNINGS": "ignore"}

    run([kcli, "create", "plan", "-f", "plan.yml", "demo"], env, tmp_path)
    listed = run([kcli, "list", "vm"], env, tmp_path)
    assert "one" in listed
    assert "127.77.0.100" in listed
    assert "one,two" in run([kcli, "list", "plan"], env, tmp_path).replace(" ", "")
    told = run([kcli, "info", "vm", "one"], env, tmp_path)
    assert "disksize: 3G" in told
    assert "plan: demo" in told
    run([kcli, "stop", "vm", "one"], env, tmp_path)
    run([kcli, "start", "vm", "one"], env, tmp_path)
    run([kcli, "delete", "plan", "demo", "-y"], env, tmp_path)
    assert "one" not in run([kcli, "list", "vm"], env, tmp_path)
