"""The whole way on a host with an IOMMU: broken, repaired (with a power cut in between), proven, and taken back."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import pytest

from tests.conftest import Figure
from tests.iommu import second
from tests.iommu.command import Said, command, pvekit, way
from tests.iommu.files import differing, picture
from tests.iommu.host import Host
from tests.iommu.machine import AUDIO, AUDIO_ID, GPU, GPU_ID

pytestmark = [pytest.mark.guest, pytest.mark.slow, pytest.mark.timeout(3600)]

CARD = (GPU, AUDIO)


def test_from_broken_to_proven_and_back(host: Host, figure: Figure) -> None:
    began = time.monotonic()

    def done(what: str) -> None:
        nonlocal began
        figure(f"{what}: {(time.monotonic() - began) / 60:.1f} min")
        began = time.monotonic()

    host.start()
    before, native = picture(host), {bdf: host.driver(bdf) for bdf in CARD}
    assert native == {GPU: "", AUDIO: "snd_hda_intel"}
    done("start")

    found = diagnosed(host)
    assert (found["verdict"], found["root_cause"]["id"]) == ("broken", "KC-06"), found
    done("diagnose")

    said = apply_until_the_power_goes(host)
    assert said.code not in {0, 1, 2}, said
    assert "passthrough status" in said.err, said.err
    done("apply, until the power was cut while the initramfs was made")

    host.start()
    assert {bdf: host.driver(bdf) for bdf in CARD} == native
    waits = pvekit("passthrough", "status", host.name(), *way(host))
    assert waits.code == 2, waits
    assert "cut off" in waits.out
    goes_on = pvekit("passthrough", "apply", host.name(), "--device", GPU, "--yes", *way(host))
    assert goes_on.code == 0, goes_on.err
    assert "interrupted" in goes_on.err
    done("start, and apply to its end")

    host.reboot()
    done("restart")
    assert {bdf: host.driver(bdf) for bdf in CARD} == dict.fromkeys(CARD, "vfio-pci")
    changed = differing(before, picture(host))
    assert "etc/default/grub" in changed
    assert "boot/grub/grub.cfg" in changed
    assert any(path.startswith("boot/initrd.img-") for path in changed), changed

    proof = json.loads(command("passthrough", "verify", host.name(), "--device", GPU, "--json", *way(host)))
    assert proof["verdict"] == "proven", proof
    used = proof["proof"]["cycles"]
    assert [use["bdf"] for use in used[1]["functions"]] == [f"0000:{bdf}" for bdf in CARD]
    figure(f"used by VFIO: {len(used)} times, the second: {'; '.join(map(use_told, used[1]['functions']))}")
    done("verify")
    started = second.start(host, CARD)
    assert not started.error, started
    assert started.mapped, started
    assert set(started.functions) == set(CARD)
    figure(f"in the guest: {', '.join(told(bdf, started) for bdf in CARD)}")
    done("a second-level QEMU with both functions")

    back = pvekit("passthrough", "rollback", host.name(), "--yes", *way(host))
    assert back.code == 0, back.err
    assert differing(before, picture(host)) == []
    done("rollback")
    host.reboot()
    assert differing(before, picture(host)) == []
    assert {bdf: host.driver(bdf) for bdf in CARD} == native
    assert pvekit("passthrough", "status", host.name(), *way(host)).code == 0
    done("restart, all as before")


def diagnosed(host: Host) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(command("passthrough", "diagnose", host.name(), "--device", GPU, "--json",
                                              *way(host)))  # fmt: skip
    return told


def apply_until_the_power_goes(host: Host) -> Said:
    """Apply, and cut the power while update-initramfs is at work."""
    said: list[Said] = []
    thread = threading.Thread(
        target=lambda: said.append(
            pvekit("passthrough", "apply", host.name(), "--device", GPU, "--yes", *way(host))
        )
    )  # fmt: skip
    thread.start()
    for _ in range(600):
        if "mkinitramfs" in host.sh("cat /proc/[0-9]*/comm", check=False).split():
            break
        assert thread.is_alive(), said
        time.sleep(1)
    time.sleep(10)
    host.power_cut()
    thread.join(300)
    assert said, "apply did not notice"
    return said[0]


def use_told(use: dict[str, Any]) -> str:
    """Return what came of one use of a function."""
    return f"{use['bdf']} reset {use['reset']}, " + ", ".join(
        f"{region['name']} {region['size']:#x} mapped" for region in use["regions"] if region["mapped"]
    )


def told(bdf: str, started: second.Second) -> str:
    """Return where a function's BARs came to lie."""
    ids = {GPU: GPU_ID, AUDIO: AUDIO_ID}
    places = ", ".join(f"BAR{one.number} {one.size:#x} at {one.address:#x}" for one in started.functions[bdf]
                       if one.address is not None)  # fmt: skip
    return f"{ids[bdf]} {places}"
