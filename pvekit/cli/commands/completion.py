"""pvekit completion."""

from __future__ import annotations

import click


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print the completion script of a shell.

    bash: pvekit completion bash >> ~/.bashrc

    zsh: pvekit completion zsh >> ~/.zshrc

    fish: pvekit completion fish > ~/.config/fish/completions/pvekit.fish
    """
    from click.shell_completion import get_completion_class

    from pvekit.cli.main import pvekit_group

    kind = get_completion_class(shell)
    assert kind is not None  # noqa: S101 - click knows the three shells of the choice
    click.echo(kind(pvekit_group, {}, "pvekit", "_PVEKIT_COMPLETE").source())
