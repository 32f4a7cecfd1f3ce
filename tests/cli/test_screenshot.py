"""``pvekit screenshot``, against a hollow node whose VMs draw the keys pressed."""

from __future__ import annotations

import re

from pvekit.lab import hollow_screen
from tests.helpers.cli_room import Place


def test_screenshot(place: Place) -> None:
    stack = place.stack("shot", "  one: {}\n  dark: {pve: {vga: serial0}}\n")
    place.run("screenshot", "-s", stack, "one").ended(9).says("one does not exist yet")
    place.run("up", stack, "-y").ended(0)
    expected = hollow_screen.picture([]).png()

    said = place.run("screenshot", "-s", stack, "one").ended(0).out
    match = re.fullmatch(r"(one-\d{8}-\d{6}\.png): 320 x 200 pixels, (\d+) bytes\n", said)
    assert match, said
    assert (place.folder / match[1]).read_bytes() == expected
    assert int(match[2]) == len(expected)

    named = place.folder / "screen.png"
    named.write_bytes(b"an older one")
    place.run("screenshot", "-s", stack, "one", "-o", named).ended(0).says(f"{named}: 320 x 200 pixels")
    assert named.read_bytes() == expected

    before = sorted(place.folder.iterdir())
    place.run("screenshot", "-s", stack, "dark").ended(12).says("no display (vga: serial0)", "pvekit console")
    place.run("screenshot", "-s", stack, "one", "-o", place.folder / "no" / "such.png").ended(1).says("such.png")
    place.run("screenshot", "-s", stack, "-o", place.folder, "one").ended(64)
    vmid = place.vms("shot")["one"]["vmid"]
    place.lab.wait(place.api.post(f"/nodes/pve/qemu/{vmid}/status/stop"))
    place.run("screenshot", "-s", stack, "one").ended(12).says("one is stopped", "pvekit up")
    place.run("screenshot", "-s", stack, "two").ended(9).says("the stack has no VM two")
    assert sorted(place.folder.iterdir()) == before
    place.run("down", stack, "--confirm", "shot").ended(0)
