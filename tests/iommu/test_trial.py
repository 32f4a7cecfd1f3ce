"""The boot that undoes itself, on a host with an IOMMU, real GRUB and a real initramfs."""

from __future__ import annotations

import os
import socket
import time

import pytest

from tests.conftest import Figure
from tests.iommu.command import pvekit, way
from tests.iommu.files import differing, picture
from tests.iommu.host import Host
from tests.iommu.machine import AUDIO, GPU

pytestmark = [
    pytest.mark.guest,
    pytest.mark.slow,
    pytest.mark.timeout(7200),
    pytest.mark.skipif(
        "PVEKIT_IOMMU_HOST" not in os.environ,
        reason="two trial boots of a host with an IOMMU take a quarter of an hour without KVM: set PVEKIT_IOMMU_HOST=1",
    ),
]
GATEWAY = "10.0.2.2"
"""What is behind it listens on this machine."""


def bound(host: Host) -> set[str]:
    return {host.driver(bdf) for bdf in (GPU, AUDIO)}


def test_a_trial_without_its_network_puts_everything_back(host: Host, figure: Figure) -> None:
    host.start()
    before, began = picture(host), time.monotonic()
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        deaf = f"{GATEWAY}:{closed.getsockname()[1]}"
        said = pvekit("passthrough", "apply", host.name(), "--device", GPU, "--yes", "--trial", "--answers", deaf,
                      "--reboot", *way(host))  # fmt: skip
        assert said.code == 0, said.err
        host.come_back()
        assert "pvekit.trial=" in host.sh("cat /proc/cmdline")
        assert bound(host) == {"vfio-pci"}
        figure(f"apply and trial boot: {(time.monotonic() - began) / 60:.1f} min")
        began, trial = time.monotonic(), host.boot_id()
        host.wait_for_restart(trial)
    figure(f"put back by itself: {(time.monotonic() - began) / 60:.1f} min")
    assert "pvekit.trial=" not in host.sh("cat /proc/cmdline")
    assert differing(before, picture(host)) == []
    assert "vfio-pci" not in bound(host)
    state = pvekit("passthrough", "status", host.name(), *way(host))
    assert state.code == 0, state
    assert "no network within" in state.out


def test_a_trial_that_is_confirmed(host: Host, figure: Figure) -> None:
    host.start()
    before, began = picture(host), time.monotonic()
    with socket.socket() as open_door:
        open_door.bind(("127.0.0.1", 0))
        open_door.listen()
        there = f"{GATEWAY}:{open_door.getsockname()[1]}"
        said = pvekit("passthrough", "apply", host.name(), "--device", GPU, "--yes", "--trial", "--answers", there,
                      "--reboot", *way(host))  # fmt: skip
        assert said.code == 0, said.err
        host.come_back()
        assert bound(host) == {"vfio-pci"}
        waits = pvekit("passthrough", "status", host.name(), *way(host))
        assert waits.code == 2, waits
        kept = pvekit("passthrough", "confirm", host.name(), *way(host))
        assert kept.code == 0, kept.err
    figure(f"apply, trial boot and confirm: {(time.monotonic() - began) / 60:.1f} min")
    began = time.monotonic()
    host.reboot()
    assert bound(host) == {"vfio-pci"}
    assert "pvekit.trial=" not in host.sh("cat /proc/cmdline")
    back = pvekit("passthrough", "rollback", host.name(), "--yes", *way(host))
    assert back.code == 0, back.err
    assert differing(before, picture(host)) == []
    host.reboot()
    assert "vfio-pci" not in bound(host)
    figure(f"a boot of its own, rollback, and another: {(time.monotonic() - began) / 60:.1f} min")
