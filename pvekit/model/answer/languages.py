"""Languages as Windows numbers them, and the keyboard layouts that go with them.

The numbers of languages come from Python's own ``locale.windows_locale`` (Microsoft's list of LCIDs), with the tags
added that name a script or came later. The layout of most languages has the number of the language; the others are
listed here. Source of both lists: Microsoft, "Default Input Profiles (Input Locales) in Windows", read on
25 November 2026.
"""

from __future__ import annotations

import difflib
from functools import cache
from locale import windows_locale

from pvekit.model.errors import PreflightRefused

_MORE = {
    "az-Cyrl-AZ": 0x082C,
    "az-Latn-AZ": 0x042C,
    "bs-Cyrl-BA": 0x201A,
    "bs-Latn-BA": 0x141A,
    "en-HK": 0x3C09,
    "en-IN": 0x4009,
    "en-JM": 0x2009,
    "en-SG": 0x4809,
    "es-ES": 0x0C0A,
    "es-UY": 0x380A,
    "fr-MA": 0x380C,
    "hsb-DE": 0x042E,
    "prs-AF": 0x048C,
    "ro-MD": 0x0818,
    "sr-Cyrl-BA": 0x1C1A,
    "sr-Cyrl-ME": 0x301A,
    "sr-Cyrl-RS": 0x281A,
    "sr-Latn-BA": 0x181A,
    "sr-Latn-ME": 0x2C1A,
    "sr-Latn-RS": 0x241A,
    "uz-Cyrl-UZ": 0x0843,
    "uz-Latn-UZ": 0x0443,
}
# layout -> the languages that type with it although it does not have their number
_LAYOUTS = {
    0x00000401: "ar-AE ar-BH ar-EG ar-IQ ar-JO ar-KW ar-LB ar-LY ar-OM ar-QA ar-SY ar-YE",
    0x00020401: "ar-DZ ar-MA ar-TN",
    0x00030402: "bg-BG",
    0x00000406: "fo-FO kl-GL",
    0x00000407: "de-AT de-LU",
    0x00000807: "de-LI rm-CH",
    0x00000409: "af-ZA en-AU en-BZ en-CA en-HK en-JM en-MY en-NZ en-PH en-SG en-TT en-ZA en-ZW fil-PH id-ID "
    "moh-CA ms-BN ms-MY rw-RW sw-KE uz-Latn-UZ xh-ZA zu-ZA",
    0x00020409: "fy-NL nl-NL",
    0x00011009: "fr-CA",
    0x00001809: "ga-IE",
    0x0000040A: "ca-ES es-ES eu-ES gl-ES",
    0x0000080A: "arn-CL es-AR es-BO es-CL es-CO es-CR es-DO es-EC es-GT es-HN es-NI es-PA es-PE es-PR es-PY es-SV "
    "es-US es-UY es-VE quz-BO quz-EC quz-PE",
    0x0000040C: "br-FR co-FR fr-MA fr-MC gsw-FR oc-FR",
    0x0000100C: "fr-LU it-CH",
    0x0002040D: "he-IL",
    0x00000414: "nn-NO",
    0x00010418: "ro-MD ro-RO",
    0x0000041A: "bs-Latn-BA hr-BA",
    0x0000041D: "sv-FI",
    0x00000420: "ur-IN",
    0x00020422: "uk-UA",
    0x00020426: "lv-LV",
    0x00010427: "lt-LT",
    0x0002042B: "hy-AM",
    0x0002042E: "dsb-DE hsb-DE",
    0x0001042F: "mk-MK",
    0x00010437: "ka-GE",
    0x00010439: "hi-IN",
    0x00000439: "kok-IN sa-IN",
    0x0001083B: "se-FI smn-FI sms-FI",
    0x0000043B: "sma-NO smj-NO",
    0x0000083B: "sma-SE smj-SE",
    0x00020445: "bn-IN",
    0x00010451: "bo-CN",
    0x0001045D: "iu-CA",
    0x00010480: "ug-CN",
    0x00050429: "prs-AF",
    0x0000081A: "sr-Latn-BA sr-Latn-ME sr-Latn-RS",
    0x00000C1A: "sr-Cyrl-BA sr-Cyrl-ME sr-Cyrl-RS",
}
# These are typed through an input method with a name of its own: Windows takes the right one by the language.
_INPUT_METHODS = ("zh", "ja", "ko", "am", "ti", "ii")


def lcid(tag: str) -> int:
    """Return Windows' number of a language (``de-DE`` -> 0x0407). PreflightRefused names the nearest one."""
    found = _lcids().get(tag)
    if found is not None:
        return found
    close = difflib.get_close_matches(tag, _lcids(), n=1, cutoff=0.5)
    hint = f"Did you mean {close[0]}?" if close else "Write language and country, for example de-DE."
    raise PreflightRefused([f"Windows knows no language {tag}"], hint=hint)


def input_locale(locale: str, keyboard: str) -> str:
    """Return what InputLocale takes: the language of ``locale``, typed with the layout of ``keyboard``.

    ``0407:00000407`` is German typed on a German keyboard. Languages with an input method give their tag.
    """
    language, typed = lcid(locale), lcid(keyboard)
    if keyboard.partition("-")[0] in _INPUT_METHODS:
        return keyboard
    return f"{language:04x}:{_layouts().get(keyboard, typed):08x}"


@cache
def known_languages() -> frozenset[str]:
    """Return every language tag that Windows has a number for."""
    return frozenset(_lcids())


@cache
def _lcids() -> dict[str, int]:
    # The table has a few names twice, by script or sorting; those are in the list above.
    known = {name.replace("_", "-"): number for number, name in windows_locale.items()}
    return {**known, **_MORE}


@cache
def _layouts() -> dict[str, int]:
    return {tag: number for number, tags in _LAYOUTS.items() for tag in tags.split()}
