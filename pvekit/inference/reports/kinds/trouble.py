"""Lines of trouble that llama.cpp, ollama, a driver, Docker or the kernel print, and what they mean as facts."""

from __future__ import annotations

import re

from pvekit.inference.reports.found import Found
from pvekit.inference.reports.lines import Text

_ERRORS = re.compile(
    r"no kernel image is available|CUDA driver version is insufficient|no usable GPU found"
    r"|failed to initialize CUDA|ggml_cuda_init: failed"
    r"|no CUDA-capable device|compiled without (?:GPU|CUDA) support|without GPU support"
    r"|not compiled with (?:GPU|CUDA)|no compatible GPUs were discovered"
    r"|does not have (?:AVX|vector|minimum vector)|cudaMalloc failed|CUDA error"
    r"|hipErrorNoBinaryForGpu|unsupported toolchain|unknown PTX"
    r"|failed to mlock|NVRM: |\bXid\b|fallen off the bus|Out of memory: Killed|oom-kill"
    r"|failed to allocate|unable to allocate|ErrorOutOfDeviceMemory"
    r"|could not select device driver|nvidia-container-cli|Failed to initialize NVML"
    r"|couldn't communicate with the NVIDIA driver|unable to load CUDA|nvcuda"
    r"|insufficient VRAM|gpu VRAM usage didn't recover|No devices were found|RmInitAdapter failed"
    r"|legacy drivers|will ignore this GPU|not supported by the NVIDIA"
    r"|CPU does not support|Illegal instruction|requires? (?:AVX|compute capability)|too old"
    r"|skipping|low vram|CPU backend could not|fall(?:ing)? back to CPU|llvmpipe"
    r"|warning: not compiled|disabling GPU|GPU inference disa|will not fit"
    r"|model requires more system memory|ggml_backend_load_best"
    r"|see main README.md for information on enabling",
    re.IGNORECASE,
)
_SERIOUS = re.compile(
    r"^(?:\[ *\d+\.\d+\]|time=|ggml_|llama|llm_|load_|warning|error|Error|docker|NVRM|CUDA|WARN"
    r"|\S+: (?:warning|error)|nvidia|Failed|No devices|ollama"
    r"|NVIDIA-SMI|main:|could not|Illegal|level=|panic|terminate|WARNING|CPU does|no usable"
    r"|\s+the |GPU\b|\S{0,40}:\d+:)|level=|NVRM|Xid|msg="
)
_NO_GPU = re.compile(
    r"no usable GPU found|failed to initialize CUDA|ggml_cuda_init: failed|no CUDA-capable device"
    r"|no compatible GPUs were discovered|compiled without (?:GPU|CUDA) support"
    r"|not compiled with (?:GPU|CUDA)|disabling GPU|GPU inference disa"
    r"|couldn't communicate with the NVIDIA driver|could not select device driver"
    r"|Failed to initialize NVML|No devices were found",
    re.IGNORECASE,
)


_UNMISTAKABLE = re.compile(
    r"CUDA error: no kernel image is available|\bno kernel image is available for execution",
    re.IGNORECASE,
)
"""What nobody writes but a program, also where a person quotes it."""


def read(text: Text, found: Found) -> None:
    """Keep lines that a program printed; a person's sentence about an error is prose."""
    for line in text.lines:
        quoted = _UNMISTAKABLE.search(line.text) is not None and _SERIOUS.search(line.text.strip()) is None
        if _ERRORS.search(line.text) is None or (_SERIOUS.search(line.text.strip()) is None and not quoted):
            continue
        if "libnvcuda" in line.text or "ggml_backend_load_best: failed to enumerate" in line.text:
            continue
        found.error(line)
        if not quoted:
            found.take(line)
        if _NO_GPU.search(line.text):
            found.say("guest.gpu_backend", False, line)
        elif "no kernel image" in line.text:
            found.say("guest.gpu_backend", True, line)
