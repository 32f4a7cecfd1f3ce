"""The two questions: what will this model do here, and what would it do if one thing were different."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from pvekit.inference.demand import Demand
from pvekit.inference.hardware import Hardware, Isa
from pvekit.inference.predict.buffers import AFTER_PROMPT, CHECKPOINTS, Serving, checkpoint
from pvekit.inference.predict.memory import missing, uses
from pvekit.inference.predict.probe import Probe
from pvekit.inference.predict.speed import Devices, decoded, devices, prefilled, summed
from pvekit.inference.predict.split import Part, place
from pvekit.inference.predict.width import spread
from pvekit.inference.predict.work import work
from pvekit.inference.prediction import MemoryUse, Prediction, Range, Speed

_PROMPTS = 8 * 2**30
"""How much llama-server keeps of finished prompts unless it is told otherwise (--cache-ram)."""


def predict(
    demand: Demand, hardware: Hardware, *, context: int = 4096, depths: Sequence[int] = (0,),
    gpu_layers: str | int = "auto", probe: Probe | None = None, threads: int | None = None, localscore: bool = False,
    serving: Serving | None = None,
) -> Prediction:  # fmt: skip
    """Return memory and speed of a model on a machine, at each depth.

    ``serving`` says more of the server than ``context`` does, and takes its place; it decides about memory only.
    ``gpu_layers`` counts the output as one layer more, as llama.cpp does. ``localscore`` predicts what LocalScore's
    llamafile reaches instead of llama.cpp, for comparison with its public results.
    """
    machine = devices(hardware, threads, probe, localscore=localscore)
    serving = serving or Serving(context)
    parts = place(demand, hardware.gpus, serving, gpu_layers)
    used = uses(demand, hardware, parts, serving)
    short = missing(used, hardware)
    decode_speeds, prefill_speeds = [], []
    for depth in depths:
        one = decoded(demand, machine, parts, depth, short)
        decode_speeds.append(Speed(depth, spread(one, machine, hardware, "decode"), one.bound, one.terms))
        # A prompt is read in batches; on average half a batch lies before a token.
        two = prefilled(demand, machine, parts, depth + 256, short)
        prefill_speeds.append(Speed(depth, spread(two, machine, hardware, "prefill"), two.bound, two.terms))
    on_cards = sum(part.stop - part.start + part.head for part in parts if part.card is not None)
    measured = any(machine.measured(part) for part in parts if not part.empty)
    return Prediction(
        model=demand.name, quant=demand.quant, hardware=hardware.name, context=serving.context, gpu_layers=on_cards,
        layers=len(demand.layers), memory=used, decode=tuple(decode_speeds), prefill=tuple(prefill_speeds),
        basis="probe" if measured else "specification",
        notes=(
            *_notes(hardware, machine, parts, probe, serving, demand), *_unused(hardware, gpu_layers),
            *_later(used[0], demand, serving),
        ),
    )  # fmt: skip


def expected_decode(
    demand: Demand, hardware: Hardware, *, isa: Isa | None = None, channels: int | None = None,
    threads: int | None = None, gpu_bytes: int | None = None, depth: int = 0, probe: Probe | None = None,
) -> Range:  # fmt: skip
    """Return the decode rate if the instructions, the populated channels, the threads or a card's filling were these.

    ``gpu_bytes`` of weights lie on the first card (0: none); without it, nothing lies on a card.
    """
    cpu = replace(hardware.cpu, isa=isa) if isa is not None else hardware.cpu
    memory = replace(hardware.memory, populated=channels) if channels is not None else hardware.memory
    if channels is not None and (hardware.memory.channels is None or hardware.memory.megatransfers is None):
        memory = hardware.memory  # Only a peak is known: how much of it a channel is, nobody can say.
    changed = replace(hardware, cpu=cpu, memory=memory)
    machine = devices(changed, threads, probe)
    whole = work(demand, depth, cpu.isa)
    asked = [(Part(None, 0, len(demand.layers), head=True), whole)]
    if gpu_bytes and hardware.gpus:
        share = min(max(gpu_bytes / demand.read, 0.0), 1.0)
        card = Part(0, 0, 0, head=True)
        asked = [(asked[0][0], whole.times(1 - share)), (card, whole.times(share))]
        asked = [each for each in asked if each[1].read > 0]
    return spread(summed(demand, machine, asked), machine, changed, "decode")


def _unused(hardware: Hardware, gpu_layers: str | int) -> tuple[str, ...]:
    if not hardware.gpus and gpu_layers not in ("auto", 0):
        return ("No card of this machine is known, so no layer lies on one.",)
    return ()


def _notes(
    hardware: Hardware, machine: Devices, parts: Sequence[Part], probe: Probe | None, serving: Serving, demand: Demand
) -> tuple[str, ...]:  # fmt: skip
    notes = []
    on_cpu = not parts[0].empty
    if on_cpu and machine.cpu.guessed:
        words = ", ".join(machine.cpu.guessed)
        notes.append(f"Not known of the processor, so typical figures stand in and the range is wider: {words}.")
    memory = hardware.memory
    if on_cpu and memory.populated is None and memory.channels is not None and machine.cpu_shift is None:
        notes.append("Nobody said how many memory channels have a module: all are counted, and the range is wider.")
    if on_cpu and hardware.cpu.sockets > 1:
        notes.append("Two sockets hardly read faster than one unless memory and threads are pinned to one node.")
    if probe is None:
        notes.append("From specifications alone. `pvekit llm probe` measures the machine and narrows this.")
    if hardware.gpus and on_cpu and any(part.card is not None for part in parts):
        notes.append("Not all of the model lies on cards: its layers in main memory set the pace.")
    each = serving.context // serving.slots
    if demand.trained_context and each > demand.trained_context:
        notes.append(f"The model was trained for {demand.trained_context} tokens, less than the context asked for.")
    return tuple(notes)


def _later(main: MemoryUse, demand: Demand, serving: Serving) -> Iterator[str]:
    """Yield what a server takes later, beside what it takes after its first prompts."""
    point = checkpoint(demand.layers, serving)
    if point:
        yield (
            f"A conversation keeps points to go back to, {point / 2**20:.0f} MiB each and up to {CHECKPOINTS} a slot; "
            f"{AFTER_PROMPT} are counted. --ctx-checkpoints of llama-server sets how many."
        )
    left = None if main.have is None else main.have - main.needed
    if left is not None and 0 <= left < _PROMPTS:
        yield (
            "Finished prompts are kept in main memory beside this, up to 8 GiB, and there is less: give llama-server "
            f"--cache-ram {left // 2**20}, or 0."
        )
