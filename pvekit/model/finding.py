"""What a look at a host says: findings with their evidence, and the one root cause."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from pvekit.model.bundle import Line


class Verdict(Enum):
    """How one check ended. NOTE tells something that breaks nothing."""

    PASS = "pass"  # noqa: S105 - a verdict
    FAIL = "fail"
    UNKNOWN = "unknown"
    NOTE = "note"


class Overall(Enum):
    """The verdict on the whole host; the number is the exit code of ``pvekit passthrough diagnose``."""

    HEALTHY = 0
    BROKEN = 1
    UNKNOWN = 2


class Layer(Enum):
    """The layers of passthrough in the order in which they build on each other."""

    FIRMWARE = "firmware"
    KERNEL_OPTION = "kernel option"
    TRANSLATION = "DMA translation"
    REMAPPING = "interrupt remapping"
    GROUPS = "IOMMU groups"
    RMRR = "RMRR"
    BINDING = "driver binding"
    FRAMEBUFFER = "framebuffer"
    ROM = "ROM"
    BARS = "BARs"
    RESET = "reset and power"
    VM = "VM configuration"
    GUEST = "guest driver"

    @property
    def rank(self) -> int:
        """Return the place in the order; lower comes first."""
        return list(Layer).index(self)


class Confidence(Enum):
    """How sure a finding is: the state was read, a message says it, or only signs speak for it."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


@dataclass(frozen=True, slots=True)
class Remedy:
    """What to do about it. ``risk`` is what could be lost (empty: nothing); ``change`` names an automatic repair."""

    text: str
    risk: str = ""
    change: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found. ``consequence_of`` is the id of the finding that explains this one."""

    id: str
    verdict: Verdict
    message: str
    evidence: tuple[Line, ...] = ()
    remedy: Remedy | None = None
    confidence: Confidence = Confidence.HIGH
    consequence_of: str | None = None
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RootCause:
    """The first broken layer, and why it is taken for the cause."""

    id: str
    title: str
    layer: Layer
    confidence: Confidence
    why: str


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Everything that is said about a host. ``missing`` names the files that would answer open questions."""

    verdict: Overall
    root_cause: RootCause | None
    alternatives: tuple[RootCause, ...] = ()
    findings: tuple[Finding, ...] = ()
    missing: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=())
