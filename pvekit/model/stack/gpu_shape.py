"""The shape of ``gpus:``. Nothing outside this room sees these types."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, GetJsonSchemaHandler
from pydantic_core import CoreSchema

from pvekit.model.stack import scalars as s
from pvekit.model.stack.base import Shape, default, maybe

_HEX = "[0-9a-fA-F]"

GpuName = Annotated[
    str, *s.pattern("[a-z0-9][a-z0-9-]{0,30}", "a card's name", "Use a-z, 0-9 and -, at most 31 characters.")
]
IdPair = Annotated[
    str,
    *s.pattern(
        f"{_HEX}{{4}}:{_HEX}{{4}}",
        "a vendor and device",
        'Write four hex digits, a colon and four more in quotes, as `lspci -nn` shows them: "10de:1c07".',
    ),
]
PciAddress = Annotated[
    str,
    *s.pattern(
        rf"({_HEX}{{4}}:)?{_HEX}{{2}}:[01]{_HEX}(\.[0-7])?",
        "a PCI address",
        'Write it in quotes, as `lspci` shows it: "02:00.0", or "02:00" for the whole card.',
    ),
]
RomFile = Annotated[
    str,
    *s.pattern(
        "[A-Za-z0-9_][A-Za-z0-9_.-]*",
        "a file name",
        "Write its name alone: the file lies in /usr/share/kvm on the node.",
    ),
]


class GpuMatchShape(Shape):
    """Which card is meant; everything given must hold."""

    id: IdPair | None = maybe('Vendor and device, for example "10de:1c07" (`lspci -nn`).')
    subsystem: IdPair | None = maybe("Vendor and device of the board that the chip is on (`lspci -nnv`).")
    slot: int | None = maybe("Number of the physical slot (needs host.ssh).", ge=0, le=8191)
    address: PciAddress | None = maybe('PCI address, for example "02:00.0". Changes when cards are added.')


class GpuShape(Shape):
    """A card of a node."""

    match: GpuMatchShape = Field(description="Which card is meant.")
    node: s.NodeName | None = maybe("Only on this node. Default: any node of the VMs that has it.")
    functions: Literal["all", "matched"] = default("all", "all: its sound comes along. matched: only what matches.")


class VmGpuShape(Shape):
    """A card that the VM gets whole."""

    name: GpuName = Field(description="A name under gpus.")
    primary: bool = default(False, "The VM's first display; PVE shows no console then. Default false.")
    rombar: bool = default(True, "Show the guest the card's firmware. Default true.")
    romfile: RomFile | None = maybe("A file in /usr/share/kvm on the node, used as the card's firmware.")


def _named(value: object) -> object:
    return {"name": value} if isinstance(value, str) else value


class _OrName:
    """Says in the JSON Schema that the name alone will do."""

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"anyOf": [{"type": "string", "description": "A name under gpus."}, handler(core)]}


VmGpu = Annotated[VmGpuShape, BeforeValidator(_named), _OrName()]
