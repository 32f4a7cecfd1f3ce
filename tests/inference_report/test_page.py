"""The page: one file that loads nothing, says what it lacks, and takes any text for text."""

from __future__ import annotations

import re
from typing import Any

import pytest
from lxml import etree, html

from pvekit.inference.report import reproduce
from pvekit.inference.report.markdown import escape
from pvekit.inference.report.markdown import table as table_lines
from pvekit.inference.report.tables import Table
from pvekit.model.benchmark import KINDS, Record
from pvekit.workflows import llm_report as work
from tests.inference_report.made import AT, HOSTILE, bench, everything, explanation, real, view


def made(*several: list[Record], **options: object) -> tuple[str, str]:
    found = work.make([(f"r{index}", records) for index, records in enumerate(several)], **options)  # type: ignore[arg-type]
    return work.html(found, when="2026-11-29"), work.text(found, when="2026-11-29")


def find(node: Any, path: str) -> list[Any]:
    found = node.xpath(path)
    assert isinstance(found, list)
    return found


def check(text: str) -> html.HtmlElement:
    root = html.document_fromstring(text)
    assert not find(root, "//script | //link | //iframe | //img | //object | //@src | //@href | //@srcset | //@onload")
    assert "Content-Security-Policy" in text
    style = "".join(find(root, "//style/text()"))
    assert not re.search(r"url\(|@import|image-set", style)
    ids = find(root, "//@id")
    assert len(ids) == len(set(ids))
    for picture in find(root, "//figure//*[local-name()='svg'][@role]"):
        for name in picture.get("aria-labelledby").split():
            assert name in ids
    for table in find(root, "//table"):
        width = len(find(table, "./thead/tr/th"))
        assert {len(line) for line in find(table, "./tbody/tr")} <= {width}
    assert find(root, "//title/text()")
    assert root.get("lang") == "en"
    return root


@pytest.mark.parametrize("gone", [*KINDS, ""])
def test_records_that_lack_a_kind_still_make_a_page(gone: str) -> None:
    records = [record for record in everything() if record.kind != gone]
    text, markdown = made(records)
    root = check(text)
    titles = {str(title).strip() for title in find(root, "//h2/text()")}
    assert ("Roofline" in titles) is (gone != "llama-bench")
    assert ("Latency over HTTP" in titles) is (gone != "http")
    assert ("Energy" in titles) is (gone not in ("energy", "llama-bench"))
    assert ("Failed" in titles) is (gone != "failure")
    assert ("predicted, 80 of 100" in text) is (gone not in ("prediction", "llama-bench"))
    if gone in ("energy", "http", "prediction", "end"):
        assert "Not in here" in titles
        assert "## Not in here" in markdown
    assert not re.search(r"\bnan\b|\bNone\b|\binf\b", text)
    assert "\n\n\n\n" not in markdown


@pytest.mark.parametrize("kind", KINDS)
def test_one_kind_alone_makes_a_page(kind: str) -> None:
    text, _ = made([record for record in everything() if record.kind == kind])
    check(text)


def test_no_record_at_all_makes_a_page() -> None:
    check(made([])[0])


def test_text_from_outside_is_shown_as_text() -> None:
    text, markdown = made(everything(HOSTILE, HOSTILE), everything(HOSTILE, "x"), explanations=[explanation(HOSTILE)])
    root = check(text)
    assert "<script" not in text
    assert "alert(" in root.text_content()
    assert "\x00" not in text
    assert "\u202e" not in text
    text.encode()
    outside = re.sub(r"^(`{3,})\n.*?^\1$", "", markdown, flags=re.DOTALL | re.MULTILINE)
    outside = re.sub(r"^ *(`{3,})\n.*?^ *\1$", "", outside, flags=re.DOTALL | re.MULTILINE)
    assert not re.search(r"(?<!\\)<script", outside)
    assert not re.search(r"(?<!\\)\[a(?<!\\)\]\(", outside)


def test_a_page_has_no_name_of_a_host() -> None:
    records = [
        Record("header", "h", AT, {"target": "root@zeus.example:22", "command": "pvekit llm bench zeus --key env:K"}),
        Record("environment", "e", AT, {"guest": {"hostname": "apollo", "isa": "avx2"}, "note": "apollo at 10.9.8.7"}),
        bench(),
        Record("failure", "f", AT, {"what": "apollo died", "stderr": "/home/anna/x: zeus.example: no route"}),
    ]  # fmt: skip
    for text in made(records, explanations=[explanation("zeus is slow")]):
        for name in ("zeus", "apollo", "10.9.8.7", "anna"):
            assert name not in text
        assert "host-1" in text
        assert "AVX2" in text.upper()


def test_an_explanation_is_shown_with_its_experiment() -> None:
    text, markdown = made(everything(), explanations=[explanation("the reason")])
    assert "undecided" in text
    assert text.count("the reason") >= 6
    assert "What would tell: the reason" in markdown


def test_several_files_stand_in_one_table_and_one_plot() -> None:
    text, markdown = made(real(), everything())
    root = check(text)
    assert len(find(root, "//header//tbody/tr")) == 2
    key = find(root, "//figure[@id='depth-decode']//ul[@class='key']//span/text()")
    assert {"r0", "r1"} <= set(key)
    assert "| r0 |" in markdown


def test_the_scheme_can_be_fixed() -> None:
    found = work.make([("r", real())])
    assert '<html lang="en">' in work.html(found, when="w")
    assert '<html lang="en" data-scheme="dark">' in work.html(found, when="w", scheme="dark")


def test_the_commands_measure_the_same_again() -> None:
    records = [
        Record("header", "h", AT, {"command": ["pvekit", "llm", "bench", "my vm"]}),
        bench(), bench(n_depth=2048), bench(n_prompt=512, n_gen=0), bench(n_threads=7), bench(n_prompt=64, n_gen=16),
    ]  # fmt: skip
    own, first, *rest = reproduce.commands(view(records))
    assert own == "pvekit llm bench 'my vm'"
    assert first == (
        "llama-bench -m m.gguf -p 512 -n 128 -d 0,2048 -t 14 -b 2048 -ub 512 -ctk f16 -ctv f16 -r 3 -o jsonl"
    )
    assert any("-t 7 " in line for line in rest)
    assert any("-p 0 -n 0 -pg 64,16" in line for line in rest)


def test_a_machine_far_too_slow_is_below_all_of_its_class() -> None:
    found = work.make([("seed", [bench(avg_ts=1.54)]), ("same", [bench(avg_ts=8.6)])])
    said = {figure.id: figure.says for section in found.sections for figure in section.figures}
    assert said["percentile-rate"][0] == "seed: Below all 11 public results of its class."
    assert said["percentile-rate"][1].startswith("same: Above ")
    assert said["percentile-efficiency"][0].startswith("seed: Below all")


def test_a_measured_bandwidth_gives_the_most_that_a_rank_can_be() -> None:
    def said(triad: float) -> tuple[list[str], tuple[str, ...]]:
        facts = Record("environment", "e", AT, {"host.triad": triad})
        found = work.make([("r", [facts, bench(cpu_info="AMD EPYC", avg_ts=1.0)])])
        figures = [figure for section in found.sections for figure in section.figures]
        return [figure.says[0] for figure in figures if figure.id == "percentile-efficiency"], found.missing

    (text,), _ = said(20.0)
    assert text.startswith("Above at most ")
    none, missing = said(9.0)
    assert not none
    assert any("what was measured of it tells no rank" in each for each in missing) or missing


def test_many_clients_and_machines_are_shown_by_their_ends() -> None:
    asked = [
        Record("http", f"h{count}", AT, {"clients": count, "prompt_tokens": 40, "requests": [{"ttft_s": 0.1 * count}]})
        for count in (1, 2, 4, 8)
    ]
    found = work.make([("a", asked), ("b", asked)])
    (figure,) = [figure for section in found.sections for figure in section.figures if figure.id == "latency-first"]
    assert [name for _, _, name in figure.key] == ["a, 1 client", "a, 8 clients", "b, 1 client", "b, 8 clients"]


def unescaped(line: str) -> tuple[str, ...]:
    cells = re.split(r"(?<!\\)\|", line.strip())[1:-1]
    return tuple(re.sub(r"\\(.)", r"\1", cell.strip()) for cell in cells)


def test_a_table_comes_back_from_markdown() -> None:
    rows = (("a|b", "1 \\ 2", "*x* `y`"), ("–", "<b>", "[l](u)"))
    lines = list(table_lines(Table(("one", "two|", "# three"), rows, frozenset({1}))))
    assert unescaped(lines[0]) == ("one", "two|", "# three")
    assert lines[1] == "| --- | ---: | --- |"
    assert tuple(unescaped(line) for line in lines[2:]) == rows
    assert escape("a\nb") == "a b"


def test_the_pictures_in_the_page_are_those_that_were_drawn() -> None:
    found = work.make([("r", real())])
    text = work.html(found, when="w")
    for section in found.sections:
        for figure in section.figures:
            assert figure.svg in text
            etree.fromstring(figure.svg)
