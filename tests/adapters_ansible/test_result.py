from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from pvekit.adapters.ansible.result import last_words, message_of
from pvekit.adapters.ansible.secrets import Redactor, variables_pipe

MESSAGES: dict[str, tuple[dict[str, Any], str]] = {
    "message": ({"msg": " no package \r\n"}, "no package"),
    "command": ({"msg": "non-zero return code", "stderr": "a\r\nb", "stdout": "c"}, "non-zero return code\na\nb"),
    "only output": ({"stdout": "c"}, "c"),
    "output that the message repeats": ({"msg": "it broke: x", "stderr": "x"}, "it broke: x"),
    "long output": ({"stderr": "\n".join("abcdefg")}, "c\nd\ne\nf\ng"),
    "secret": ({"censored": "the output has been hidden"}, "the message is hidden, because the task handles a secret"),
    "host key": (
        {"msg": "@@@@\r\n@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\r\nkey is\r\nSHA256:abc+/1.\r\n"},
        "the SSH host key is not the pinned one (shown: SHA256:abc+/1)",
    ),
    "nothing": ({}, ""),
}


@pytest.mark.parametrize("name", MESSAGES)
def test_messages(name: str) -> None:
    result, expected = MESSAGES[name]
    assert message_of(result) == expected


def test_last_words() -> None:
    assert last_words(["[WARNING]: x", "[ERROR]: y", "z"]) == "[ERROR]: y\nz"
    assert last_words(list("abcdefg")) == "c\nd\ne\nf\ng"
    assert last_words([]) == ""


def test_redactor() -> None:
    redact = Redactor({"a": "hunter2", "b": ["hunter22", {"c": "two\nlines"}], "d": "ab", "e": 7, "f": "  padded  "})
    assert redact("hunter22 hunter2 two lines ab padded") == "**** **** two **** ab ****"
    assert "hunter" not in repr(redact)


@settings(deadline=None)
@given(st.dictionaries(st.from_regex(r"[a-z]{1,5}", fullmatch=True), st.text(max_size=20), max_size=4))
def test_pipe_gives_every_variable_once(tmp_path_factory: pytest.TempPathFactory, secrets: dict[str, str]) -> None:
    try:
        "".join(secrets.values()).encode()
    except UnicodeEncodeError:
        return
    folder = tmp_path_factory.mktemp("pipe")
    with variables_pipe(folder, {"plain": "a\x85,"}, secrets) as path:
        text = path.read_text()
    read = yaml.load(text, Loader=_Loader)
    assert read == {"pvekit_managed": True, "plain": "a\x85,"} | secrets


def test_pipe_without_a_reader_ends(tmp_path: Path) -> None:
    with variables_pipe(tmp_path, {}, {"a": "x" * 200_000}) as path:
        assert path.is_fifo()


class _Loader(yaml.SafeLoader):
    pass


_Loader.add_constructor("!unsafe", lambda _loader, node: node.value)
