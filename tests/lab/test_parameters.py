"""What is wrong with a parameter is told in PVE's words; property strings survive reading and writing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pvekit.lab.params import verify
from pvekit.lab.propstring import Spec, build, parse, split
from pvekit.lab.router import find, load
from pvekit.lab.storage.volumes import size_bytes, size_text
from pvekit.lab.vm import devicespec, drivespec
from pvekit.lab.vm.passwords import kept, sha256_crypt

CASES = json.loads((Path(__file__).parent / "cases" / "parameters.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_create_parameters(case: dict[str, Any]) -> None:
    load()
    found = find("POST", "/nodes/pve/qemu")
    assert found is not None
    _scalars, _arrays, errors = verify({**case["params"], "node": "pve"}, found[0].params)
    assert errors == case["errors"]


def test_booleans_get_one_spelling() -> None:
    found = find("POST", "/nodes/pve/qemu")
    assert found is not None
    scalars, _arrays, errors = verify({"vmid": 600, "node": "pve", "onboot": "yes", "acpi": False}, found[0].params)
    assert not errors
    assert scalars["onboot"] == "1"
    assert scalars["acpi"] == "0"


MACS = st.builds(
    lambda last: f"BC:24:11:{last[0]:02X}:{last[1]:02X}:{last[2]:02X}", st.tuples(*[st.integers(0, 255)] * 3)
)
NETS = st.fixed_dictionaries(
    {"model": st.sampled_from(devicespec.NIC_MODELS), "macaddr": MACS},
    optional={
        "bridge": st.sampled_from(["vmbr0", "vmbr1.5"]), "firewall": st.sampled_from(["0", "1"]),
        "tag": st.integers(1, 4094).map(str), "mtu": st.integers(1, 65520).map(str),
    },
)  # fmt: skip
DRIVES = st.fixed_dictionaries(
    {"file": st.sampled_from(["local:100/vm-100-disk-0.qcow2", "local:32", "none"])},
    optional={
        "ssd": st.sampled_from(["0", "1"]), "discard": st.sampled_from(["on", "ignore"]),
        "size": st.sampled_from(["4G", "528K", "540672"]),
        "serial": st.from_regex(r"[A-Za-z0-9]{1,20}", fullmatch=True),
        "iothread": st.sampled_from(["0", "1"]), "cache": st.sampled_from(["none", "unsafe"]),
    },
)  # fmt: skip
PCI = st.fixed_dictionaries(
    {"mapping": st.sampled_from(["gpu0", "gvt"])},
    optional={"pcie": st.sampled_from(["0", "1"]), "x-vga": st.sampled_from(["0", "1"])},
)


@given(NETS)
def test_cards_round_trip(values: dict[str, str]) -> None:
    _round_trip(devicespec.NET, values)


@given(DRIVES)
def test_drives_round_trip(values: dict[str, str]) -> None:
    _round_trip(drivespec.SCSI, values)


@given(PCI)
def test_mapped_devices_round_trip(values: dict[str, str]) -> None:
    _round_trip(devicespec.HOSTPCI, values)


def _round_trip(spec: Spec, values: dict[str, str]) -> None:
    text = build(spec, values)
    assert parse(spec, text) == values
    assert build(spec, split(spec, text)) == text


@given(st.integers(0, 1 << 50))
def test_sizes_round_trip(size: int) -> None:
    assert size_bytes(size_text(size)) == size


def test_passwords_are_hashed_as_crypt_does() -> None:
    # What `openssl passwd -5 -salt saltstring` says.
    assert sha256_crypt("Hello world!", "saltstring") == "$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5"
    assert kept("plain", {"ostype": "win11"}) == "plain"
    assert kept("plain", {}).startswith("$5$")
    assert kept("$6$salt$hash", {}) == "$6$salt$hash"
