"""What people call a fact that programs know by a dotted name."""

from __future__ import annotations

_NAMES = {
    "cpu.name": "Processor", "cpu.sockets": "Sockets", "cpu.cache": "Cache", "memory.hugepages": "Huge pages",
    "guest.virtual": "Guest is a VM", "guest.emulated": "Processor is emulated",
    "guest.isa": "Instruction set in the guest",
    "guest.variant": "CPU backend loaded",
    "guest.cpus": "CPUs of the guest", "guest.memory": "Memory of the guest", "guest.available": "Memory available",
    "guest.swap_used": "Swap used", "guest.steal_percent": "Time stolen (percent)", "guest.driver": "GPU driver",
    "guest.cuda": "CUDA", "guest.gpu_backend": "GPU backend found", "guest.gpu_layers": "Layers on cards",
    "guest.gpu_bytes": "Weights on cards", "guest.context": "Context", "guest.major_faults": "Major page faults",
    "guest.disk_read": "Read from disk (MB/s)", "guest.gpu_busy_percent": "GPU busy (percent)",
    "host.populated_channels": "Memory channels in use", "host.channels": "Memory channels of the board",
    "host.megatransfers": "Memory speed (MT/s)", "host.triad": "Memory bandwidth measured (GB/s)",
    "host.governor": "Frequency governor", "host.throttled": "Throttled", "host.temperature": "Temperature (°C)",
    "host.clock_ghz": "Clock under load (GHz)", "host.ksm_sharing": "Pages that KSM shares",
    "host.balloon": "Memory the balloon took", "host.numa_nodes": "NUMA nodes",
    "host.numa_split": "Split over NUMA nodes",
    "host.cpu_type": "CPU type of the VM", "host.vcpus": "vCPUs of the VM", "host.cores": "Cores of the host",
    "host.threads": "Threads of the host", "host.load": "Load of the host", "host.disk": "Disk of the model",
    "host.link_generation": "PCIe generation", "host.link_width": "PCIe lanes",
    "host.link_generation_max": "PCIe generation of the slot", "host.link_width_max": "PCIe lanes of the slot",
    "host.link_under_load": "PCIe link read under load", "run.threads": "Threads of the run",
    "run.depth": "Depth of the run", "host": "Facts of the host", "model": "The model", "runs": "Measured speeds",
}  # fmt: skip


def title(name: str) -> str:
    """Return what people call a fact."""
    return _NAMES.get(name, name)


def within(name: str) -> str:
    """Return the same as it stands within a sentence."""
    found = title(name)
    return found[:1].lower() + found[1:] if found[1:2].islower() else found
