"""Ansible's community.proxmox, unmodified: a VM's whole life, and the same with a password."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pvekit.lab.control import Running
from tests.foreign.clients import collections, lab, program, run
from tests.lab.running import qcow2

pytestmark = [pytest.mark.foreign, pytest.mark.slow]
__all__ = ["lab"]

PLAYBOOK = Path(__file__).with_name("community_proxmox.yml")
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOVjlv20jhbCc7Cj0bZgxKxg+XWw4vQVw73ZFwscSfaQ me@host"


def test_life_of_a_vm(lab: Running, tmp_path: Path) -> None:
    playbook, python = str(program("ansible-playbook")), str(program("python"))
    user, _mark, token = lab.token_id.partition("!")
    (tmp_path / "ansible.iso").write_bytes(bytes(65536))
    (tmp_path / "ansible.qcow2").write_bytes(qcow2(1 << 30))
    variables = {
        "ansible_python_interpreter": python,
        "lab_port": int(lab.endpoint.rpartition(":")[2]),
        "lab_user": user,
        "lab_token": token,
        "lab_secret": lab.token_secret,
        "lab_iso": str(tmp_path / "ansible.iso"),
        "lab_image": str(tmp_path / "ansible.qcow2"),
        "lab_key": KEY,
    }
    (tmp_path / "vars.json").write_text(json.dumps(variables), encoding="utf-8")
    env = {
        "ANSIBLE_COLLECTIONS_PATH": str(collections()),
        "ANSIBLE_HOME": str(tmp_path / "ansible"),
        "ANSIBLE_LOCALHOST_WARNING": "False",
        "ANSIBLE_NOCOLOR": "1",
        "PYTHONWARNINGS": "ignore",
    }
    said = run([playbook, "-i", "localhost,", "-c", "local", "-e", "@vars.json", str(PLAYBOOK)], env, tmp_path)
    assert "failed=0" in said
    assert "unreachable=0" in said
