"""The stack file: what a person wants, read from YAML with every mistake at its place."""

from pvekit.model.stack.adopt import CannotAdopt, overrides, to_yaml
from pvekit.model.stack.files import Files, NoFiles
from pvekit.model.stack.load import load
from pvekit.model.stack.preset import Place, starter, z440_home
from pvekit.model.stack.schema import schema
from pvekit.model.stack.secret import SecretRef
from pvekit.model.stack.values import (
    Ansible,
    Built,
    Checksum,
    Disk,
    Dns,
    Download,
    Host,
    Image,
    LocalFile,
    Login,
    Nic,
    Parallel,
    Ready,
    Stack,
    Start,
    Timeouts,
    Token,
    User,
    Vm,
)

__all__ = [
    "Ansible",
    "Built",
    "CannotAdopt",
    "Checksum",
    "Disk",
    "Dns",
    "Download",
    "Files",
    "Host",
    "Image",
    "LocalFile",
    "Login",
    "Nic",
    "NoFiles",
    "Parallel",
    "Place",
    "Ready",
    "SecretRef",
    "Stack",
    "Start",
    "Timeouts",
    "Token",
    "User",
    "Vm",
    "load",
    "overrides",
    "schema",
    "starter",
    "to_yaml",
    "z440_home",
]
