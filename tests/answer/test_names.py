"""Time zones and languages, as Windows calls them."""

from __future__ import annotations

import zoneinfo

import pytest

from pvekit.model.answer.languages import input_locale, known_languages, lcid
from pvekit.model.answer.zones import known_zones, windows_zone
from pvekit.model.errors import PreflightRefused


@pytest.mark.parametrize(
    ("iana", "windows"),
    [
        ("Europe/Berlin", "W. Europe Standard Time"),
        ("Europe/Zurich", "W. Europe Standard Time"),
        ("America/New_York", "Eastern Standard Time"),
        ("Asia/Kolkata", "India Standard Time"),
        ("Asia/Calcutta", "India Standard Time"),
        ("UTC", "UTC"),
        ("Etc/UTC", "UTC"),
    ],
)
def test_time_zones(iana: str, windows: str) -> None:
    assert windows_zone(iana) == windows
    assert windows in known_zones()


def test_an_unknown_zone_names_the_nearest() -> None:
    with pytest.raises(PreflightRefused, match="Europe/Berlim") as error:
        windows_zone("Europe/Berlim")
    assert error.value.hint == "Did you mean Europe/Berlin?"


def test_nearly_every_zone_of_the_world_has_a_name_in_windows() -> None:
    def known(name: str) -> bool:
        try:
            return windows_zone(name) in known_zones()
        except PreflightRefused:
            return False

    cities = [name for name in zoneinfo.available_timezones() if "/" in name and not name.startswith("Etc/")]
    unknown = sorted(name for name in cities if not known(name))
    assert len(unknown) <= len(cities) * 0.03, unknown


@pytest.mark.parametrize(
    ("locale", "keyboard", "said"),
    [
        ("de-DE", "de-DE", "0407:00000407"),
        ("de-DE", "en-US", "0407:00000409"),
        ("de-AT", "de-AT", "0c07:00000407"),
        ("de-LI", "de-LI", "1407:00000807"),
        ("fr-CH", "de-CH", "100c:00000807"),
        ("fr-CA", "fr-CA", "0c0c:00011009"),
        ("en-GB", "en-GB", "0809:00000809"),
        ("en-AU", "en-AU", "0c09:00000409"),
        ("nl-NL", "nl-NL", "0413:00020409"),
        ("es-ES", "es-ES", "0c0a:0000040a"),
        ("es-AR", "es-AR", "2c0a:0000080a"),
        ("uk-UA", "uk-UA", "0422:00020422"),
        ("sr-Latn-RS", "sr-Latn-RS", "241a:0000081a"),
        ("ja-JP", "ja-JP", "ja-JP"),
        ("zh-CN", "en-US", "0804:00000409"),
    ],
)
def test_keyboards(locale: str, keyboard: str, said: str) -> None:
    assert input_locale(locale, keyboard) == said


def test_every_language_has_a_keyboard() -> None:
    for tag in known_languages():
        assert input_locale("en-US", tag)


def test_an_unknown_language_names_the_nearest() -> None:
    with pytest.raises(PreflightRefused) as error:
        lcid("en-UK")
    assert error.value.hint.startswith("Did you mean en-")
