"""The image builder, without building."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from pvekit.lab.doors import DoorError
from pvekit.lab.image import build as build_module
from pvekit.lab.image import disk, recipe
from pvekit.lab.image.apt_host import AptHost, read_host
from pvekit.lab.image.bootstrap import bootstrap_argv
from pvekit.lab.image.customize import grub_config

CASES = yaml.safe_load((Path(__file__).parent / "cases/apt_host.yaml").read_text())
HOST = AptHost(("deb http://mirror.example/debian trixie main",), {}, ())


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_sources_of_the_host(case: dict[str, Any], tmp_path: Path) -> None:
    for name, text in case["files"].items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    keyring = "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] "
    assert [line.removeprefix(keyring) for line in read_host("trixie", tmp_path).sources] == case["sources"]


def test_a_proxy_on_the_host_is_reached_from_the_guest() -> None:
    host = AptHost(
        (), {"Acquire::http::Proxy": "http://127.0.0.1:3128/", "Acquire::https::Proxy": "http://p.example:1"}, ()
    )
    assert host.guest_options() == {
        "Acquire::http::Proxy": "http://10.0.2.2:3128/", "Acquire::https::Proxy": "http://p.example:1",
    }  # fmt: skip


def test_mmdebstrap_commands() -> None:
    root, other = (bootstrap_argv(HOST, Path("/w/root"), as_root=each) for each in (True, False))
    assert root[-3:] == ["trixie", "/w/root", HOST.sources[0]]
    assert "--mode=root" in root
    assert "--mode=unshare" in other
    assert f"--include={','.join(recipe.PACKAGES)}" in root


def test_every_file_of_the_recipe_ends_with_a_newline_and_programs_parse() -> None:
    for name, text in recipe.files().items():
        assert text == "" or text.endswith("\n"), name
        if text.startswith("#!"):
            assert subprocess.run(["sh", "-n"], input=text, text=True, check=False).returncode == 0, name


def test_the_fast_growpart_leaves_what_it_does_not_know(tmp_path: Path) -> None:
    script = recipe.TREE / "usr/local/bin/growpart"
    done = subprocess.run(["sh", str(script), "/dev/no-such-disk", "1"], capture_output=True, text=True, check=False)
    assert done.returncode in {126, 127}  # it tried Debian's, which this machine may lack
    done = subprocess.run(["sh", str(script), "--help"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "usage: growpart [--dry-run] [--update MODE] DISK PARTITION\n")


def test_boot_loader() -> None:
    assert "linux /vmlinuz root=UUID=abc rw" in grub_config("abc")
    code = disk.boot_sector(bytes(512), 2048)
    assert len(code) == 440
    assert code[0x5C:0x64] == (2048).to_bytes(8, "little")
    assert code[0x66:0x68] == b"\x90\x90"
    body = disk.core_image(bytes(1024), 2048)
    assert body[0x1F4:0x1FC] == (2049).to_bytes(8, "little")


def test_the_first_stage_enters_grub_as_grub_does_itself() -> None:
    """A menu of update-grub reads grubenv: without ``load_env``, ``grub-reboot`` and GRUB_DEFAULT=saved do nothing."""
    *_, last = disk.first_stage("abc").splitlines()
    assert last == "normal $prefix/grub.cfg"
    assert {"normal", "loadenv", "test"} <= set(disk._GRUB_MODULES)
    assert all((disk._GRUB / f"{name}.mod").exists() for name in disk._GRUB_MODULES if disk._GRUB.is_dir())


def test_the_key_follows_the_recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    before = build_module.cache_key(HOST)
    assert before == build_module.cache_key(HOST)
    assert len({build_module.cache_key(HOST, name) for name in recipe.VARIANTS}) == len(recipe.VARIANTS)
    assert before != build_module.cache_key(AptHost(("deb http://other trixie main",), {}, ()))
    monkeypatch.setattr(recipe, "BLACKLISTED_MODULES", ("other",))
    assert before != build_module.cache_key(HOST)


def put(cache: Path, key: str) -> Path:
    image = cache / "debian-13-lab-0123456789ab.qcow2"
    image.write_bytes(b"image")
    (cache / f"{key}.json").write_text(json.dumps({"image": image.name, "sha256": "0"}))
    return image


def test_a_cached_image_is_taken(tmp_path: Path) -> None:
    image = put(tmp_path, build_module.cache_key(read_host(recipe.SUITE)))
    log: list[str] = []
    assert build_module.build(tmp_path, log.append) == image
    assert log == [f"image {image.name} is in the cache"]
    image.unlink()
    assert build_module.find(tmp_path) is None


def test_a_second_build_waits_and_takes_the_first_ones_result(tmp_path: Path) -> None:
    """The first one is played by us: we hold the lock and put the image there before we let go."""
    import fcntl

    log: list[str] = []
    found: list[Path] = []
    with (tmp_path / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        thread = threading.Thread(target=lambda: found.append(build_module.build(tmp_path, log.append)))
        thread.start()
        deadline = time.monotonic() + 10
        while not log and time.monotonic() < deadline:
            time.sleep(0.01)
        assert log == ["another process builds the image; waiting for it"]
        image = put(tmp_path, build_module.cache_key(read_host(recipe.SUITE)))
    thread.join(10)
    assert found == [image]


def test_a_failed_build_leaves_nothing_and_the_next_one_sweeps_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    works: list[Path] = []

    def fail(_host: AptHost, target: Path, **_: object) -> None:
        works.append(target.parent)
        assert target.parent.is_dir()
        raise DoorError("no mirror")

    monkeypatch.setattr(build_module, "bootstrap", fail)
    monkeypatch.setattr(build_module, "_check_programs", lambda: None)
    with pytest.raises(DoorError, match="no mirror"):
        build_module.build(tmp_path, lambda _: None)
    assert not works[0].exists()
    works[0].mkdir()  # as a killed build would leave it
    with pytest.raises(DoorError, match="no mirror"):
        build_module.build(tmp_path, lambda _: None)
    assert not works[0].exists()
    assert [path.name for path in tmp_path.iterdir()] == ["lock"]


def test_missing_programs_come_with_their_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(DoorError, match=r"apt-get install .*mmdebstrap"):
        build_module.build(tmp_path, lambda _: None)


_KILLED = """
import subprocess, sys
from pathlib import Path
from pvekit.lab.image import build
place, machines = Path(sys.argv[1]), Path(sys.argv[2])
(place / "root" / "dev" / "shm").mkdir(parents=True)
subprocess.run(["mount", "--bind", str(machines), str(place / "root" / "dev" / "shm")], check=True)
build._remove(place)
assert (machines / "precious").exists()
subprocess.run(["umount", str(place / "root" / "dev" / "shm")], check=True)
build._remove(place)
assert not place.exists()
"""


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("unshare") is None, reason="mounting needs root")
def test_what_a_killed_build_had_mounted_is_not_deleted(tmp_path: Path) -> None:
    machines = tmp_path / "machine"
    machines.mkdir()
    (machines / "precious").write_text("kept")
    argv = ["unshare", "--mount", "--propagation", "private", sys.executable, "-c", _KILLED]
    subprocess.run([*argv, str(tmp_path / "work"), str(machines)], check=True)
    assert (machines / "precious").read_text() == "kept"
