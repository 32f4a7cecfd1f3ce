"""What was seen of one machine and one model: runs and facts, from a benchmark, a probe or somebody's report.

All that ``explain`` judges. A fact nobody looked at is None; hypotheses say which of those would decide.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pvekit.inference.demand import Demand
from pvekit.inference.hardware import Hardware, Isa


@dataclass(frozen=True, slots=True)
class Seen:
    """Where something was read: file, line from 1 (0: the whole file) and the text."""

    file: str
    line: int
    text: str


@dataclass(frozen=True, slots=True)
class Run:
    """One measured speed. ``phase`` is ``decode`` or ``prefill``; ``rate`` in tokens/s, ``samples`` likewise.

    Knobs nobody wrote down are None. ``gpu_layers`` 0 means that no layer lay on a card; ``device`` is ``cpu`` or
    ``gpu`` where the report says so. ``cpu_seconds`` per token, where it was measured.
    """

    phase: str
    rate: float
    samples: tuple[float, ...] = ()
    depth: int = 0
    tokens: int | None = None
    threads: int | None = None
    batch: int | None = None
    gpu_layers: int | None = None
    device: str | None = None
    variant: str | None = None
    clients: int = 1
    flash_attention: bool | None = None
    type_k: str | None = None
    type_v: str | None = None
    mapped: bool | None = None
    cpu_seconds: float | None = None
    model: str | None = None
    seen: Seen | None = None


@dataclass(frozen=True, slots=True)
class Guest:
    """What the system that ran llama.cpp says of itself (a VM's guest, or the machine when there is no VM)."""

    virtual: bool | None = None
    emulated: bool | None = None
    """Whether software plays the processor (QEMU's TCG), which is 10 to 100 times slower than a VM with KVM."""
    isa: Isa | None = None
    """The widest that /proc/cpuinfo, or llama.cpp's system line, shows."""
    variant: str | None = None
    """The CPU backend that llama.cpp loaded, such as ``sse42`` or ``haswell``."""
    cpus: int | None = None
    threads: int | None = None
    """Threads the program was started with, where its runs do not say."""
    memory: int | None = None
    available: int | None = None
    swap_used: int | None = None
    swap_in_rate: float | None = None
    """Pages or bytes per second greater than 0 mean that it swaps during the run."""
    major_faults: int | None = None
    steal_percent: float | None = None
    driver: str | None = None
    """The GPU driver's version."""
    cuda: str | None = None
    """The CUDA version the build uses."""
    gpu_backend: bool | None = None
    """Whether llama.cpp found a GPU backend and a device."""
    gpu_busy_percent: float | None = None
    gpu_layers: int | None = None
    """Layers llama.cpp says it put on cards."""
    gpu_bytes: int | None = None
    """Bytes of weights it says lie on cards."""
    gpu_full: bool | None = None
    """Whether what was loaded fills the cards' memory, by the program's own count."""
    gpu_short: str | None = None
    """What found no room on the cards, by the program's own count: ``weights``, or ``cache`` (with its buffers)."""
    context: int | None = None
    disk_read: float | None = None
    """MB/s read from disk during the run."""


@dataclass(frozen=True, slots=True)
class Host:
    """What the machine below says: the PVE node of a VM, or the same machine."""

    populated_channels: int | None = None
    channels: int | None = None
    megatransfers: int | None = None
    triad: float | None = None
    """GB/s that a measured streaming read or triad over all cores reached."""
    governor: str | None = None
    throttled: bool | None = None
    temperature: float | None = None
    clock_ghz: float | None = None
    """The clock under load."""
    clock_limit_ghz: float | None = None
    """The highest clock that the system says the processor has."""
    ksm_sharing: int | None = None
    """Pages that KSM shares."""
    balloon: int | None = None
    """Bytes the VM's balloon has taken."""
    numa_nodes: int | None = None
    numa_split: bool | None = None
    """Whether the VM's CPUs or memory lie on more than one NUMA node without it knowing."""
    cpu_type: str | None = None
    """The VM's ``cpu:``, such as x86-64-v2-AES, host, kvm64."""
    vcpus: int | None = None
    cores: int | None = None
    threads: int | None = None
    load: float | None = None
    """Load average of the host without this VM."""
    link_generation: int | None = None
    link_width: int | None = None
    link_generation_max: int | None = None
    link_width_max: int | None = None
    link_under_load: bool | None = None
    disk: str | None = None
    """``hdd``, ``ssd``, ``nvme`` or ``network``: what the model file lies on."""


@dataclass(frozen=True, slots=True)
class Observed:
    """One case for ``explain``. ``demand`` is None where nobody knows the model, ``hardware`` where nobody knows it.

    ``expected`` may hold what the person compares with (tokens/s of decode); it is shown and never proof. ``where``
    gives the place a fact was read at, by its dotted name (``guest.isa``).
    """

    name: str
    demand: Demand | None
    hardware: Hardware | None
    runs: tuple[Run, ...]
    guest: Guest = field(default_factory=Guest)
    host: Host = field(default_factory=Host)
    errors: tuple[Seen, ...] = ()
    """Lines of logs that llama.cpp, the driver or the kernel printed and that a hypothesis knows."""
    where: dict[str, Seen] = field(default_factory=dict)
    signs: Mapping[str, Seen] = field(default_factory=dict)
    """What a person saw and says in words, by a name that hypotheses know: evidence, never a state that was read."""
    notes: tuple[str, ...] = ()
    expected: float | None = None
    quant_guessed: bool = False
    """Whether nobody named the quantisation, nor a program that has a usual one: the file may be twice as large."""
