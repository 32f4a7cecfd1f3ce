"""Which image is chosen, and which keys fit: cases from files."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from pvekit.adapters.media import check_key, choose, install_key
from pvekit.model.catalogue import CATALOGUE
from pvekit.model.errors import ImageInvalid, PreflightRefused
from pvekit.model.media import EDITIONS, WindowsImage, WindowsMedia
from pvekit.model.productkey import read_key
from pvekit.model.stack.home_shape import WindowsShape
from pvekit.model.windowskeys import INSTALLATION, KMS_CLIENT

CASES = Path(__file__).parent / "cases"
CHOOSE = yaml.safe_load((CASES / "choose.yaml").read_text())
KEYS = yaml.safe_load((CASES / "keys.yaml").read_text())


def media(name: str) -> WindowsMedia:
    images = tuple(
        WindowsImage(index, title, title, edition, arch, tuple(languages), languages[0], f"10.0.{build}.1", build, 1)
        for index, title, edition, arch, languages, build in CHOOSE["media"][name]
    )
    return WindowsMedia(name, "UDF", "sources/install.wim", 1, images)


@pytest.mark.parametrize("case", CHOOSE["cases"], ids=str)
def test_choose(case: dict[str, Any]) -> None:
    wanted = (case["edition"], case.get("language", "en-US"), case.get("release", 11))
    has = media(case["media"])
    if "index" in case:
        image = choose(has, *wanted)
        assert image.index == case["index"]
        assert has.name_is_unique(image) == case.get("unique", has.name_is_unique(image))
        return
    with pytest.raises(ImageInvalid) as caught:
        choose(has, *wanted, where="my.iso")
    assert str(caught.value).startswith("my.iso: no image ")
    assert case["refused"] in str(caught.value)
    assert case.get("lists", "") in str(caught.value)
    assert case.get("hint", "") in caught.value.hint
    assert caught.value.hint


def test_the_language_of_setup_itself() -> None:
    def boot(*languages: str) -> WindowsMedia:
        image = WindowsImage(1, "PE", "PE", "", "amd64", languages, languages[0] if languages else "", "", 0, 1)
        return WindowsMedia("x", "UDF", "i", 1, (), (image,), ("fr-FR",))

    assert boot("en-US", "de-DE").setup_language("DE-de") == "de-DE"
    assert boot("en-US").setup_language("de-DE") == "en-US"
    assert boot().setup_language("de-DE") == "fr-FR"
    assert WindowsMedia("x", "UDF", "i", 1, ()).setup_language("de-DE") == "de-DE"


@pytest.mark.parametrize("case", KEYS, ids=str)
def test_key(case: dict[str, Any]) -> None:
    if "kind" in case:
        assert check_key(case["key"], case["edition"]).kind == case["kind"]
        return
    with pytest.raises(PreflightRefused) as caught:
        check_key(case["key"], case["edition"])
    assert case["refused"] in str(caught.value)
    assert case.get("hint", "") in caught.value.hint
    assert not case["key"] or case["key"] not in f"{caught.value}{caught.value.hint}"


def test_every_edition_has_its_public_key() -> None:
    for edition, edition_id in EDITIONS.items():
        key = install_key(edition)
        if edition == "enterprise-eval":
            assert key is None
        else:
            assert key is not None
            assert key == check_key(key.text, edition)
            assert key.edition_id == edition_id
            assert key.text not in repr(key)


def test_public_keys_have_the_form_of_keys() -> None:
    for key in (*INSTALLATION, *KMS_CLIENT):
        assert read_key(key).kind != "private"
        assert key.count("N") == 1
    assert not set(INSTALLATION) & set(KMS_CLIENT)


def test_the_catalogue_is_whole() -> None:
    assert set(CATALOGUE) == {"virtio-win", "openssh"}
    for name, pinned in CATALOGUE.items():
        assert pinned.name == name
        assert re.fullmatch(r"[0-9a-f]{64}", pinned.sha256)
        assert pinned.url.startswith("https://")
        assert pinned.url.endswith("/" + pinned.filename)
        assert pinned.version.split("p")[0] in pinned.url
        assert "latest" not in pinned.url
        assert pinned.size > 1 << 20
        assert len(pinned.sources) >= 2


def test_editions_are_those_of_the_stack_file() -> None:
    (literal, _none) = get_args(WindowsShape.model_fields["edition"].annotation)
    assert set(get_args(literal)) == set(EDITIONS)
