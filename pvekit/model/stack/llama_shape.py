"""The shape of ``llama:``. Nothing outside this room sees these types."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, WithJsonSchema

from pvekit.model.stack import scalars as s
from pvekit.model.stack.base import Shape, default, maybe

_HINT = "Write https://… to the file itself; http:// only for an address of your own network."


def _url(value: object) -> str:
    text = value if isinstance(value, str) else ""
    try:
        parts = urlsplit(text)
        host = parts.hostname or ""
    except ValueError:
        raise s.wrong(f"{value!r} is not a web address", _HINT) from None
    if parts.username or parts.password:
        raise s.wrong("a password does not belong in an address", "Remove it.")
    if parts.scheme not in {"https", "http"} or not host or not parts.path.strip("/") or re.search(r"\s", text):
        raise s.wrong(f"{value!r} is not a web address of a file", _HINT)
    if parts.scheme == "http" and not _near(host):
        raise s.wrong(f"http://{host} is not encrypted", _HINT)
    return text


def _near(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_private or address.is_loopback


ModelUrl = Annotated[str, BeforeValidator(_url), WithJsonSchema({"type": "string", "pattern": "^https?://"})]
ShapeName = Annotated[
    str,
    *s.pattern("[a-z0-9][a-z0-9.+_-]{0,60}", "the name of a shape", "`pvekit llm synth --list` shows the names."),
]
Quant = Annotated[str, *s.pattern("[A-Z][A-Z0-9_]{1,15}", "a quantisation", "Write for example Q4_K_M or Q8_0.")]
ModelName = Annotated[
    str, *s.pattern("[A-Za-z0-9][A-Za-z0-9._:/+-]{0,99}", "a model's name", "Use letters, digits and . _ : / + -")
]
Tag = Annotated[str, *s.pattern("[A-Za-z0-9][A-Za-z0-9._-]{0,40}", "a release's tag", "Write for example b11669.")]
Argument = Annotated[
    str,
    *s.pattern(r"[^\x00-\x1f\x7f]{1,500}", "an argument", "Write every option and its value as items of their own."),
]


class LlamaModelShape(Shape):
    """The model: exactly one of url, file and shape."""

    url: ModelUrl | None = maybe("Where the guest downloads the GGUF file from (needs sha256).")
    file: str | None = maybe("A GGUF file on this machine, relative to the stack file.", min_length=1)
    shape: ShapeName | None = maybe("A made-up model of this shape, to measure speed without a download.")
    quant: Quant | None = maybe("Quantisation of a shape. Default Q4_K_M.")
    sha256: s.Sha256 | None = maybe("The file's SHA-256 sum.")
    size: s.DiskSize | None = maybe("The file's size, so that it is known beforehand whether it fits.")
    name: ModelName | None = maybe("What clients call it. Default: the file's name.")


class LlamaReleaseShape(Shape):
    """An archive of the llama.cpp project."""

    tag: Tag | None = maybe("A release, for example b11669; the archive for the guest is found in its list.")
    url: ModelUrl | None = maybe("The archive itself, instead of tag.")
    sha256: s.Sha256 = Field(description="The archive's SHA-256 sum.")
    runtime_url: ModelUrl | None = maybe("The archive with CUDA's libraries, with url.")
    runtime_sha256: s.Sha256 | None = maybe("SHA-256 of the archive with CUDA's libraries.")


class LlamaBuildShape(Shape):
    """llama.cpp built in the guest from its source."""

    url: ModelUrl = Field(description="The source as .tar.gz.")
    sha256: s.Sha256 = Field(description="Its SHA-256 sum.")
    cuda: bool = default(False, "Build with CUDA; the guest needs its toolkit. Default false.")


class LlamaShape(Shape):
    """A language model and its server."""

    model: LlamaModelShape = Field(description="The model.")
    context: int = default(8192, "Tokens of context, shared by the slots. Default 8192.", ge=128, le=16_777_216)
    slots: int = default(1, "Requests answered at the same time. Default 1.", ge=1, le=256)
    threads: int | None = maybe("Default: chosen by llama.cpp.", ge=1, le=1024)
    gpu_layers: int | None = maybe("Layers on the GPU. Default: as many as fit.", ge=0, le=10_000)
    api_key: s.Secret | None = maybe("Where the key is that clients must give. Default: made at random and kept.")
    port: int = default(8080, "Default 8080.", ge=1024, le=65535)
    listen: Literal["loopback", "lan"] = default("loopback", "loopback: inside the guest only. lan: on its network.")
    idle_unload: s.WholeSeconds | None = maybe("Give the memory back after so long without a request.")
    install: Literal["package", "release", "build"] = default("package", "Where llama.cpp comes from.")
    release: LlamaReleaseShape | None = maybe("The archive, with install: release.")
    build: LlamaBuildShape | None = maybe("The source, with install: build.")
    args: list[Argument] = default([], "Further arguments of llama-server.", max_length=64)
    metrics: bool = default(True, "Offer /metrics. Default true.")
