"""PVE's property strings, one file each, both ways; and comparing them by meaning."""

from pvekit.model.properties.agent import Agent
from pvekit.model.properties.base import PropertyInvalid
from pvekit.model.properties.boot import Boot
from pvekit.model.properties.compare import Difference, canonical, covers
from pvekit.model.properties.cpu import Cpu
from pvekit.model.properties.description import Description
from pvekit.model.properties.disk import Disk
from pvekit.model.properties.efidisk import EfiDisk
from pvekit.model.properties.hostpci import HostPci
from pvekit.model.properties.ipconfig import IpConfig
from pvekit.model.properties.machine import Machine
from pvekit.model.properties.memory import Memory
from pvekit.model.properties.net import Net
from pvekit.model.properties.rng import Rng
from pvekit.model.properties.serial import Serial
from pvekit.model.properties.smbios1 import Smbios1
from pvekit.model.properties.sshkeys import SshKeys
from pvekit.model.properties.startup import Startup
from pvekit.model.properties.tags import Tags
from pvekit.model.properties.tpmstate import TpmState
from pvekit.model.properties.usb import Usb
from pvekit.model.properties.vga import Vga

__all__ = [
    "Agent",
    "Boot",
    "Cpu",
    "Description",
    "Difference",
    "Disk",
    "EfiDisk",
    "HostPci",
    "IpConfig",
    "Machine",
    "Memory",
    "Net",
    "PropertyInvalid",
    "Rng",
    "Serial",
    "Smbios1",
    "SshKeys",
    "Startup",
    "Tags",
    "TpmState",
    "Usb",
    "Vga",
    "canonical",
    "covers",
]
