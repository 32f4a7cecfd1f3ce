"""The diagnosis as a page of HTML: whole, escaped, redacted, and nothing from elsewhere."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from pvekit.adapters.data import data_dir
from pvekit.cli.commands.passthrough import command
from pvekit.model.bundle import Bundle
from pvekit.model.errors import Conflict, PvekitError
from pvekit.model.finding import Layer, Verdict
from pvekit.model.pci import Bdf
from pvekit.workflows import passthrough_report as report
from pvekit.workflows.collect import redacted
from tests.passthrough.test_cases import FILES, SHARED, texts

LAB = SHARED / "iommu-lab"
STATES = {
    "healthy": ("healthy", {"firmware": "proven", "DMA translation": "proven", "VM configuration": "unseen"}),
    "vtd-off": ("broken", {"firmware": "broken", "DMA translation": "consequence", "driver binding": "consequence",
                           "IOMMU groups": "waits", "guest driver": "unseen"}),
    "no-iommu-cmdline": ("broken", {"firmware": "proven", "kernel option": "broken", "DMA translation": "consequence"}),
    "rom-missing": ("broken", {"IOMMU groups": "proven", "ROM": "broken"}),
}  # fmt: skip
VOID = {"meta", "br", "hr", "img", "input", "link"}


class Page(HTMLParser):
    """Reads a page and keeps its text, its tags and whether they are nested as they should be."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.parts: list[str] = []
        self.problems: list[str] = []
        self.feed(text)
        self.close()
        self.problems += [f"not closed: {tag}" for tag in self.open]
        self.text = " ".join(" ".join(self.parts).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if len(dict(attrs)) != len(attrs):
            self.problems.append(f"an attribute twice: {tag}")
        inner = {"p": {"p", "div", "ul", "table", "section"}, "span": {"div", "p"}, "code": {"div", "p", "code"}}
        if self.open and tag in inner.get(self.open[-1], set()):
            self.problems.append(f"{tag} in {self.open[-1]}")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.problems.append(f"closed and not open: {tag}")

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.parts.append(data)


def flat(text: str) -> str:
    return " ".join(text.split())


def made(files: dict[str, str], **more: Any) -> tuple[Any, str, Page]:
    found, text = report.page(redacted(Bundle("case", files)), when="2026-11-28", **more)
    page = Page(text)
    assert page.problems == []
    return found, text, page


def of_case(path: Path) -> tuple[dict[str, str], dict[str, Any]]:
    case = yaml.safe_load(path.read_text())
    files = dict(case.get("files", {}))
    if "base" in case:
        folder = SHARED / case["base"]
        if not folder.is_dir():
            pytest.skip("needs the recorded hosts, which are not here")
        files = texts(folder) | files
    asked = case.get("asked", {})
    device = Bdf.parse(asked["device"]) if "device" in asked else None
    return files, {"vmid": asked.get("vm"), "device": device}


@pytest.mark.parametrize("path", FILES[::29], ids=[f"{path.parent.name}/{path.stem}" for path in FILES[::29]])
def test_every_page_is_whole_and_holds_all_evidence(path: Path) -> None:
    files, asked = of_case(path)
    found, text, page = made(files, **asked)
    for finding in found.findings:
        if finding.consequence_of is None and finding.verdict is Verdict.FAIL:
            assert found.root_cause is None or finding.id in page.text
        assert flat(finding.message) in page.text, finding.id
        for line in finding.evidence:
            assert flat(line.text) in page.text, line
            assert f"{line.file}:{line.number}" in page.text
        if finding.remedy is not None and finding.consequence_of is None and finding.verdict is not Verdict.PASS:
            assert flat(finding.remedy.text) in page.text
            assert flat(finding.remedy.risk) in page.text
    for cause in found.alternatives:
        assert cause.title in page.text
    for layer in Layer:
        assert layer.value in page.text
    for question in found.notes:
        assert flat(question) in page.text
    nothing_from_elsewhere(text, page)


def nothing_from_elsewhere(text: str, page: Page) -> None:
    """No resource, no script, no form: the page says so itself, too."""
    kinds = {tag for tag, _ in page.tags}
    assert not kinds & {"script", "img", "link", "iframe", "object", "embed", "form", "base", "svg", "video", "audio"}
    for tag, attributes in page.tags:
        assert not {name for name in attributes if name.startswith("on")}, tag
        assert not set(attributes) & {"src", "srcset", "background", "action", "style"}, tag
        assert tag == "a" or "href" not in attributes
    (style,) = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    assert not re.search(r"url\(|@import|expression", style)
    (policy,) = [attributes for _, attributes in page.tags if "http-equiv" in attributes]
    assert policy["content"] == "default-src 'none'; style-src 'unsafe-inline'"


@pytest.mark.skipif(not LAB.is_dir(), reason="needs the recorded hosts, which are not here")
@pytest.mark.parametrize("state", STATES)
def test_layers_of_recorded_hosts(state: str) -> None:
    verdict, wanted = STATES[state]
    found, text, page = made(texts(LAB / state))
    assert found.verdict.name.lower() == verdict
    items = re.findall(r'<li class="(\w+)"><span class="dot">.</span>\s*<b>([^<]+)</b>', text)
    assert [name for _, name in items] == [layer.value for layer in Layer]
    states = {name: state for state, name in items}
    assert {name: states[name] for name in wanted} == wanted
    assert "0000:01:00.0" in page.text
    assert ('class="target"' in text) == (state != "no-iommu-cmdline" and state != "vtd-off")
    assert "Window above 4 GiB: 0x100000000-0x8ffffffff , 32 GiB" in page.text


ATTACK = "<script>alert(1)</script><img src=x onerror=alert(2)> \"' & {{ 7 * 7 }} </style></code></body>"


def test_what_the_evidence_holds_is_text_and_nothing_else() -> None:
    name = "task<b onmouseover=x>.log"
    files = {
        name: f"TASK ERROR: cannot prepare PCI pass-through, IOMMU not present {ATTACK}\n",
        "dmesg.txt": f"[    0.1] DMAR: IOMMU enabled {ATTACK}\n",
        "lspci.txt": f"01:00.0 VGA compatible controller [0300]: NVIDIA {ATTACK} [10de:1c07]\n",
        "dmi.txt": f"product_name={ATTACK}\n",
        f"{ATTACK}.bin": "x\n",
        "vm.conf": f"hostpci0: 0000:01:00\nmachine: q35\n# {ATTACK}\n",
    }
    found, text = report.page(Bundle("case", files, {ATTACK: ATTACK}), when="2026-11-28")
    page = Page(text)
    assert page.problems == []
    assert found.root_cause is not None
    assert flat(ATTACK) in page.text
    assert name in page.text
    assert "49" not in re.findall(r"\{\{|49", page.text)
    assert "<script" not in text
    nothing_from_elsewhere(text, page)


@pytest.mark.parametrize("template", sorted((data_dir("templates") / "report").iterdir()), ids=lambda path: path.name)
def test_the_templates_of_pages_escape(template: Path) -> None:
    assert template.name.endswith(".html.j2")
    text = template.read_text()
    # Pictures are made of elements that escape what is put into them.
    pictures = ("{{ figure.svg | safe }}", "{{ swatch(style, form) | safe }}")
    assert len(re.findall(r"\|\s*safe", text)) == sum(text.count(each) for each in pictures)
    assert "autoescape" not in text


def test_nothing_that_was_taken_out_comes_back(tmp_path: Path) -> None:
    files = {
        "dmesg.txt": (
            "[    0.000000] Linux version 6.8.12-4-pve (build@proxmox) #1 SMP\n"
            "[    0.000000] Command line: root=UUID=af08746b-3806-4646-a15f-2625b4564fcc quiet\n"
            "[    2.000000] systemd[1]: Hostname set to <kellerkind>.\n"
            "[    3.000000] DMAR: IOMMU enabled\n"
            "[    4.000000] e1000e 0000:00:19.0 eth0: (PCI Express:2.5GT/s:Width x1) ec:b1:d7:12:34:56\n"
        ),
        "task.log": "TASK ERROR: cannot prepare PCI pass-through, IOMMU not present on kellerkind\n",
        "dmi.txt": "product_name=HP Z440 Workstation\nproduct_serial=CZC5123ABC\n",
    }
    page = tmp_path / "page.html"
    report.save(Bundle("kellerkind.lan", files), page, when="2026-11-28", live=True)
    text = page.read_text()
    for secret in ("kellerkind", "af08746b", "ec:b1:d7", "CZC5123ABC"):
        assert secret not in text
    assert "HP Z440" in text


# The command


def pvekit(*words: object) -> Result:
    return CliRunner().invoke(command, [str(word) for word in words], standalone_mode=False)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    path = tmp_path / "task.log"
    path.write_text("TASK ERROR: cannot prepare PCI pass-through, IOMMU not present\n")
    return path


def test_the_page_is_written_once(bundle: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    done = pvekit("diagnose", bundle, "--vm", "100", "--html", page)
    assert done.return_value in (1, 2), done.exception
    assert "the page, redacted" in done.stderr
    assert Page(page.read_text()).problems == []
    assert "pvekit passthrough diagnose BUNDLE --vm 100 --html page.html" in page.read_text()
    page.write_text("mine")
    again = pvekit("diagnose", bundle, "--html", page)
    assert isinstance(again.exception, Conflict)
    assert again.output == ""
    assert page.read_text() == "mine"


def test_beside_json(bundle: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    done = pvekit("diagnose", bundle, "--json", "--html", page)
    assert json.loads(done.stdout)["verdict"] in Page(page.read_text()).text.lower()


def test_a_page_that_cannot_be_made_leaves_nothing(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = pvekit("diagnose", bundle, "--html", tmp_path / "task.log" / "page.html")
    assert isinstance(done.exception, PvekitError)

    def broken(*_: object) -> str:
        raise PvekitError("no")

    monkeypatch.setattr(report, "render", broken)
    assert isinstance(pvekit("diagnose", bundle, "--html", tmp_path / "a.html").exception, PvekitError)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["task.log"]


def test_paragraphs_of_a_page_keep_their_code() -> None:
    assert report.paragraphs("One ``a\nb`` two.\n\nThree") == [
        [(False, "One "), (True, "a b"), (False, " two.")],
        [(False, "Three")],
    ]
