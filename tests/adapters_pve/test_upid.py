"""UPIDs: any valid one survives reading and writing; other text is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pvekit.adapters.pve import Upid, parse_upid

WORDS = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=12)
USERS = st.builds(
    lambda user, realm, token: f"{user}@{realm}" + (f"!{token}" if token else ""), WORDS, WORDS, st.just("") | WORDS
)
UPIDS = st.builds(
    Upid,
    node=st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9-]{0,20}[A-Za-z0-9])?", fullmatch=True),
    pid=st.integers(0, 0xFFFFFFFF),
    pstart=st.integers(0, 0xFFFFFFFFF),
    starttime=st.integers(0, 0xFFFFFFFF),
    type=WORDS,
    id=st.just("") | st.from_regex(r"[A-Za-z0-9@._\\-]{1,20}", fullmatch=True),
    user=USERS,
)


@given(UPIDS)
def test_round_trip(upid: Upid) -> None:
    text = str(upid)
    assert parse_upid(text) == upid
    assert str(parse_upid(text)) == text


def test_keeps_the_token() -> None:
    upid = parse_upid("UPID:pve:000001B0:0006D0D8:6B02C746:imgcopy::root@pam!ci:")
    assert (upid.node, upid.type, upid.id, upid.user, upid.token) == ("pve", "imgcopy", "", "root@pam!ci", "ci")
    assert upid.starttime == 0x6B02C746
    assert parse_upid("UPID:n1:00000001:00000002:00000003:qmstart:100:root@pam:").token == ""


@given(st.text())
def test_other_text_is_refused(text: str) -> None:
    if text.startswith("UPID:"):
        return
    with pytest.raises(ValueError, match="not a UPID"):
        parse_upid(text)


@pytest.mark.parametrize(
    "text",
    [
        "UPID:pve:1:2:3:qmstart:100:root@pam:",
        "UPID:pve:00000001:00000002:00000003:qmstart:100:root@pam",
        "UPID:pve:00000001:00000002:00000003::100:root@pam:",
        "UPID:pve:00000001:00000002:00000003:qmstart:100:root@pam:\n",
        "UPID:../x:00000001:00000002:00000003:qmstart:100:root@pam:",
    ],
)
def test_nearly_a_upid(text: str) -> None:
    with pytest.raises(ValueError, match="not a UPID"):
        parse_upid(text)
