"""A NAS, through the front door; what it promises is asked of it from outside, by clients that are not ours."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from pvekit import guests
from pvekit.adapters.data import data_dir, playbook
from pvekit.adapters.stackfile import load_stack
from pvekit.model.errors import ProvisionFailed
from tests.conftest import Figure
from tests.helpers.person import Person
from tests.nas import disks

pytestmark = [pytest.mark.guest, pytest.mark.slow]

GOOD = ("data-a", "data-b", "data-c")
USED = {kind: f"used-{kind}" for kind in disks.MAKERS}
PASSWORD, BENS = "Anvil-Lantern-7", "Battery-Staple-9"
NEW = {"size": "512MiB", "format": "raw"}
STACK = {
    "pvekit": 1,
    "name": "keep",
    "host": "lab",
    "defaults": {"storage": "local", "updates": "none"},
    "images": {"debian-13-nas": {"build": "debian-13-nas"}},
    "vms": {
        "nas": {
            "kind": "nas",
            "image": "debian-13-nas",
            "memory": "1GiB",
            "protection": False,
            "disks": [
                {"size": "4GiB"},
                *({**NEW, "serial": serial} for serial in GOOD),
                *({"size": "64MiB", "format": "raw", "serial": serial} for serial in USED.values()),
            ],
            "nas": {
                "pool": {
                    "layout": "mirror",
                    "disks": [{"serial": serial, "size": "512MiB"} for serial in GOOD],
                    "create_on": list(GOOD),
                },
                "users": [
                    {"name": "anna", "password": "file:./anna", "quota": "100MiB"},
                    {"name": "ben", "password": "file:./ben"},
                ],
                "shares": {
                    "photos": {"users": ["anna"], "readers": ["ben"], "nfs": ["10.0.2.0/24"], "comment": "Pictures"},
                    "small": {"users": ["anna"], "time_machine": True, "quota": "8MiB"},
                },
            },
        }
    },
}


class Owner(Person):
    """Somebody with a NAS, and clients for it."""

    address = ""

    def writes(self, **changes: object) -> None:
        """Write the stack file, with keys of the NAS's VM changed."""
        vm = {**STACK["vms"]["nas"], **changes}  # type: ignore[index]
        (self.folder / "stack.yaml").write_text(yaml.safe_dump({**STACK, "vms": {"nas": vm}}, sort_keys=False))

    def volumes(self) -> dict[str, Path]:
        """Return the file behind each data disk, by its serial."""
        lab = self.folder / "data" / "pvekit" / "lab"
        (path,) = (lab / "vms").glob("*.json")
        found = re.findall(r'"local:(\d+/vm-[\w.-]+)[^"]*serial=([\w-]+)', path.read_text())
        return {serial: lab / "storage" / "local" / "images" / volume for volume, serial in found}

    def in_guest(self, script: str) -> str:
        """Run a script as root in the guest."""
        return self.types("ssh", "nas", "--", f"sudo sh -c '{script}'")

    def smb(self, share: str, words: str, user: str = "anna", password: str = PASSWORD, *, code: int = 0) -> str:
        """Say something to a share as a client."""
        self.secret("auth", f"username={user}\npassword={password}\ndomain=WORKGROUP")
        argv = ["smbclient", f"//{self.address}/{share}", "-A", "auth", "-m", "SMB3", "-t", "60", "-c", words]
        return self.runs(argv, code=code)


@pytest.fixture(scope="module")
def owner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Owner]:
    somebody = Owner(tmp_path_factory.mktemp("keep"), "")
    somebody.secret("anna", PASSWORD)
    somebody.secret("ben", BENS)
    somebody.writes(state="stopped")
    yield somebody
    somebody.types("lab", "reset", "--yes")


@pytest.fixture(scope="module")
def hashes(owner: Owner) -> dict[str, str]:
    """Make the VM, put used disks into it before it starts for the first time, and return what is on them."""
    owner.types("up", "stack.yaml", "--yes")
    for kind, serial in USED.items():
        disks.MAKERS[kind](owner.volumes()[serial])
    return sums(owner)


def sums(owner: Owner) -> dict[str, str]:
    """Return the sha256 of each used disk."""
    return {serial: hashlib.sha256(owner.volumes()[serial].read_bytes()).hexdigest() for serial in USED.values()}


@pytest.fixture(scope="module")
def nas(owner: Owner, hashes: dict[str, str]) -> Owner:
    owner.writes()
    begin = time.monotonic()
    with owner.watched() as watch:
        said = owner.types("up", "stack.yaml", "--yes", timeout=1500)
    assert watch.found == set()
    owner.seen += f"\nthe NAS was ready after {time.monotonic() - begin:.0f} s\n"
    assert "if data-a, data-b, data-c are empty, they become the pool tank" in said
    (row,) = json.loads(owner.types("status", "stack.yaml", "--json"))
    assert row["stage"] == "ready"
    owner.address = row["address"]
    return owner


needs_smbclient = pytest.mark.skipif(shutil.which("smbclient") is None, reason="not installed: smbclient")
needs_nfs = pytest.mark.skipif(shutil.which("nfs-cp") is None, reason="not installed: nfs-cp (libnfs-utils)")


@needs_smbclient
def test_a_client_writes_and_reads(nas: Owner, figure: Figure) -> None:
    figure(re.findall(r"the NAS was ready after \d+ s", nas.seen)[0])
    data = os.urandom(1 << 20)
    (nas.folder / "sent").write_bytes(data)
    nas.smb("photos", "mkdir holiday; put sent holiday/sea.jpg; get holiday/sea.jpg back")
    assert (nas.folder / "back").read_bytes() == data
    assert "sea.jpg" in nas.smb("photos", "ls holiday\\*", "ben", BENS)


@needs_smbclient
def test_who_may_not_is_refused(nas: Owner) -> None:
    (nas.folder / "sent").write_bytes(b"x")
    assert "NT_STATUS_LOGON_FAILURE" in nas.smb("photos", "ls", password="wrong", code=1)
    assert "NT_STATUS_LOGON_FAILURE" in nas.smb("photos", "ls", "nobody", "", code=1)
    assert "NT_STATUS_ACCESS_DENIED" in nas.smb("photos", "put sent a", "ben", BENS, code=1)
    assert "NT_STATUS_ACCESS_DENIED" in nas.smb("anna", "ls", "ben", BENS, code=1)
    argv = ["smbclient", f"//{nas.address}/photos", "-A", "auth", "-m", "NT1", "-t", "60", "-c", "ls"]
    nas.secret("auth", f"username=anna\npassword={PASSWORD}")
    assert "NT_STATUS" in nas.runs(argv, code=1) + nas.seen[-400:]


@needs_smbclient
def test_a_previous_version_is_seen_and_read(nas: Owner) -> None:
    (nas.folder / "sent").write_text("first\n")
    nas.smb("anna", "put sent letter.txt")
    nas.in_guest("systemctl start pvekit-nas-snapshot.service")
    (nas.folder / "sent").write_text("second, and longer\n")
    nas.smb("anna", "put sent letter.txt")
    versions = re.findall(r"@GMT-[\d.-]+", nas.smb("anna", "allinfo letter.txt"))
    assert versions
    nas.smb("anna", f"get letter.txt now; get {versions[0]}\\letter.txt before")
    assert (nas.folder / "now").read_text() == "second, and longer\n"
    assert (nas.folder / "before").read_text() == "first\n"


@needs_smbclient
def test_a_quota_holds(nas: Owner) -> None:
    (nas.folder / "sent").write_bytes(os.urandom(12 << 20))
    said = nas.smb("small", "put sent big", code=1)
    assert re.search(r"NT_STATUS_(DISK_FULL|QUOTA_EXCEEDED)", said + nas.seen[-500:])


def test_the_services_own_tools_agree(nas: Owner) -> None:
    shown = nas.in_guest("testparm -s 2>&1")
    assert "Loaded services file OK." in shown
    assert "server min protocol = SMB3_00" in shown
    exports = re.sub(r"\s+", " ", nas.in_guest("exportfs -v"))
    assert re.search(r"/srv/nfs/photos 10\.0\.2\.0/24\([^)]*\brw\b[^)]*\ball_squash\b", exports)
    listening = nas.in_guest('ss -Htln | tr -s " " | cut -d" " -f4')
    ports = {int(line.rpartition(":")[2]) for line in listening.split()}
    assert {22, 445, 2049} <= ports
    assert not ports & {139, 111}, "neither NetBIOS nor a port mapper"
    timers = nas.in_guest('systemctl list-timers --no-legend --plain "pvekit-nas-*"')
    assert set(re.findall(r"pvekit-nas-\w+\.timer", timers)) == {
        f"pvekit-nas-{word}.timer" for word in ("snapshot", "scrub", "check")
    }
    assert "disks report no errors" in nas.in_guest("pvekit-nas check")


@needs_nfs
def test_nfs_version_4_gives_the_same_files(nas: Owner) -> None:
    """A client in user space: it needs no file system of the kernel."""
    (nas.folder / "sent").write_text("by nfs\n")
    url = f"nfs://{nas.address}/photos/by-nfs.txt?version=4"
    nas.runs(["nfs-cp", "sent", url])
    assert nas.runs(["nfs-cat", url]) == "by nfs\n"
    assert nas.in_guest("cat /srv/tank/shares/photos/by-nfs.txt") == "by nfs\n"
    if shutil.which("smbclient"):
        nas.smb("photos", "get by-nfs.txt back")
        assert (nas.folder / "back").read_text() == "by nfs\n"


def test_nfs_version_4_mounts(nas: Owner, tmp_path: Path) -> None:
    if os.geteuid() != 0 or shutil.which("mount.nfs4") is None:
        pytest.skip("a mount needs root and mount.nfs4")
    if "nfs4" not in Path("/proc/filesystems").read_text(encoding="utf-8").split():
        pytest.skip("this machine's kernel has no NFS client")
    nas.runs(["mount", "-t", "nfs4", "-o", "vers=4.2", f"{nas.address}:/photos", str(tmp_path)])
    try:
        (tmp_path / "mounted.txt").write_text("here")
        assert nas.in_guest("cat /srv/tank/shares/photos/mounted.txt") == "here"
    finally:
        nas.runs(["umount", str(tmp_path)])


def test_a_second_run_changes_nothing(nas: Owner) -> None:
    assert nas.types("up", "stack.yaml", "--yes").strip().endswith("no changes.")
    shown = nas.types("plan", "stack.yaml")
    assert "no changes" in shown
    assert "they become the pool" not in shown


def test_a_second_run_of_the_playbook_changes_nothing(nas: Owner) -> None:
    """By ansible-playbook itself, with the stack as its inventory."""
    stack = load_stack(nas.folder / "stack.yaml", guests.kinds())
    variables = dict(guests.desired(stack, stack.vms[0]).provisioning.variables)
    variables["pvekit_nas_passwords"] = {"anna": PASSWORD, "ben": BENS}
    nas.secret("variables.json", json.dumps(variables))
    inventory = data_dir("inventory") / "pvekit_inventory.py"
    argv = [sys.executable, "-m", "ansible", "playbook", "-i", str(inventory), "--limit", "nas"]
    nas.env |= {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "LC_ALL": "C.UTF-8"}
    nas.env |= {"ANSIBLE_TIMEOUT": "60", "ANSIBLE_PIPELINING": "True"}
    recap = nas.runs([*argv, "-e", "@variables.json", str(playbook("nas"))]).splitlines()[-2]
    assert "changed=0 " in recap
    assert "failed=0 " in recap
    (nas.folder / "variables.json").unlink()


def test_after_a_restart_everything_is_there(nas: Owner) -> None:
    nas.in_guest("echo kept >/srv/tank/shares/photos/kept.txt; sync")
    nas.types("restart", "nas")
    nas.types("up", "stack.yaml", "--yes", "--provision")
    assert nas.in_guest("systemctl is-system-running; cat /srv/tank/shares/photos/kept.txt").split()[-1] == "kept"
    if shutil.which("smbclient"):
        assert "kept.txt" in nas.smb("photos", "ls")


def test_used_disks_are_refused_and_untouched(nas: Owner, hashes: dict[str, str], figure: Figure) -> None:
    """Every disk that carries something, although the stack file asks for a pool on them with every serial typed."""
    pool = {
        "name": "other",
        "layout": "mirror",
        "disks": [{"serial": serial, "size": "64MiB"} for serial in USED.values()],
        "create_on": list(USED.values()),
    }
    settings = {**STACK["vms"]["nas"]["nas"], "pool": pool}  # type: ignore[index]
    nas.writes(nas=settings)
    nas.in_guest("echo here >/srv/tank/shares/photos/before.txt; sync")
    before = len(nas.seen)
    nas.types("up", "stack.yaml", "--yes", code=ProvisionFailed.code)
    said = re.sub(r"\s+", " ", nas.seen[before:])
    for kind, serial in USED.items():
        found = re.search(rf"sd[a-z] \(serial {serial}\) is not empty: ([^.]*)\.", said)
        assert found, f"{serial}: {said}"
        assert disks.SAID[kind] in found[1]
        figure(f"{serial}: refused, {found[1]}")
    assert sums(nas) == hashes
    nas.writes()
    nas.types("up", "stack.yaml", "--yes")
    assert "here" in nas.in_guest("mountpoint -q /srv/tank && cat /srv/tank/shares/photos/before.txt")
    assert sums(nas) == hashes


def test_no_password_was_shown_or_left(nas: Owner) -> None:
    assert nas.leaked() == []
    for password in (PASSWORD, BENS):
        assert password not in nas.seen
        # Not the password itself: sudo notes the commands that it runs.
        pattern = f"[{password[0]}]{password[1:]}"
        left = nas.in_guest(f"grep -rls -- {pattern} /etc /var/log /var/lib/pvekit /var/tmp /tmp /run/log || :")
        assert left == ""
