"""Which llama.cpp goes with the guest's cards, and how an archive becomes the one that is used."""

from __future__ import annotations

import hashlib
import http.server
import io
import tarfile
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.llama_kind.program import config, module

CASES = Path(__file__).parent / "cases"
CARDS = yaml.safe_load((CASES / "cards.yaml").read_text())
RELEASES = yaml.safe_load((CASES / "releases.yaml").read_text())


def named(cases: list[dict[str, Any]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", cases, ids=[case["name"] for case in cases])


@named(CARDS)
def test_the_cuda_that_goes_with_the_cards(case: dict[str, Any]) -> None:
    gpu = module("gpu")
    cards = [tuple(int(part, 16) for part in card.split(":")) for card in case["cards"]]
    wanted = config(gpus=case["gpus"], gpu_layers=case.get("layers"), install=case.get("install", {"how": "release"}))
    judge = partial(gpu.judge, wanted, cards, case["driver"], lambda: case.get("compiler", 12))
    if "says" in case:
        with pytest.raises(module("run").Failed) as caught:
            judge()
        assert case["says"] in str(caught.value)
    else:
        assert judge() == case["cuda"]


def test_cards_and_driver_as_linux_shows_them(tmp_path: Path) -> None:
    gpu = module("gpu")
    for name, kind, vendor, device in (
        ("0000:00:01.0", "0x030000", "0x1234", "0x1111"),  # QEMU's own
        ("0000:01:00.0", "0x030200", "0x10de", "0x1c07"),
        ("0000:02:00.0", "0x040300", "0x10de", "0x10f1"),  # its sound
    ):
        (tmp_path / name).mkdir()
        for file, text in (("class", kind), ("vendor", vendor), ("device", device)):
            (tmp_path / name / file).write_text(text + "\n")
    assert gpu.cards(tmp_path) == [(0x10DE, 0x1C07)]
    (tmp_path / "version").write_text("NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.95.05  Tue Sep 23 2025\n")
    assert gpu.driver(tmp_path / "version") == 580
    (tmp_path / "open").write_text("NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  595.12  Release Build\n")
    assert gpu.driver(tmp_path / "open") == 595
    assert gpu.driver(tmp_path / "none") is None


@named(RELEASES["cases"])
def test_the_archive_is_found_in_the_list(case: dict[str, Any]) -> None:
    choose = partial(
        module("releases").choose, RELEASES["lists"][case["list"]], case["arch"], case.get("backend"), case.get("major")
    )
    if "says" in case:
        with pytest.raises(module("run").Failed) as caught:
            choose()
        assert case["says"] in str(caught.value)
    else:
        assert choose() == (case["archive"], case.get("runtime"))


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder, and the address under which it is served."""
    folder = tmp_path / "site"
    folder.mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def archive(path: Path, text: str = "#!/bin/sh\necho version\n", name: str = "build/bin/llama-server") -> str:
    """Write an archive with a program in it; return its sum."""
    with tarfile.open(path, "w:gz") as file:
        entry = tarfile.TarInfo(name)
        entry.size, entry.mode = len(text), 0o755
        file.addfile(entry, io.BytesIO(text.encode()))
    return hashlib.sha256(path.read_bytes()).hexdigest()


def at(root: Path, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> Any:
    monkeypatch.setattr(module("config"), "ROOT", root)
    return config(**changes)


def test_an_archive_is_unpacked_once(tmp_path: Path, site: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> None:
    folder, url = site
    digest = archive(folder / "a.tar.gz")
    wanted = at(tmp_path / "guest", monkeypatch, install={"how": "release", "url": f"{url}/a.tar.gz", "sha256": digest})
    (said,) = module("install").settle(wanted, None)
    assert said.startswith("changed: llama.cpp is the one in ")
    assert wanted.server.read_text().startswith("#!/bin/sh")
    (folder / "a.tar.gz").unlink()
    assert list(module("install").settle(wanted, None)) == []
    assert not list(wanted.opt.glob("*.tar.gz"))
    assert not list(wanted.opt.glob(".part*"))


def test_a_wrong_archive_leaves_the_one_in_use(
    tmp_path: Path, site: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, url = site
    digest = archive(folder / "a.tar.gz")
    good = {"how": "release", "url": f"{url}/a.tar.gz", "sha256": digest}
    list(module("install").settle(at(tmp_path / "guest", monkeypatch, install=good), None))
    archive(folder / "b.tar.gz", "other")
    bad = at(tmp_path / "guest", monkeypatch, install={**good, "url": f"{url}/b.tar.gz", "sha256": "cd" * 32})
    with pytest.raises(module("run").Failed, match=r"does not match\. Expected: cdcd"):
        list(module("install").settle(bad, None))
    assert bad.server.read_text().startswith("#!/bin/sh")
    assert not list(bad.opt.glob("*.part"))


def test_a_tag_is_looked_up_and_its_sum_compared_first(
    tmp_path: Path, site: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, url = site
    name = "llama-b1-bin-ubuntu-x64.tar.gz"
    digest = archive(folder / name)
    (folder / "tags").mkdir()
    assets = f'[{{"name": "{name}", "browser_download_url": "{url}/{name}", "digest": "sha256:{digest}"}}]'
    (folder / "tags" / "b1").write_text(f'{{"assets": {assets}}}')
    monkeypatch.setattr(module("releases").platform, "machine", lambda: "x86_64")
    install = {"how": "release", "tag": "b1", "sha256": digest, "releases": url}
    wanted = at(tmp_path / "guest", monkeypatch, install=install)
    assert len(list(module("install").settle(wanted, None))) == 1
    for change, says in (
        ({"sha256": "ef" * 32}, "Nothing was downloaded"),
        ({"tag": "b2", "sha256": "ef" * 32}, "there is no such release"),
    ):
        other = at(tmp_path / "guest", monkeypatch, install={**install, **change})
        with pytest.raises(module("run").Failed, match=says):
            list(module("install").settle(other, None))
    assert wanted.server.exists()


def test_a_distribution_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = {"dpkg-query": "", "apt-get": "", "apt-cache": "llama.cpp-tools:\n  Candidate: (none)\n"}
    answers["cat"] = 'PRETTY_NAME="Debian GNU/Linux 13 (trixie)"\n'
    monkeypatch.setattr(module("install"), "run", lambda *argv, **_: answers[argv[0]])
    with pytest.raises(module("run").Failed, match=r"13 \(trixie\) has no package.*14 \(forky\).*26\.04.*build"):
        list(module("install").missing(config()))
    answers["apt-cache"] = "llama.cpp-tools:\n  Candidate: 1:0.7.0+dfsg-2\n"
    assert list(module("install").missing(config())) == ["llama.cpp-tools"]
    answers["dpkg-query"] = "ii "
    assert list(module("install").missing(config())) == []
