"""What the commands answer to words that they cannot use."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from pvekit.cli.main import pvekit_group
from pvekit.model.errors import PvekitError
from pvekit.workflows import llm_synth

CASES = yaml.safe_load((Path(__file__).parent / "words.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: " ".join(case["words"]))
def test_an_answer_to_words(tmp_path: Path, case: dict[str, Any]) -> None:
    tiny = str(tmp_path / "tiny.gguf")
    if "TINY" in case["words"]:
        llm_synth.synth("tiny-13m", "Q8_0", Path(tiny))
    found = CliRunner().invoke(pvekit_group, ["llm", *(tiny if word == "TINY" else word for word in case["words"])])
    said = found.output
    if isinstance(found.exception, PvekitError):
        said += f"{found.exception}\n{found.exception.hint}"
    for text in case["says"]:
        assert text in said
