"""pvekit llm report."""

from __future__ import annotations

from pathlib import Path

import click

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.argument("results", nargs=-1, required=True, type=_FILE, metavar="RESULTS...")
@click.option("--html", type=_FILE, metavar="FILE", help="The page. Default: next to the first results.")
@click.option("--md", type=_FILE, metavar="FILE", help="The tables and sentences as Markdown.")
@click.option("--png", type=_FILE, metavar="FILE", help="The page as a picture; needs a browser.")
@click.option("--dark", is_flag=True, help="The picture on a dark ground.")
def command(results: tuple[Path, ...], html: Path | None, md: Path | None, png: Path | None, dark: bool) -> None:
    """Make one page of benchmark results.

    RESULTS are files that pvekit llm bench wrote; several are machines side by side. Names of hosts, addresses and
    home folders are replaced.
    """
    from datetime import UTC, datetime

    from pvekit.adapters import browser
    from pvekit.workflows import llm_report as work

    if dark and png is None:
        raise click.UsageError("--dark goes with --png.")
    if html is None and md is None and png is None:
        html = results[0].with_suffix(".html")
    work.refuse_existing([path for path in (html, md, png) if path is not None])
    if png is not None:
        browser.need()
    page = work.of_files(results)
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    if html is not None:
        work.save(html, work.html(page, when=today))
        click.echo(f"{html}: the page")
    if md is not None:
        work.save(md, work.text(page, when=today))
        click.echo(f"{md}: the tables")
    if png is not None:
        work.save(png, work.png(page, when=today, scheme="dark" if dark else "light"))
        click.echo(f"{png}: the picture")
