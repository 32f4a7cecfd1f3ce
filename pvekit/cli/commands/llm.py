"""pvekit llm."""

from __future__ import annotations

import click

import pvekit.cli.llm
from pvekit.cli.folder import Folder


@click.group(cls=Folder, package=pvekit.cli.llm)
def command() -> None:
    """Say what a machine does with a language model, and why.

    A model is a GGUF file, an address of one, or the name of a shape such as qwen2.5-14b. Nothing is downloaded to
    predict its speed.
    """
