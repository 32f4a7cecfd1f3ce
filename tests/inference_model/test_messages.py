"""What a person reads who names a wrong model: what it is, where, and what to do, and an exit code of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from pvekit.cli.main import run
from tests.inference_model.build import entry, gguf, tensor, text
from tests.inference_model.site import unused
from tests.inference_model.test_gguf import _real

_CASES: dict[str, tuple[list[str], int, str, str]] = {
    "no file": (["predict", "{here}/none.gguf"], 9, "{here}/none.gguf: there is no such file", "Is the path right?"),
    "a folder": (["predict", "{here}"], 9, "{here}: this is no ordinary file", "Name the GGUF file itself."),
    "a device": (["predict", "/dev/zero"], 9, "/dev/zero: this is no ordinary file", "Name the GGUF file itself."),
    "a text": (["predict", "{here}/notes.txt"], 17, "{here}/notes.txt, byte 0: no GGUF file: it begins with b'Deer'",
               "Is it a GGUF file of a language model, and whole?"),
    "nothing in it": (["predict", "{here}/empty.gguf"], 17, "{here}/empty.gguf, byte 0: cut off", "Download it again"),
    "a download that broke off": (
        ["predict", "{here}/half.gguf"], 17, "half.gguf, byte 6526120: cut off: the data of ",
        "Download it again; a download can be resumed.",
    ),
    "an offset beyond the end": (
        ["predict", "{here}/beyond.gguf"], 17, "the data of t ends at byte 1099511627", "Download it again"
    ),
    "the twin of half a file": (["synth", "{here}/half.gguf"], 17, "cut off: the data of", "Download it again"),
    "no such shape": (["predict", "qwen2.5-15b"], 9, "no shape is called qwen2.5-15b; near: qwen2.5-1.5b",
                      "Name a GGUF file, its address"),
    "nobody there": (["predict", "http://me:hush@127.0.0.1:{port}/a.gguf?key=hush"], 4,
                     "http://127.0.0.1:{port}/a.gguf: the model's header cannot be read: nothing listens there",
                     "Is the address right?"),
    "a file that is there": (["synth", "tiny-13m", "-o", "{here}/notes.txt"], 1, "the file is there already",
                             "Replace it with --force, or name another."),
    "no folder": (["synth", "tiny-13m", "-o", "{here}/none/a.gguf"], 1,
                  "{here}/none: the model cannot be written here: No such file or directory", "Is it a folder"),
}  # fmt: skip


@pytest.mark.parametrize(("words", "code", "error", "hint"), _CASES.values(), ids=_CASES)
def test_a_wrong_model_is_told_in_two_lines(
    words: list[str], code: int, error: str, hint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes.txt").write_text("Deer me")
    (tmp_path / "empty.gguf").touch()
    (tmp_path / "half.gguf").write_bytes(_real() + bytes(1000))
    beyond = gguf([entry("general.architecture", 8, text("llama"))], [tensor("t", [4], 0, 2**40)], data=64)
    (tmp_path / "beyond.gguf").write_bytes(beyond)
    before = sorted(tmp_path.iterdir())
    names = {"here": str(tmp_path), "port": str(unused())}
    assert run(["llm", *(word.format_map(names) for word in words)]) == code
    out, said = capsys.readouterr()
    assert out == ""
    first, second = said.splitlines()
    assert first.startswith("error: ")
    assert error.format_map(names) in first
    assert second.startswith("next: ")
    assert hint in second
    assert "hush" not in said
    assert sorted(tmp_path.iterdir()) == before
