"""pvekit passthrough map and blast, as a person would use them."""

from __future__ import annotations

import json
from pathlib import Path

import click
import pytest
import yaml

from pvekit.cli.passthrough_view import blast, map_command

DATA = Path(__file__).parent / "map"


@pytest.fixture
def z440(tmp_path: Path) -> Path:
    files = {
        **yaml.safe_load((DATA / "hosts.yaml").read_text())["z440-lspci"]["files"],
        "host_uses.txt": "0000:02:00.0 console framebuffer simpledrmdrmfb\n",
        "iommu_groups.txt": (
            "IOMMU Group 20 02:00.0 VGA compatible controller [0300]: NVIDIA Corporation GM206GL [10de:1430] (rev a1)\n"
            "IOMMU Group 20 02:00.1 Audio device [0403]: NVIDIA Corporation GM206 [10de:0fba] (rev a1)\n"
        ),
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def run(command: click.Command, *words: object) -> object:
    return command.main([str(word) for word in words], prog_name="pvekit", standalone_mode=False)


def test_the_map_and_the_slots(z440: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(map_command, z440) == 0
    out = capsys.readouterr().out
    assert "HP Z440 Workstation" in out
    assert "boot screen: 0000:02:00.0 in slot 2, BAR 1, at 0xe0000000" in out
    assert "WHAT" not in out


def test_a_card_that_is_not_there_yet(z440: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(map_command, z440, "--add", "p106@slot5") == 0
    out = capsys.readouterr().out
    assert "yes: it fits" in out
    assert "  sum" in out
    assert run(map_command, z440, "--add", "p40@slot5") == 1
    assert "no: it does not fit" in capsys.readouterr().out
    assert run(map_command, z440, "--add", "p106@slot9") == 2
    capsys.readouterr()
    assert run(map_command, z440, "--add", "3090@slot2", "--add", "3090@slot5") == 0
    apart = capsys.readouterr().out
    assert run(map_command, z440, "--add", "3090@slot2,3090@slot5") == 0
    assert capsys.readouterr().out == apart


def test_as_json(z440: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(map_command, z440, "--add", "p40@slot5", "--json") == 1
    value = json.loads(capsys.readouterr().out)
    assert value["board"] == "z440"
    assert value["boot_display"] == {"device": "0000:02:00.0", "bar": 1, "address": 0xE0000000, "slot": "2"}
    assert value["what_if"]["fits"] is False
    assert sum(row["low"] for row in value["what_if"]["rows"]) == value["what_if"]["low"]


def test_what_the_host_loses(z440: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(blast, z440, "--device", "02:00") == 1
    out = capsys.readouterr().out
    assert "the host would lose what it needs" in out
    assert "host_uses.txt:1: 0000:02:00.0 console framebuffer simpledrmdrmfb" in out
    assert "IOMMU group 20" in out
    assert run(blast, z440, "--device", "02:00.1", "--json") == 1
    assert len(json.loads(capsys.readouterr().out)["taken"]) == 2


def test_an_address_that_is_none(z440: Path) -> None:
    with pytest.raises(click.BadParameter, match="01:00 for all functions"):
        run(blast, z440, "--device", "slot2")
