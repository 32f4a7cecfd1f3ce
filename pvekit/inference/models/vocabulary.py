"""A vocabulary for models without one: every byte is a token, the rest are made-up words."""

from __future__ import annotations

from collections.abc import Mapping

from pvekit.inference.models.container import Entry, Signed

_NORMAL, _CONTROL = 1, 3
_TEMPLATE = (
    "{% for message in messages %}{{ message['role'] + ': ' + message['content'] + '\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}"
)
_SYLLABLES = ("ba", "de", "fi", "go", "hu", "ka", "le", "mi", "no", "pu", "ra", "se", "ti", "vo", "wu", "za")


_OF_PHI = ("<unk>", "<s>", "</s>", "<|endoftext|>")
"""llama.cpp (src/llama-vocab.cpp) demands these of every file whose name says Phi-3."""


def vocabulary(size: int, name: str = "") -> Mapping[str, Entry]:
    """Return the tokenizer's metadata for ``size`` tokens, at least 263, of a model that calls itself ``name``."""
    tokens = [_byte(number) for number in range(256)]
    merged = tokens[ord("t")] + tokens[ord("h")]
    tokens.append(merged)
    tokens += ["<|begin|>", "<|end|>"]
    if any(word in name.lower() for word in ("phi-3", "phi3")):
        tokens += _OF_PHI
    kinds = [_NORMAL] * 257 + [_CONTROL] * (len(tokens) - 257)
    for number in range(len(tokens), size):
        tokens.append(f"Ġ{_word(number)}")
        kinds.append(_NORMAL)
    return {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "gpt-2",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": Signed(kinds),
        "tokenizer.ggml.merges": ["t h"],
        "tokenizer.ggml.bos_token_id": 257,
        "tokenizer.ggml.eos_token_id": 258,
        "tokenizer.ggml.add_bos_token": True,
        "tokenizer.chat_template": _TEMPLATE,
    }


def _byte(number: int) -> str:
    """Return the sign that GPT-2's vocabulary writes for a byte: itself when it can be seen, else one beyond 255."""
    seen = [*range(33, 127), *range(161, 173), *range(174, 256)]
    if number in seen:
        return chr(number)
    return chr(256 + number - sum(1 for one in seen if one < number))


def _word(number: int) -> str:
    """Return a word of its own for each number."""
    word = ""
    while number:
        number, rest = divmod(number, len(_SYLLABLES))
        word = _SYLLABLES[rest] + word
    return word
