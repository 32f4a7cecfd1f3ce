"""Files that come in: uploads and downloads, with checksums."""

from __future__ import annotations

import hashlib
import http.client
import re
import secrets
import shutil
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pvekit.lab.access.permissions import allowed, may
from pvekit.lab.call import Call
from pvekit.lab.errors import FormatInvalid, TaskFailed, bad, broken, forbidden
from pvekit.lab.params import Param, choice, flag, text
from pvekit.lab.router import route
from pvekit.lab.storage.volumes import SUBFOLDER, UPLOAD_NAMES, human
from pvekit.lab.tasks import Task, undoes

if TYPE_CHECKING:
    from pvekit.lab.lab import Lab

ALGORITHMS = ("md5", "sha1", "sha224", "sha256", "sha384", "sha512")
CHUNK = 1 << 20


def _content(value: str) -> None:
    if value not in SUBFOLDER:
        raise FormatInvalid(f"invalid content type '{value}'")


_CHECKSUM: Mapping[str, Param] = {"checksum": text(), "checksum-algorithm": choice(*ALGORITHMS)}
_CONTENT = text(check=_content, required=True)


@undoes("file")
def _drop_file(_lab: Lab, step: Mapping[str, Any]) -> None:
    Path(step["path"]).unlink(missing_ok=True)


def file_name(content: str, name: str) -> str:
    """Return the name without folders; Refused unless it has an extension that fits the content."""
    clean = re.sub(r"[^a-zA-Z0-9\-_.+=]", "_", re.sub(r".*[/\\]", "", name))
    if not re.fullmatch(UPLOAD_NAMES[content], clean):
        raise bad(filename="wrong file extension")
    return clean


def digest_of(path: Path, algorithm: str) -> str:
    """Return the file's checksum as hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.new(algorithm, usedforsecurity=False)).hexdigest()


def _verify(task: Task, path: Path, algorithm: str, expected: str) -> None:
    found = digest_of(path, algorithm)
    if found == expected.lower():
        task.log("calculating checksum...OK, checksum verified")
    else:
        task.log("calculating checksum...")
        raise TaskFailed(f"checksum mismatch: got '{found}' != expect '{expected}'")


@route(
    "POST", "/nodes/{node}/storage/{storage}/upload", check=may("/storage/{storage}", "Datastore.AllocateTemplate"),
    params={"content": _CONTENT, "filename": text(longest=255, required=True), "tmpfilename": text(), **_CHECKSUM},
)  # fmt: skip
def upload(call: Call) -> str:
    """Take an uploaded file into the storage; an existing one is replaced."""
    lab, content, upload_ = call.lab, call.get("content"), call.upload
    if content not in UPLOAD_NAMES:
        raise bad(content=f"value '{content}' does not have a value in the enumeration 'iso, vztmpl, import'")
    if ("checksum" in call.params) != ("checksum-algorithm" in call.params):
        raise bad(checksum="missing property - 'checksum-algorithm' requires this property")
    name = file_name(content, call.get("filename"))
    lab.storages.demand_content(call.get("storage"), content)
    if upload_ is None:
        raise broken("no file in the upload")
    kept = lab.settings.state / "uploads" / f"pveupload-{secrets.token_hex(16)}"
    kept.parent.mkdir(exist_ok=True)
    upload_.path.rename(kept)
    target = lab.storages.folder(call.get("storage"), content) / name

    def work(task: Task) -> None:
        task.undo("file", path=str(kept))
        task.log(f"starting file import from: {kept}")
        if "checksum" in call.params:
            _verify(task, kept, call.get("checksum-algorithm"), call.get("checksum"))
        task.log(f"target node: {call.node}")
        task.log(f"target file: {target}")
        task.log(f"file size is: {upload_.size}")
        task.log(f"command: cp -- {kept} {target}")
        _move(task, kept, target)
        task.log("finished file import successfully")

    return lab.tasks.start(lab, "imgcopy", "", call.caller.auth_id, work, node=call.node)


def _move(task: Task, source: Path, target: Path) -> None:
    """Put the file in place as a whole, or not at all."""
    part = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    task.undo("file", path=str(part))
    shutil.move(source, part)
    part.chmod(0o644)
    part.replace(target)


def _may_download(call: Call) -> None:
    may("/storage/{storage}", "Datastore.AllocateTemplate")(call)
    _may_query(call)


def _may_query(call: Call) -> None:
    if allowed(call.lab, call.caller, f"/nodes/{call.node}", "Sys.AccessNetwork"):
        return
    for name in ("Sys.Audit", "Sys.Modify"):
        if not allowed(call.lab, call.caller, "/", name):
            raise forbidden(f"/, {name}")


@route(
    "POST", "/nodes/{node}/storage/{storage}/download-url", check=_may_download,
    params={"content": choice("iso", "vztmpl", "import").needed(), "filename": text(longest=255, required=True),
            "url": text(pattern=r"https?://.*", required=True), "verify-certificates": flag(),
            "compression": choice("gz", "lzo", "zst", "bz2"), **_CHECKSUM},
)  # fmt: skip
def download(call: Call) -> str:
    """Fetch a file in a task; with a checksum an existing right one is kept."""
    lab, content = call.lab, call.get("content")
    if ("checksum" in call.params) != ("checksum-algorithm" in call.params):
        raise bad(checksum="missing property - 'checksum-algorithm' requires this property")
    name = file_name(content, call.get("filename"))
    lab.storages.demand_content(call.get("storage"), content)
    if call.get("compression"):
        raise broken("decompression is not supported by the embedded node")
    target = lab.storages.folder(call.get("storage"), content) / name

    def work(task: Task) -> None:
        task.log(f"downloading {call.get('url')} to {target}")
        algorithm, expected = call.get("checksum-algorithm"), call.get("checksum")
        if target.exists():
            if not algorithm:
                raise TaskFailed(f"refusing to override existing file '{target}'")
            _verify(task, target, algorithm, expected)
            task.log("OK, got correct file already, no need to download")
            return
        part = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
        task.undo("file", path=str(part))
        _fetch(task, call.get("url"), part, verify=call.flag("verify-certificates", default=True))
        if algorithm:
            _verify(task, part, algorithm, expected)
        part.replace(target)
        task.log(f"download of '{call.get('url')}' to '{target}' finished")

    return lab.tasks.start(lab, "download", name, call.caller.auth_id, work, node=call.node)


def _open(url: str, *, verify: bool, method: str = "GET") -> Any:
    context = ssl.create_default_context()
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    request = urllib.request.Request(url, method=method, headers={"User-Agent": "pvekit-lab"})  # noqa: S310
    return urllib.request.urlopen(request, timeout=30, context=context)  # noqa: S310 - http and https only, checked


def _fetch(task: Task, url: str, target: Path, *, verify: bool) -> None:
    task.log(f"--{time.strftime('%Y-%m-%d %H:%M:%S')}--  {url}")
    try:
        with _open(url, verify=verify) as answer, target.open("wb") as stream:
            while chunk := answer.read(CHUNK):
                task.demand_going_on()
                stream.write(chunk)
    except urllib.error.HTTPError as failure:
        raise TaskFailed(f"download failed: {failure.code} {failure.reason}") from failure
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError) as failure:
        reason = getattr(failure, "reason", failure)
        text_ = getattr(reason, "strerror", None) or str(reason)
        host = re.sub(r"https?://([^/]+).*", r"\1", url)
        raise TaskFailed(f"download failed: Connecting to {host}... failed: {text_}.") from failure
    task.log(f"saved {human(target.stat().st_size)}")


@route(
    "GET", "/nodes/{node}/query-url-metadata", check=_may_query,
    params={"url": text(pattern=r"https?://.*", required=True), "verify-certificates": flag()},
)  # fmt: skip
def url_metadata(call: Call) -> dict[str, Any]:
    """Return what a URL offers: name, size, type."""
    url = call.get("url")
    host = re.sub(r"https?://([^/]+).*", r"\1", url)
    try:
        with _open(url, verify=call.flag("verify-certificates", default=True), method="HEAD") as answer:
            headers = answer.headers
    except urllib.error.HTTPError as failure:
        raise broken(f"invalid server response: '{failure.code} {failure.reason}'") from failure
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError) as failure:
        reason = getattr(failure, "reason", failure)
        why = getattr(reason, "strerror", None) or str(reason)
        raise broken(f"invalid server response: '500 Can't connect to {host} ({why})'") from failure
    found: dict[str, Any] = {"filename": url.rsplit("/", 1)[-1]}
    if headers.get("Content-Length"):
        found["size"] = int(headers["Content-Length"])
    if headers.get("Content-Type"):
        found["mimetype"] = headers["Content-Type"].split(";")[0]
    return found
