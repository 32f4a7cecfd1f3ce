"""What does not fit together: a VM that hides what its host has, channels without modules, a link below its best."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pvekit.inference.hardware import Isa
from pvekit.inference.observed import Guest, Host

_LADDER = (Isa.SSE42, Isa.AVX, Isa.AVX2, Isa.AVX512, Isa.AVX512_VNNI, Isa.AMX)
_VARIANTS = {
    "x64": Isa.SSE42, "sse42": Isa.SSE42, "sandybridge": Isa.AVX, "ivybridge": Isa.AVX, "piledriver": Isa.AVX,
    "haswell": Isa.AVX2, "alderlake": Isa.AVX2, "skylakex": Isa.AVX512, "cannonlake": Isa.AVX512,
    "cascadelake": Isa.AVX512_VNNI, "icelake": Isa.AVX512_VNNI, "cooperlake": Isa.AVX512_VNNI,
    "zen4": Isa.AVX512_VNNI, "sapphirerapids": Isa.AMX,
}  # fmt: skip
"""What each CPU variant of llama.cpp uses at the most."""


@dataclass(frozen=True, slots=True)
class Contradiction:
    """One thing that costs speed, and the next step."""

    id: str
    text: str
    remedy: str


def contradictions(guest: Guest, host: Host, native: Isa | None) -> tuple[Contradiction, ...]:
    """Return what stands out. ``native`` are the instructions that the processor itself has, None when not known."""
    return (
        *_instructions(guest, host, native),
        *_memory(host),
        *_clock(host),
        *_card(guest, host),
        *_room(guest, host),
    )


def _instructions(guest: Guest, host: Host, native: Isa | None) -> Iterator[Contradiction]:
    if guest.isa in _LADDER and native in _LADDER and _LADDER.index(guest.isa) < _LADDER.index(native):
        yield Contradiction(
            "cpu-type",
            f"the guest shows {guest.isa} only, the processor has {native}"
            + (f" (the VM's cpu: {host.cpu_type})" if host.cpu_type else ""),
            "Set the VM's cpu to host, or to a type that has it (x86-64-v3 has AVX2), and start it anew.",
        )
    used = _VARIANTS.get(guest.variant or "")
    if (
        used is not None
        and guest.isa in _LADDER
        and _LADDER.index(used) < _LADDER.index(min(guest.isa, Isa.AVX512, key=_LADDER.index))
    ):
        yield Contradiction(
            "variant",
            f"llama.cpp loaded its {guest.variant} variant, the processor here has {guest.isa}",
            "Look at GGML_BACKEND_PATH, and whether the package has all CPU variants.",
        )
    if host.vcpus and host.cores and host.vcpus > host.cores:
        yield Contradiction(
            "vcpus", f"the VM has {host.vcpus} processors on {host.cores} cores",
            "More threads than cores wait for each other: set the threads to the cores, or give it fewer processors.",
        )  # fmt: skip


def _memory(host: Host) -> Iterator[Contradiction]:
    if host.channels and host.populated_channels and host.populated_channels < host.channels:
        most = host.channels / host.populated_channels
        yield Contradiction(
            "channels",
            f"{host.populated_channels} of {host.channels} memory channels have a module",
            f"Modules in the others give up to {most:.1f} times the memory speed, and decode follows it.",
        )
    if host.numa_split:
        yield Contradiction(
            "numa", "the VM lies on more than one NUMA node and does not know it",
            "Keep it within one node, or set numa: 1 and llama.cpp's --numa distribute.",
        )  # fmt: skip


def _clock(host: Host) -> Iterator[Contradiction]:
    if host.governor in ("powersave", "conservative"):
        yield Contradiction(
            "governor", f"the clock is governed by {host.governor}",
            "With intel_pstate in active mode this is the default and does little harm; else set it to performance.",
        )  # fmt: skip
    if host.throttled:
        yield Contradiction(
            "throttled", "the processor was throttled by its heat during the run", "Look at the cooling."
        )


def _card(guest: Guest, host: Host) -> Iterator[Contradiction]:
    pairs = (
        ("generation", host.link_generation, host.link_generation_max),
        ("lanes", host.link_width, host.link_width_max),
    )
    for what, now, best in pairs:
        # Cards lower the generation when idle; lanes stay as they were found at the start.
        if now and best and now < best and (what == "lanes" or host.link_under_load):
            load = "under load" if host.link_under_load else "when idle"
            yield Contradiction(
                f"link-{what}", f"the card's PCIe link has {what} {now} of {best} {load}",
                "Try another slot, reseat the card, and look at the slot's settings in the firmware.",
            )  # fmt: skip
    if guest.driver and guest.gpu_backend is False:
        yield Contradiction(
            "gpu-unused", f"there is a card with driver {guest.driver}, and llama.cpp finds no device",
            "Install a build with the card's backend (CUDA 12 for Pascal), and look at its first lines.",
        )  # fmt: skip


def _room(guest: Guest, host: Host) -> Iterator[Contradiction]:
    if host.ksm_sharing:
        yield Contradiction(
            "ksm",
            f"KSM is on and shares {host.ksm_sharing} pages",
            "Its scans cost time and memory speed: switch it off.",
        )
    if host.balloon:
        yield Contradiction(
            "balloon",
            f"the balloon has taken {host.balloon / 2**30:.1f} GiB from the VM",
            "Set balloon: 0 for this VM.",
        )
    if guest.swap_used:
        yield Contradiction(
            "swap",
            f"{guest.swap_used / 2**20:.0f} MiB are swapped out",
            "Use a smaller model or context, or more memory.",
        )
    if guest.steal_percent and guest.steal_percent > 5:
        yield Contradiction(
            "steal",
            f"{guest.steal_percent:.0f} % of the time went to others on the host",
            "Look at what else runs there.",
        )
