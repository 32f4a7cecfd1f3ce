"""A stack's image with a keyring: what is noted in the lock file, and when nothing is."""

from __future__ import annotations

from pathlib import Path

import pytest

from pvekit.adapters.checksums import read_lock
from pvekit.model.errors import ImageInvalid
from pvekit.workflows.images import StackImages
from tests.adapters_ansible.test_signature import LIST, SUM, Keys, Site, keyring, keys, site
from tests.provision.world import stack_of

__all__ = ["keyring", "keys", "site"]


def images(site: Site, folder: Path, keyring: Path | None) -> StackImages:
    image = {"url": f"{site.url}/noble.img", "checksums": f"{site.url}/SHA256SUMS", "format": "qcow2"}
    more = {"keyring": str(keyring)} if keyring else {}
    return StackImages(stack_of({"web": {"image": "noble"}}, images={"noble": image | more}), folder)


def test_a_signed_list_is_noted_with_its_key(keys: Keys, keyring: Path, site: Site, tmp_path: Path) -> None:
    site.files = {"/SHA256SUMS": LIST, "/SHA256SUMS.gpg": keys.sign("good")}
    said: list[str] = []
    assert images(site, tmp_path, keyring)("noble", said.append).checksum == SUM
    assert read_lock(tmp_path / "pvekit.lock")["noble"].signer == keys.fingerprint("good")
    assert f"noble: signed by {keys.fingerprint('good')}" in said
    # Noted is noted: the publisher is not asked again.
    site.files = {}
    assert images(site, tmp_path, keyring)("noble", said.append).checksum == SUM


@pytest.mark.parametrize("signer", ["other", ""])
def test_nothing_is_noted_without_a_right_signature(
    keys: Keys, keyring: Path, site: Site, tmp_path: Path, signer: str
) -> None:
    site.files = {"/SHA256SUMS": LIST} | ({"/SHA256SUMS.gpg": keys.sign(signer)} if signer else {})
    with pytest.raises(ImageInvalid):
        images(site, tmp_path, keyring)("noble", print)
    assert not (tmp_path / "pvekit.lock").exists()


def test_a_note_from_before_the_keyring_is_checked_once_more(
    keys: Keys, keyring: Path, site: Site, tmp_path: Path
) -> None:
    site.files = {"/SHA256SUMS": LIST}
    images(site, tmp_path, None)("noble", print)
    assert read_lock(tmp_path / "pvekit.lock")["noble"].signer == ""
    other = LIST.replace(b"a", b"b", 1)
    site.files = {"/SHA256SUMS": other, "/SHA256SUMS.gpg": keys.sign("good", text=other)}
    with pytest.raises(ImageInvalid, match="the signed list gives sha256:ba"):
        images(site, tmp_path, keyring)("noble", print)
    site.files = {"/SHA256SUMS": LIST, "/SHA256SUMS.gpg": keys.sign("good")}
    images(site, tmp_path, keyring)("noble", print)
    assert read_lock(tmp_path / "pvekit.lock")["noble"].signer == keys.fingerprint("good")
