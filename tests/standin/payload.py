"""What of the packages goes into the guest: programs with their libraries, modules with theirs, Python with its own."""

from __future__ import annotations

import json
import lzma
import re
from collections.abc import Iterable
from pathlib import Path

from tests.standin.packages import run

_LIBRARIES = "usr/lib/x86_64-linux-gnu"
_LOADER = f"{_LIBRARIES}/ld-linux-x86-64.so.2"
_PYTHON = "usr/bin/python3.13"
_HERE = Path(__file__).parent
SETUP_PROGRAMS = (_PYTHON, "usr/bin/busybox")
WINDOWS_PROGRAMS = (
    *SETUP_PROGRAMS,
    "usr/bin/ssh-keygen",
    "usr/sbin/sshd",
    "usr/sbin/qemu-ga",
    "usr/lib/openssh/sshd-session",
    "usr/lib/openssh/sshd-auth",
    "usr/lib/openssh/sftp-server",
)
MODULES = {
    "cd": ("ahci", "sr_mod", "isofs", "udf", "nls_utf8", "efivarfs"),
    "disk": ("sd_mod",),
    "virtio_scsi": ("virtio_scsi",),
    "virtio_blk": ("virtio_blk",),
    "virtio_net": ("virtio_net",),
    "button": ("button", "evdev"),
}
"""Groups of drivers, each loaded by its name; the guest loads one when Windows would have its driver."""
_ENCODINGS = ("__init__", "aliases", "ascii", "idna", "latin_1", "utf_16", "utf_16_le", "utf_8", "utf_8_sig")
_CLOSURE = """\
import json, sys, importlib
sys.path.insert(0, sys.argv[1])
for name in sys.argv[2:]: importlib.import_module(name)
print(json.dumps([m.__file__ for m in list(sys.modules.values()) if getattr(m, "__file__", None)]))
"""
_COMPILE = """\
import py_compile, sys
mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
for line in sys.stdin:
    source, shown = line.rstrip("\\n").split("\\t")
    py_compile.compile(source, source + "c", shown, doraise=True, invalidation_mode=mode)
"""

Files = dict[str, bytes | str]
"""Path in the guest to content, or to the target of a link (text)."""


def programs(tree: Path, names: Iterable[str]) -> Files:
    """Return programs and the libraries that they need."""
    found: Files = {_LOADER: (tree / _LOADER).read_bytes(), "lib64/ld-linux-x86-64.so.2": f"/{_LOADER}"}
    for name in names:
        found[name] = (tree / name).read_bytes()
        if name == "usr/bin/busybox":
            found["bin/busybox"] = f"/{name}"
            continue
        found |= _libraries(tree, tree / name)
    applets = run(tree / "usr/bin/busybox", "--list").decode().split()
    for applet in applets:
        found.setdefault(f"bin/{applet}", "/usr/bin/busybox")
    return found


def _libraries(tree: Path, program: Path) -> Files:
    listed = run(tree / _LOADER, "--library-path", tree / _LIBRARIES, "--list", program).decode()
    paths = [Path(name) for name in re.findall(r"=> (\S+) \(", listed)]
    return {f"{_LIBRARIES}/{path.name}": path.read_bytes() for path in paths if path.is_relative_to(tree / _LIBRARIES)}


def modules(tree: Path) -> Files:
    """Return the kernel's modules, unpacked and still signed, and the order of each group."""
    there = {
        path.name.split(".")[0].replace("-", "_"): path for path in tree.glob("usr/lib/modules/*/kernel/**/*.ko.xz")
    }
    found: Files = {}
    for group, names in MODULES.items():
        order: list[str] = []
        for name in names:
            _add(name, there, order, found)
        found[f"modules/{group}.order"] = "".join(f"{name}.ko\n" for name in order).encode()
    return found


def _add(name: str, there: dict[str, Path], order: list[str], found: Files) -> None:
    if name in order:
        return
    content = lzma.decompress(there[name].read_bytes())
    needs = re.search(rb"\0depends=([^\0]*)\0", content)
    for need in (needs[1].decode() if needs else "").split(","):
        if need:
            _add(need.replace("-", "_"), there, order, found)
    found[f"modules/{name}.ko"] = content
    order.append(name)


def python(tree: Path, work: Path, names: Iterable[str]) -> Files:
    """Return our programs and the part of Python's library that they import, compiled."""
    own = work / "standin"
    package = own / "tests" / "standin" / "guest"
    package.mkdir(parents=True)
    (own / "tests/__init__.py").touch()
    (own / "tests/standin/__init__.py").touch()
    for path in (_HERE / "guest").glob("*.py"):
        (package / path.name).write_bytes(path.read_bytes())
    library = tree / "usr/lib/python3.13"
    environment = {"PYTHONHOME": str(tree / "usr"), "PYTHONDONTWRITEBYTECODE": "1"}
    interpreter = (tree / _LOADER, "--library-path", tree / _LIBRARIES, tree / _PYTHON)
    wanted = [f"tests.standin.guest.{name}" for name in names]
    needed = json.loads(run(*interpreter, "-S", "-c", _CLOSURE, own, *wanted, "runpy", environment=environment))
    sources = {Path(name): f"usr/lib/python3.13/{Path(name).relative_to(library)}" for name in needed
               if Path(name).is_relative_to(library)}  # fmt: skip
    sources |= {library / f"encodings/{name}.py": f"usr/lib/python3.13/encodings/{name}.py" for name in _ENCODINGS}
    sources |= {path: f"standin/{path.relative_to(own)}" for path in own.rglob("*.py")}
    plain = {source: kept for source, kept in sources.items() if source.suffix == ".py"}
    lines = "".join(f"{source}\t/{kept}\n" for source, kept in plain.items())
    run(*interpreter, "-S", "-c", _COMPILE, stdin=lines.encode(), environment=environment)
    found: Files = {}
    for source, kept in sources.items():
        if source.suffix == ".so":
            found |= {kept: source.read_bytes(), **_libraries(tree, source)}
    return found | {f"{kept}c": source.with_name(source.name + "c").read_bytes() for source, kept in plain.items()}
