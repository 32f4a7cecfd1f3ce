"""The HTTP client against servers that nobody here wrote the way they are."""

from __future__ import annotations

import datetime as dt
import socket
import threading
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from pvekit.adapters.llm import failures, load, sse
from pvekit.adapters.llm.load import Size
from pvekit.adapters.llm.openai import Client
from pvekit.adapters.secrets import Secret
from pvekit.model.errors import PvekitError
from tests.inference_bench.double import Foreign, served

BODY = {"model": "tiny", "messages": [{"role": "user", "content": "x"}], "max_tokens": 8}


@pytest.mark.parametrize(
    ("mode", "counted", "prompt"),
    [("usage", "usage", 50), ("no-usage", "chunks", None), ("no-done", "chunks", None),
     ("nothing-at-end", "chunks", None),
     ("comments", "usage", 50), ("split", "usage", 50), ("reasoning", "usage", 50), ("junk", "usage", 50),
     ("close", "usage", 50)],
)  # fmt: skip
def test_odd_answers_are_counted(mode: str, counted: str, prompt: int | None) -> None:
    with served(Foreign(mode, tokens=8, pause=0.01)) as foreign:
        found = Client(foreign.url).ask(BODY)
    assert (found.generated, found.counted, found.prompt) == (8, counted, prompt)
    assert len(found.chunks) == 8
    assert found.first is not None
    assert 0.005 < found.first < 5
    # Parts come one by one, not all at the end.
    assert sum(found.gaps) > 0.05
    assert found.rate is not None
    assert foreign.asked[0]["stream_options"] == {"include_usage": True}


@given(st.lists(st.binary(max_size=40)), st.integers(1, 9))
def test_any_bytes_are_read_alike_however_they_are_cut(pieces: list[bytes], width: int) -> None:
    whole = b"\n".join([*pieces, b'data: {"a": "\xc3\xa4"}', b"data: [DONE]"])
    cut = [whole[at : at + width] for at in range(0, len(whole), width)]
    assert list(sse.events(cut)) == list(sse.events([whole]))
    assert list(sse.events(cut))[-2:] == [{"a": "ä"}, None]


def test_an_error_in_the_stream_is_told_without_the_key() -> None:
    with served(Foreign("error")) as foreign, pytest.raises(failures.Refused) as error:
        Client(foreign.url, Secret("sk-secret")).ask(BODY)
    assert "out of memory" in str(error.value)
    assert "sk-secret" not in str(error.value)


def test_the_key_is_sent_and_never_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with served(Foreign(key="sk-right")) as foreign:
        assert Client(foreign.url, Secret("sk-right")).look().models == ("tiny",)
        for key, words in ((Secret("sk-wrong"), "does not accept the key"), (None, "wants a key")):
            with pytest.raises(failures.KeyRefused, match=words) as error:
                Client(foreign.url, key).look()
            told = f"{error.value!r}{error.value}{error.value.hint}{error.value.__cause__}"
            assert "sk-" not in told
    assert "sk-right" not in repr(Client(foreign.url, Secret("sk-right")))


def test_a_loading_server_is_waited_for() -> None:
    with served(Foreign(loading=3)) as foreign:
        assert Client(foreign.url, sleep=lambda _s: None).look().models == ("tiny",)
    with served(Foreign(loading=10**6)) as foreign, pytest.raises(failures.StillLoading, match="Loading model"):
        Client(foreign.url, sleep=lambda _s: None).look(wait=0.2)


def test_what_is_no_such_server_is_said() -> None:
    with served(Foreign("website")) as foreign, pytest.raises(failures.NotOpenAi):
        Client(foreign.url).look()
    with served(Foreign()) as foreign:
        with pytest.raises(failures.ModelMissing, match="other not found"):
            Client(foreign.url).ask({**BODY, "model": "other"})
        with pytest.raises(failures.ModelMissing, match="does not have the model other"):
            load.meet(Client(foreign.url), model="other")
    with served(Foreign("no-model")) as foreign, pytest.raises(failures.ModelMissing):
        load.meet(Client(foreign.url))
    with socket.create_server(("127.0.0.1", 0)) as door:
        url = f"http://127.0.0.1:{door.getsockname()[1]}"
    with pytest.raises(failures.NothingListens):
        Client(url).look()


def test_silence_ends_after_the_time_given() -> None:
    with socket.create_server(("127.0.0.1", 0)) as door:
        client = Client(f"http://127.0.0.1:{door.getsockname()[1]}", seconds=0.3)
        with pytest.raises(failures.TooSlow, match="within 0 s during an answer"):
            client.ask(BODY)


@pytest.mark.parametrize("url", ["ftp://x", "x", "http://", "http://[", "http://a:b@c/", "http://h:99999999"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(PvekitError, match="address"):
        Client(url)


def test_v1_may_be_written_or_not() -> None:
    assert Client("http://h:1/v1/").base == Client("http://h:1").base == "http://h:1"


def test_a_server_that_ends_in_the_middle_is_that() -> None:
    with served(Foreign(dies_after=0, pause=0.01)) as foreign, pytest.raises(failures.ServerEnded) as error:
        Client(foreign.url).ask(BODY, what="the trial")
    assert "the server ended during the trial" in str(error.value)


def test_several_clients_ask_at_once_and_differ() -> None:
    with served(Foreign(tokens=20, pause=0.01)) as foreign:
        speaker = load.meet(Client(foreign.url))
        before = len(foreign.asked)
        data = load.measure(speaker, 4, Size(100, 20), rounds=2, key="k")
    asked = [body["messages"][0]["content"] for body in foreign.asked[before:]]
    assert len(asked) == len(set(asked)) == 8
    assert data["generated"] == 160
    assert len(data["samples"]) == 2
    # Four at once are about four times one: each makes a token in 10 ms at best.
    assert 120 < data["tokens_per_s"] <= 420
    assert "ignore_eos" not in foreign.asked[-1]
    assert not data["errors"]
    assert threading.active_count() < 20


def test_a_slow_server_has_fewer_rounds_and_says_how_many() -> None:
    with served(Foreign(tokens=4, pause=0.02)) as foreign:
        data = load.measure(load.meet(Client(foreign.url)), 1, Size(100, 4), rounds=9, key="k", enough=0.01)
    assert (data["rounds"], len(data["samples"]), len(data["requests"])) == (1, 1, 1)


def test_a_server_without_chat_is_asked_for_completions() -> None:
    with served(Foreign("plain-only")) as foreign:
        assert load.meet(Client(foreign.url)).path == "/v1/completions"


def test_a_certificate_of_its_own_making_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    import ipaddress

    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(7).not_valid_before(now).not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    cert, secret = tmp_path / "c.pem", tmp_path / "k.pem"
    cert.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                         serialization.NoEncryption()))  # fmt: skip
    with served(Foreign(), (cert, secret)) as foreign:
        with pytest.raises(failures.Untrusted):
            Client(foreign.url, Secret("sk-secret")).look()
        assert not any("Authorization" in headers for headers in foreign.headers)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(cert))
        assert Client(foreign.url).look().models == ("tiny",)
