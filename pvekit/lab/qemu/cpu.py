"""Maps PVE's CPU types to QEMU's."""

from __future__ import annotations

from collections.abc import Mapping

from pvekit.lab.qemu.kvm import Accelerator
from pvekit.lab.qemu.values import options

# What PVE's own models add to qemu64 (x86-64-v*), from its documentation and real command lines.
_V2 = "+pni,+popcnt,+sse4.1,+sse4.2,+ssse3"
_V3 = f"+abm,+avx,+avx2,+bmi1,+bmi2,+f16c,+fma,+movbe,+xsave,{_V2}"
_MODELS = {
    "x86-64-v2": f"qemu64,{_V2}",
    "x86-64-v2-AES": f"qemu64,+aes,{_V2}",
    "x86-64-v3": f"qemu64,+aes,{_V3}",
    "x86-64-v4": f"qemu64,+aes,+avx512f,+avx512bw,+avx512cd,+avx512dq,+avx512vl,{_V3}",
}
_HYPERV = "hv_ipi,hv_relaxed,hv_reset,hv_runtime,hv_spinlocks=0x1fff,hv_stimer,hv_synic,hv_time,hv_vapic,hv_vpindex"


def cpu_model(config: Mapping[str, str], accelerator: Accelerator) -> str:
    """Return the value of ``-cpu``.

    Software emulation always gets ``max``, whatever was asked: it is the fastest there, and narrower sets make stock
    kernels fail (AES without AVX stops aesni_intel).
    """
    if accelerator.name == "tcg":
        return "max"
    pairs = options(config.get("cpu", "kvm64"), "cputype")
    wanted = pairs.get("cputype", "kvm64")
    model = "max" if wanted.startswith("custom-") else _MODELS.get(wanted, wanted)
    if config.get("ostype", "") in {"win8", "win10", "win11"}:
        model += f",{_HYPERV}"
    flags = [flag for flag in pairs.get("flags", "").split(";") if flag.startswith(("+", "-"))]
    if pairs.get("hidden") == "1":
        flags.append("kvm=off")
    return ",".join((model, *flags))


def topology(config: Mapping[str, str]) -> str:
    """Return the value of ``-smp``."""
    sockets, cores = int(config.get("sockets", "1")), int(config.get("cores", "1"))
    most = sockets * cores
    now = min(int(config.get("vcpus", most)), most)
    return f"{now},sockets={sockets},cores={cores},maxcpus={most}"


def memory(config: Mapping[str, str]) -> int:
    """Return the RAM in MiB."""
    return int(options(config.get("memory", "512"), "current").get("current", "512"))
