"""The program of a NAS and its templates: what can be checked without a guest."""

from __future__ import annotations

import datetime as dt
import importlib
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import jinja2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pvekit.adapters.data import data_dir
from pvekit.guests import nas
from pvekit.model.stack import SecretRef
from pvekit.model.stack.home import Nas, NasUser, Pool, PoolDisk, Share

FOLDER = data_dir("templates") / "nas"
SECRET = SecretRef("env", "A")
HOME = Nas(
    Pool("tank", "mirror", (PoolDisk("a", 1 << 30), PoolDisk("b", 1 << 30)), ("a", "b")),
    (NasUser("anna", SECRET, 1 << 31), NasUser("ben", SECRET)),
    (
        Share("photos", ("anna",), ("ben",), nfs=("10.0.0.0/8", "192.168.1.20"), comment="Pictures\nof 2026"),
        Share("backup", ("anna",), (), quota_bytes=1 << 30, time_machine=True),
        Share("films", (), ("anna", "ben"), nfs=("10.0.0.0/8",)),
    ),
)


def module(name: str) -> ModuleType:
    """Return a module of the program, which is no package of this machine."""
    return importlib.import_module(f"pvekit_nas.{name}")


@pytest.fixture(scope="module", autouse=True)
def _program() -> Iterator[None]:
    sys.path.insert(0, str(FOLDER / "lib"))
    yield
    sys.path.remove(str(FOLDER / "lib"))


@pytest.mark.parametrize(
    ("password", "digest"),
    [("", "31d6cfe0d16ae931b73c59d7e0c089c0"), ("password", "8846f7eaee8fb117ad06bdd830b7586c")],
)
def test_the_hash_that_samba_keeps(password: str, digest: str) -> None:
    assert module("people").nt_hash(password) == digest


moments = st.sets(
    st.datetimes(dt.datetime(2025, 1, 1), dt.datetime(2026, 12, 31)).map(
        lambda each: each.replace(microsecond=0, tzinfo=dt.UTC)
    ),
    min_size=1,
    max_size=60,
)


@given(moments, st.integers(0, 5), st.integers(0, 5), st.integers(0, 5))
def test_which_snapshots_stay(taken: set[dt.datetime], hourly: int, daily: int, monthly: int) -> None:
    names, now = module("names"), max(taken)
    kept = names.kept(taken, now, hourly, daily, monthly)
    assert kept <= taken
    assert now in kept, "the newest one always stays"
    assert len([each for each in kept if now - each >= dt.timedelta(hours=1)]) <= hourly + daily + monthly
    assert names.kept(kept, now, hourly, daily, monthly) == kept, "thinning again deletes nothing"
    assert all(names.moment(names.name(each)) == each for each in taken)


@pytest.mark.parametrize("name", ["", "autosnap_2026", "GMT-2026.02.30-00.00.00", "GMT-2026.1.1-0.0.0", "mine"])
def test_snapshots_of_others_are_left_alone(name: str) -> None:
    assert module("names").moment(name) is None


def config(home: Nas = HOME, filesystem: str = "btrfs") -> object:
    settings = nas.settings(home)
    pool = {**settings["pool"], "filesystem": filesystem, "id": "u", "devices": []}
    return module("config").Config({**settings, "pool": pool, "units": []})


def test_nfs_exports() -> None:
    text = module("services").exports_text(config(), 990, {"nas-photos": 1001, "nas-backup": 1002, "nas-films": 1003})
    root, photos, films = text.splitlines()[1:]
    assert root.startswith("/srv/nfs 10.0.0.0/8(ro,fsid=0,")
    assert photos.startswith("/srv/nfs/photos 10.0.0.0/8(rw,")
    assert photos.count("anonuid=990,anongid=1001") == 2
    assert " 192.168.1.20(rw," in photos
    assert films.startswith("/srv/nfs/films 10.0.0.0/8(ro,")
    assert "no_root_squash" not in text
    assert "*" not in text


def smb_conf(filesystem: str) -> str:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER), trim_blocks=True, undefined=jinja2.StrictUndefined
    )
    template = environment.get_template("smb.conf.j2")
    return template.render(pvekit_nas=nas.settings(HOME), pvekit_nas_filesystem=filesystem)


@pytest.mark.skipif(shutil.which("testparm") is None, reason="not installed: testparm (samba-common-bin)")
@pytest.mark.parametrize("filesystem", ["btrfs", "zfs"])
def test_samba_takes_its_settings(filesystem: str, tmp_path: Path) -> None:
    path = tmp_path / "smb.conf"
    path.write_text(smb_conf(filesystem))
    done = subprocess.run(["testparm", "-s", str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    unknown = [line for line in done.stderr.splitlines() if "nknown" in line or "WARNING" in line]
    assert unknown == []
    sections = [line for line in done.stdout.splitlines() if line.startswith("[")]
    assert sections == ["[global]", "[anna]", "[ben]", "[photos]", "[backup]", "[films]"]


def test_nothing_of_a_share_can_become_a_setting() -> None:
    """A comment of two lines stays one line."""
    text = smb_conf("btrfs")
    assert "  comment = Pictures of 2026\n" in text
    for share in ("photos", "backup", "films"):
        assert text.count(f"/srv/tank/shares/{share}\n") == 1
    assert "guest ok" not in text
    assert text.count("vfs objects") == 1, "the same modules on every share"


def test_only_people_of_the_stack_may_enter() -> None:
    lines = [line.strip() for line in smb_conf("zfs").splitlines() if "valid users" in line]
    people = [line.removeprefix("valid users = ") for line in lines]
    assert people == ["anna", "ben", "anna ben", "anna", "anna ben"]
