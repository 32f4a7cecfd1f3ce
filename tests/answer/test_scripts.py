"""The PowerShell script, as far as it can be judged without PowerShell: it parses, and it keeps the house's rules.

The parser is tree-sitter's grammar of PowerShell, not Microsoft's own; nothing here runs the script.
"""

from __future__ import annotations

import pytest
import yaml

from pvekit.adapters.data import data_dir
from pvekit.adapters.windows import render
from pvekit.model.answer.scripts import lint_script
from tests.answer.good import ANSWERS, CASES, PRO

SCRIPT = "pvekit/first-logon.ps1"
BAD = yaml.safe_load((CASES / "scripts.yaml").read_text())


@pytest.mark.parametrize("name", ANSWERS)
def test_the_first_logon_script_parses(name: str) -> None:
    tree_sitter = pytest.importorskip("tree_sitter", reason="pip install tree-sitter tree-sitter-powershell")
    grammar = pytest.importorskip("tree_sitter_powershell", reason="pip install tree-sitter-powershell")
    parser = tree_sitter.Parser(tree_sitter.Language(grammar.language()))
    data = render(ANSWERS[name])[SCRIPT].removeprefix(b"\xef\xbb\xbf")
    assert not parser.parse(data).root_node.has_error
    # That the parser notices anything at all:
    assert parser.parse(data.replace(b"function Write-Log(", b"function Write-Log(((", 1)).root_node.has_error


def test_brackets_and_functions_fit_together() -> None:
    text = render(PRO)[SCRIPT].decode("utf-8-sig")
    for left, right in ("()", "{}", "[]"):
        assert text.count(left) == text.count(right)
    defined = {line.split()[1].split("(")[0] for line in text.splitlines() if line.startswith("function ")}
    for name in ("Invoke-Program", "Wait-For", "Set-Value", "Get-Value", "Remove-Value", "Write-Log", "Write-Done"):
        assert name in defined
        assert text.count(name) > 1


@pytest.mark.parametrize(
    "never",
    ["EnableLUA", "ConsentPromptBehaviorAdmin", "Set-MpPreference", "AllowUnencrypted", "'UserAuthentication' 0"],
)
def test_nothing_is_made_weaker(never: str) -> None:
    for answer in ANSWERS.values():
        for data in render(answer).values():
            assert never.encode() not in data


def test_nothing_is_fetched_from_the_network() -> None:
    for path in (data_dir("templates") / "windows").iterdir():
        text = path.read_text()
        assert "http" not in text.replace("http://schemas.microsoft.com/WMIConfig/2002/State", "")
        assert "DownloadString" not in text
        assert "Invoke-WebRequest" not in text


def test_no_disk_is_cleaned() -> None:
    assert not [line for line in render(PRO)["pvekit/diskpart.txt"].decode().splitlines() if line.startswith("clean")]


@pytest.mark.parametrize("name", BAD)
def test_what_windows_stumbles_over_is_found(name: str) -> None:
    case = BAD[name]
    found = [str(finding) for finding in lint_script(case["path"], case["text"].encode(case.get("encoding", "utf-8")))]
    assert len(found) == 1, found
    assert case["says"] in found[0]
