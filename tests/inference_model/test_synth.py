"""Made-up models: others can read them, their size is known beforehand, and nothing half is ever left."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import time
from dataclasses import replace
from math import prod
from pathlib import Path

import pytest
from gguf import GGUFReader
from hypothesis import given, settings
from hypothesis import strategies as st

from pvekit.adapters import gguf as reader
from pvekit.inference.models import container, noise, quants, shapes, synth
from pvekit.inference.models.demand import of_file, of_shape
from pvekit.model.errors import PvekitError
from pvekit.model.gguf import GgufFile, Tensor
from pvekit.workflows import llm_synth
from tests.inference_model.build import entry, text
from tests.inference_model.build import gguf as built
from tests.inference_model.build import tensor as tensor_of
from tests.llama import tools
from tests.llama.model import gemma

_TINY = "tiny-13m"
_KINDS = ["Q4_K_M", "Q8_0", "Q5_K_S", "Q2_K", "Q4_0", "IQ4_XS", "F16", "MXFP4"]


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("quant", [kind for kind in _KINDS if kind in quants.names()])
def test_the_size_is_the_one_that_was_foretold(quant: str, tmp_path: Path) -> None:
    path = tmp_path / "a.gguf"
    size = synth.size(_TINY, quant)
    assert synth.write(_TINY, quant, path) == size == path.stat().st_size
    found, told = of_file(reader.read(path)), of_shape(shapes.shape(_TINY), quant)
    assert (found.held, found.read, found.parameters, found.types) == (
        told.held, told.read, told.parameters, told.types,
    )  # fmt: skip
    theirs = GGUFReader(path)
    assert sum(int(one.n_bytes) for one in theirs.tensors) == told.held
    assert [str(one.name) for one in theirs.tensors] == [one.name for one in reader.read(path).tensors]


@pytest.mark.parametrize("quant", ["Q4_K_M", "Q8_0"])
def test_llama_cpp_takes_it(quant: str, tmp_path: Path) -> None:
    path = tmp_path / "a.gguf"
    made = llm_synth.synth(_TINY, quant, path)
    argv = tools.argv("llama-bench", "-m", str(path), "-p", "8", "-n", "2", "-r", "1", "-t", "1", "-o", "json")
    done = subprocess.run(argv, env=tools.environment(), capture_output=True, text=True, check=True, timeout=300)
    rows = json.loads(done.stdout)
    assert [(row["n_prompt"], row["n_gen"]) for row in rows] == [(8, 0), (0, 2)]
    assert {row["model_size"] for row in rows} == {made.demand.held}
    assert {row["model_n_params"] for row in rows} == {sum(prod(one.shape) for one in reader.read(path).tensors)}


@pytest.mark.parametrize(
    "shape", ["gemma-3-270m", "llama-3.2-1b", "phi-3-mini-3.8b", "qwen2.5-0.5b", "qwen3-0.6b", "qwen3-30b-a3b"]
)
def test_llama_cpp_takes_each_family(shape: str, tmp_path: Path) -> None:
    path = tmp_path / "a.gguf"
    made = llm_synth.synth(shape, "Q4_0", path, layers=1)
    argv = tools.argv("llama-bench", "-m", str(path), "-p", "0", "-n", "2", "-r", "1", "-t", "1", "-o", "json")
    done = subprocess.run(argv, env=tools.environment(), capture_output=True, text=True, check=True, timeout=300)
    assert {row["model_size"] for row in json.loads(done.stdout)} == {made.demand.held}
    path.unlink()


def test_a_light_model_of_fewer_layers_is_none(tmp_path: Path) -> None:
    with pytest.raises(PvekitError, match="with all of its layers only"):
        llm_synth.synth("deepseek-v2-lite-16b", "Q4_0", tmp_path / "a.gguf", layers=2)


def test_the_twin_of_a_real_file_has_its_tensors(tmp_path: Path) -> None:
    real = reader.read(gemma())
    size = synth.size(real, "")
    assert synth.write(real, "", tmp_path / "twin.gguf") == size
    twin = reader.read(tmp_path / "twin.gguf")
    assert [(one.name, one.shape, one.number) for one in twin.tensors] == [
        (one.name, one.shape, one.number) for one in real.tensors
    ]
    assert replace(of_file(twin), file=0) == replace(of_file(real), file=0)


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    sums = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        llm_synth.synth(_TINY, "Q4_K_M", tmp_path / name, seed=seed)
        sums.append(_digest(tmp_path / name))
    assert sums[0] == sums[1] != sums[2]


def test_no_two_blocks_are_alike(tmp_path: Path) -> None:
    """KSM merges equal pages, and ZFS makes what repeats smaller: such a model would be faster than a real one."""
    path = tmp_path / "a.gguf"
    synth.write(_TINY, "Q8_0", path)
    data = path.read_bytes()[reader.read(path).data :]
    pages = [data[at : at + 4096] for at in range(0, len(data), 4096)]
    assert len(set(pages)) > 0.99 * len(pages)


def test_a_file_that_is_there_is_replaced_when_told_only(tmp_path: Path) -> None:
    path = tmp_path / "mine.gguf"
    path.write_bytes(b"precious")
    with pytest.raises(PvekitError, match="the file is there already") as caught:
        llm_synth.synth(_TINY, "Q8_0", path)
    assert "--force" in caught.value.hint
    assert path.read_bytes() == b"precious"
    llm_synth.synth(_TINY, "Q8_0", path, force=True)
    assert reader.read(path).architecture
    assert _names(tmp_path) == ["mine.gguf"]


_RUN = [sys.executable, "-c", "from pvekit.cli.main import main; main()", "llm", "synth", _TINY, "--quant", "Q8_0"]
_SMALL_DISK = 'mount -t tmpfs -o size=4m none "$1" && shift && exec "$@"'


def _namespaces() -> bool:
    argv = ["unshare", "-rm", "sh", "-c", "mount -t tmpfs -o size=1m none /mnt"]
    return (
        shutil.which("unshare") is not None and subprocess.run(argv, check=False, capture_output=True).returncode == 0
    )


@pytest.mark.skipif(not _namespaces(), reason="may not mount a file system of its own")
def test_a_full_disk_is_seen_before(tmp_path: Path) -> None:
    argv = ["unshare", "-rm", "sh", "-c", _SMALL_DISK, "-", str(tmp_path), *_RUN, "-o", str(tmp_path / "a.gguf")]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    size = synth.size(_TINY, "Q8_0")
    assert done.returncode == 1
    assert (
        f"{tmp_path}: the disk has 0.00 GB left, and the model needs {size / 1e9:.2f} GB ({size} bytes)" in done.stderr
    )
    assert "next: Make room" in done.stderr


_FILLS = """
import os, sys
from pathlib import Path
from pvekit.inference.models import synth
from pvekit.model.errors import PvekitError
folder = Path(sys.argv[1])
(folder / "mine").write_bytes(b"precious")
try:
    synth.write("tiny-13m", "Q8_0", folder / "a.gguf")
except PvekitError as error:
    print(error, "|", error.hint)
print(os.listdir(folder), (folder / "mine").read_bytes())
"""


@pytest.mark.skipif(not _namespaces(), reason="may not mount a file system of its own")
def test_a_disk_that_becomes_full_is_left_as_it_was(tmp_path: Path) -> None:
    argv = ["unshare", "-rm", "sh", "-c", _SMALL_DISK, "-", str(tmp_path), sys.executable, "-c", _FILLS, str(tmp_path)]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    size = synth.size(_TINY, "Q8_0")
    said, left = done.stdout.splitlines()
    assert f"{tmp_path}: the disk is full: the model needs {size / 1e9:.2f} GB ({size} bytes) | Make room" in said
    assert left == "['mine'] b'precious'"


def test_a_limit_of_files_is_no_full_disk(tmp_path: Path) -> None:
    (tmp_path / "a.gguf").write_bytes(b"precious")
    argv = ["sh", "-c", 'ulimit -f 2000 && exec "$@"', "-", *_RUN, "--force", "-o", str(tmp_path / "a.gguf")]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"no file may be that large here: the model needs 0.01 GB ({synth.size(_TINY, 'Q8_0')} bytes)" in done.stderr
    assert "next: A FAT file system allows 4 GiB" in done.stderr
    assert (tmp_path / "a.gguf").read_bytes() == b"precious"
    assert _names(tmp_path) == ["a.gguf"]


@pytest.mark.parametrize("place", ["none/a.gguf", "file/a.gguf", "x" * 300])
def test_a_place_that_cannot_be(place: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"precious")
    with pytest.raises(PvekitError, match="cannot be written here: ") as caught:
        llm_synth.synth(_TINY, "Q8_0", tmp_path / place)
    assert caught.value.where == str((tmp_path / place).parent)
    assert caught.value.hint
    assert _names(tmp_path) == ["file"]


def test_what_is_killed_leaves_no_half_model_under_its_name(tmp_path: Path) -> None:
    argv = [*_RUN[:5], "qwen2.5-7b", "-o", str(tmp_path / "a.gguf")]
    with subprocess.Popen(argv) as process:
        end = time.monotonic() + 60
        while not any(path.stat().st_size > 2**24 for path in tmp_path.iterdir()) and time.monotonic() < end:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert [path.suffix for path in tmp_path.iterdir()] == [".part"]
    (tmp_path / ".b.gguf.1.part").touch()
    llm_synth.synth(_TINY, "Q8_0", tmp_path / "a.gguf")
    assert _names(tmp_path) == [".b.gguf.1.part", "a.gguf"]


def test_what_is_stopped_leaves_nothing(tmp_path: Path) -> None:
    argv = [*_RUN[:5], "qwen2.5-7b", "-o", str(tmp_path / "a.gguf")]
    with subprocess.Popen(argv, stderr=subprocess.DEVNULL) as process:
        end = time.monotonic() + 60
        while not any(path.stat().st_size > 2**24 for path in tmp_path.iterdir()) and time.monotonic() < end:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
    assert process.returncode == 130
    assert list(tmp_path.iterdir()) == []


_SCALARS = (
    st.text(max_size=9) | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False)
    | st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=5).map(tuple)
    | st.lists(st.text(max_size=5), max_size=3).map(tuple)
    | st.lists(st.booleans(), min_size=1, max_size=3).map(tuple)
)  # fmt: skip


@settings(max_examples=int(os.environ.get("PVEKIT_FUZZ", "100")), deadline=None)
@given(st.dictionaries(st.text(max_size=9).map("own.".__add__), _SCALARS, max_size=5))
def test_whatever_a_file_says_its_twin_says(metadata: dict[str, object]) -> None:
    told = {"general.architecture": "llama", **metadata}
    file = GgufFile("a.gguf", 3, told, (Tensor("t", (32,), 0, 0),), 0, None)  # type: ignore[arg-type]
    parts, kept = synth._asked(file, "")
    data = container.header(kept, synth._rows(parts)[0]) + bytes(128)
    found = reader.parse(lambda offset, length: data[offset : offset + length], len(data), "twin.gguf")
    for key, value in metadata.items():
        if isinstance(value, float):
            assert found.metadata[key] == pytest.approx(value, rel=1e-6, abs=1e-37)
        else:
            assert found.metadata[key] == value, key


def test_a_file_that_claims_a_huge_vocabulary_has_no_twin(tmp_path: Path) -> None:
    """It need not be large: a file with holes, or a server's word, is enough."""
    path = tmp_path / "holes.gguf"
    path.write_bytes(
        built(
            [entry("general.architecture", 8, text("llama")), entry("llama.block_count", 4, struct.pack("<I", 1))],
            [tensor_of("token_embd.weight", [256, 2**33], 12), tensor_of("blk.0.x.weight", [256, 256], 12)],
        )
    )
    os.truncate(path, 2**41)
    with pytest.raises(PvekitError, match="a vocabulary of 8589934592 tokens cannot be made up"):
        llm_synth.synth(str(path), None, tmp_path / "twin.gguf")
    assert _names(tmp_path) == ["holes.gguf"]


def test_weights_that_cannot_be_made_up(tmp_path: Path) -> None:
    file = GgufFile("a.gguf", 3, {}, (Tensor("t", (256,), 34, 0),), 0, None)
    with pytest.raises(PvekitError, match="weights of type TQ1_0 cannot be made up"):
        synth.write(file, "", tmp_path / "a.gguf")
    assert list(tmp_path.iterdir()) == []


def test_a_long_vector_takes_little_memory() -> None:
    pieces = noise.same(1.0, 10 * 2**20 + 4)
    assert [len(piece) for piece in pieces] == [4 * 2**20, 4 * 2**20, 2 * 2**20 + 4]


def test_the_error_of_a_quota_is_the_one_of_a_full_disk() -> None:
    assert "the disk is full" in str(synth.unwritten(OSError(errno.EDQUOT, "Quota"), Path("/models"), 5))
