"""What pvekit renders is right: no finding, whatever the stack says, and the frame fits the schema."""

from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from pvekit.adapters.secrets import Secret
from pvekit.adapters.windows import check, findings, render
from pvekit.adapters.windows.quoting import hidden_password
from pvekit.adapters.windows.render import LOGON_COMMAND, PE_COMMAND
from pvekit.model.answer import Account, Answer, lint
from pvekit.model.answer.kinds import hidden_text
from pvekit.model.answer.languages import known_languages
from pvekit.model.answer.values import DRIVERS, STEPS
from pvekit.model.answer.zones import known_zones
from pvekit.model.errors import PreflightRefused
from pvekit.model.media import EDITIONS
from pvekit.model.productkey import install_key
from tests.answer.good import ANSWERS, CASES, HOME, KEY, PRO, PRO_KEY, good_files

ENVELOPE = etree.XMLSchema(etree.parse(Path(__file__).with_name("envelope.xsd")))
_FORBIDDEN = '"/\\[]:;|=,+*?<>@%'

names = (
    st.text(
        st.characters(exclude_characters=_FORBIDDEN, exclude_categories=("Cc", "Cf", "Cs", "Co", "Cn", "Z")),
        min_size=1,
        max_size=18,
    )
    .map(lambda text: f"u{text}x")
    .filter(str.isprintable)
)
passwords = st.text(st.characters(exclude_characters="\n\0", exclude_categories=("Cs", "Cn")), min_size=1, max_size=60)
languages = st.sampled_from(sorted(known_languages()))


@st.composite
def answers(draw: st.DrawFn) -> Answer:
    people = draw(st.lists(names, min_size=1, max_size=4, unique_by=str.casefold))
    edition = EDITIONS[draw(st.sampled_from(sorted(EDITIONS)))]
    key = install_key(edition)
    comments = st.text(st.characters(exclude_categories=("Cc", "Cf", "Cs", "Co", "Cn", "Z")), max_size=20)
    return Answer(
        computer=draw(
            st.from_regex("[a-z]([a-z0-9-]{0,12}[a-z0-9])?", fullmatch=True).filter(lambda n: n not in people)
        ),
        release=draw(st.sampled_from([10, 11])),
        edition_id=edition,
        image_name=draw(
            st.sampled_from(["Windows 11 Pro", "Windows (x64) & more", "Windows 10 专业版", 'A "B"', "50 %"])
        ),
        image_index=draw(st.integers(1, 11)),
        setup_language=draw(languages),
        language=draw(languages),
        locale=draw(languages),
        keyboard=draw(languages),
        timezone=draw(st.sampled_from(["", *sorted(known_zones())])),
        accounts=tuple(Account(name, Secret(draw(passwords)), at == 0) for at, name in enumerate(people)),
        ssh_keys=tuple(f"ssh-ed25519 AAAAC3Nza {draw(comments)}".strip() for _ in range(draw(st.integers(1, 3)))),
        disk_min=draw(st.integers(0, 2**50)),
        disk_max=draw(st.integers(0, 2**50)),
        by_name=draw(st.booleans()),
        rdp=draw(st.booleans()),
        updates=draw(st.sampled_from(["security", "all", "none"])),
        key=Secret(key.text) if key is not None and draw(st.booleans()) else None,
    )


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(answers())
def test_no_answer_that_is_rendered_has_a_finding(answer: Answer) -> None:
    rendered = render(answer)
    assert findings(rendered, answer) == []
    check(rendered, answer)
    assert ENVELOPE.validate(etree.fromstring(rendered["autounattend.xml"]))
    assert render(answer) == rendered


@pytest.mark.parametrize("name", good_files())
def test_the_bases_of_the_mutations_are_right(name: str) -> None:
    data, image = good_files()[name]
    assert lint(data, image=image) == []
    assert ENVELOPE.validate(etree.fromstring(data))


@settings(max_examples=200, deadline=None)
@given(passwords, st.sampled_from(["Password", "AdministratorPassword"]))
def test_a_hidden_password_is_the_one_that_went_in(password: str, element: str) -> None:
    hidden = hidden_password(password, element)
    assert hidden_text(hidden, element) == password
    assert base64.b64decode(hidden).decode("utf-16-le") == password + element


def test_secrets_are_in_the_answer_file_only() -> None:
    for answer in ANSWERS.values():
        for path, data in render(answer).items():
            for account in answer.accounts:
                text = account.password.reveal()
                found = hidden_password(text).encode() in data
                assert found == (path == "autounattend.xml")
                if len(text) > 3:
                    assert text.encode() not in data
        for account in answer.accounts:
            assert repr(account.password.reveal()) not in repr(answer)
        assert answer.key is None or answer.key.reveal() not in repr(answer)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(answers(), passwords)
def test_no_script_depends_on_a_secret(answer: Answer, password: str) -> None:
    others = tuple(Account(account.name, Secret(password), account.admin) for account in answer.accounts)
    other = render(replace(answer, accounts=others, key=Secret(PRO_KEY)))
    for path, data in render(answer).items():
        assert path == "autounattend.xml" or other[path] == data


def test_the_head_of_pe_cmd_is_what_others_read() -> None:
    lines = render(PRO)["pvekit/pe.cmd"].decode("ascii").split("\r\n")
    assert 'set "PVEKIT_IMAGE=Windows 11 Pro"' in lines
    assert 'set "PVEKIT_INDEX=0"' in lines
    assert f'set "PVEKIT_DISK_MIN={PRO.disk_min}"' in lines
    assert f'set "PVEKIT_DISK_MAX={PRO.disk_max}"' in lines
    assert f'set "PVEKIT_DRIVERS={" ".join(DRIVERS)}"' in lines


def test_an_image_is_taken_by_its_number_where_the_name_is_no_help() -> None:
    for answer in (replace(PRO, by_name=False), replace(PRO, image_name="Windows 10 专业版")):
        assert b'set "PVEKIT_INDEX=6"' in render(answer)["pvekit/pe.cmd"]


def test_the_head_of_the_first_logon_script_is_what_others_read() -> None:
    lines = render(HOME)["pvekit/first-logon.ps1"].decode("utf-8-sig").split("\r\n")
    assert f"# pvekit-steps: {' '.join(STEPS)}" in lines
    assert [line for line in lines if line.startswith("# pvekit-key: ")] == [
        f"# pvekit-key: {k}" for k in HOME.ssh_keys
    ]


def test_commands_fit_the_limits() -> None:
    assert len(PE_COMMAND) <= 259
    assert len(LOGON_COMMAND) <= 1024


def test_a_key_of_ones_own_is_set_in_windows_too() -> None:
    own = replace(PRO, key=Secret("BCDFG-HJKMP-QRTVW-XY234-6789B"))
    shell = etree.fromstring(render(own)["autounattend.xml"])
    space = {"u": "urn:schemas-microsoft-com:unattend"}
    where = "//u:settings[@pass='specialize']/u:component/u:ProductKey/text()"
    assert shell.xpath(where, namespaces=space) == ["BCDFG-HJKMP-QRTVW-XY234-6789B"]
    public = etree.fromstring(render(PRO)["autounattend.xml"])
    assert public.xpath(where, namespaces=space) == []


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"accounts": (Account("anna", Secret("x")),)}, "must be an administrator"),
        ({"ssh_keys": ()}, "no SSH key"),
        ({"ssh_keys": (KEY + "\nStart-Process calc",)}, "no SSH public key"),
        ({"ssh_keys": ('command="x" ' + KEY,)}, "no SSH public key"),
        (
            {"accounts": (Account("anna", Secret("x"), admin=True), Account("b\u2028n", Secret("y")))},
            "control characters",
        ),
        ({"keyboard": "de-XX"}, "Windows knows no language de-XX"),
    ],
)
def test_what_cannot_be_rendered_is_refused(change: dict[str, object], says: str) -> None:
    with pytest.raises(PreflightRefused, match=says):
        render(replace(PRO, **change))  # type: ignore[arg-type]


def test_check_names_every_mistake_and_no_secret() -> None:
    wrong = replace(
        PRO, computer="a-name-of-16-char", timezone="Europe/Berlin", key=Secret("YTMG3-N6DKC-DKB77-7M9GH-8HVX7")
    )
    with pytest.raises(PreflightRefused) as error:
        check(render(wrong), wrong)
    assert len(error.value.reasons) == 3
    assert "W. Europe Standard Time, not Europe/Berlin" in str(error.value)
    assert "YTMG3" not in str(error.value)
    assert "correct horse" not in str(error.value)


@pytest.mark.parametrize("name", ["pro-en", "home-de"])
def test_golden(name: str) -> None:
    """The files are kept with LF; to write them anew: python -m tests.answer.test_good."""
    for path, data in render(ANSWERS[name]).items():
        kept = CASES / name / Path(path).name
        assert kept.read_bytes() == data.replace(b"\r\n", b"\n"), kept


def test_the_steps_of_the_script_are_all_there() -> None:
    text = render(PRO)["pvekit/first-logon.ps1"].decode("utf-8-sig")
    table = dict(
        line.strip().replace("'", "").split(" = ")
        for line in text.split("$Actions = @{")[1].split("}")[0].splitlines()
        if "=" in line
    )
    assert list(table) == list(STEPS)
    for function in table.values():
        assert f"function {function} {{" in text


if __name__ == "__main__":
    for case in ("pro-en", "home-de"):
        (CASES / case).mkdir(exist_ok=True)
        for path, data in render(ANSWERS[case]).items():
            (CASES / case / Path(path).name).write_bytes(data.replace(b"\r\n", b"\n"))
