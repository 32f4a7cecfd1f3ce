"""What waits for the next start of a VM is told as that, and not taken for what is."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pvekit.model.bundle import Bundle
from pvekit.model.finding import Finding, Verdict
from pvekit.passthrough.asked import Asked
from pvekit.passthrough.facts import Facts
from pvekit.passthrough.facts.vmconf import VmConfigs, restarted
from pvekit.passthrough.judge import diagnose

CONF = "cores: 4\nmemory: 8192\nostype: l26\nscsihw: virtio-scsi-single\n"


def found(text: str) -> dict[str, Finding]:
    return {item.id: item for item in diagnose(Facts(Bundle("vm", {"vm.conf": text}), Asked())).findings}


def test_what_breaks_with_the_next_start_is_a_note_that_says_so() -> None:
    item = found(f"{CONF}hostpci0: 0000:01:00\n\n[PENDING]\nhostpci0: 0000:01:00,pcie=1\n")["VM-01"]
    assert item.verdict is Verdict.NOTE
    assert item.message.startswith("after the next start: ")
    assert [line.number for line in item.evidence if "hostpci0" in line.text] == [8]


def test_what_the_next_start_ends_says_so() -> None:
    item = found(f"{CONF}hostpci0: 0000:01:00,pcie=1\nmachine: pc-i440fx-9.2\n\n[PENDING]\nmachine: q35\n")["VM-01"]
    assert item.verdict is Verdict.FAIL
    assert item.message.endswith("; the change that waits ends this")


def test_without_a_change_that_waits_nothing_is_said_about_it() -> None:
    item = found(f"{CONF}hostpci0: 0000:01:00,pcie=1\nmachine: pc-i440fx-9.2\n")["VM-01"]
    assert item.verdict is Verdict.FAIL
    assert "waits" not in item.message


KEYS = ["machine", "bios", "cpu", "vga", "hostpci0", "hostpci1"]
VALUES = st.sampled_from(["q35", "ovmf", "host", "none", "0000:01:00,pcie=1", "0000:02:00.0"])


@given(
    st.dictionaries(st.sampled_from(KEYS), VALUES), st.dictionaries(st.sampled_from(KEYS), VALUES),
    st.sets(st.sampled_from(KEYS)),
)  # fmt: skip
def test_after_a_restart_everything_that_waited_is_in_force(
    now: dict[str, str], new: dict[str, str], gone: set[str]
) -> None:
    new = {key: value for key, value in new.items() if key not in gone}
    lines = ["cores: 4", *(f"{key}: {value}" for key, value in now.items()), "", "[PENDING]"]
    lines += [f"delete: {','.join(sorted(gone))}"] if gone else []
    lines += [f"{key}: {value}" for key, value in new.items()]
    lines += ["", "[snapshot]", "hostpci3: 0000:09:00", "machine: pc"]
    text = "\n".join(lines)
    vms = Facts(Bundle("vm", {"vm.conf": text})).get(VmConfigs)
    assert isinstance(vms, VmConfigs)
    (before,), (after,) = vms.vms, restarted(vms).vms
    assert before.values == {"cores": "4", **now}
    assert before.pending == {**dict.fromkeys(gone), **new}
    assert after.values == {key: value for key, value in {"cores": "4", **now, **new}.items() if key not in gone}
    assert after.pending == {}
    for vm in (before, after):
        assert {entry.key for entry in vm.hostpci} == {key for key in vm.values if key.startswith("hostpci")}
        for key, line in vm.lines.items():
            assert line.text == f"{key}: {vm.values[key]}"
            assert text.split("\n")[line.number - 1] == line.text
    assert all(text.split("\n")[line.number - 1] == line.text for line in before.waiting.values())
