"""The mark in a VM's description: it survives any text, and no text is taken for it."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pvekit.model import mark
from pvekit.model.mark import Mark, Stage

MARKS = st.builds(
    Mark,
    stack=st.text(),
    vm=st.text(),
    kind=st.text(),
    stage=st.sampled_from(Stage),
    provision=st.text(),
    host_key=st.text() | st.just("ssh-ed25519 AAAA --> <!-- pvekit {} -->"),
    seed=st.text() | st.just("local:iso/pvekit.s.web.0123456789ab.iso"),
)
PIECES = st.sampled_from(
    ["-->", "--", "<!--", "<!-- pvekit ", "{", "}", '{"a": 1}', "\n", "\r\n", " ", "é", "\u2028", "\0"]
)
TEXTS = st.text() | st.lists(PIECES | st.text(max_size=3)).map("".join)
READY = Mark("home", "web", "debian", Stage.READY, provision="d", host_key="ssh-ed25519 AAAA", seed="")


@settings(deadline=None, max_examples=200)
@given(TEXTS, MARKS)
@example("", READY)
@example("\n\n first", READY)
@example("<!-- pvekit {", READY)
@example("<!-- pvekit {} -->", READY)
@example("<!-- pvekit {<!-- pvekit {} -->} -->", READY)
def test_round_trip(text: str, written: Mark) -> None:
    description = mark.write(text, written)
    assert mark.read(description) == written
    assert mark.strip(description) == mark.strip(text)
    assert mark.write(description, written) == description
    assert mark.strip(mark.strip(description)) == mark.strip(description)


@settings(deadline=None)
@given(st.text(st.characters(exclude_characters="<"), max_size=50))
def test_a_text_without_a_mark_stays(text: str) -> None:
    assert mark.read(text) is None
    assert mark.strip(text) == text.rstrip("\n")


@settings(deadline=None)
@given(MARKS, MARKS, TEXTS)
def test_what_is_written_below_does_not_hide_it(first: Mark, second: Mark, text: str) -> None:
    below = mark.strip(text).replace("<!-- pvekit", "")
    assert mark.read(mark.write("above", first) + below) == first
    assert mark.read(mark.write("", first) + mark.write("", second)) == second


@given(MARKS)
def test_it_is_an_html_comment_that_nothing_ends(written: Mark) -> None:
    description = mark.write("", written)
    body = description.removeprefix("<!-- pvekit ").removesuffix(" -->")
    assert not {"<", ">"} & set(body)
    assert "--" not in body
    assert description.isascii()
    assert json.loads(body)["stage"] == written.stage.value


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{}",
        "[]",
        "{",
        '{"stack": "s", "vm": "v", "kind": "debian"}',
        '{"stack": "s", "vm": "v", "kind": "debian", "stage": "half"}',
        '{"stack": "s", "vm": "v", "kind": "debian", "stage": ["ready"]}',
        '{"a": ' * 100_000 + "1" + "}" * 100_000,
    ],
    ids=range(8),
)
def test_a_damaged_mark_is_none(body: str) -> None:
    assert mark.read(f"text\n\n<!-- pvekit {body} -->") is None


def test_a_long_text_of_line_ends_takes_no_time() -> None:
    assert mark.read("\n" * 8192 + "<!-- pvekit") is None


def test_empty_fields_are_not_written() -> None:
    assert mark.write("", Mark("s", "v", "debian", Stage.CREATED)) == (
        '<!-- pvekit {"kind": "debian", "stack": "s", "stage": "created", "vm": "v"} -->'
    )


def test_with_stage_keeps_the_rest() -> None:
    assert READY.with_stage(Stage.BOOTED, seed="x") == Mark(
        "home", "web", "debian", Stage.BOOTED, provision="d", host_key="ssh-ed25519 AAAA", seed="x"
    )


NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,30}", fullmatch=True)


@given(NAMES, NAMES, st.integers(0, 20_000))
def test_vmids_are_in_range_and_follow_each_other(stack: str, vm: str, attempt: int) -> None:
    vmid = mark.vmid_for(stack, vm, attempt)
    assert 1000 <= vmid < 9000
    assert mark.vmid_for(stack, vm, attempt) == vmid
    assert mark.vmid_for(stack, vm, attempt + 1) == (vmid + 1 if vmid < 8999 else 1000)
    assert mark.vmid_for(stack, vm, attempt + 8000) == vmid


def test_every_attempt_of_a_round_is_another_vmid() -> None:
    assert len({mark.vmid_for("s", "web", attempt) for attempt in range(8000)}) == 8000


@given(NAMES, NAMES)
def test_tags_name_the_vm(stack: str, vm: str) -> None:
    tags = frozenset({mark.stack_tag(stack), mark.vm_tag(stack, vm), "prod"})
    assert mark.vm_of(tags, stack) == vm
    assert mark.vm_of(tags, f"{stack}x") is None
    assert mark.vm_of(tags, stack[:-1]) is None


@pytest.mark.parametrize(
    ("tags", "name"),
    [
        (set(), None),
        ({"pvekit.home"}, None),
        ({"pvekit.home.web"}, None),
        ({"pvekit.home", "pvekit.home.web"}, "web"),
        ({"pvekit.home", "pvekit.home2.web"}, None),
        ({"pvekit.home", "pvekit.home.web", "pvekit.home.db"}, "db"),
    ],
)
def test_both_tags_are_needed(tags: set[str], name: str | None) -> None:
    """One tag alone may be somebody's copy; of several VM tags the first counts, so that it is always the same."""
    assert mark.vm_of(frozenset(tags), "home") == name
