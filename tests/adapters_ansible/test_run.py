"""The Ansible adapter, with plays that run on this machine and change nothing outside a temporary folder."""

from __future__ import annotations

import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pvekit.adapters import ansible
from pvekit.model.errors import Interrupted, ProvisionFailed
from pvekit.model.event import Event, Kind
from pvekit.model.inventory import Host, Inventory

LOCAL = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
SECRET = "geheim-{{ 1 + 1 }}-'\""
PLAY = """
- name: Play
  hosts: all
  gather_facts: false
  tasks:
"""


def inventory(*names: str) -> Inventory:
    return Inventory(tuple(Host(name, "127.0.0.1", "nobody", variables=LOCAL) for name in names), "/none")


def play(folder: Path, tasks: str) -> Path:
    path = folder / "play.yml"
    lines = [f"    {line}" for line in tasks.strip().splitlines()]
    path.write_text(PLAY + "\n".join(lines) + "\n")
    return path


@pytest.fixture(autouse=True)
def memory(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A short runtime folder of this test's own; nothing may be left in it."""
    folder = Path(tempfile.mkdtemp(prefix="run-", dir="/tmp"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    yield folder
    folder.rmdir()


def test_events_and_result(tmp_path: Path) -> None:
    events: list[Event] = []
    path = play(
        tmp_path,
        """
- name: Say
  ansible.builtin.command: echo hello
  changed_when: inventory_hostname == 'a'
- name: Break
  ansible.builtin.command: sh -c 'echo broken >&2; exit 3'
  when: inventory_hostname == 'b'
- name: Saved
  block:
    - name: Breaks too
      ansible.builtin.command: "false"
  rescue:
    - name: Save
      ansible.builtin.debug:
        msg: saved
""",
    )
    result = ansible.run(path, inventory("a", "b"), on_event=events.append)
    assert not result.ok
    assert result.failed == {"b"}
    assert "a" in result.changed
    (failure,) = result.failures
    assert (failure.host, failure.task) == ("b", "Break")
    assert "broken" in failure.message
    assert result.stats["a"]["rescued"] == 1
    told = {(event.vm, event.step, event.kind) for event in events}
    assert {("a", "Say", Kind.START), ("a", "Say", Kind.DONE), ("b", "Break", Kind.FAIL)} <= told
    assert ("a", "Break", Kind.SKIP) in told
    assert all(event.seconds is not None for event in events if event.kind is Kind.DONE)


def test_secrets_arrive_whole_and_leave_no_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PVE_TOKEN", "token-in-the-environment")
    monkeypatch.setenv("ANSIBLE_STDOUT_CALLBACK", "nonsense")
    events: list[Event] = []
    # "look" runs while the playbook does, and looks at everything that this user can read about it.
    path = play(
        tmp_path,
        """
- name: Compare
  ansible.builtin.assert:
    that: password == expected.stdout and nested.inner[0] == expected.stdout and plain == 2
  vars:
    expected: {stdout: "{{ lookup('ansible.builtin.file', out ~ '/expected') }}"}
- name: Look
  ansible.builtin.shell: |
    cat /proc/[0-9]*/cmdline | tr '\\0' ' ' > {{ out }}/argv
    cat /proc/self/environ /proc/$PPID/environ | tr '\\0' '\\n' > {{ out }}/env
    grep -rlF -f {{ out }}/expected {{ run }}/.. > {{ out }}/files || true
    cat {{ run }}/command > {{ out }}/command
  vars:
    run: "{{ lookup('ansible.builtin.env', 'AWX_ISOLATED_DATA_DIR') }}"
- name: Blurt
  ansible.builtin.fail:
    msg: "the password is {{ password }}"
""",
    )
    (tmp_path / "expected").write_text(SECRET)
    secrets: dict[str, Any] = {"password": SECRET, "nested": {"inner": [SECRET]}}
    result = ansible.run(
        path,
        inventory("a"),
        extra_vars={"out": str(tmp_path), "plain": "{{ 1 + 1 }}"},
        secrets=secrets,
        on_event=events.append,
    )
    assert [str(each) for each in result.failures] == ["a: Blurt: the password is ****"]
    for name in ("argv", "env", "command"):
        text = (tmp_path / name).read_text()
        assert "geheim" not in text, name
        assert "token-in-the-environment" not in text, name
    assert (tmp_path / "files").read_text() == ""
    assert not [event for event in events if "geheim" in repr(event)]


def test_wrong_playbook(tmp_path: Path) -> None:
    with pytest.raises(ProvisionFailed, match="no such playbook"):
        ansible.run(tmp_path / "none.yml", inventory("a"))
    with pytest.raises(ProvisionFailed, match="nosuchmodule"):
        ansible.run(play(tmp_path, "- name: X\n  nosuchmodule: {}"), inventory("a"))
    with pytest.raises(ProvisionFailed, match="no host"):
        ansible.run(tmp_path / "play.yml", inventory())


def test_unreachable_host_is_a_value(tmp_path: Path) -> None:
    hosts = (Host("gone", "127.0.0.1", "nobody", port=1), Host("here", "-", "-", variables=LOCAL))
    path = play(tmp_path, "- name: Say\n  ansible.builtin.command: echo hello")
    result = ansible.run(path, Inventory(hosts, str(tmp_path / "known_hosts")))
    assert result.failed == {"gone"}
    assert result.stats["here"]["ok"] == 1
    assert "Connection refused" in result.failures[0].message


def test_cancel_ends_ansible(tmp_path: Path) -> None:
    path = play(tmp_path, "- name: Sleep\n  ansible.builtin.command: sleep 60")
    cancel = threading.Event()

    def stop_when_it_sleeps(event: Event) -> None:
        if event.kind is Kind.START:
            threading.Timer(1.0, cancel.set).start()

    with pytest.raises(Interrupted) as caught:
        ansible.run(path, inventory("a"), on_event=stop_when_it_sleeps, cancel=cancel)
    assert caught.value.hint
    assert not [each for each in processes() if str(path) in each]


def test_too_slow(tmp_path: Path) -> None:
    path = play(tmp_path, "- name: Sleep\n  ansible.builtin.command: sleep 60")
    with pytest.raises(ProvisionFailed, match="too long"):
        ansible.run(path, inventory("a"), timeout=3)
    assert not [each for each in processes() if str(path) in each]


def processes() -> list[str]:
    found = []
    for each in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(each.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue
    return [text for text in found if not text.startswith(f"{os.getpid()} ")]
