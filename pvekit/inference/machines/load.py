"""A machine in a few lines of YAML, read with every mistake and its line; the presets are written the same way."""

from __future__ import annotations

import re
from collections.abc import Sequence

import yaml

from pvekit.inference.hardware import Cpu, CpuClass, Gpu, GpuClass, Hardware, Isa, Memory
from pvekit.inference.machines import meant, tables
from pvekit.inference.machines.fields import Fields, Node, lined
from pvekit.model.errors import Problem, PvekitError

_EXAMPLE = "cpu: Xeon E5-2680 v4, or cpu: {name: ..., cores: 14, ghz: 2.9, isa: avx2}"


class MachineInvalid(PvekitError):
    """The description of a machine has mistakes; ``problems`` holds every one."""

    code = 3

    def __init__(self, problems: Sequence[Problem]) -> None:
        """Keep all problems, in file order."""
        lines = "\n".join(str(problem) for problem in problems)
        super().__init__(f"the machine cannot be read\n{lines}", hint="`pvekit llm predict --help` shows an example.")
        self.problems = tuple(problems)


def names() -> tuple[str, ...]:
    """Return the names of the whole machines that are known."""
    return tuple(tables.raw("machines"))


def preset(name: str) -> Hardware:
    """Return a known machine; a known card or processor alone is one too. Raises PvekitError for an unknown name."""
    machine = name if name in tables.raw("machines") else re.sub(r"[ _]+", "-", name.strip().lower())
    if machine in tables.raw("machines"):
        return load(yaml.safe_dump(tables.raw("machines")[machine], allow_unicode=True), machine)
    number, asked = meant.counted(name)
    known, card = tables.match_cpu(asked), tables.match_gpu(asked)
    if known is None and card is None:
        asked = meant.whole(asked) or asked
        known, card = tables.match_cpu(asked), tables.match_gpu(asked)
    if known is not None and known.cpu.kind is CpuClass.APPLE and card is not None:  # One chip, one memory.
        memory = Memory(None, None, None, card.memory, peak=card.bandwidth)
        sources = known.source, tables.gpu_source(card.name)
        return Hardware(card.name, known.cpu, memory, (card,), load_watts=card.watts, sources=sources)
    if known is not None and number > 1:
        return load(yaml.safe_dump({"name": name, "cpu": {"name": asked, "sockets": number}}), name)
    if known is not None:
        return Hardware(known.cpu.name, known.cpu, known.memory, load_watts=known.watts, sources=(known.source,))
    if card is not None:
        cpu = Cpu("unknown processor", CpuClass.DESKTOP, None, None, None, None)
        title = card.name if number == 1 else f"{number} x {card.name}"
        return Hardware(title, cpu, Memory(None, None, None), (card,) * number, sources=(tables.gpu_source(card.name),))
    alike = meant.near(asked, names())
    raise PvekitError(
        f"no machine, processor or card is known by the name {name}",
        hint=f"{'Near it: ' + ', '.join(alike) + '. ' if alike else ''}Machines: {', '.join(names())}. "
        f"Or describe yours in a file: {_EXAMPLE}.",
    )


def load(text: str, where: str) -> Hardware:
    """Return the machine a text describes. Raises MachineInvalid with every mistake and its line in ``where``."""
    try:
        node = lined(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        why = getattr(error, "problem", None) or "it is not YAML"
        raise MachineInvalid([Problem(where, line, column, "", f"{why}.")]) from None
    problems: list[Problem] = []
    top = Fields(node, where, problems, "")
    cpu, memory, sources = _cpu(top)
    hardware = Hardware(
        name=top.text("name") or cpu.name,
        cpu=cpu,
        memory=_memory(top, memory),
        gpus=_gpus(top, sources),
        idle_watts=top.number("idle_watts"),
        load_watts=top.number("load_watts"),
        price=top.number("price"),
        sources=tuple(str(each.value) for each in top.list("sources")) or tuple(sources) or (where,),
    )
    top.close()
    if problems:
        raise MachineInvalid(sorted(problems, key=lambda problem: (problem.line, problem.column)))
    return hardware


def _cpu(top: Fields) -> tuple[Cpu, Memory, list[str]]:
    at = top.get("cpu")
    unknown: tuple[Cpu, Memory, list[str]] = (
        Cpu("unknown processor", CpuClass.DESKTOP, None, None, None, None),
        Memory(None, None, None),
        [],
    )
    if at is None:
        top.wrong(None, "cpu", "the processor is missing.", f"Write {_EXAMPLE}.")
        return unknown
    fields = Fields(Node({"name": at}, at.line, at.column), top.where, top.problems, "cpu") if at.plain else (
        Fields(at, top.where, top.problems, "cpu")
    )  # fmt: skip
    name = fields.text("name") or "processor"
    known = tables.match_cpu(name)
    if known is None and at.plain:
        top.wrong(at, "cpu", f"the processor {name} is not known.", f"Write {_EXAMPLE}.")
        return unknown
    kind = fields.choice("kind", CpuClass) or (known.cpu.kind if known else CpuClass.DESKTOP)
    base = known.cpu if known else Cpu(name, kind, None, None, None, None)
    sockets = fields.count("sockets") or 1
    cores, threads = fields.count("cores"), fields.count("threads")
    cpu = Cpu(
        name=base.name,
        kind=kind,
        cores=cores or (base.cores * sockets if base.cores else None),
        threads=threads or (cores or (base.threads * sockets if base.threads else None)),
        ghz=fields.number("ghz") or base.ghz,
        isa=fields.choice("isa", Isa) or base.isa,
        sockets=sockets,
        numa_nodes=fields.count("numa_nodes"),
    )
    fields.close()
    memory = known.memory if known else Memory(None, None, None)
    if memory.channels is not None and sockets > 1:
        memory = Memory(memory.channels * sockets, None, memory.megatransfers)
    return cpu, memory, [known.source] if known else []


def _memory(top: Fields, known: Memory) -> Memory:
    at = top.get("memory")
    if at is None:
        return known
    fields = Fields(at, top.where, top.problems, "memory")
    channels = fields.count("channels") or known.channels
    populated = fields.count("populated")
    if channels is not None and populated is not None and populated > channels:
        top.wrong(fields.node_of("populated"), "memory.populated", f"{populated} of {channels} channels cannot be.",
                  "Count channels, not modules.")  # fmt: skip
    peak = fields.number("peak")
    speed = fields.count("megatransfers")
    memory = Memory(
        channels=channels if peak is None or populated is not None else None,
        populated=populated,
        megatransfers=speed or (known.megatransfers if peak is None else None),
        capacity=fields.size("size"),
        width_bits=fields.count("width_bits") or 64,
        peak=peak,
    )
    fields.close()
    return memory


def _gpus(top: Fields, sources: list[str]) -> tuple[Gpu, ...]:
    found = []
    for index, node in enumerate(top.list("gpus")):
        path = f"gpus[{index}]"
        fields = Fields(Node({"name": node}, node.line, node.column) if node.plain else node, top.where, top.problems,
                        path)  # fmt: skip
        name = fields.text("name") or ""
        known = tables.match_gpu(name) if name else None
        kind = fields.choice("kind", GpuClass) or (known.kind if known else None)
        bandwidth = fields.number("bandwidth") or (known.bandwidth if known else None)
        memory = fields.size("memory") or (known.memory if known else None)
        if kind is None or bandwidth is None or memory is None:
            kinds = ", ".join(GpuClass)
            top.wrong(node, path, f"the card {name or '(no name)'} is not known.",
                      f"Give kind (one of {kinds}), bandwidth in GB/s and memory.")  # fmt: skip
            continue
        if known:
            sources.append(tables.gpu_source(known.name))
        found.append(Gpu(
            name=name, kind=kind, bandwidth=bandwidth, memory=memory,
            tflops=fields.number("tflops") or (known.tflops if known else None),
            half_tflops=fields.number("half_tflops"),
            capability=fields.text("capability") or (known.capability if known else None),
            link=fields.number("link") or (known.link if known else None),
            watts=fields.number("watts") or (known.watts if known else None),
        ))  # fmt: skip
        fields.close()
    return tuple(found)
