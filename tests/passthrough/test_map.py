"""The memory map, the slots, and cards that are not there yet."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pvekit.cli import show_view
from pvekit.model.bundle import Bundle
from pvekit.model.errors import NotFound, PvekitError
from pvekit.passthrough.boards import all_boards, board_named
from pvekit.passthrough.cards import CARDS, GIB, MIB, find
from pvekit.passthrough.knowledge import HEADLESS_IDS
from pvekit.passthrough.placing import Area, Block, hopeless, pack, place
from pvekit.passthrough.slots import slot_key
from pvekit.passthrough.whatif import Answer, Fit
from pvekit.workflows.passthrough_view import View, look, wishes
from tests.passthrough.test_cases import SHARED

DATA = Path(__file__).parent / "map"
Z440 = SHARED / "z440"
RECORDED = yaml.safe_load((DATA / "z440.yaml").read_text())
HOSTS = yaml.safe_load((DATA / "hosts.yaml").read_text())
FITS = {True: Fit.FITS, False: Fit.DOES_NOT_FIT, None: Fit.UNKNOWN}


def recorded(name: str) -> Bundle:
    if not Z440.is_dir():
        pytest.skip("needs the recorded hosts, which are not here")
    tables = Z440 / "dmi" / f"{name.partition('_')[0]}.txt"
    return Bundle(name, {"dmesg.txt": (Z440 / "dmesg" / name).read_text(), "dmi.txt": tables.read_text()})


def says(answer: Answer, text: str) -> bool:
    return any(text in reason.text for reason in answer.reasons)


def check_boot(seen: View, wanted: dict[str, Any] | None) -> None:
    if wanted is None:
        assert seen.boot is None
        return
    assert seen.boot is not None
    assert (str(seen.boot.bdf), seen.boot.bar) == (wanted["device"], wanted["bar"])
    assert (seen.boot_slot.key if seen.boot_slot else None) == wanted["slot"]
    if "at" in wanted:
        assert seen.boot.at == wanted["at"]


def check_answers(bundle: Bundle, wanted: dict[str, dict[str, Any]]) -> None:
    for add, expected in wanted.items():
        seen, answer = look(bundle, add=[add])
        assert answer is not None
        assert answer.fit is FITS[expected["fits"]], (add, answer.reasons)
        assert says(answer, expected["says"]), (add, answer.reasons)
        if "sum" in expected:
            assert answer.low + answer.wide == expected["sum"] * MIB, answer.rows
        assert sum(row.low + row.wide for row in answer.rows) == answer.low + answer.wide
        assert show_view.view_text(seen, answer).count("\n") > 3
        assert yaml.safe_load(show_view.view_json(seen, answer))["what_if"]["fits"] is expected["fits"]


@pytest.mark.parametrize("name", RECORDED)
def test_the_recorded_z440_hosts(name: str) -> None:
    expected = RECORDED[name]
    bundle = recorded(name)
    seen, answer = look(bundle)
    assert answer is None
    assert seen.board is board_named("z440")
    assert [[item.start, item.end] for item in seen.windows] == expected["windows"]
    assert [[item.start, item.end] for item in seen.rmrr] == expected["rmrr"]
    check_boot(seen, expected["boot"])
    slots = {slot.key: slot for slot in seen.slots}
    assert list(slots) == ["1", "2", "3", "4", "5", "6"]
    assert [slots[key].lanes for key in "254"] == [16, 16, 8]
    assert [key for key, slot in slots.items() if slot.in_use] == expected["in_use"]
    for key, cards in expected["in_slot"].items():
        assert [str(card.bdf) for card in slots[key].cards] == cards
    check_answers(bundle, expected["what_if"])


def test_the_slots_of_every_recorded_z440() -> None:
    if not Z440.is_dir():
        pytest.skip("needs the recorded hosts, which are not here")
    used = {}
    for line in (Z440 / "dmi_summary.txt").read_text().splitlines():
        name, *rest = line.split("|")
        text = next(part for part in rest if part.startswith("slots in use: "))
        used[name] = [word for word in text.removeprefix("slots in use: ").split(",") if word]
    files = {path.stem: path for path in (Z440 / "dmi").glob("*.txt")}
    usual = 0
    assert len(files) == 67
    for name, path in files.items():
        seen, _ = look(Bundle(name, {"dmi.txt": path.read_text()}))
        assert seen.board is board_named("z440"), name
        assert [slot.key for slot in seen.slots if slot.in_use] == used[name], name
        buses = [slot.buses for slot in seen.slots if slot.key in "245"]
        usual += buses == [{2}, {1}, {3}]
    assert usual == 65, "two machines count their buses in another way; the tables tell it"


@pytest.mark.parametrize("name", HOSTS)
def test_hosts_of_our_own(name: str) -> None:
    host = HOSTS[name]
    bundle = Bundle(name, host["files"])
    seen, _ = look(bundle)
    check_boot(seen, host["boot"])
    check_answers(bundle, host["what_if"])
    assert len(seen.advice) == len(host["advice"])
    for text, wanted in zip(seen.advice, host["advice"], strict=True):
        assert wanted in text


def test_the_owner_inside_a_region_is_shown() -> None:
    seen, _ = look(Bundle("z440", HOSTS["z440-lspci"]["files"]))
    (region,) = [item for item in seen.regions if item.claims]
    assert (str(region.device.bdf), region.bar.number, region.boot) == ("0000:02:00.0", 1, True)
    text = show_view.view_text(seen, None)
    assert "BOOTFB 0xe0000000" in text
    assert "window below 4 GiB: 0xe0000000-0xfbffbfff, 448 MiB" in text


def test_a_board_can_be_told_where_the_bundle_does_not() -> None:
    files = {"dmesg.txt": HOSTS["z440-lspci"]["files"]["dmesg.txt"]}
    assert look(Bundle("bare", files))[0].board is None
    assert look(Bundle("bare", files), board="z440")[0].board is board_named("z440")
    with pytest.raises(NotFound, match="no board z44"):
        look(Bundle("bare", files), board="z44")


def test_a_slot_that_is_split_into_several_ports() -> None:
    log = "".join(
        f"[    1.92{port}000] pci 0000:00:03.{port}: PCI bridge to [bus {3 + port:02x}]\n"
        f"[    1.93{port}000] pci 0000:{3 + port:02x}:00.0: [c0a9:5407] type 00 class 0x010802\n"
        for port in range(4)
    )
    seen, answer = look(Bundle("split", {"dmesg.txt": log}), board="z440", add=["3060@slot5"])
    (slot,) = [slot for slot in seen.slots if slot.key == "5"]
    assert [str(card.bdf) for card in slot.cards] == [f"0000:{bus:02x}:00.0" for bus in (3, 4, 5, 6)]
    assert answer is not None
    assert "slot 5 is split into 4 ports now: a graphics card wants it whole" in answer.notes


def test_an_empty_bundle_says_what_is_missing() -> None:
    seen, answer = look(Bundle("empty", {}), add=["p106@slot5"])
    assert answer is not None
    assert answer.fit is Fit.UNKNOWN
    assert len(seen.notes) == 4
    assert "cannot tell" in show_view.view_text(seen, answer)


@pytest.mark.parametrize(
    ("text", "error"), [("p106", "not a card and a slot"), ("p107@slot5", "no card p107"), ("@slot5", "not a card")]
)
def test_what_cannot_be_read_is_told(text: str, error: str) -> None:
    with pytest.raises(PvekitError, match=error):
        wishes([text])


def test_names_of_cards_and_slots() -> None:
    names = {"GeForce RTX 3090": "3090", "nvidia tesla p40": "p40", "P106-100": "p106", "Radeon RX 580": "rx580",
             "arc a770": "a770", "gtx1060": "1060", "GT 1030": "gt1030", "10de:1430": "m2000"}  # fmt: skip
    for text, name in names.items():
        found = find(text)
        assert found is not None, text
        assert found.name == name
    assert find("9999") is None
    assert [slot_key(text) for text in ("SLOT 5", "slot5", "5", "PCIe Slot 05", "PCIEX16_1")] == [
        "5", "5", "5", "5", "pciex16_1",
    ]  # fmt: skip


def test_every_card_has_a_source_and_regions_that_can_exist() -> None:
    assert len({card.name for card in CARDS}) == len({card.id for card in CARDS}) == len(CARDS)
    for card in CARDS:
        assert all(source.strip() for source in card.sources)
        assert card.sources, card.name
        assert find(card.name) is card
        assert all(bar.size & (bar.size - 1) == 0 for bar in card.bars), card.name
        assert card.outputs is (card.klass == "0300"), card.name
        assert card.id not in HEADLESS_IDS or not card.outputs


def test_every_board_is_whole() -> None:
    for board in all_boards():
        assert board.sources
        assert board_named(board.name) is board
        numbers = {slot.number for slot in board.slots}
        assert {board.display_slot, board.passthrough_slot} <= numbers | {""}


LINES = [line for host in HOSTS.values() for text in host["files"].values() for line in text.splitlines()]
TEXT = st.lists(st.sampled_from(LINES) | st.text(max_size=30), max_size=12).map("\n".join)


@given(st.dictionaries(st.sampled_from(["dmesg.txt", "lspci.txt", "dmi.txt", "iomem.txt", "pci_sysfs.txt"]), TEXT))
def test_torn_files_are_shown_as_far_as_they_go(files: dict[str, str]) -> None:
    for add in ((), ("p106@slot5",), ("3090@slot2,p40@slot5",)):
        seen, answer = look(Bundle("torn", files), add=add)
        assert (answer is None) is not bool(add)
        assert show_view.view_text(seen, answer)
        assert show_view.view_json(seen, answer)


SIZES = st.sampled_from([4096, MIB, 2 * MIB, 16 * MIB, 32 * MIB, 64 * MIB, 256 * MIB, GIB, 32 * GIB])
BLOCKS = st.lists(st.tuples(st.lists(SIZES, min_size=1, max_size=3), st.booleans()), max_size=6).map(
    lambda drawn: [
        block for number, (sizes, wide) in enumerate(drawn) if (block := pack(f"b{number}", sizes, wide=wide))
    ]
)
AREAS = st.lists(
    st.sampled_from([Area(0xE0000000, 0xFBFFBFFF), Area(0xC0000000, 0xDFFFFFFF), Area(0xF0000000, 0xF00FFFFF),
                     Area(1 << 40, (1 << 40) + 64 * GIB - 1)]),
    unique_by=lambda area: area.start >> 29, max_size=3,
)  # fmt: skip


@given(BLOCKS, AREAS)
def test_what_is_placed_is_aligned_inside_and_apart(blocks: list[Block], areas: list[Area]) -> None:
    found = place(blocks, areas)
    if found is None:
        return
    assert set(found) == set(blocks)
    assert hopeless(blocks, areas) == ""
    for block, start in found.items():
        assert start % block.align == 0
        around = next(area for area in areas if area.start <= start and start + block.size - 1 <= area.end)
        assert block.wide or not around.high
    for (one, here), (two, there) in itertools.combinations(found.items(), 2):
        assert here + one.size <= there or there + two.size <= here


def test_why_there_is_no_layout() -> None:
    low = Area(0xE0000000, 0xFBFFBFFF)
    assert "room for x" in hopeless([Block("x", 32 * GIB, 32 * GIB, wide=True)], [low])
    many = [Block(f"b{number}", 160 * MIB, MIB) for number in range(3)]
    assert "below 4 GiB" in hopeless(many, [low])
    assert place(many, [low]) is None
    assert pack("none", [], wide=True) is None
