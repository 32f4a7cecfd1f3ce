"""How qemu-server reads a VM's configuration."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pvekit.model.bundle import Bundle
from pvekit.model.missing import Missing
from pvekit.model.pci import Bdf
from pvekit.passthrough.asked import Asked
from pvekit.passthrough.facts import Facts
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.facts.vmconf import VmConfig, VmConfigs
from pvekit.passthrough.vmrules import (
    complete,
    covers,
    cpu,
    in_question,
    machine,
    memory,
    numbers,
    options,
    q35,
    same_device,
    vga,
)

BDFS = st.builds(
    Bdf,
    st.integers(0, 3),
    st.integers(0, 255),
    st.integers(0, 31),
    st.integers(0, 7),
)


def facts(**files: str) -> Facts:
    return Facts(Bundle("case", {name.replace("__", "/") + ".conf": text for name, text in files.items()}), Asked())


def only(text: str) -> VmConfig:
    found = facts(vm=text).get(VmConfigs)
    assert not isinstance(found, Missing)
    (vm,) = found.vms
    return vm


@given(BDFS, st.booleans(), st.booleans())
@settings(max_examples=60, deadline=None)
def test_an_address_covers_itself_in_every_form(bdf: Bdf, short: bool, slot: bool) -> None:
    text = str(bdf)
    if short and not bdf.domain:
        text = text.removeprefix("0000:")
    if slot:
        text = text.rpartition(".")[0]
    assert covers(text, bdf)
    assert covers(text.upper(), bdf)
    assert same_device(text, str(bdf))
    assert same_device(str(bdf), text)


@given(BDFS, BDFS)
@settings(max_examples=60, deadline=None)
def test_other_devices_are_not_covered(one: Bdf, other: Bdf) -> None:
    slot = str(other).rpartition(".")[0]
    assert covers(str(other), one) == (one == other)
    assert covers(slot, one) == (one.slot == other.slot)
    assert same_device(str(one), str(other)) == (one == other)
    assert same_device(slot, str(one)) == same_device(str(one), slot) == (one.slot == other.slot)


@pytest.mark.parametrize(
    ("text", "kind", "is_q35"),
    [
        ("q35", "q35", True),
        ("pc-q35-9.2+pve1,viommu=intel", "pc-q35-9.2+pve1", True),
        ("type=q35,viommu=virtio", "q35", True),
        ("pc-i440fx-9.2", "pc-i440fx-9.2", False),
        ("viommu=virtio", "", False),
    ],
)
def test_the_machine_line(text: str, kind: str, is_q35: bool) -> None:
    vm = only(f"machine: {text}\nmemory: 4096\n")
    assert machine(vm).get("type", "") == kind
    assert q35(vm) is is_q35


def test_defaults_are_those_of_pve() -> None:
    vm = only("cores: 2\nmemory: current=4096\n")
    assert cpu(vm)["cputype"] == "kvm64"
    assert vga(vm) == ""
    assert memory(vm) == 4096
    assert not q35(vm)
    assert complete(vm)
    assert not complete(only("hostpci0: 01:00,pcie=1\n"))


@given(st.dictionaries(st.from_regex(r"[a-z]{1,6}", fullmatch=True), st.from_regex(r"[a-z0-9]{1,6}", fullmatch=True)))
@settings(max_examples=40, deadline=None)
def test_options_are_read_back(values: dict[str, str]) -> None:
    assert options(",".join(f"{name}={value}" for name, value in values.items()), "default") == values


@pytest.mark.parametrize(
    ("old", "new"), [("7.2-2", "7.2-4"), ("7.4-1", "8.0.8"), ("8.0.8", "8.2.5"), ("8.2.5", "8.2.10"), ("", "0.1")]
)
def test_versions_are_compared_by_their_numbers(old: str, new: str) -> None:
    assert numbers(old) < numbers(new)


def test_only_the_vm_that_is_meant_is_judged() -> None:
    found = facts(vms__100="hostpci0: 01:00\nmemory: 1\n", vms__101="hostpci0: 02:00\n", vms__102="memory: 1\n")
    vms = found.get(VmConfigs)
    nobody = Target((), (), None, "")
    assert [vm.vmid for vm in in_question(vms, Missing("lspci.txt", "not in the bundle"))] == [100, 101]
    assert [vm.vmid for vm in in_question(vms, nobody)] == [100, 101]
    assert [vm.vmid for vm in in_question(vms, Target((), (), 101, "asked for"))] == [101]
    assert in_question(vms, Target((), (), 102, "asked for")) == ()


def test_a_domain_of_libvirt_is_not_judged_by_the_rules_of_pve() -> None:
    text = (
        "<hostdev mode='subsystem' type='pci' managed='yes'>\n<source>\n"
        "<address domain='0x0000' bus='0x01' slot='0x00' function='0x0'/>\n</source>\n</hostdev>\n"
    )
    vms = Facts(Bundle("case", {"vm.conf": text}), Asked()).get(VmConfigs)
    assert not isinstance(vms, Missing)
    assert vms.vms
    assert in_question(vms, Missing("lspci.txt", "not in the bundle")) == ()
