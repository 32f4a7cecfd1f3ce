"""What is removed, what stays, and whose VMs are never touched."""

from __future__ import annotations

import json

from tests.helpers.cli_room import Place


def test_every_volume_is_named(place: Place) -> None:
    vms = "  one: {disks: [{size: 1GiB}, {size: 1GiB, storage: data}], firmware: ovmf, tpm: true}\n"
    stack = place.stack("named", vms)
    place.run("up", stack, "-y").ended(0)
    vmid = place.vms("named")["one"]["vmid"]
    assert place.lab.wait(place.api.upload("local", "iso", "tools.iso", b"\0" * 4096).data) == "OK"
    inserted = place.api.post(f"/nodes/pve/qemu/{vmid}/config", ide2="local:iso/tools.iso,media=cdrom")
    assert place.lab.wait(inserted) == "OK"
    result = place.run("down", stack, typed="no\n").ended(1)
    freed = [line.split()[-1] for line in result.out.splitlines() if "freed:" in line]
    assert len(freed) == 4
    assert all(f"/vm-{vmid}-disk-" in volume for volume in freed)
    result.says("stays: local:iso/tools.iso (an ISO: only ejected)")
    assert set(freed) - place.volumes() == {volume for volume in freed if volume.startswith("data:")}
    place.run("down", stack, "--confirm", "named").ended(0)
    assert not set(freed) & place.volumes()
    iso = place.api.get("/nodes/pve/storage/local/content", content="iso")
    assert "local:iso/tools.iso" in {row["volid"] for row in iso}


def test_protected(place: Place) -> None:
    stack = place.stack("guarded", "  one: {protection: true}\n  two: {}\n")
    place.run("up", stack, "-y").ended(0)
    result = place.run("down", stack, "--confirm", "guarded").ended(9)
    result.says("PROTECTED", "protected: one; nothing was removed", "--unprotect")
    assert set(place.vms("guarded")) == {"one", "two"}
    assert {row["status"] for row in place.vms("guarded").values()} == {"running"}
    place.run("down", stack, "--confirm", "guarded", "--only", "two").ended(0)
    place.run("down", stack, "--confirm", "guarded", "--unprotect").ended(0)
    assert place.vms("guarded") == {}


def test_what_carries_no_tag_is_never_touched(place: Place) -> None:
    """Name, VMID and everything else as in the stack file: without the tags it is somebody else's."""
    stack = place.stack("untagged", "  one: {}\n")
    place.run("up", stack, "-y").ended(0)
    vmid = place.vms("untagged")["one"]["vmid"]
    for tags in ("", "pvekit.untagged", "pvekit.untagged2;pvekit.untagged2.one", "pvekit.other.one;pvekit.untagged"):
        place.api.put(f"/nodes/pve/qemu/{vmid}/config", **({"tags": tags} if tags else {"delete": "tags"}))
        place.run("down", stack, "--confirm", "untagged").ended(0).says("untagged: nothing to remove.")
        assert place.config(vmid)["name"] == "one"
    place.api.put(f"/nodes/pve/qemu/{vmid}/config", tags="pvekit.untagged;pvekit.untagged.one")
    place.run("down", stack, "--confirm", "untagged").ended(0)
    assert place.vms("untagged") == {}


def test_a_vm_that_left_the_file(place: Place) -> None:
    place.run("up", place.stack("strays", "  one: {}\n  two: {}\n"), "-y").ended(0)
    stack = place.stack("strays", "  one: {}\n")
    plan = place.run("plan", stack).ended(0)
    plan.says("two (VMID", "is not in the stack file", f"pvekit down {stack} --only two")
    place.run("down", stack, "--only", "two", "--confirm", "strays").ended(0).says("not in the stack file")
    assert set(place.vms("strays")) == {"one"}
    place.run("plan", stack).ended(0)
    place.run("down", stack, "--confirm", "strays").ended(0)


def test_two_vms_with_the_same_tag(place: Place) -> None:
    """A clone made by hand carries the tags as well: nobody can know which one is meant."""
    stack = place.stack("twins", "  one: {}\n")
    place.run("up", stack, "-y").ended(0)
    vmid = place.vms("twins")["one"]["vmid"]
    place.lab.wait(place.api.post("/nodes/pve/qemu", vmid=901, name="one", tags="pvekit.twins;pvekit.twins.one"))
    for command in (["plan"], ["up", "-y"], ["status"], ["down", "--confirm", "twins"]):
        place.run(command[0], stack, *command[1:]).ended(9).says("two VMs claim to be one", str(vmid), "901")
    place.forget(901)
    place.run("down", stack, "--confirm", "twins").ended(0)


def test_json_names_the_same(place: Place) -> None:
    stack = place.stack("asjson", "  one: {}\n")
    place.run("up", stack, "-y").ended(0)
    first = json.loads(place.run("down", stack, "--json").ended(1).out.splitlines()[0])
    assert first["removal"]["vms"][0]["freed"]
    place.run("down", stack, "--confirm", "asjson").ended(0)
