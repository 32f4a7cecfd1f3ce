from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pvekit.adapters import data, files, templates
from pvekit.model.errors import PvekitError


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(templates, "data_dir", lambda _shelf: tmp_path)
    templates._environment.cache_clear()
    yield tmp_path
    templates._environment.cache_clear()


def test_render(shelf: Path) -> None:
    (shelf / "a.txt.j2").write_text("{% if x %}\n{{ x }}\n{% endif %}\n")
    (shelf / "a.xml.j2").write_text("<a>{{ x }}</a>{{ 'p' | b64_utf16 }}")
    assert templates.render("a.txt.j2", {"x": "<&>"}) == "<&>\n"
    assert templates.render("a.xml.j2", {"x": "<&>"}) == "<a>&lt;&amp;&gt;</a>cAA="


def test_mistakes(shelf: Path) -> None:
    (shelf / "missing.j2").write_text("{{ a }} {{ b }}")
    (shelf / "wrong.j2").write_text("line\n{% if %}")
    with pytest.raises(PvekitError, match="'b' is undefined") as caught:
        templates.render("missing.j2", {"a": "geheim"})
    assert "geheim" not in str(caught.value)
    with pytest.raises(PvekitError, match=r"wrong\.j2:2"):
        templates.render("wrong.j2", {})
    with pytest.raises(PvekitError, match="no such template"):
        templates.render("none.j2", {})


def test_the_wheels_copy_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "pvekit"
    (tmp_path / "playbooks").mkdir()
    package.mkdir()
    monkeypatch.setattr("pvekit.__file__", str(package / "__init__.py"))
    assert data.data_dir("playbooks") == tmp_path / "playbooks"
    (package / "_data" / "playbooks").mkdir(parents=True)
    assert data.data_dir("playbooks") == package / "_data" / "playbooks"
    with pytest.raises(PvekitError, match="missing from the installation"):
        data.data_dir("templates")


def test_atomic_write(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file"
    files.write_atomic(path, b"one", mode=0o600)
    files.write_atomic(path, b"two", mode=0o600)
    assert path.read_bytes() == b"two"
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(PvekitError, match="File exists"):
        files.write_atomic(path, b"three", exclusive=True)
    assert path.read_bytes() == b"two"
    assert [each.name for each in path.parent.iterdir()] == ["file"]
