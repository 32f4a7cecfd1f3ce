"""Which CPU type Windows gets, and that an existing VM keeps its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from pvekit.model.properties.cpu import Cpu
from pvekit.provision.cpu import choose_cpu, slow_with_host

CASES: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "cases" / "cpu.yaml").read_text())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["model"] or "unknown")
def test_models(case: dict[str, Any]) -> None:
    model = case["model"]
    kind, why = choose_cpu(model, vbs=False)
    assert kind == case["cpu"]
    assert model in why
    assert slow_with_host(model) == case.get("slow", False)
    assert str(Cpu.parse(kind))
    nested, why = choose_cpu(model, vbs=True)
    assert nested == "host"
    assert ("many times slower" in why) == case.get("slow", False)
