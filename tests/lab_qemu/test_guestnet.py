"""The emulated network fits what the guest was told."""

from __future__ import annotations

import io
import ipaddress
from pathlib import Path
from typing import Any

import pycdlib
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pvekit.lab.qemu.guestnet import Static, around, network_of, seed_network

CASES = yaml.safe_load((Path(__file__).parent / "cases/guestnet.yaml").read_text())
MAC = "BC:24:11:00:00:01"


def write_iso(path: Path, label: str, text: str) -> Path:
    disc = pycdlib.PyCdlib()
    disc.new(interchange_level=3, joliet=3, rock_ridge="1.09", vol_ident=label)
    data = text.encode()
    disc.add_fp(io.BytesIO(data), len(data), "/NETWORK.;1", rr_name="network-config", joliet_path="/network-config")
    disc.write(str(path))
    disc.close()
    return path


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_network(case: dict[str, Any], tmp_path: Path) -> None:
    seeds = [write_iso(tmp_path / "seed.iso", "cidata", case["seed"])] if "seed" in case else []
    net = network_of(0, MAC, case.get("config", {}), seeds)
    assert {key: str(getattr(net, key)) for key in case["net"]} == case["net"]


def test_only_a_seed_is_read(tmp_path: Path) -> None:
    other = write_iso(tmp_path / "other.iso", "DEBIAN", "version: 2")
    plain = tmp_path / "plain.iso"
    plain.write_bytes(b"\0" * 100_000)
    assert seed_network(other) is None
    assert seed_network(plain) is None
    assert seed_network(tmp_path / "none.iso") is None


@given(
    st.integers(8, 29).flatmap(
        lambda bits: st.tuples(
            st.ip_addresses(v=4), st.just(bits), st.ip_addresses(v=4), st.lists(st.ip_addresses(v=4), max_size=2)
        )
    )
)
def test_any_static_address_gives_a_network_that_qemu_takes(given_: tuple[Any, int, Any, list[Any]]) -> None:
    """QEMU wants guest, gateway and name server inside the network, and the latter two different."""
    address, bits, gateway, servers = given_
    interface = ipaddress.IPv4Interface((address, bits))
    net = around(Static(interface, gateway, tuple(servers)))
    assert net.guest == address
    assert {net.gateway, net.dns} <= set(net.network) if bits > 20 else net.gateway in net.network
    assert len({net.gateway, net.dns, net.guest}) == 3
