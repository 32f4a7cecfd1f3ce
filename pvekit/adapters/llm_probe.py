"""Asks a machine what bears on the speed of inference: one script, one answer, facts by dotted names.

The names are those of pvekit/inference/observed.py (``guest.isa``, ``host.governor``); ``cpu.``, ``memory.`` and
``gpus`` go into the description of the hardware. What could not be read is a Missing with the reason.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pvekit.adapters import hostscript, llm_probe_cpu, llm_probe_dmi, llm_probe_gpu
from pvekit.adapters.collect import parse
from pvekit.adapters.runner import Runner
from pvekit.model.bundle import Bundle
from pvekit.model.errors import TaskFailed
from pvekit.model.missing import Missing

SCRIPT = "llm-probe.sh"
_SECONDS = 180.0
"""llama.cpp itself is started, which takes a while on an emulated guest."""

Facts = Mapping[str, object]


def ask(
    runner: Runner, *, bench: Sequence[str] = (), model: str = "", volume: str = "", load_only: bool = False
) -> Bundle:
    """Return what a machine says; one round trip, nothing is changed there.

    ``bench`` is the command of llama-bench there (found by itself when empty), ``model`` a file whose disk is looked
    at, ``volume`` a volume of PVE instead. ``load_only`` asks for what changes while it works. Raises TaskFailed, and
    what the runner raises.
    """
    arguments = ["load" if load_only else "all", model or "-", volume or "-", *bench]
    # dash reads its own program from the same input as the script, so nothing else may come through it.
    done = runner.run(["sh", "-s", "--", *arguments], stdin=hostscript.text(SCRIPT), timeout=_SECONDS)
    try:
        return parse(runner.where, done.out)
    except ValueError as error:
        words = (done.err.strip() or done.out.strip())[-200:]
        raise TaskFailed(
            f"what it answered cannot be read: {error}" + (f"\n  {words}" if words else ""),
            where=runner.where,
            hint="Run it again. If it stays so, look at what a login of this user prints by itself.",
        ) from error


def facts(runner: Runner, *, bench: Sequence[str] = (), model: str = "", volume: str = "") -> Facts:
    """Return the facts of one machine, as guest and as host. Errors as in ``ask``."""
    return facts_of(ask(runner, bench=bench, model=model, volume=volume))


def facts_of(bundle: Bundle) -> Facts:
    """Return the facts in an answer."""
    return {
        **_cpu(bundle),
        **_memory(bundle),
        **_modules(bundle),
        **_system(bundle),
        **_cards(bundle),
        **_llama(bundle),
    }


def why(bundle: Bundle, name: str, default: str) -> Missing:
    """Return why a section has nothing."""
    return Missing(name, bundle.left_out.get(name, default))


def _cpu(bundle: Bundle) -> Facts:
    found = llm_probe_cpu.processor(bundle)
    names = (
        "guest.isa",
        "guest.virtual",
        "guest.emulated",
        "guest.cpus",
        "host.cores",
        "host.threads",
        "cpu.name",
        "cpu.sockets",
        "cpu.cache",
    )
    if found is None:
        return dict.fromkeys(names, why(bundle, "/proc/cpuinfo", "it shows no flags"))
    rows = (
        found.isa,
        found.virtual,
        found.emulated or (None if found.virtual else False),
        found.threads,
        found.cores,
        found.threads,
        found.name or None,
        found.sockets,
        found.cache,
    )
    return {
        name: Missing("/proc/cpuinfo", "not told") if row is None else row
        for name, row in zip(names, rows, strict=True)
    }


def _memory(bundle: Bundle) -> Facts:
    found = llm_probe_cpu.memory(bundle.files.get("meminfo.txt", ""))

    def field(name: str) -> object:
        return found.get(name, why(bundle, "meminfo.txt", f"it has no {name}"))

    swap = found["SwapTotal"] - found["SwapFree"] if {"SwapTotal", "SwapFree"} <= set(found) else field("SwapTotal")
    return {"guest.memory": field("MemTotal"), "guest.available": field("MemAvailable"), "guest.swap_used": swap,
            "memory.hugepages": found.get("HugePages_Total", 0) * found.get("Hugepagesize", 0)}  # fmt: skip


def _modules(bundle: Bundle) -> Facts:
    names = ("host.channels", "host.populated_channels", "host.megatransfers", "memory.modules", "memory.slots",
             "memory.capacity", "memory.width", "memory.layout")  # fmt: skip
    if "dmi.txt" not in bundle.files:
        return dict.fromkeys(names, why(bundle, "dmi.txt", "dmidecode gave nothing"))
    found = llm_probe_dmi.parse(bundle.files["dmi.txt"])
    if found is None or not found.modules:
        return dict.fromkeys(names, Missing("dmi.txt", "the firmware names no memory modules, as in a VM"))
    unnamed = Missing("dmi.txt", "the names of the slots do not say which channel they are on")
    unknown = Missing("dmi.txt", "the firmware does not say")
    return {
        "host.channels": unnamed if found.channels is None else found.channels,
        "host.populated_channels": unnamed if found.populated is None else found.populated,
        "host.megatransfers": found.megatransfers or unknown,
        "memory.modules": found.modules,
        "memory.slots": found.slots,
        "memory.capacity": found.capacity,
        "memory.width": found.width_bits or unknown,
        "memory.layout": found,
    }


def _system(bundle: Bundle) -> Facts:
    governors = {value for _, value in llm_probe_cpu.values(bundle.files.get("governors.txt", ""))}
    ksm = dict(llm_probe_cpu.values(bundle.files.get("ksm.txt", "")))
    sharing = ksm.get("/sys/kernel/mm/ksm/pages_sharing")
    nodes = len(bundle.files.get("nodes.txt", "").split())
    load = bundle.files.get("loadavg.txt", "").split()
    clock, heat = llm_probe_cpu.clock(bundle), llm_probe_cpu.temperature(bundle)
    # One slow processor is enough to slow all threads down.
    slowest = next((name for name in ("powersave", "conservative") if name in governors), None)
    return {
        "host.governor": slowest or next(iter(sorted(governors)), Missing("cpufreq", "the kernel sets no clocks here")),
        "host.ksm_sharing": int(sharing) if sharing and sharing.isdigit() else Missing("ksm", "not in this kernel"),
        "host.numa_nodes": nodes or Missing("/sys/devices/system/node", "not told"),
        "host.load": float(load[0]) if load else why(bundle, "loadavg.txt", "not told"),
        "host.clock_ghz": Missing("cpufreq", "not told") if clock is None else clock,
        "host.temperature": Missing("hwmon", "no sensor of the processor") if heat is None else heat,
        "host.disk": _disk(bundle),
    }


def _disk(bundle: Bundle) -> str | Missing:
    text = bundle.files.get("disk.txt")
    if text is None:
        return why(bundle, "disk.txt", "not asked")
    fields = dict(line.split("=", 1) for line in text.splitlines()[:2] if "=" in line)
    if fields.get("kind", "") in ("nfs", "nfs4", "cifs", "smb2", "fuseblk", "ceph", "9p", "virtiofs"):
        return "network" if fields["kind"] != "fuseblk" else Missing("disk.txt", "a file system in user space")
    disks = [parts for line in text.splitlines()[2:] if len(parts := line.split()) >= 3 and parts[1] == "disk"]
    if not disks:
        return Missing("disk.txt", f"the disk below {fields.get('source') or 'the file'} is not told (ZFS, network)")
    if any(parts[0].startswith(("vd", "xvd")) for parts in disks):
        return Missing("disk.txt", "a virtual disk does not say what it lies on")
    if any(parts[2] == "1" for parts in disks):
        return "hdd"
    return "nvme" if all(parts[0].startswith("nvme") for parts in disks) else "ssd"


def _cards(bundle: Bundle) -> Facts:
    found = llm_probe_gpu.cards(bundle)
    none = Missing("gpu", "no graphics card is seen")
    first = found[0] if found else None

    def of(value: object, what: str) -> object:
        return none if first is None else Missing("gpu", f"{what} not told") if value is None else value

    return {
        "gpus": found,
        "guest.driver": of(first and first.driver, "the driver's version is"),
        "guest.gpu_busy_percent": of(first and first.busy_percent, "load is"),
        "host.link_generation": of(first and first.generation, "the link is"),
        "host.link_width": of(first and first.width, "the link is"),
        "host.link_generation_max": of(first and first.generation_max, "the link is"),
        "host.link_width_max": of(first and first.width_max, "the link is"),
    }


def _llama(bundle: Bundle) -> Facts:
    found = llm_probe_gpu.llama(bundle)
    if found is None:
        return dict.fromkeys(
            ("guest.variant", "guest.cuda", "guest.gpu_backend"), why(bundle, "llama.txt", "not asked")
        )
    return {
        "guest.variant": found.variant or Missing("llama.txt", "llama.cpp names none: it is built for one processor"),
        "guest.cuda": found.cuda or Missing("llama.txt", "no CUDA backend"),
        "guest.gpu_backend": bool(found.devices),
        "llama.devices": found.devices,
        "llama.command": tuple(bundle.files.get("command.txt", "").splitlines()),
    }
