"""The server as the stack file wants it, as the playbook left it in /etc/pvekit/llama.json. No secret is in it."""

import json
from pathlib import Path

from pvekit_llama.run import Failed

ROOT = Path("/")
"""Where the paths below start; tests have one of their own."""


class Config:
    """The settings, with the places that follow from them."""

    def __init__(self, document):
        """Take the JSON document."""
        self.settings = document
        self.model = document["model"]
        self.install = document["install"]
        self.gpus = document["gpus"]
        self.models = ROOT / "var/lib/pvekit/models"
        self.opt = ROOT / "opt/pvekit/llama"
        self.state = ROOT / "var/lib/pvekit/llama.state"
        self.staged = ROOT / "usr/local/lib/pvekit/pvekit-llama.service"
        self.unit = ROOT / "etc/systemd/system/pvekit-llama.service"
        self.key = ROOT / "etc/pvekit/llama.env"
        self.extra = ROOT / "etc/pvekit/llama.args"

    @property
    def file(self):
        """Return where the model is once it is whole and right."""
        return self.models / f"{self.model['sha256']}.gguf"

    @property
    def part(self):
        """Return where the model is until then."""
        return self.models / f"{self.model['sha256']}.part"

    @property
    def size(self):
        """Return the model's size in bytes; None when it is not known."""
        return self.file.stat().st_size if self.file.exists() else self.model.get("size")

    @property
    def server(self):
        """Return llama-server itself."""
        package = self.install["how"] == "package"
        return ROOT / "usr/bin/llama-server" if package else self.opt / "current/llama-server"


def load():
    """Return the settings. Failed when they are not there."""
    path = ROOT / "etc/pvekit/llama.json"
    try:
        return Config(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError) as error:
        raise Failed(f"{path}: {error}. Run pvekit up again.") from None
