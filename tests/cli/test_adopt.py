"""An existing VM, made by hand with many odd settings, is taken into a stack and nothing of it changes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.helpers.cli_room import Place

ODD: dict[str, dict[str, Any]] = {
    "plain": {"name": "plain", "memory": 512, "scsi0": "local:1", "net0": "virtio,bridge=vmbr0"},
    "odd": {
        "name": "odd.example",
        "memory": 1024,
        "cores": 3,
        "sockets": 2,
        "cpu": "host",
        "bios": "ovmf",
        "machine": "q35",
        "efidisk0": "local:1,efitype=4m,pre-enrolled-keys=1",
        "tpmstate0": "local:1,version=v2.0",
        "scsihw": "virtio-scsi-pci",
        "scsi0": "local:2,discard=on,ssd=1,iothread=0,cache=writeback",
        "scsi3": "data:1,serial=backup,backup=0",
        "virtio1": "local:1",
        "ide2": "none,media=cdrom",
        "net0": "e1000=BC:24:11:00:00:01,bridge=vmbr0,tag=7,firewall=1,mtu=1400",
        "net2": "virtio=BC:24:11:00:00:02,bridge=vmbr0,link_down=1,rate=5",
        "agent": "1,fstrim_cloned_disks=1",
        "balloon": 512,
        "shares": 500,
        "cpulimit": 1.5,
        "cpuunits": 200,
        "numa": 1,
        "onboot": 1,
        "startup": "order=3,up=10,down=20",
        "tags": "mine;zoo",
        "description": "a VM with a history\n\nand <b>marks</b>, 100 % & more",
        "vga": "qxl,memory=32",
        "tablet": 0,
        "localtime": 1,
        "boot": "order=virtio1;scsi0;net0",
        "smbios1": "uuid=11111111-2222-3333-4444-555555555555",
        "watchdog": "i6300esb,action=reset",
        "rng0": "source=/dev/urandom,max_bytes=1024,period=1000",
        "hotplug": "network,disk",
        "ostype": "l26",
        "serial1": "socket",
        "audio0": "device=ich9-intel-hda,driver=none",
        "protection": 1,
    },
    "empty": {"name": "empty", "memory": 64, "ostype": "other"},
    "noname": {"memory": 64, "sata0": "local:1"},
}
RUNNING = {"plain", "odd"}


@pytest.fixture(params=ODD)
def vmid(place: Place, request: pytest.FixtureRequest) -> Iterator[int]:
    number = 600 + list(ODD).index(request.param)
    place.lab.wait(place.api.post("/nodes/pve/qemu", vmid=number, **ODD[request.param]))
    if request.param in RUNNING:
        place.lab.wait(place.api.post(f"/nodes/pve/qemu/{number}/status/start"))
    yield number
    if request.param in RUNNING:
        place.lab.wait(place.api.post(f"/nodes/pve/qemu/{number}/status/stop"))
    place.api.put(f"/nodes/pve/qemu/{number}/config", protection="0")
    place.forget(number)


def test_the_next_plan_is_empty(place: Place, vmid: int) -> None:
    stack = place.stack(f"adopt{vmid}", "  other: {state: stopped}\n", tags="[house]", balloon="64MiB", user="me")
    place.run("up", stack, "-y").ended(0)
    before = place.config(vmid)
    result = place.run("adopt", "-s", stack, str(vmid), "--append", "--yes").ended(0)
    assert result.out in stack.read_text()
    place.run("validate", stack).ended(0)
    place.run("plan", stack).ended(0).says("no changes")
    begun = place.wrote()
    place.run("up", stack, "-y").ended(0)
    assert begun() == 0
    after = place.config(vmid)
    for config in (before, after):
        for key in ("digest", "tags", "description"):
            config.pop(key, None)
    assert before == after
    if "description" in ODD[_name(vmid)]:
        config = place.config(vmid)
        assert str(config["description"]).startswith("a VM with a history\n\nand <b>marks</b>, 100 % & more")
        assert {"mine", "zoo"} <= set(str(config["tags"]).split(";"))
    place.run("status", stack).ended(0).says("ready")
    place.run("down", stack, "--confirm", f"adopt{vmid}", "--only", "other").ended(0)


def _name(vmid: int) -> str:
    return list(ODD)[vmid - 600]


def test_it_is_printed_and_asked_about(place: Place) -> None:
    place.lab.wait(place.api.post("/nodes/pve/qemu", vmid=650, name="asked", memory=64))
    stack = place.stack("ask", "  other: {}\n")
    text = stack.read_text()
    result = place.run("adopt", "-s", stack, "650", typed="n\n").ended(1)
    assert result.out.startswith("  asked:")
    place.run("adopt", "-s", stack, "650").ended(1).says("--yes")
    assert stack.read_text() == text
    assert place.vms("ask") == {}
    place.run("adopt", "-s", stack, "650", typed="y\n").ended(0).says("add the entry above under vms:")
    assert stack.read_text() == text
    # A VM with the tags that the file does not have: told, and never touched without being named.
    place.run("plan", stack).ended(2).says("asked (VMID 650) carries the stack's tag but is not in the stack file")
    place.run("status", stack).ended(0).says("asked", "not in the stack file")
    place.run("down", stack, typed="no\n").ended(1).says("asked (VMID 650 on pve, not in the stack file)")
    place.run("down", stack, "--confirm", "ask", "--only", "asked").ended(0)
    assert place.vms("ask") == {}


def test_what_cannot_be_adopted(place: Place) -> None:
    stack = place.stack("cannot", "  one: {}\n")
    place.run("adopt", "-s", stack, "99999", "-y").ended(9).says("there is no VM 99999")
    place.run("up", stack, "-y").ended(0)
    mine = place.vms("cannot")["one"]["vmid"]
    other = place.stack("foreign", "  two: {}\n")
    place.run("adopt", "-s", other, str(mine), "-y").ended(1).says("belongs to another stack already")
    place.run("adopt", "-s", stack, str(mine), "-y", "--append").ended(1).says("the stack has a VM one already")
    inline = place.folder / "inline.yaml"
    inline.write_text(f"pvekit: 1\nname: inline\n{place.host()}vms: {{one: {{kind: debian}}}}\n")
    place.lab.wait(place.api.post("/nodes/pve/qemu", vmid=651, name="inline", memory=64))
    place.run("adopt", "-s", inline, "651", "-y", "--append").ended(1).says("vms: is the last section", "--append")
    assert place.vms("inline") == {}
    place.forget(651)
    place.run("down", stack, "--confirm", "cannot").ended(0)


def test_a_vm_that_is_changed_in_between_is_not_tagged(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The write carries the digest that was read; the entry is taken back."""
    from pvekit.adapters import pve as api

    place.lab.wait(place.api.post("/nodes/pve/qemu", vmid=653, name="quick", memory=64))
    stack = place.stack("digest", "  one: {}\n")
    text = stack.read_text()
    write = api.set_config

    def late(*arguments: Any, **keywords: Any) -> Any:
        place.api.put("/nodes/pve/qemu/653/config", cores="2")
        return write(*arguments, **keywords)

    with monkeypatch.context() as patch:
        patch.setattr(api, "set_config", late)
        place.run("adopt", "-s", stack, "653", "-y", "--append").ended(9).says("Plan again")
    assert stack.read_text() == text
    assert place.vms("digest") == {}
    place.forget(653)


def test_a_default_that_the_vm_does_not_share(place: Place) -> None:
    place.lab.wait(place.api.post("/nodes/pve/qemu", vmid=654, name="small", memory=64))
    stack = place.stack("shared", "  one: {}\n", protection="true", balloon="128MiB")
    result = place.run("adopt", "-s", stack, "654", "-y").ended(1)
    result.says("cannot describe it", "defaults.balloon", "another stack file")
    place.forget(654)
