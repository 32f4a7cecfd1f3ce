"""Whose facts they are: of the guest, of the host below it, or of a card; and what follows from them."""

from __future__ import annotations

from pvekit.inference.demand import Demand
from pvekit.inference.hardware import Hardware, Isa
from pvekit.inference.reports import isa
from pvekit.inference.reports.found import PRINTED, SAID, Fact, Found


def _move(found: Found, old: str, new: str) -> None:
    found.facts.setdefault(new, []).extend(found.facts.get(old, []))


def divide(found: Found) -> None:
    """Give facts of a machine whose side no text names to the guest, or to the host of a VM."""
    below = _whose(found)
    _memory(found, below=below)
    if found.value("guest.virtual") is not True:
        _move(found, "said.cores", "host.cores")
        if found.settled("host.numa_nodes") is None:
            _move(found, "numa.nodes", "host.numa_nodes")
    actual, whole = found.settled("vm.balloon_actual"), found.value("vm.memory")
    if actual is not None and isinstance(whole, int) and isinstance(actual.value, int) and whole > actual.value:
        found.say("host.balloon", whole - actual.value, actual.seen, actual.strength)


def _whose(found: Found) -> bool:
    """Settle whether there is a VM; return whether the machine that was listed is the host below it."""
    virtual = found.value("guest.virtual")
    if virtual is None and found.value("machine.virtual") is not None:
        _move(found, "machine.virtual", "guest.virtual")
        virtual = found.value("guest.virtual")
    below = virtual is True and found.value("machine.virtual") is False
    if below:
        _move(found, "machine.cpus", "host.threads")
    else:
        for name in ("isa", "cpus"):
            fact = found.settled(f"guest.{name}")
            if fact is None or fact.strength < PRINTED:
                _move(found, f"machine.{name}", f"guest.{name}")
    return below


def _memory(found: Found, *, below: bool) -> None:
    vm, seen = found.value("vm.memory"), found.value("machine.memory")
    host = isinstance(vm, int) and isinstance(seen, int) and seen > 1.2 * vm
    if not (below or host):
        for name in ("memory", "available", "swap_used"):
            _move(found, f"machine.{name}", f"guest.{name}")
    if found.settled("guest.memory") is None:
        _move(found, "vm.memory", "guest.memory")


def instructions(found: Found) -> None:
    """Settle the instruction set: the kernel's list, then llama.cpp's line, then what a person says."""
    kernel, line = found.settled("guest.isa"), found.settled("llama.isa")
    if kernel is None or kernel.strength == SAID:
        if line is not None:
            found.facts["guest.isa"] = [line]
        elif kernel is None and not found.facts.get("guest.isa") and (said := found.settled("said.avx2")):
            found.facts["guest.isa"] = [Fact(Isa.AVX2, said.seen, SAID)]
    elif line is not None and isa.narrower(_isa(line), _isa(kernel)) and found.settled("guest.variant") is None:
        found.say("guest.variant", isa.NAMES.get(_isa(line) or Isa.AMX), line.seen)


def _isa(fact: Fact) -> Isa | None:
    return Isa(str(fact.value)) if str(fact.value) in set(Isa) else None


def cards(found: Found, demand: Demand | None) -> None:
    """Settle what lies on cards from what ollama shows, and that nothing does where no card was found."""
    share = found.settled("ollama.gpu_share")
    if share is not None and found.settled("guest.gpu_bytes") is None and isinstance(share.value, float):
        loaded = found.value("ollama.loaded")
        whole = demand.held if demand is not None else loaded if isinstance(loaded, int) else None
        if whole is not None:
            found.say("guest.gpu_bytes", round(whole * share.value), share.seen)
        if share.value > 0:
            found.say("guest.gpu_backend", True, share.seen)
    if found.settled("guest.gpu_layers") is None and not found.facts.get("guest.gpu_layers"):
        backend = found.settled("guest.gpu_backend")
        if backend is not None and backend.value is False:
            found.say("guest.gpu_layers", 0, backend.seen)
    only = found.settled("ollama.only_cpu")
    if only is not None and not found.facts.get("guest.gpu_backend"):
        found.say("guest.gpu_backend", False, only.seen)
    said = found.settled("said.no_gpu_used")
    few = found.value("knob.gpu_layers")
    few = demand is not None and isinstance(few, int) and 0 < few <= 0.3 * len(demand.layers)
    # With few layers on it, a card has little to do.
    if (
        said is not None
        and not few
        and not (found.facts.get("guest.gpu_backend") or found.facts.get("guest.gpu_layers"))
    ):
        found.say("guest.gpu_backend", False, said.seen, SAID)
    _full(found, demand)
    if found.settled("host.link_under_load") is None and found.value("gpu.active") is True:
        found.say("host.link_under_load", True, found.facts["gpu.active"][0].seen)


_FULL = 0.75
"""Part of a card's memory from where on it counts as full: the rest is its driver's and fragments."""


def _full(found: Found, demand: Demand | None) -> None:
    """Settle from what ollama loaded whether the card is full, and of what."""
    share, loaded = found.settled("ollama.gpu_share"), found.value("ollama.loaded")
    room = found.value("gpu.room")
    if share is None or not isinstance(share.value, float) or not isinstance(loaded, int) or not isinstance(room, int):
        return
    if share.value == 0 and demand is not None and loaded > 1.1 * room:
        # Nothing was put on the card because weights and cache together are larger than it.
        found.say("guest.gpu_short", "weights" if demand.held > room else "cache", share.seen)
    if not 0 < share.value < 1:
        return
    full = loaded * share.value >= _FULL * room
    found.say("guest.gpu_full", full, share.seen)
    if demand is not None and full:
        found.say("guest.gpu_short", "weights" if demand.held > room else "cache", share.seen)


def uneven(found: Found, demand: Demand | None) -> None:
    """Settle that the model lies on one NUMA node: its memory is in use by as much more than another's."""
    more = found.settled("numa.uneven")
    nodes = found.value("numa.nodes") or found.value("host.numa_nodes")
    if more is None or demand is None or not isinstance(more.value, int) or nodes == 1:
        return
    if more.value >= 0.7 * demand.held:
        found.say("host.numa_split", True, more.seen)


def below(found: Found, machine: Hardware | None) -> None:
    """Settle channels from modules, the host's processors from the machine, and its load."""
    _channels(found, machine)
    if found.settled("guest.threads") is None and not found.facts.get("guest.threads"):
        _move(found, "knob.threads", "guest.threads")
    context = found.settled("guest.context")
    # What was set outweighs a sentence.
    if context is None or context.strength == SAID:
        if found.facts.get("knob.context") and found.facts.get("guest.context"):
            found.facts["guest.context"] = []
        _move(found, "knob.context", "guest.context")
    if machine is None and found.settled("guest.memory") is None:
        _move(found, "memory.capacity", "guest.memory")
    said = found.settled("host.cores")
    cores = machine.cpu.cores if machine is not None else None
    counted = said.value if said is not None and said.strength == SAID and isinstance(said.value, int) else None
    # People count the cores of one socket.
    if machine is not None and said is not None and counted is not None and counted * machine.cpu.sockets == cores:
        found.facts["host.cores"] = [Fact(cores, said.seen, SAID)]
    for mine, its in (("host.cores", "cpu.cores"), ("host.threads", "cpu.threads")):
        known, fact = found.settled(mine), found.settled(its)
        if fact is not None and (known is None or known.strength == SAID):
            found.facts[mine] = [fact]
    load = found.settled("load.host")
    if load is not None:
        found.say("host.load", load.value, load.seen)
    if found.settled("host.throttled") is None and found.value("gpu.throttled") is True:
        found.note("The card says that it is slowed down by heat or power.")


def _channels(found: Found, machine: Hardware | None) -> None:
    modules, said = found.settled("memory.modules"), found.settled("host.populated_channels")
    board = machine.memory.channels if machine is not None else None
    if not found.facts.get("host.populated_channels") and modules is not None and isinstance(modules.value, int):
        if modules.value == 1 or (board is not None and modules.value < board):
            found.say("host.populated_channels", modules.value, modules.seen, modules.strength)
            if modules.value > 1:
                found.note(f"{modules.value} modules fill at most {modules.value} channels.")
    elif machine is not None and said is not None and said.strength == SAID and board is not None:
        sockets = machine.cpu.sockets
        if sockets > 1 and said.value == board // sockets:
            # People name the channels of one socket.
            found.facts["host.populated_channels"] = [Fact(board, said.seen, SAID)]
