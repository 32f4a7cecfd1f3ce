"""What goes wrong while a plan is carried out. Each has its exit code, its words, and the rerun goes on."""

from __future__ import annotations

import hashlib
import http.server
import json
import threading
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from pvekit.adapters.ansible import HostFailure, ProvisionResult
from pvekit.lab import hollow
from pvekit.lab.doors import DoorError, Log, VmStart
from pvekit.provision.apply import standstill
from tests.helpers.cli_room import GIB, Place, qcow2, stand_ins


def test_full_storage(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    stack = place.stack("full", "  one: {}\n")
    monkeypatch.setattr(place.lab.lab.storages, "usage", lambda _name: (100 * GIB, 100 * GIB - 1000, 1000))
    place.run("up", stack, "-y").ended(8).says("one: storage local on pve is full", "free")
    assert place.vms("full") == {}


def test_vmid_of_somebody_else(place: Place) -> None:
    place.lab.wait(place.api.post("/nodes/pve/qemu", vmid=777, name="precious", memory=64))
    try:
        before = place.config(777)
        stack = place.stack("taken", "  one: {vmid: 777}\n")
        place.run("up", stack, "-y").ended(8).says("VMID 777 belongs to precious on pve", "Choose another")
        place.run("down", stack, "--confirm", "taken").ended(0).says("nothing to remove")
        assert place.config(777) == before
    finally:
        place.forget(777)


def test_a_vmid_that_is_taken_meanwhile_is_left_alone(place: Place) -> None:
    """Without a vmid in the file, the next one is claimed."""
    from pvekit.model.mark import vmid_for

    first = vmid_for("meanwhile", "one")
    place.lab.wait(place.api.post("/nodes/pve/qemu", vmid=first, name="quick", memory=64))
    try:
        stack = place.stack("meanwhile", "  one: {}\n")
        place.run("up", stack, "-y").ended(0)
        assert place.vms("meanwhile")["one"]["vmid"] == vmid_for("meanwhile", "one", 1)
        place.run("down", stack, "--confirm", "meanwhile").ended(0)
        assert place.config(first)["name"] == "quick"
    finally:
        place.forget(first)


def test_locked_vm(place: Place) -> None:
    stack = place.stack("locked", "  one: {}\n")
    place.run("up", stack, "-y").ended(0)
    row = place.vms("locked")["one"]
    with place.locked(row["vmid"], "backup"):
        place.run("plan", stack).ended(0)
        changed = place.stack("locked", "  one: {memory: 512MiB}\n")
        place.run("up", changed, "-y").ended(8).says("one", "is locked (backup)", f"qm unlock {row['vmid']}")
    place.run("up", changed, "-y").ended(0)
    place.run("down", stack, "--confirm", "locked").ended(0)


def test_shrink(place: Place) -> None:
    place.run("up", place.stack("shrink", "  one: {disks: [{size: 2GiB}]}\n"), "-y").ended(0)
    stack = place.stack("shrink", "  one: {disks: [{size: 1GiB}]}\n  two: {}\n")
    begun = place.wrote()
    place.run("up", stack, "-y").ended(8).says("one: scsi0 has 2G and cannot shrink to 1G", "Write 2G or more")
    assert begun() == 0
    place.run("down", stack, "--confirm", "shrink").ended(0)


def test_missing_image(place: Place) -> None:
    stack = place.stack("noimage", "  one: {}\n", image="{path: nowhere.qcow2}")
    place.run("up", stack, "-y").ended(3).says("nowhere.qcow2", "images.tiny")


def test_image_that_is_none(place: Place) -> None:
    (place.folder / "page.qcow2").write_text("<html><body>404</body></html>")
    stack = place.stack("page", "  one: {}\n", image="{path: page.qcow2}")
    place.run("up", stack, "-y").ended(11).says("page.qcow2", "a web page, not an image")
    assert place.vms("page") == {}
    place.run("down", stack, "--confirm", "page").ended(0)
    assert place.seeds("page") == []


def test_checksum_of_a_file_does_not_match(place: Place) -> None:
    stack = place.stack("sum", "  one: {}\n", image=f"{{path: {place.image}, sha256: {'0' * 64}}}")
    place.run("up", stack, "-y").ended(11).says("sha256 does not match", "expected: 000000", "found: ")
    assert place.vms("sum") == {}
    place.run("down", stack, "--confirm", "sum").ended(0)
    assert place.seeds("sum") == []


@pytest.fixture
def web(place: Place) -> Iterator[str]:
    """Serve the image over HTTP; the node fetches it."""
    data = place.image.read_bytes()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/tiny.qcow2"
        server.shutdown()
        thread.join()


def test_checksum_of_a_download_does_not_match(place: Place, web: str) -> None:
    stack = place.stack("download", "  one: {}\n", image=f"{{url: '{web}', sha256: {'1' * 64}}}")
    result = place.run("up", stack, "-y").ended(11)
    result.says("image tiny", "checksum", f"sha256: {'1' * 64}", "next: The publisher may have replaced it")
    assert place.vms("download") == {}
    rows = place.api.get("/nodes/pve/storage/local/content", content="import")
    assert not [row for row in rows if "111111111111" in row["volid"]]
    good = hashlib.sha256(place.image.read_bytes()).hexdigest()
    stack = place.stack("download", "  one: {}\n", image=f"{{url: '{web}', sha256: {good}}}")
    place.run("up", stack, "-y").ended(0)
    place.run("down", stack, "--confirm", "download").ended(0)
    assert place.seeds("download") == []


def test_image_that_cannot_be_downloaded(place: Place, web: str) -> None:
    nowhere = "http://127.0.0.1:9/x.qcow2"
    stack = place.stack("dead", "  one: {}\n", image=f"{{url: '{nowhere}', sha256: {'2' * 64}}}")
    result = place.run("up", stack, "-y").ended(10)
    result.says("error: image tiny: download failed", "Connection refused", f"next: Is {nowhere} right")
    stack = place.stack("dead", "  one: {}\n", image=f"{{url: '{web}', checksums: 'http://127.0.0.1:9/SUMS'}}")
    result = place.run("up", stack, "-y").ended(4)
    result.says("http://127.0.0.1:9/SUMS: the checksum list could not be fetched: [Errno 111] Connection refused\n")
    place.run("down", stack, "--confirm", "dead").ended(0)


def test_image_that_is_larger_than_the_disk(place: Place) -> None:
    place.image.write_bytes(qcow2(3 * GIB))
    stack = place.stack("large", "  one: {}\n")
    place.run("up", stack, "-y").ended(11).says("tiny", "3G", "1G", "PVE does not shrink disks")
    place.run("up", place.stack("large", "  one: {disks: [{size: 3GiB}]}\n"), "-y").ended(0)
    place.run("down", stack, "--confirm", "large").ended(0)


def test_agent_that_never_answers(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    stack = place.stack("silent", "  one: {ready: {within: 1s}}\n")
    with monkeypatch.context() as patch:
        patch.setattr(place.lab.lab.machines, "boot_seconds", 3600.0)
        result = place.run("up", stack, "-y").ended(12)
        result.says("one (VMID", "the guest agent did not answer within 1 s", "pvekit console", "was", "not done")
    place.run("up", stack, "-y").ended(0)
    place.run("plan", stack).ended(0)
    place.run("down", stack, "--confirm", "silent").ended(0)
    assert place.seeds("silent") == []


@pytest.mark.parametrize(
    ("happens", "words"),
    [
        ("stop", ("it is off: its guest switched it off", " one --tasks. Then run pvekit up again")),
        ("pause", ("it stands still (paused)", "next: pvekit restart ", "one\n")),
    ],
)
def test_guest_that_nothing_can_be_expected_of(
    place: Place, monkeypatch: pytest.MonkeyPatch, happens: str, words: tuple[str, ...]
) -> None:
    """It is not waited for until the time is up."""
    machines, stack = place.lab.lab.machines, place.stack("dead", "  one: {ready: {within: 1h}}\n")
    start = machines.start

    def and_then(vm: VmStart, log: Log) -> None:
        start(vm, log)
        machines.stop(vm.vmid, log) if happens == "stop" else machines.pause(vm.vmid)

    with monkeypatch.context() as patch:
        patch.setattr(machines, "start", and_then)
        patch.setattr(standstill, "LOOK_SECONDS", 0.0)
        place.run("up", stack, "-y").ended(12).says("one (VMID", *words)
    place.run("restart", "-s", stack, "one").ended(0)
    place.run("up", stack, "-y").ended(0)
    place.run("down", stack, "--confirm", "dead").ended(0)


@pytest.mark.parametrize(("silent", "code"), [(1, 0), (9, 12)])
def test_first_boot_that_stands_still_is_tried_again_once(
    place: Place, monkeypatch: pytest.MonkeyPatch, silent: int, code: int
) -> None:
    machines, stack = place.lab.lab.machines, place.stack("still", "  one: {ready: {within: 5s}}\n")
    start, status, starts = machines.start, machines.status, []

    def boots(vm: VmStart, log: Log) -> None:
        start(vm, log)
        starts.append(vm.vmid)
        patch.setattr(machines, "boot_seconds", 3600.0 if len(starts) <= silent else 0.0)

    def quiet(vmid: int) -> Mapping[str, Any] | None:
        now = status(vmid)
        return now and {**now, "diskread": 1, "diskwrite": 1}

    with monkeypatch.context() as patch:
        patch.setattr(machines, "start", boots)
        patch.setattr(machines, "status", quiet)
        patch.setattr(standstill, "LOOK_SECONDS", 0.0)
        patch.setattr(standstill, "STILL_SECONDS", 1.5)
        result = place.run("up", stack, "-y").ended(code)
    assert len(starts) == 2
    if code:
        result.says(
            "no disk was used for 2 s and no agent answers: off and on again, once", "did not answer within 5 s"
        )
    place.run("down", stack, "--confirm", "still").ended(0)


def test_cloud_init_that_failed(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    stack = place.stack("cloud", "  one: {}\n")
    files = hollow.guest_files

    def failed(vmid: int, name: str) -> dict[str, bytes]:
        errors = ["('scripts_user', RuntimeError('Runparts: 1 failures'))"]
        result = {"v1": {"datasource": "DataSourceNoCloud", "errors": errors}}
        return {**files(vmid, name), "/run/cloud-init/result.json": json.dumps(result).encode()}

    with monkeypatch.context() as patch:
        patch.setattr(hollow, "guest_files", failed)
        result = place.run("up", stack, "-y").ended(12)
        result.says("one (VMID", "cloud-init failed", "Runparts: 1 failures", "pvekit down", "pvekit logs")
    place.run("down", stack, "--confirm", "cloud").ended(0)
    assert (place.vms("cloud"), place.seeds("cloud")) == ({}, [])


def test_playbook_that_failed(place: Place) -> None:
    stack = place.stack("play", "  one: {}\n  two: {}\n")

    def play(_playbook: Any, inventory: Any, **_: Any) -> ProvisionResult:
        host = inventory.hosts[0].name
        if host == "two":
            return ProvisionResult((), {})
        failure = HostFailure(host, "install packages", "No package matching 'nginxx' is available")
        return ProvisionResult((failure,), {})

    with stand_ins(play):
        result = place.run("up", stack, "-y").ended(13)
    result.says("one (VMID", "playbook base.yml", "install packages", "No package matching 'nginxx'", "next: ")
    assert "ssh ops@" in result.out, "the other VM is reached"
    place.run("up", stack, "-y").ended(0).says("one: provision ok")
    place.run("plan", stack).ended(0)
    place.run("down", stack, "--confirm", "play").ended(0)


def test_one_failing_vm_leaves_the_others_alone(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A task that fails: its log's tail is shown, once, and the rerun goes on."""
    stack = place.stack("tail", "  one: {}\n  two: {}\n")
    start = place.lab.lab.machines.start

    def broken(vm: Any, log: Any) -> None:
        if vm.name == "one":
            log("kvm: no more memory")
            raise DoorError("start failed: QEMU exited with code 1")
        start(vm, log)

    with monkeypatch.context() as patch:
        patch.setattr(place.lab.lab.machines, "start", broken)
        result = place.run("up", stack, "-y").ended(10)
    result.says("one: start FAILED", "start failed: QEMU exited with code 1", "kvm: no more memory", "two: verify ok")
    place.run("up", stack, "-y").ended(0)
    place.run("down", stack, "--confirm", "tail").ended(0)
