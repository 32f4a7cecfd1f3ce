"""What tells whose machine it is does not reach a page; what tells why it is slow does."""

from __future__ import annotations

import pytest

from pvekit.inference.report.scrub import Scrub, clean, names_in

SCRUB = Scrub(["zeus.lan", "llama", "pve1", "127.0.0.1"])


@pytest.mark.parametrize(("before", "after"), [
    ("pvekit llm bench zeus.lan", "pvekit llm bench host-1"),
    ("ssh root@ZEUS and pve1-results.jsonl", "ssh root@host-1 and host-2-results.jsonl"),
    ("llama-bench -m /home/anna/m.gguf", "llama-bench -m ~/m.gguf"),
    ("/root/.cache/x", "~/.cache/x"),
    ("http://me:pw@127.0.0.1:8080/v1", "http://***@127.0.0.1:8080/v1"),
    ("--key env:K", "--key env:K"),
    ("api_key=abcdef123456", "api_key=***"),
    ("Authorization: Bearer abcdef1234567", "Authorization: Bearer ***"),
    ("sk-abcdefgh12345", "***"),
    ("what(): std::bad_alloc", "what(): std::bad_alloc"),
    ("zeusian pve10 6.8.12-4-pve b11669", "zeusian pve10 6.8.12-4-pve b11669"),
    ("a\x00b\u202ec\ud800", "a\ufffdb\ufffdc\ufffd"),
])  # fmt: skip
def test_a_text_is_scrubbed(before: str, after: str) -> None:
    assert SCRUB(before) == after
    assert SCRUB(after) == after


@pytest.mark.parametrize("secret", ["10.1.2.3", "fe80::1ff:fe23:4567:890a", "52:54:00:12:34:56"])
def test_addresses_are_replaced_always_alike(secret: str) -> None:
    found = SCRUB(f"from {secret} to {secret}")
    assert secret not in found
    _, one, _, other = found.split()
    assert one == other


def test_names_of_models_and_parts_keep_what_looks_like_a_host() -> None:
    assert Scrub(["qwen"]).plain("qwen 14B") == "qwen 14B"


@pytest.mark.parametrize(("target", "names"), [
    ("root@zeus.lan:2222", ("zeus.lan", "zeus")), ("http://zeus.lan:8080/v1", ("zeus.lan", "zeus")), ("vm9", ("vm9",)),
    ("this machine", ()), ("local", ()), ("10.0.0.5", ()), ("http://127.0.0.1:1", ()), ("http://[", ()), ("", ()),
])  # fmt: skip
def test_the_host_of_a_target(target: str, names: tuple[str, ...]) -> None:
    assert names_in(target) == names


def test_what_cannot_be_shown_is_marked() -> None:
    assert clean("\x1b[31mred\ufffe") == "\ufffd[31mred\ufffd"
