from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pvekit.adapters.data import data_dir
from pvekit.model.errors import PvekitError
from pvekit.model.inventory import Host, Inventory, dynamic_document, group_name, limit, static_document

INVENTORY = Inventory(
    (
        Host("web", "127.0.0.5", "anna", 2222, "/k/id", ("ubuntu", "home-lab"), {"pvekit_timezone": "UTC"}),
        Host("nas", "10.0.0.2", "anna", private_key="/k/id", groups=("nas", "home-lab")),
    ),
    "/a folder/known_hosts",
    {"pvekit_updates": "all"},
)


def listed(document: dict[str, Any], tmp_path: Path) -> dict[str, Any]:
    """What Ansible itself makes of an inventory file."""
    (tmp_path / "hosts.json").write_text(json.dumps(document))
    argv = [sys.executable, "-m", "ansible", "inventory", "-i", str(tmp_path / "hosts.json"), "--list"]
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "LC_ALL": "C.UTF-8"}
    done = subprocess.run(argv, env=env, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "WARNING" not in done.stderr
    return dict(json.loads(done.stdout))


def test_ansible_reads_both_forms_alike(tmp_path: Path) -> None:
    read = listed(static_document(INVENTORY), tmp_path)
    variables = read["_meta"]["hostvars"]
    assert variables["web"]["ansible_host"] == "127.0.0.5"
    assert variables["web"]["pvekit_timezone"] == "UTC"
    assert variables["nas"]["pvekit_updates"] == "all"
    dynamic = dynamic_document(INVENTORY)
    for group in ("pvekit_ubuntu", "pvekit_nas", "pvekit_home_lab"):
        assert sorted(read[group]["hosts"]) == sorted(dynamic[group]["hosts"])
    for host, own in dynamic["_meta"]["hostvars"].items():
        assert {**dynamic["all"]["vars"], **own} == variables[host]


def test_only_pinned_host_keys() -> None:
    arguments = shlex.split(static_document(INVENTORY)["all"]["vars"]["ansible_ssh_common_args"])
    assert 'UserKnownHostsFile="/a folder/known_hosts"' in arguments
    assert "StrictHostKeyChecking=yes" in arguments
    assert "IdentitiesOnly=yes" in arguments
    agent = Inventory((Host("web", "127.0.0.1", "anna"),), "/k")
    assert "IdentitiesOnly" not in static_document(agent)["all"]["vars"]["ansible_ssh_common_args"]


@pytest.mark.parametrize("path", ['/a"b', "/a'b", "/a\nb", "/a%b", "/a${HOME}"])
def test_path_that_cannot_be_quoted(path: str) -> None:
    with pytest.raises(PvekitError, match="known_hosts"):
        static_document(Inventory((), path))


@settings(deadline=None)
@given(st.text(min_size=1, max_size=20))
def test_group_names(text: str) -> None:
    assert group_name(text).isascii()
    assert group_name(text).isidentifier()


def test_limit() -> None:
    assert [host.name for host in limit(INVENTORY, ["nas"]).hosts] == ["nas"]


def script(tmp_path: Path, **env: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, str(data_dir("inventory") / "pvekit_inventory.py"), "--list"]
    return subprocess.run(argv, env={"PATH": str(tmp_path), **env}, capture_output=True, text=True, check=False)


def test_inventory_script(tmp_path: Path) -> None:
    assert "PVEKIT_STACK is not set" in script(tmp_path).stderr
    assert "there is no file" in script(tmp_path, PVEKIT_STACK="/none.yaml").stderr
    (tmp_path / "home.yaml").write_text("")
    fake = tmp_path / "pvekit"
    fake.write_text('#!/bin/sh\necho "$@"\n')
    fake.chmod(0o755)
    done = script(tmp_path, PVEKIT_STACK=str(tmp_path / "home.yaml"))
    assert done.stdout == f"inventory {tmp_path}/home.yaml --list\n"
