"""Brings llama.cpp: from the distribution, from an archive of the project, or built here from its source."""

import errno
import os
import shutil
import tarfile
import tempfile

from pvekit_llama import fetch, releases
from pvekit_llama.run import Failed, run

PACKAGES = {
    "package": ("llama.cpp-tools",),
    "release": ("libgomp1",),
    "build": ("cmake", "ninja-build", "g++"),
}
"""What apt brings for each way."""


def missing(config):
    """Yield the packages that apt has to install. Failed where the distribution has no llama.cpp."""
    for package in PACKAGES[config.install["how"]]:
        state = run("dpkg-query", "-W", "-f", "${db:Status-Abbrev}", package, good=range(256))
        if state[1:2] == "i":
            continue
        if package == "llama.cpp-tools" and not _offered(package):
            raise Failed(
                f"{_system()} has no package llama.cpp-tools: Debian has it from 14 (forky) on, Ubuntu from 26.04 on. "
                "Take such an image, or write install: release, or install: build."
            )
        yield package


def _offered(package):
    for update in (False, True):
        if update:
            run("apt-get", "-qq", "update", good=range(256), timeout=900)
        text = run("apt-cache", "policy", package, good=range(256))
        if any(line.strip().startswith("Candidate:") and "(none)" not in line for line in text.splitlines()):
            return True
    return False


def _system():
    for line in run("cat", "/etc/os-release").splitlines():
        if line.startswith("PRETTY_NAME="):
            return line.partition("=")[2].strip('"')
    return "this system"


def settle(config, cuda):
    """Bring llama.cpp about; yield what was changed. ``cuda``: the CUDA to take, or None."""
    how = config.install["how"]
    if how != "package":
        home = config.opt / f"{config.install['sha256'][:16]}{'-cuda' if config.install.get('cuda') else ''}"
        if not (home / "complete").exists():
            config.opt.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=config.opt, prefix=".part.") as name:
                (_release if how == "release" else _build)(config, cuda, config.opt / name)
                (config.opt / name / "complete").touch()
                shutil.rmtree(home, ignore_errors=True)
                shutil.copytree(config.opt / name, home, symlinks=True)
        folder = next(path.parent for path in sorted(home.rglob("llama-server")) if path.is_file())
        if not config.server.parent.is_symlink() or config.server.parent.resolve() != folder.resolve():
            fresh = config.opt / ".current"
            fresh.unlink(missing_ok=True)
            fresh.symlink_to(folder)
            fresh.replace(config.server.parent)
            yield f"changed: llama.cpp is the one in {folder}"
    if not os.access(config.server, os.X_OK):
        raise Failed(f"{config.server} is not there, although llama.cpp was installed.")


def _release(config, cuda, folder):
    wanted = config.install
    address, runtime = wanted.get("url"), wanted.get("runtime_url")
    if address is None:
        files = releases.look(wanted["releases"], wanted["tag"])
        backend = "cuda" if cuda else "vulkan" if config.gpus and config.settings.get("gpu_layers") != 0 else None
        archive, libraries = releases.choose(files, releases.arch(), backend, cuda)
        address, listed = files[archive]
        if listed is not None and listed != wanted["sha256"]:
            raise Failed(
                f"for this guest the release has {archive} with the sha256 {listed}; the stack file says "
                f"{wanted['sha256']}. Nothing was downloaded."
            )
        if libraries is not None and wanted.get("runtime_sha256"):
            runtime = files[libraries][0]
    _unpack(config, address, wanted["sha256"], folder)
    servers = [path for path in sorted(folder.rglob("llama-server")) if path.is_file()]
    if not servers:
        raise Failed(f"there is no llama-server in {fetch.shown(address)}.")
    if runtime is not None:
        _unpack(config, runtime, wanted["runtime_sha256"], servers[0].parent)
    run(str(servers[0]), "--version", timeout=120)


def _build(config, cuda, folder):
    source = folder / "source"
    source.mkdir()
    _unpack(config, config.install["url"], config.install["sha256"], source)
    tops = [path.parent for path in sorted(source.rglob("CMakeLists.txt"), key=lambda path: len(path.parts))]
    if not tops:
        raise Failed(f"{fetch.shown(config.install['url'])} holds no source of llama.cpp.")
    options = [
        "-DCMAKE_BUILD_TYPE=Release",
        "-DBUILD_SHARED_LIBS=OFF",
        "-DLLAMA_BUILD_TESTS=OFF",
        "-DLLAMA_BUILD_EXAMPLES=OFF",
    ]
    if cuda and config.install.get("cuda"):
        options += ["-DGGML_CUDA=ON", "-DCMAKE_CUDA_ARCHITECTURES=native"]
    build = folder / "build"
    run("cmake", "-G", "Ninja", "-S", str(tops[0]), "-B", str(build), *options, timeout=900)
    run("cmake", "--build", str(build), "--target", "llama-server", "llama-bench", timeout=6 * 3600)
    for name in ("llama-server", "llama-bench"):
        shutil.copy2(build / "bin" / name, folder / name)
    shutil.rmtree(build)
    shutil.rmtree(source)


def _unpack(config, url, sha256, folder):
    part, whole = config.opt / f"{sha256}.part", config.opt / f"{sha256}.tar.gz"
    if not whole.exists():
        fetch.fetch(url, sha256, part, whole)
    try:
        with tarfile.open(whole) as archive:
            archive.extractall(folder, filter="data")
    except (tarfile.TarError, OSError) as error:
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            raise fetch.full(folder) from None
        raise Failed(f"{fetch.shown(url)} cannot be unpacked: {error}") from None
    whole.unlink()
