"""Whether DMA is translated: what proves it, and what does not."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pvekit.model.bundle import Bundle, Line
from pvekit.model.finding import Verdict
from pvekit.model.missing import Missing
from pvekit.passthrough.asked import Asked
from pvekit.passthrough.checks import all_checks
from pvekit.passthrough.facts import Facts
from pvekit.passthrough.facts.cmdline import Token
from pvekit.passthrough.facts.translation import Translation
from pvekit.passthrough.judge import diagnose, run
from pvekit.passthrough.options import intel_iommu, malformed, switched_off

LAB = Path(__file__).resolve().parents[3] / "shared" / "data" / "iommu-lab"
TRAPS = (
    "[    0.034210] DMAR: IOMMU enabled",
    "[    0.103693] DMAR: DRHD base: 0x000000fed90000 flags: 0x0",
    "[    0.169592] DMAR-IR: Enabled IRQ remapping in x2apic mode",
    "[    0.736583] iommu: Default domain type: Translated ",
    "[    0.736590] iommu: DMA domain TLB invalidation policy: lazy mode ",
    "[    1.200000] AMD-Vi: AMD IOMMUv2 functionality not available on this system - This is not a bug.",
    "[    0.000000] Command line: BOOT_IMAGE=/boot/vmlinuz-6.2.16-3-pve ro quiet intel_iommu=on iommu=pt",
)


def facts(**files: str) -> Facts:
    return Facts(Bundle("case", {name.replace("_txt", ".txt"): text for name, text in files.items()}), Asked())


def test_no_line_that_is_printed_in_both_worlds_proves_translation() -> None:
    for count in range(1, len(TRAPS) + 1):
        for lines in combinations(TRAPS, count):
            found = facts(dmesg_txt="\n".join(lines)).get(Translation)
            assert isinstance(found, Missing) or not found.works, lines


def lab_log(state: str) -> str:
    path = LAB / state / "dmesg.txt"
    if not path.is_file():
        pytest.skip("needs the recorded hosts, which are not here")
    return path.read_text(errors="replace")


@pytest.mark.parametrize(
    ("state", "works"), [("default", True), ("healthy", True), ("vtd-off", False), ("no-iommu-cmdline", False)]
)
def test_a_whole_log_tells_it(state: str, works: bool) -> None:
    found = facts(dmesg_txt=lab_log(state)).get(Translation)
    assert isinstance(found, Translation)
    assert (found.works, found.sure) == (works, True)


@pytest.mark.parametrize(("state", "root"), [("vtd-off", "FW-01"), ("no-iommu-cmdline", "KC-06")])
def test_a_whole_log_is_enough_for_the_root_cause(state: str, root: str) -> None:
    found = diagnose(facts(dmesg_txt=lab_log(state)))
    assert found.root_cause is not None
    assert found.root_cause.id == root


@pytest.mark.parametrize("state", ["default", "healthy"])
def test_no_firmware_or_option_check_accuses_a_host_that_translates(state: str) -> None:
    known = facts(dmesg_txt=lab_log(state))
    for check in all_checks():
        if check.id.startswith(("FW-0", "KC-")):
            finding = run(check, known)
            assert finding is None or finding.verdict is not Verdict.FAIL, finding


@pytest.mark.parametrize("kept", [10, 40, 90, 130])
def test_the_beginning_of_a_healthy_log_accuses_nobody(kept: int) -> None:
    found = diagnose(facts(dmesg_txt="\n".join(lab_log("healthy").splitlines()[:kept])))
    assert found.root_cause is None


@pytest.mark.parametrize("pattern", ["DMAR", "IOMMU", "iommu", "DRHD", "DMAR: ", "DMAR-IR"])
def test_no_grep_of_a_healthy_log_accuses_anybody(pattern: str) -> None:
    kept = [line for line in lab_log("healthy").splitlines() if pattern in line]
    assert diagnose(facts(dmesg_txt="\n".join(kept))).root_cause is None


def test_contradicting_evidence_is_no_evidence() -> None:
    found = facts(dmesg_txt="[    2.5] pci 0000:00:00.0: Adding to iommu group 0", sys_class_iommu_txt="total 0\n")
    translation = found.get(Translation)
    assert isinstance(translation, Translation)
    assert translation.works is None


def tokens(text: str) -> list[Token]:
    line = Line("cmdline.txt", 1, text)
    found = []
    for word in text.split():
        name, equals, value = word.partition("=")
        found.append(Token(name, value if equals else None, line))
    return found


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("intel_iommu=on", "on"), ("intel-iommu=on", "on"), ("intel_iommu=on,sm_on", "on"), ("intel_iommu=off", "off"),
        ("intel_iommu=on intel_iommu=off", "off"), ("intel_iommu=off intel_iommu=on", "on"), ("intel_iommu=pt", ""),
        ("intel_iommu=igfx_off", ""), ("quiet", ""), ("intel_iommu", ""), ("INTEL_IOMMU=on", ""),
    ],
)  # fmt: skip
def test_intel_iommu_is_read_as_the_kernel_reads_it(text: str, state: str) -> None:
    assert intel_iommu(tokens(text))[0] == state


@pytest.mark.parametrize("text", ["intel_iommu=pt", "INTEL_IOMMU=on", "iommu=pt,intel_iommu=on", "intel_iommu"])
def test_malformed(text: str) -> None:
    assert malformed(tokens(text)) is not None


def test_options_of_the_other_maker_do_no_harm() -> None:
    assert switched_off(tokens("amd_iommu=off"), "intel") is None
    assert switched_off(tokens("intel_iommu=off"), "amd") is None
    assert switched_off(tokens("iommu=off"), "intel") is not None


@given(st.lists(st.sampled_from(["intel_iommu=on", "intel_iommu=off", "iommu=pt", "quiet", "intel_iommu=sm_on"])))
def test_the_last_word_wins(words: list[str]) -> None:
    said = [word.partition("=")[2] for word in words if word in ("intel_iommu=on", "intel_iommu=off")]
    assert intel_iommu(tokens(" ".join(words)))[0] == (said[-1] if said else "")
