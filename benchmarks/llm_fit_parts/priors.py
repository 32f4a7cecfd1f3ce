"""Where each coefficient starts and how far it may go: (mean, standard deviation), in log space.

Reading is the logit of the share of the peak bandwidth, kernel the log of weights per cycle and core (per integer GFLOP
of a card), layer the log of seconds per layer, matrix the log of operations per cycle and core (per GFLOP). Means other
than 0 come from the measurements in the project's notes: 2.4 weights per cycle with AVX2, 20 to 30 operations a cycle,
and 4.94 tokens/s of two E5-2690 v4 at 14B against 5.8 of one E5-2697A v4 (two sockets hardly read faster than one).
What starts with ``localscore`` is how LocalScore's program differs from llama.cpp (its cards of AMD run without matrix
instructions, its newest ones without code of their own), ``early`` how llama.cpp of 2024 does.
"""

from __future__ import annotations

DECODE = {
    "cpu": {
        "reading": {
            "one": (0.85, 0.5), "server": (-0.3, 0.4), "sbc": (-0.8, 0.4), "apple": (-0.5, 0.4), "ddr3": (0.0, 0.3),
            "ddr5": (0.0, 0.3), "thin": (0.0, 0.3), "mobile": (0.0, 0.3), "windows": (0.0, 0.3),
            "channels": (-0.1, 0.15),
            "dual": (-1.3, 0.3), "amd": (0.0, 0.2), "localscore": (-0.02, 0.05),
        },
        "kernel": {
            "one": (0.88, 0.3), "mobile": (-0.2, 0.2), "thin": (-0.2, 0.2), "windows": (-0.1, 0.2),
            "hybrid": (-0.3, 0.2), "amd": (0.0, 0.15), "sse": (-0.15, 0.1), "avx": (0.0, 0.1),
            "localscore_avx": (0.0, 0.3),
            "sbc": (0.0, 0.3), "cores": (-0.1, 0.15), "localscore": (-0.03, 0.05),
        },
        "layer": {
            "one": (-8.3, 0.7), "windows": (0.0, 0.3), "mobile": (0.0, 0.3), "thin": (0.0, 0.3), "cores": (0.0, 0.3),
            "server": (0.0, 0.5), "sbc": (0.5, 0.7), "localscore": (0.2, 0.2),
        },
    },
    "gpu": {
        "reading": {
            "one": (1.0, 0.5), "pascal": (0.0, 0.3), "turing": (0.0, 0.3), "ada": (0.0, 0.3), "blackwell": (0.0, 0.3),
            "hbm": (0.0, 0.5), "amd": (-0.3, 0.3), "intel": (-0.5, 0.25), "apple": (0.0, 0.4), "laptop": (0.0, 0.2),
            "small": (0.0, 0.3), "bandwidth": (-0.1, 0.15), "localscore": (-0.2, 0.3), "localscore_amd": (-0.6, 0.5),
            "localscore_apple": (-0.4, 0.4), "early": (-0.1, 0.15), "early_apple": (-0.4, 0.4),
        },
        "kernel": {
            "one": (4.7, 0.7), "pascal": (-0.5, 0.5), "turing": (0.0, 0.3), "apple": (-0.5, 0.3), "amd": (0.0, 0.3),
            "hbm": (0.0, 0.3), "localscore_amd": (-0.6, 0.5), "localscore_apple": (-0.3, 0.3),
            "early_apple": (-0.3, 0.3),
        },
        "layer": {
            "one": (-9.0, 1.0), "pascal": (0.5, 0.5), "turing": (0.0, 0.5), "ada": (0.0, 0.5), "blackwell": (0.0, 0.2),
            "hbm": (0.3, 0.5), "amd": (0.2, 0.3), "intel": (0.7, 0.3), "apple": (0.3, 0.5), "laptop": (0.0, 0.3),
            "bandwidth": (0.0, 0.2), "localscore": (0.0, 0.2), "localscore_hbm": (1.0, 0.7),
            "weak_host": (1.0, 0.5), "localscore_amd": (0.8, 0.5), "localscore_blackwell": (0.5, 0.7),
            "localscore_apple": (0.0, 0.3),
        },
    },
}  # fmt: skip

PREFILL = {
    "cpu": {"matrix": {
        "one": (3.0, 0.5), "server": (0.0, 0.3), "sbc": (0.0, 0.4), "apple": (0.0, 0.3), "mobile": (-0.2, 0.2),
        "thin": (-0.2, 0.2), "windows": (-0.1, 0.2), "hybrid": (-0.2, 0.3), "amd": (0.0, 0.3), "sse": (0.0, 0.15),
        "avx": (0.0, 0.15), "localscore_sse": (-0.3, 0.5), "localscore_avx": (-0.3, 0.5), "wide": (0.0, 0.3),
        "cores": (-0.1, 0.2), "ddr5": (0.0, 0.2), "size": (0.0, 0.2),
    }},
    "gpu": {"matrix": {
        "one": (6.9, 0.7), "pascal": (-0.3, 0.5), "turing": (0.0, 0.5), "ada": (0.0, 0.3), "blackwell": (0.0, 0.3),
        "hbm": (0.0, 0.5), "amd": (-0.7, 0.5), "intel": (0.0, 0.7), "apple": (-0.3, 0.5), "laptop": (0.0, 0.3),
        "bandwidth": (-0.1, 0.2), "localscore": (0.0, 0.2), "localscore_amd": (-0.3, 0.5), "small": (0.0, 0.3),
        "size": (0.0, 0.3),
    }},
}  # fmt: skip
SCALE = {"decode": 0.2, "prefill": 0.25}
"""Scale of the residuals: about what half of the machines keep to."""
