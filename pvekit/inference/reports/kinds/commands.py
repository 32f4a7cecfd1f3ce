"""Command lines, Modelfiles and options that people paste: what was asked for."""

from __future__ import annotations

import re

from pvekit.inference.reports import names
from pvekit.inference.reports.found import PRINTED, Found
from pvekit.inference.reports.lines import Line, Text
from pvekit.inference.reports.prose.rates import speeds

_COMMAND = re.compile(
    r"(?:^|[\s/\\`\"'$>])(?:llama-(?:server|cli|bench|simple|run|batched-bench|completion)"
    r"|llama\.cpp/\S+|\./(?:main|server)|main\.exe|koboldcpp(?:\.py|\.exe|-linux\S*)?"
    r"|llama_cpp\.server|llamafile|ollama_llama_server|ik_llama\S*"
    r"|local-?score\S*)(?:\.exe)?(?=\s|`|\"|$)(?!:)"
)
_MODEL = re.compile(r"(?:^|\s)(?:-m|--model|-hf|--hf-repo|-hfr|MODEL=)[ =]\"?'?(\S{3,300}?)[\"'`]?(?=\s|$|\\)")
_OPTION = re.compile(
    r"(?:^|\s)(-t|--threads|--thread|-ngl|--n-gpu-layers|--gpu-layers|--gpulayers|-c|--ctx-size"
    r"|--contextsize|-b|--batch-size|-fa|--flash-attn|--no-mmap|--mlock|-ctk|--cache-type-k|-ctv"
    r"|--cache-type-v|-nkvo|--numa)(?:[ =]([\w,.-]{1,40}))?(?=\s|`|$|\"|\\)"
)
_PARAMETER = re.compile(
    r"(?:PARAMETER |/set parameter |\"|\b)(num_thread|num_gpu|num_ctx|n_gpu_layers|n_threads"
    r"|n_ctx)\"?(?: ?[=:] ?| to '?|\s{1,4})\"?(-?\d{1,7})\b"
)
_NAMES = {
    **dict.fromkeys(("-t", "--threads", "--thread", "num_thread", "n_threads"), "knob.threads"),
    **dict.fromkeys(
        ("-ngl", "--n-gpu-layers", "--gpu-layers", "--gpulayers", "num_gpu", "n_gpu_layers"), "knob.gpu_layers"
    ),
    **dict.fromkeys(("-c", "--ctx-size", "--contextsize", "num_ctx", "n_ctx"), "knob.context"),
}


def read(text: Text, found: Found) -> None:
    """Read commands (also those that go on over lines with a backslash) and parameters."""
    running = False
    for line in text.lines:
        begins = _COMMAND.search(line.text) is not None
        if (begins or running) and ("numactl" in line.text or "--numa" in line.text):
            found.say("sign.nodes_matter", True, line)
        if begins or running:
            # A speed behind a command is what a person says of it: the reader of prose takes both.
            _options(line, found, taken=(_is_command(line) or running) and not any(True for _ in speeds(line.text)))
            running = line.text.rstrip().endswith(("\\", "`", "^")) and (begins or running)
        if "llm_load" in line.text or "llama_" in line.text or "print_info" in line.text:
            continue
        # In a sentence it belongs to the speed beside it, which only the reader of prose can say.
        if re.search(r"PARAMETER |/set parameter |\"num_\w+\"\s?:|^\s*(?:num_|n_)\w+\s?[:=]\s?-?\d+\s*,?$", line.text):
            found.take(line)
            for key, value in _PARAMETER.findall(line.text):
                found.say(_NAMES[key], int(value), line)


def _is_command(line: Line) -> bool:
    start = line.text.lstrip(" $#>%`\t")
    return (
        _COMMAND.match(" " + start) is not None
        or re.match(
            r"^(?:sudo|numactl|taskset|docker|podman|nohup|time|[A-Z_]+=|\.?/|[A-Z]:\\|[\w@:~/.-]+[$#%>] ?)", start
        )
        is not None
    )


def _options(line: Line, found: Found, *, taken: bool) -> None:
    if taken:
        found.take(line)
    if match := _MODEL.search(line.text):
        named = names.one(re.split(r"[/\\]", match.group(1))[-1], line.seen(), printed=True) or names.one(
            match.group(1), line.seen(), printed=True
        )
        if named is not None:
            found.model(named)
    for option, value in _OPTION.findall(line.text):
        if option == "--no-mmap":
            found.say("knob.mapped", False, line)
        elif option in {"-ctk", "--cache-type-k"} and value:
            found.say("knob.type_k", value, line)
        elif option in {"-ctv", "--cache-type-v"} and value:
            found.say("knob.type_v", value, line)
        elif option in {"-fa", "--flash-attn"}:
            found.say("knob.flash", value not in {"0", "off"}, line)
        elif option in _NAMES and re.fullmatch(r"-?\d{1,7}", value):
            found.say(_NAMES[option], int(value), line, PRINTED)
