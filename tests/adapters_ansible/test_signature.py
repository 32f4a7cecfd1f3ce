"""Signed checksum lists, made by a real GnuPG with throw-away keys and served on the loopback."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pvekit.adapters.checksums import Locked, fetch_published, read_lock, write_lock
from pvekit.adapters.data import data_dir
from pvekit.adapters.images import Checksum
from pvekit.adapters.signature import verify
from pvekit.model.errors import ImageInvalid, PvekitError

pytestmark = pytest.mark.skipif(not (shutil.which("gpg") and shutil.which("gpgv")), reason="gpg is not installed")

SUM = "a" * 64
LIST = f"{SUM} *noble.img\n".encode()


@dataclass(frozen=True)
class Keys:
    """A GnuPG home with keys of several fates; ``old`` has expired, ``gone`` was revoked."""

    home: Path

    def gpg(self, *arguments: str, text: bytes = b"") -> bytes:
        argv = ["gpg", "--batch", "--quiet", "--homedir", str(self.home), "--pinentry-mode", "loopback"]
        argv += ["--passphrase", "", *arguments]
        return subprocess.run(argv, input=text, capture_output=True, check=True).stdout

    def sign(self, who: str, *options: str, how: str = "--detach-sign", text: bytes = LIST) -> bytes:
        return self.gpg("--local-user", f"{who}@test", *options, how, text=text)

    def fingerprint(self, who: str) -> str:
        lines = self.gpg("--with-colons", "--list-keys", f"{who}@test").decode().splitlines()
        return next(line.split(":")[9] for line in lines if line.startswith("fpr"))

    def export(self, path: Path, *who: str, armor: bool = False) -> Path:
        wanted = ["--armor"] if armor else []
        path.write_bytes(self.gpg(*wanted, "--export", *(f"{each}@test" for each in who)))
        return path


@pytest.fixture(scope="module")
def keys() -> Iterator[Keys]:
    # gpg-agent's socket lives in it: a short path.
    home = Path(tempfile.mkdtemp(prefix="pk-"))
    made = Keys(home)
    for name in ("good", "other", "gone"):
        made.gpg("--quick-generate-key", f"{name} <{name}@test>", "ed25519", "sign", "never")
    past = "20200101T000000"
    made.gpg("--faked-system-time", past, "--quick-generate-key", "old <old@test>", "ed25519", "sign", "1d")
    yield made
    subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "gpg-agent"], check=False)
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def keyring(keys: Keys, tmp_path: Path) -> Path:
    return keys.export(tmp_path / "good.gpg", "good")


def test_a_good_signature_names_its_key(keys: Keys, keyring: Path) -> None:
    signed = verify(LIST, keys.sign("good"), keyring, where="list")
    assert signed.content == LIST
    assert signed.fingerprint == keys.fingerprint("good")


@pytest.mark.parametrize("armor", [False, True])
def test_both_forms_of_keys_and_signatures(keys: Keys, tmp_path: Path, armor: bool) -> None:
    keyring = keys.export(tmp_path / "keys", "other", "good", armor=armor)
    verify(LIST, keys.sign("good", *(["--armor"] if armor else [])), keyring, where="list")


def test_one_of_two_signatures_is_enough(keys: Keys, keyring: Path) -> None:
    both = keys.sign("good", "--local-user", "other@test")
    assert verify(LIST, both, keyring, where="list").fingerprint == keys.fingerprint("good")


def test_a_list_with_its_signature_around_it(keys: Keys, keyring: Path) -> None:
    whole = keys.sign("good", how="--clear-sign")
    evil = f"{'b' * 64} *noble.img\n".encode()
    # What stands outside of the signed part never counts.
    assert verify(whole + evil, None, keyring, where="list").content == LIST


def refused(keys: Keys, keyring: Path, signature: bytes | None, text: bytes = LIST) -> str:
    with pytest.raises(ImageInvalid) as caught:
        verify(text, signature, keyring, where="https://x/SHA256SUMS")
    assert caught.value.hint
    assert "https://x/SHA256SUMS" in str(caught.value)
    return str(caught.value)


def test_a_changed_list(keys: Keys, keyring: Path) -> None:
    assert "changed after it was signed" in refused(keys, keyring, keys.sign("good"), LIST + b"\n")
    whole = keys.sign("good", how="--clear-sign").replace(b"aaaa", b"bbbb")
    assert "changed after it was signed" in refused(keys, keyring, None, whole)


def test_another_key(keys: Keys, keyring: Path) -> None:
    said = refused(keys, keyring, keys.sign("other"))
    assert keys.fingerprint("other") in said
    assert str(keyring) in said


def test_one_bad_signature_beside_a_good_one(keys: Keys, tmp_path: Path) -> None:
    keyring = keys.export(tmp_path / "both.gpg", "good", "other")
    mixed = keys.sign("good") + keys.sign("other", text=b"something else")
    assert "no" in refused(keys, keyring, mixed) or "wrong" in refused(keys, keyring, mixed)


def test_an_expired_key(keys: Keys, tmp_path: Path) -> None:
    keyring = keys.export(tmp_path / "old.gpg", "old")
    assert "key that signed it has expired" in refused(
        keys, keyring, keys.sign("old", "--faked-system-time", "20200101T010000")
    )


def test_an_expired_signature(keys: Keys, keyring: Path) -> None:
    made = keys.sign("good", "--default-sig-expire", "seconds=1")
    time.sleep(2)
    assert "signature has expired" in refused(keys, keyring, made)


def test_a_revoked_key(keys: Keys, tmp_path: Path) -> None:
    signature = keys.sign("gone")
    certificate = next(keys.home.glob(f"openpgp-revocs.d/{keys.fingerprint('gone')}.rev")).read_text()
    keys.gpg("--import", text=certificate.replace(":-----BEGIN", "-----BEGIN").encode())
    keyring = keys.export(tmp_path / "gone.gpg", "gone")
    assert "revoked" in refused(keys, keyring, signature)


def test_a_weak_digest(keys: Keys, keyring: Path) -> None:
    made = keys.sign("good", "--digest-algo", "SHA1", "--allow-weak-digest-algos")
    assert "too weak" in refused(keys, keyring, made)


@pytest.mark.parametrize("signature", [b"", b"<html>not here</html>"])
def test_no_signature_at_all(keys: Keys, keyring: Path, signature: bytes) -> None:
    assert "no readable signature" in refused(keys, keyring, signature)


def test_broken_keyrings(keys: Keys, tmp_path: Path) -> None:
    signature = keys.sign("good")
    with pytest.raises(PvekitError, match="cannot be read") as caught:
        verify(LIST, signature, tmp_path / "none.gpg", where="list")
    assert "ubuntu-keyring" in caught.value.hint
    for text in (b"", b"hello", b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n%%%%\n-----END PGP PUBLIC KEY BLOCK-----\n"):
        (tmp_path / "bad.gpg").write_bytes(text)
        with pytest.raises(PvekitError, match=r"not a file of public keys|damaged"):
            verify(LIST, signature, tmp_path / "bad.gpg", where="list")


def test_without_gpgv(keys: Keys, keyring: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(*argv: object, **named: object) -> None:
        raise FileNotFoundError("gpgv")

    signature = keys.sign("good")
    monkeypatch.setattr("pvekit.adapters.signature.subprocess.run", absent)
    with pytest.raises(PvekitError, match="gpgv is not installed"):
        verify(LIST, signature, keyring, where="list")


def test_the_key_that_comes_with_the_examples() -> None:
    """Its fingerprint as Canonical documents it (Ubuntu on public clouds: verify an image checksum)."""
    path = data_dir("inventory") / "ubuntu-cloud-images.asc"
    with tempfile.TemporaryDirectory(prefix="pk-") as home:
        argv = ["gpg", "--homedir", home, "--with-colons", "--import-options", "show-only", "--import", str(path)]
        said = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    found = [line.split(":")[9] for line in said.splitlines() if line.startswith(("fpr", "uid"))]
    assert found == ["D2EB44626FDDC30B513D5BB71A5D6C4C7DB87C81", "UEC Image Automatic Signing Key <cdimage@ubuntu.com>"]


class Site:
    """A publisher on the loopback whose files the test chooses."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = site.files.get(self.path)
                self.send_response(200 if body is not None else 404)
                self.send_header("Content-Length", str(len(body or b"")))
                self.end_headers()
                self.wfile.write(body or b"")

            def log_message(self, format: str, *args: object) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def site() -> Iterator[Site]:
    made = Site()
    thread = threading.Thread(target=made.server.serve_forever, daemon=True)
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join()


@pytest.mark.parametrize("suffix", [".gpg", ".sign", ".asc"])
def test_published_and_signed(keys: Keys, keyring: Path, site: Site, tmp_path: Path, suffix: str) -> None:
    site.files = {"/n/SHA256SUMS": LIST, f"/n/SHA256SUMS{suffix}": keys.sign("good")}
    found = fetch_published(f"{site.url}/n/noble.img", f"{site.url}/n/SHA256SUMS", keyring)
    expected = Locked(
        f"{site.url}/n/noble.img", Checksum("sha256", SUM), f"{site.url}/n/SHA256SUMS", keys.fingerprint("good")
    )
    assert found == expected
    write_lock(tmp_path / "pvekit.lock", {"noble": found})
    assert read_lock(tmp_path / "pvekit.lock") == {"noble": found}
    assert keys.fingerprint("good") in (tmp_path / "pvekit.lock").read_text()


def test_published_clear_signed(keys: Keys, keyring: Path, site: Site) -> None:
    site.files = {"/CHECKSUM": keys.sign("good", how="--clear-sign")}
    found = fetch_published(f"{site.url}/noble.img", f"{site.url}/CHECKSUM", keyring)
    assert (found.checksum.hexdigest, found.signer) == (SUM, keys.fingerprint("good"))


def test_published_without_a_signature(keyring: Path, site: Site) -> None:
    site.files = {"/SHA256SUMS": LIST}
    with pytest.raises(ImageInvalid, match=r"no signature; looked at SHA256SUMS\.gpg, SHA256SUMS\.sign"):
        fetch_published(f"{site.url}/noble.img", f"{site.url}/SHA256SUMS", keyring)
    assert fetch_published(f"{site.url}/noble.img", f"{site.url}/SHA256SUMS").signer == ""


def test_published_with_a_wrong_signature(keys: Keys, keyring: Path, site: Site) -> None:
    site.files = {"/SHA256SUMS": LIST.replace(b"a", b"b"), "/SHA256SUMS.gpg": keys.sign("good")}
    with pytest.raises(ImageInvalid, match="changed after it was signed"):
        fetch_published(f"{site.url}/noble.img", f"{site.url}/SHA256SUMS", keyring)


def test_the_environment_of_the_person_takes_no_part(
    keys: Keys, keyring: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GNUPGHOME", "/nonexistent")
    assert os.environ["GNUPGHOME"]
    verify(LIST, keys.sign("good"), keyring, where="list")
