"""look.sh, rendered by Ansible itself for every case, then run here: it only reads."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from pvekit.adapters import ansible
from pvekit.adapters.data import data_dir
from pvekit.model.inventory import Host, Inventory

CASES = yaml.safe_load((Path(__file__).parent / "cases" / "look.yaml").read_text())
RENDER = """
- name: Render
  hosts: all
  gather_facts: false
  vars:
    pvekit_updates_file: "{{ lookup('ansible.builtin.template', templates ~ '/guest/updates.conf.j2') }}"
    pvekit_files: "{{ lookup('ansible.builtin.template', templates ~ '/guest/mounts.json.j2') | from_json }}"
  tasks:
    - name: Write the script
      ansible.builtin.copy:
        dest: "{{ out }}/{{ inventory_hostname }}.sh"
        content: "{{ lookup('ansible.builtin.template', templates ~ '/guest/look.sh.j2') }}"
        mode: "0600"
    - name: Write the policy
      ansible.builtin.copy:
        dest: "{{ out }}/{{ inventory_hostname }}.conf"
        content: "{{ pvekit_updates_file }}"
        mode: "0600"
"""


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One run renders all cases; each case is a host."""
    out = tmp_path_factory.mktemp("look")
    (out / "render.yml").write_text(RENDER)
    local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    hosts = [Host(f"case{n}", "-", "-", variables=local | case["vars"]) for n, case in enumerate(CASES)]
    shared = {"out": str(out), "templates": str(data_dir("templates"))}
    result = ansible.run(out / "render.yml", Inventory(tuple(hosts), "/none"), extra_vars=shared)
    assert result.ok, result.failures
    return out


@pytest.mark.parametrize("number", range(len(CASES)), ids=[case["name"] for case in CASES])
def test_look(rendered: Path, number: int) -> None:
    case: dict[str, Any] = CASES[number]
    script = rendered / f"case{number}.sh"
    for text in case.get("text", ()):
        assert text in script.read_text()
    subprocess.run(["sh", "-n", str(script)], check=True)
    if not Path("/etc/debian_version").exists():
        pytest.skip("this machine is neither Debian nor Ubuntu")
    done = subprocess.run(["sh", str(script)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    said = done.stdout.splitlines()
    assert set(case.get("lines", ())) <= set(said)
    if case.get("only"):
        assert sorted(case["lines"]) == sorted(said)


def test_updates_policy_replaces_the_lists_of_others(rendered: Path, tmp_path: Path) -> None:
    if shutil.which("apt-config") is None:
        pytest.skip("apt-config is not installed")
    number = next(n for n, case in enumerate(CASES) if case["vars"].get("pvekit_updates") == "security")
    (tmp_path / "50.conf").write_text('Unattended-Upgrade::Allowed-Origins { "other:thing"; };\n')
    (tmp_path / "99.conf").write_text((rendered / f"case{number}.conf").read_text())
    # Read before the folder of parts, which it names; an option on the command line would come too late.
    (tmp_path / "first").write_text(f'Dir::Etc::parts "{tmp_path}";\n')
    env = {"PATH": os.environ["PATH"], "APT_CONFIG": str(tmp_path / "first")}
    said = subprocess.run(["apt-config", "dump"], env=env, capture_output=True, text=True, check=True).stdout
    assert "other:thing" not in said
    assert "Debian-Security" in said
    assert 'APT::Periodic::Unattended-Upgrade "1";' in said
    assert said.count("Origins-Pattern:: ") == 4
