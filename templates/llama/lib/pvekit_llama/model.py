"""Brings the model: downloaded, or sent by the playbook. The one that is served stays until the new one is right."""

import re
import shutil
from pathlib import Path

from pvekit_llama import fetch
from pvekit_llama.run import Failed, run

_OURS = re.compile(r"[0-9a-f]{64}\.(gguf|part)")
SYSTEM = 256 << 20
"""Bytes that the system itself takes."""


def fits(config):
    """Raise Failed when the model is larger than the guest's memory, cards included."""
    size = config.size
    if size is None:
        return
    memory = _memory()
    cards = _cards() if config.gpus else 0
    if size + SYSTEM > memory + cards:
        beside = f" and {cards / (1 << 30):.1f} GiB on its cards" if cards else ""
        raise Failed(
            f"the model does not fit: it has {size / (1 << 30):.1f} GiB, and the guest {memory / (1 << 30):.1f} GiB of "
            f"memory{beside}. Give the VM more memory, or take a smaller model or quantisation."
        )


def room(config):
    """Raise Failed when the disk has no room for what is still to come."""
    if config.file.exists() or config.model.get("size") is None:
        return
    config.models.mkdir(parents=True, exist_ok=True)
    have = config.part.stat().st_size if config.part.exists() else 0
    needed = config.model["size"] - have
    if shutil.disk_usage(config.models).free < needed + fetch.SPARE:
        raise fetch.full(config.models, needed)


def to_send(config):
    """Return from which byte on the playbook has to send the file; None when it has not."""
    if config.model.get("file") is None or config.file.exists():
        return None
    config.models.mkdir(parents=True, exist_ok=True)
    if config.part.exists() and config.part.stat().st_size > (config.model.get("size") or 0):
        config.part.unlink()
    return config.part.stat().st_size if config.part.exists() else 0


def settle(config):
    """Bring the model about; yield what was changed."""
    if config.file.exists():
        return
    if config.model.get("url") is not None:
        fetch.fetch(config.model["url"], config.model["sha256"], config.part, config.file)
    elif config.part.exists():
        fetch.accept(config.part, config.model["sha256"], config.file, config.model["file"])
    else:
        raise Failed("the model has not arrived. Run pvekit up again.")
    yield f"changed: the model {config.settings['name']} is there"


def tidy(config):
    """Delete models that are served no more; yield what was changed."""
    for path in sorted(config.models.glob("*")):
        if _OURS.fullmatch(path.name) and path != config.file:
            path.unlink()
            yield f"changed: the earlier model {path.name[:12]} is gone"


def _memory():
    with Path("/proc/meminfo").open(encoding="ascii") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("MemTotal:"))


def _cards():
    try:
        text = run("nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits")
    except Failed:
        return 0
    return sum(int(line) << 20 for line in text.split() if line.isdigit())
