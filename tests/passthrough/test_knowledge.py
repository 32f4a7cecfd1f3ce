"""What is known about cards and versions."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pvekit.model.bundle import Line
from pvekit.passthrough import knowledge
from pvekit.passthrough.facts.kernel import Kernel


@pytest.mark.parametrize(
    ("vendor", "device", "expected"),
    [
        ("10de", "1c07", "pascal"), ("10de", "1c09", "pascal"), ("10de", "1b38", "pascal"), ("10de", "17fd", "maxwell"),
        ("10de", "1eb8", "turing"), ("10de", "2204", "ampere"), ("10de", "2684", "ada"), ("10de", "2b85", "blackwell"),
        ("10de", "1db4", "volta"), ("10de", "2331", "hopper"), ("10de", "10f1", ""), ("10DE", "1C07", "pascal"),
        ("1002", "67df", "polaris"), ("1002", "687f", "vega"), ("1002", "731f", "navi1"), ("1002", "73bf", "navi2"),
        ("1002", "73f0", "navi3"), ("1002", "744c", "navi3"), ("1002", "7550", "rdna4"), ("1002", "ab28", ""),
        ("8086", "1c07", ""), ("", "", ""),
    ],
)  # fmt: skip
def test_architecture(vendor: str, device: str, expected: str) -> None:
    assert knowledge.architecture(vendor, device) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("NVIDIA Corporation GP106 [P106-100]", "pascal"), ("NVIDIA Corporation TU104GL [Tesla T4]", "turing"),
        ("Advanced Micro Devices, Inc. [AMD/ATI] Navi 21 [Radeon RX 6800/6800 XT / 6900 XT]", "navi2"),
        ("Advanced Micro Devices, Inc. [AMD/ATI] Navi 10 XL Upstream Port of PCI Express Switch", ""),
        ("NVIDIA Corporation GP106 High Definition Audio Controller", ""),
    ],
)  # fmt: skip
def test_architecture_by_name(name: str, expected: str) -> None:
    assert knowledge.architecture("", "", name) == expected


@given(st.text(max_size=6), st.text(max_size=6), st.text(max_size=40))
def test_architecture_takes_any_text(vendor: str, device: str, name: str) -> None:
    assert isinstance(knowledge.architecture(vendor, device, name), str)


def test_reset_bug_cards_are_of_the_known_families() -> None:
    families = {knowledge.architecture(*item.split(":")) for item in knowledge.RESET_BUG_IDS}
    assert families == {"polaris", "vega", "navi1", "cdna"}


@given(st.lists(st.integers(0, 999), min_size=4, max_size=4), st.lists(st.integers(0, 999), min_size=4, max_size=4))
def test_releases_compare_by_their_numbers(one: list[int], other: list[int]) -> None:
    first, second = ("{}.{}.{}-{}-pve".format(*numbers) for numbers in (one, other))
    assert (knowledge.release_key(first) < knowledge.release_key(second)) == (one < other)
    assert knowledge.release_key(first) == knowledge.release_key(first.removesuffix("-pve"))


@given(st.text(alphabet=string.ascii_letters + "-_ ", max_size=12))
def test_no_version_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="not a kernel version"):
        knowledge.release_key(text)


def kernel(release: str, package: str = "") -> Kernel:
    version = knowledge.release_key(release)
    return Kernel(release, version[:3], version[3], release.endswith("-pve"), Line("uname.txt", 1, release), package)


@pytest.mark.parametrize(
    ("release", "package", "words"),
    [
        ("6.11.0-1-pve", "6.11.0-1", {"acs-quirk"}), ("6.11.0-2-pve", "", set()), ("6.14.8-1-pve", "", {"no-pm"}),
        ("6.14.8-2-pve", "", set()), ("7.0.2-2-pve", "", {"nova-core"}), ("7.0.14-2-pve", "", {"amdgpu-ism"}),
        ("7.0.14-3-pve", "", set()), ("6.14.8-1-generic", "", set()), ("6.8.12-4-pve", "", set()),
    ],
)  # fmt: skip
def test_regressions(release: str, package: str, words: set[str]) -> None:
    found = {item.word for item in knowledge.KERNEL_REGRESSIONS if item.has(kernel(release, package))}
    assert found == words


def test_a_regression_ends_after_it_begins() -> None:
    for item in knowledge.KERNEL_REGRESSIONS:
        assert item.fixed is None or item.first < item.fixed
        assert item.source
        assert item.remedy


@pytest.mark.parametrize(
    ("release", "expected"), [("6.5.13-5-pve", False), ("6.8.4-2-pve", True), ("7.0.2-3-pve", True)]
)
def test_iommu_default(release: str, expected: bool) -> None:
    assert knowledge.iommu_on_by_default(kernel(release)) is expected


def test_iommu_default_of_debian() -> None:
    assert knowledge.iommu_on_by_default(kernel("6.12.117+deb13-amd64")) is True
    assert knowledge.iommu_on_by_default(kernel("5.15.0-52-generic")) is None
