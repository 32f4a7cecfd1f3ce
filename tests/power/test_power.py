"""Meters, their texts, what a year costs; the packet that wakes a machine."""

from __future__ import annotations

import base64
import http.server
import json
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pvekit.cli.main import run
from pvekit.model.nodelook import Port
from pvekit.model.power import magic_packet, parse, parse_mac, plug, year
from pvekit.workflows import wake

CASES = sorted((Path(__file__).parent / "cases").glob("*.yaml"))
PLUGS = yaml.safe_load((Path(__file__).parent / "plugs.yaml").read_text())


def _coded(text: str) -> str:
    return "=" + base64.b64encode(text.encode()).decode()


def _text(case: dict[str, Any]) -> str:
    lines = list(case["lines"])
    lines += [f"ups {name} {_coded(text)}" for name, text in case.get("ups", {}).items()]
    lines += [f"gpu {_coded(case['gpu'])}"] if "gpu" in case else []
    return "\n".join([*lines, "end"]) + "\n"


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_readings(path: Path) -> None:
    case = yaml.safe_load(path.read_text())
    found = parse(_text(case))
    assert [(d.source, pytest.approx(d.watts), d.covers, d.whole) for d in found.draws] == [
        tuple(draw) for draw in case["draws"]
    ]
    assert list(found.missing) == case.get("missing", [])
    assert found.watts == (pytest.approx(case["watts"]) if case["watts"] is not None else None)
    assert [[port.name, port.mac, port.bridge] for port in found.ports] == case.get("ports", [])


@pytest.mark.parametrize(
    "text", ["", "rapl x\nend", "end\nrapl", "rapl a b 1 2 x\nend", "what\nend", "ups a =%%%\nend"]
)
def test_unreadable_answers_are_told(text: str) -> None:
    with pytest.raises(ValueError, match=r"cut off|unreadable"):
        parse(text)


@given(st.integers(0, 10**12), st.integers(1, 10**11), st.integers(1, 600))
def test_a_counter_that_wraps_counts_the_same(start: int, used: int, seconds: int) -> None:
    reach = 262143328850
    first = start % reach
    last = (first + used) % reach if used < reach else first
    used = used if used < reach else 0
    lines = f"rapl z package-0 0 {first} {reach}\nrapl z package-0 {seconds * 10**9} {last} {reach}\nend\n"
    assert parse(lines).watts == pytest.approx(used / 1e6 / seconds)


@pytest.mark.parametrize("case", PLUGS, ids=lambda case: case["name"])
def test_plugs(case: dict[str, Any]) -> None:
    if case["watts"] is None:
        with pytest.raises(ValueError, match="plug"):
            plug(case["text"])
    else:
        assert plug(case["text"]).watts == case["watts"]


def test_a_year() -> None:
    found = year(80, 0.30)
    assert (round(found.kwh), round(found.cost, 2)) == (701, 210.24)


def test_addresses_of_cards() -> None:
    assert parse_mac("a0-8c-fd-11-22-33") == parse_mac("A0:8C:FD:11:22:33") == "A0:8C:FD:11:22:33"
    assert [parse_mac(text) for text in ("pve", "a0:8c:fd:11:22", "a0:8c:fd:11:22:3g")] == [None, None, None]
    assert magic_packet("01:02:03:04:05:06") == b"\xff" * 6 + b"\1\2\3\4\5\6" * 16


def test_this_machine_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["power", "--local", "--seconds", "1", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found["nodes"]) == ["this machine"]


def test_counters_of_a_real_kernel_tree(tmp_path: Path) -> None:
    """The script itself, on a tree like that of a kernel, where mounts may be made."""
    probe = subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False)
    if probe.returncode != 0 or not Path("/sys/class/net").is_dir():
        pytest.skip("a tree of its own under /sys needs root, for mount namespaces")
    zone = tmp_path / "class" / "powercap" / "intel-rapl:0"
    zone.mkdir(parents=True)
    card = tmp_path / "class" / "net" / "eno1"
    (card / "device").mkdir(parents=True)
    (tmp_path / "class" / "net" / "vmbr0").mkdir()
    (card / "master").symlink_to("../vmbr0")
    (card / "address").write_text("a0:8c:fd:11:22:33\n")
    for name, value in (("name", "package-0"), ("energy_uj", "5000000"), ("max_energy_range_uj", "262143328850")):
        (zone / name).write_text(value + "\n")
    script = Path("templates/host/power.sh").read_bytes()
    mount = ["unshare", "--mount", "sh", "-c", f"mount --bind {tmp_path} /sys && exec sh -s -- 1"]
    done = subprocess.run(mount, input=script, capture_output=True, check=True)
    found = parse(done.stdout.decode())
    assert found.watts == 0.0
    assert found.ports == (Port("eno1", "A0:8C:FD:11:22:33", "vmbr0"),)


@contextmanager
def _web(text: str, status: int = 200) -> Iterator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: Any) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://user:hunter2@127.0.0.1:{server.server_port}/status?password=hunter2"
        server.shutdown()
        thread.join()


def test_a_plug_is_asked(capsys: pytest.CaptureFixture[str]) -> None:
    with _web(PLUGS[1]["text"]) as url:
        assert run(["power", "--local", "--seconds", "1", "--plug", url, "--price", "0.5"]) == 0
    assert "a year at 79.6 W: 697 kWh, 348.65 at 0.5 per kWh" in capsys.readouterr().out


@pytest.mark.parametrize(("status", "text", "code"), [(500, "", 4), (200, "<html>", 1)])
def test_a_plug_that_fails_is_told_without_its_password(
    status: int, text: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with _web(text, status) as url:
        assert run(["power", "--local", "--seconds", "1", "--plug", url]) == code
    said = capsys.readouterr()
    assert "plug" in said.err
    assert "hunter2" not in said.err + said.out


@contextmanager
def _receiver() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(5)
        yield receiver


def test_the_packet_arrives(capsys: pytest.CaptureFixture[str]) -> None:
    with _receiver() as receiver:
        port = str(receiver.getsockname()[1])
        assert run(["wake", "a0:8c:fd:11:22:33", "--to", "127.0.0.1", "--port", port]) == 0
        assert receiver.recv(2048) == magic_packet("A0:8C:FD:11:22:33")
    assert "A0:8C:FD:11:22:33" in capsys.readouterr().out


def test_broadcasts_are_allowed_on_the_socket() -> None:
    with _receiver() as receiver:
        port = str(receiver.getsockname()[1])
        assert run(["wake", "a0:8c:fd:11:22:33", "--to", "127.255.255.255", "--port", port]) == 0


def test_a_node_that_was_learned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    stack = tmp_path / "home.yaml"
    stack.write_text(
        "pvekit: 1\nname: home\nhost: lab\nimages: {a: {build: debian-13}}\n"
        "vms: {one: {kind: debian, image: a, disks: [{size: 4GiB}]}}\n"
    )
    assert run(["wake", "-s", str(stack), "pve"]) == 9
    wake.learn(
        "home", {"pve": (Port("eno2", "A0:8C:FD:11:22:34", "vmbr10"), Port("eno1", "A0:8C:FD:11:22:33", "vmbr0"))}
    )
    wake.learn("home", {"pve": ()})
    assert wake.mac_of("home", None) == ("pve", "A0:8C:FD:11:22:33")
    with _receiver() as receiver:
        assert run(["wake", "-s", str(stack), "--to", "127.0.0.1", "--port", str(receiver.getsockname()[1])]) == 0
        assert receiver.recv(2048) == magic_packet("A0:8C:FD:11:22:33")
    wake.learn("home", {"pve2": (Port("eno1", "A0:8C:FD:11:22:35", "vmbr0"),)})
    assert run(["wake", "-s", str(stack)]) == 9
