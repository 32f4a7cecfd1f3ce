"""What the host loses when a VM takes the card's whole group."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pvekit.cli import show_view
from pvekit.model.bundle import Bundle
from pvekit.model.missing import Missing
from pvekit.passthrough.blast import Damage
from pvekit.passthrough.facts import Facts
from pvekit.passthrough.facts.hostuses import HostUses
from pvekit.workflows.passthrough_view import radius

CASES = yaml.safe_load((Path(__file__).parent / "map" / "blast.yaml").read_text())


def written(folder: Path, files: dict[str, str]) -> Path:
    for name, text in {"note.txt": "", **files}.items():
        (folder / name).write_text(text)
    return folder


@pytest.mark.parametrize("name", CASES)
def test_blast(name: str, tmp_path: Path) -> None:
    from pvekit.model.pci import Bdf

    case = CASES[name]
    whole = "." not in case["device"]
    found = radius(
        written(tmp_path, case["files"]), Bdf.parse(case["device"] + (".0" if whole else "")), whole_slot=whole
    )
    assert found.damage is Damage[case["damage"]], (found.losses, found.open)
    assert [str(item.bdf) for item in found.taken] == case["taken"]
    told = [loss.text for loss in found.losses if loss.sure]
    assert len(told) == len(case["losses"]), told
    for wanted in case["losses"]:
        assert any(wanted in text for text in told), told
    assert case.get("open", "") in "; ".join(found.open)
    assert all(loss.line.text for loss in found.losses)
    text = show_view.blast_text(found)
    assert all(wanted in " ".join(text.split()) for wanted in case["losses"])
    assert json.loads(show_view.blast_json(found))["damage"] == case["damage"].lower()


LINES = st.lists(
    st.one_of(
        st.text(max_size=40),
        st.sampled_from(["0000:01:00.0 disk swap", "0000:00:19.0 nic default-route vmbr0", "zz nic x", "01:00.0 disk"]),
    ),
    max_size=6,
)


@given(LINES)
def test_the_list_of_uses_reads_whatever_is_there(lines: list[str]) -> None:
    found = Facts(Bundle("uses", {"host_uses.txt": "\n".join(lines)})).get(HostUses)
    if isinstance(found, Missing):
        return
    assert (
        sum(len(uses) for uses in found.by_bdf.values())
        == len(found.uses)
        <= sum(len(line.splitlines()) for line in lines)
    )
    assert all(use.line.text.split()[1] == use.what for use in found.uses)


def test_a_list_of_uses_in_a_folder_is_found_too() -> None:
    found = Facts(Bundle("uses", {"host/host_uses.txt": "0000:01:00.0 disk swap\n"})).get(HostUses)
    assert not isinstance(found, Missing)
    assert [str(bdf) for bdf in found.by_bdf] == ["0000:01:00.0"]
