"""Where the schema of the real API is at hand: what a client may send there is known here."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pvekit.lab.router import routes

SCHEMA = Path(__file__).resolve().parents[3] / "shared" / "pve" / "apidoc.json.gz"
EXACT = re.compile(
    r"/nodes/{node}/qemu(?!.*/firewall)|/nodes/{node}/(tasks|storage)|/access|/pools|/cluster/(mapping|resources|nextid)"
)
"""Paths whose parameters are all known, with the same ones required."""


def _walk(nodes: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for node in nodes:
        yield node
        yield from _walk(node.get("children", []))


def _methods() -> dict[tuple[str, str], dict[str, Any]]:
    with gzip.open(SCHEMA, "rt", encoding="utf-8") as stream:
        tree = json.load(stream)
    return {
        (method, _plain(node["path"])): info["parameters"].get("properties", {})
        for node in _walk(tree)
        for method, info in node.get("info", {}).items()
    }


def _plain(path: str) -> str:
    return re.sub(r"{[^}]+}", "{}", path)


@pytest.mark.skipif(not SCHEMA.exists(), reason=f"the API schema is not at {SCHEMA}")
def test_parameters_are_those_of_the_schema() -> None:
    methods = _methods()
    wrong: list[str] = []
    for route in routes():
        properties = methods.get((route.method, _plain(route.template)))
        if properties is None or not EXACT.match(route.template):
            continue
        in_path = set(re.findall(r"{(\w+)\*?}", route.template))
        for name, told in properties.items():
            known = route.params.get(re.sub(r"\[n\]$", "0", name))
            if known is None:
                wrong.append(f"{route.method} {route.template}: {name} is not known")
            elif name not in in_path and known.required == bool(told.get("optional")):
                wrong.append(f"{route.method} {route.template}: {name} is required on one side only")
    assert not wrong, "\n".join(wrong)


@pytest.mark.skipif(not SCHEMA.exists(), reason=f"the API schema is not at {SCHEMA}")
def test_no_path_is_invented() -> None:
    methods = _methods()
    ours = {(route.method, _plain(route.template)) for route in routes()}
    unknown = {one for one in ours if one not in methods and one != ("GET", "/") and "firewall" not in one[1]}
    assert not unknown
    print(f"{len(ours)} of {len(methods)} methods are offered")
