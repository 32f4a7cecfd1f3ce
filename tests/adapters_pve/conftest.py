"""A fake PVE over HTTPS and a client that records what it sends; every request is held against the API schema."""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pvekit.adapters.pve import Endpoint, Login, Pve, Token, Trust
from tests.helpers.schema import SentRequests

TOKEN = Token("root@pam!pvekit", "11111111-2222-3333-4444-555555555555")


@pytest.fixture
def sent() -> SentRequests:
    return SentRequests()


@pytest.fixture
def fingerprint(fakepve_cafile: str) -> str:
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(Path(fakepve_cafile).read_text())).hexdigest()


@pytest.fixture
def endpoint(fakepve: Any, fingerprint: str) -> Endpoint:
    fakepve.apitokens[TOKEN.id] = TOKEN.secret
    return Endpoint((fakepve.url,), Trust((fingerprint,)), TOKEN, Login("root@pam", "secret"))


@pytest.fixture
def pve(endpoint: Endpoint, sent: SentRequests) -> Iterator[Pve]:
    with Pve.open(endpoint, on_request=sent) as opened:
        yield opened
    sent.check()
