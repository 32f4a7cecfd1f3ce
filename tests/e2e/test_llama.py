"""A language model in a real guest, through the front door: a real llama-server, and a model that nobody trained."""

from __future__ import annotations

import hashlib
import http.server
import json
import re
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from pvekit.inference.models import synth
from pvekit.model.errors import PreflightRefused, ProvisionFailed
from tests.conftest import Figure
from tests.helpers.person import Person

pytestmark = [pytest.mark.guest, pytest.mark.slow]

KEY = "correct-horse-battery-staple-9"
MODEL = {"shape": "tiny-13m", "quant": "Q8_0"}
STACK: dict[str, Any] = {
    "pvekit": 1,
    "name": "talk",
    "host": "lab",
    "defaults": {"storage": "local", "updates": "none"},
    "images": {"debian-14-llama": {"build": "debian-14-llama"}},
    "vms": {
        "llm": {
            "kind": "llama",
            "image": "debian-14-llama",
            "cores": 2,
            "memory": "1GiB",
            "disks": [{"size": "4GiB"}],
            "llama": {"model": MODEL, "context": 2048, "threads": 1, "listen": "lan", "api_key": "file:./key"},
        }
    },
}


class Owner(Person):
    """Somebody with a language model."""

    address = ""

    def writes(self, model: dict[str, Any], **changes: Any) -> None:
        """Write the stack file with another model, and with keys of the VM changed."""
        vm = STACK["vms"]["llm"]
        made = {**vm, **changes, "llama": {**vm["llama"], "model": model}}
        (self.folder / "stack.yaml").write_text(yaml.safe_dump({**STACK, "vms": {"llm": made}}, sort_keys=False))

    def asks(self, path: str, body: dict[str, Any] | None = None, key: str = KEY) -> tuple[int, str]:
        """Ask the server from outside; return status and text."""
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(f"http://{self.address}:8080{path}", data=data, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=300) as answer:
                return answer.status, answer.read().decode(errors="replace")
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode(errors="replace")

    def chats(self) -> dict[str, Any]:
        """Have the model say something."""
        said = {"messages": [{"role": "user", "content": "Good morning"}], "max_tokens": 12}
        status, text = self.asks("/v1/chat/completions", said)
        assert status == 200, text
        found: dict[str, Any] = json.loads(text)
        return found

    def in_guest(self, script: str) -> str:
        """Run a script as root in the guest."""
        return self.types("ssh", "llm", "--", f"sudo sh -c '{script}'")


@pytest.fixture(scope="module")
def owner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Owner]:
    somebody = Owner(tmp_path_factory.mktemp("talk"), "")
    somebody.env["XDG_CACHE_HOME"] = somebody.env.get("XDG_CACHE_HOME", str(Path.home() / ".cache"))
    somebody.secret("key", KEY)
    somebody.writes(MODEL)
    yield somebody
    somebody.types("lab", "reset", "--yes")


@pytest.fixture(scope="module")
def llm(owner: Owner) -> Owner:
    begin = time.monotonic()
    with owner.watched() as watch:
        owner.types("up", "stack.yaml", "--yes", timeout=1500)
    assert watch.found == set()
    owner.seen += f"\nthe model was ready after {time.monotonic() - begin:.0f} s\n"
    (row,) = json.loads(owner.types("status", "stack.yaml", "--json"))
    assert row["stage"] == "ready"
    owner.address = row["address"]
    return owner


def test_it_answers_from_outside(llm: Owner, figure: Figure) -> None:
    figure(re.findall(r"the model was ready after \d+ s", llm.seen)[0])
    begin = time.monotonic()
    found = llm.chats()
    figure(f"a chat of {found['usage']['total_tokens']} tokens took {time.monotonic() - begin:.1f} s")
    assert found["usage"]["completion_tokens"] == 12
    assert found["choices"][0]["message"]["content"]
    assert json.loads(llm.asks("/v1/models")[1])["data"][0]["id"] == "tiny-13m-q8_0"


def test_who_has_no_key_gets_nothing(llm: Owner) -> None:
    said = {"messages": [{"role": "user", "content": "x"}], "max_tokens": 1}
    assert llm.asks("/v1/chat/completions", said, key="")[0] == 401
    assert llm.asks("/v1/chat/completions", said, key="wrong")[0] == 401
    assert llm.asks("/metrics", key="")[0] == 401
    assert llm.asks("/health", key="")[0] == 200
    assert "llamacpp:prompt_tokens_total" in llm.asks("/metrics")[1]


def test_the_service_has_little_power(llm: Owner) -> None:
    script = (
        "stat -c %a:%U /etc/pvekit/llama.env; ps -o uid= -C llama-server; systemctl is-enabled pvekit-llama;"
        "ps -o args= -C llama-server; journalctl -u pvekit-llama -o cat | grep -o libggml-cpu-[a-z0-9]*.so | tail -n 1"
    )
    mode, user, enabled, arguments, *_ = llm.in_guest(script).splitlines()
    assert (mode, enabled) == ("600:root", "enabled")
    assert 61184 <= int(user) <= 65519, "a user of systemd's own making"
    assert "--metrics" in arguments
    assert KEY not in arguments


def test_a_second_run_changes_nothing(llm: Owner) -> None:
    assert llm.types("up", "stack.yaml", "--yes").strip().endswith("no changes.")
    begin = llm.in_guest("systemctl show -p ExecMainStartTimestampMonotonic pvekit-llama")
    said = llm.types("up", "stack.yaml", "--yes", "--provision", "--json")
    assert re.search(r"playbook llama\.yml: \d+ ok, 0 changed", said)
    assert llm.in_guest("systemctl show -p ExecMainStartTimestampMonotonic pvekit-llama") == begin


def test_it_is_probed_from_both_sides(llm: Owner) -> None:
    llm.types("llm", "probe", "llm", "-o", "probe.json")
    found = json.loads((llm.folder / "probe.json").read_text())
    assert found["host"] == {"balloon": 0, "cpu_type": "host", "vcpus": 2}
    assert (found["guest"]["virtual"], found["guest"]["cpus"]) == (True, 2)
    assert found["guest"]["variant"]
    assert {run["phase"] for run in found["runs"] if run["rate"] > 0} == {"decode", "prefill"}
    # Who emulates the processor is known, and is the answer.
    if found["guest"]["emulated"]:
        assert "software plays the VM's processor" in llm.types("llm", "explain", "probe.json")


def test_it_is_measured_and_serves_again(llm: Owner, figure: Figure) -> None:
    begin = time.monotonic()
    shown = llm.types("llm", "bench", "llm", "--suite", "quick", "--out", "llm.jsonl", timeout=1800)
    figure(f"measured in {time.monotonic() - begin:.0f} s")
    records = [json.loads(line) for line in (llm.folder / "llm.jsonl").read_text().splitlines()]
    kinds = [record["kind"] for record in records]
    assert kinds[:3] == ["header", "prediction", "environment"]
    assert {kind: kinds.count(kind) for kind in ("llama-bench", "http", "failure")} == {
        "llama-bench": 4, "http": 4, "failure": 0,
    }  # fmt: skip
    assert records[-1]["data"]["complete"] is True
    assert "served, tokens/s of all" in shown
    assert llm.asks("/health")[0] == 200
    llm.types("llm", "report", "llm.jsonl", "--html", "llm.html")
    page = (llm.folder / "llm.html").read_text()
    assert "tiny-13m" in page


class Slow(http.server.BaseHTTPRequestHandler):
    """Serves a file with ranges; the first connection breaks in the middle."""

    data = b""
    asked: list[str]

    def do_GET(self) -> None:
        wanted = self.headers.get("Range", "")
        self.asked.append(wanted)
        begin = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        self.send_response(206 if begin else 200)
        self.send_header("Content-Length", str(len(self.data) - begin))
        self.end_headers()
        self.wfile.write(self.data[begin : len(self.data) // 2 if len(self.asked) == 1 else None])

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def site(llm: Owner) -> Iterator[tuple[str, str]]:
    """Another model at an address that the guest reaches; its sum."""
    synth.write("tiny-13m", "Q4_0", llm.folder / "other.gguf", 7)
    Slow.data, Slow.asked = (llm.folder / "other.gguf").read_bytes(), []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Slow)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://10.0.2.2:{server.server_port}/other.gguf", hashlib.sha256(Slow.data).hexdigest()
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_wrong_sum_keeps_the_model_and_a_right_one_replaces_it(llm: Owner, site: tuple[str, str]) -> None:
    url, digest = site
    before = llm.in_guest("ls /var/lib/pvekit/models")
    llm.writes({"url": url, "sha256": "ab" * 32})
    seen = len(llm.seen)
    llm.types("up", "stack.yaml", "--yes", code=ProvisionFailed.code)
    said = re.sub(r"\s+", " ", llm.seen[seen:])
    assert f"does not match. Expected: {'ab' * 32}. Found: {digest}" in said
    assert llm.in_guest("ls /var/lib/pvekit/models") == before
    assert llm.chats()["model"] == "tiny-13m-q8_0"

    Slow.asked.clear()
    llm.writes({"url": url, "sha256": digest, "name": "other"})
    llm.types("up", "stack.yaml", "--yes")
    assert Slow.asked == ["", f"bytes={len(Slow.data) // 2}-"]
    assert llm.chats()["model"] == "other"
    assert llm.in_guest("ls /var/lib/pvekit/models").split() == [f"{digest}.gguf"]


def test_what_cannot_fit_is_refused_before_anything_is_touched(llm: Owner) -> None:
    llm.writes({"shape": "qwen2.5-14b", "quant": "Q4_K_M"})
    seen = len(llm.seen)
    llm.types("up", "stack.yaml", "--yes", code=PreflightRefused.code)
    assert "the model does not fit: 8.4 GiB of weights" in re.sub(r"\s+", " ", llm.seen[seen:])
    assert llm.asks("/health")[0] == 200


def test_no_key_was_shown_or_left(llm: Owner) -> None:
    assert llm.leaked() == []
    pattern = f"[{KEY[0]}]{KEY[1:]}"
    left = llm.in_guest(f"grep -rls -- {pattern} /etc /var/log /var/lib/pvekit /var/tmp /tmp /run/log || :")
    assert left.split() == ["/etc/pvekit/llama.env"]
