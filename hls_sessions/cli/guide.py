"""``hls-sessions guide``: the guide that ships with the package."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from hls_sessions.cli.client import AsJson
from hls_sessions.cli.exits import Exit
from hls_sessions.cli.screen import complain, print_json, print_rows

FOLDER = Path(__file__).parents[1] / "guide"


def complete_page(incomplete: str) -> list[tuple[str, str]]:
    """Return the pages that begin so, for the shell."""
    return [(name, about) for name, about in pages_of_guide().items() if name.startswith(incomplete)]


def guide(
    page: Annotated[
        str | None,
        typer.Argument(metavar="[PAGE]", help="Its name, as the list of pages has it.", autocompletion=complete_page),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the pages of the guide, or show one."""
    pages = {path.stem: path for path in sorted(FOLDER.glob("*.md"))}
    if page is None:
        about = pages_of_guide()
        if as_json:
            print_json([{"page": name, "about": title} for name, title in about.items()])
        else:
            print_rows(("PAGE", "ABOUT"), about.items())
        return
    path = pages.get(page.removesuffix(".md"))
    if path is None:
        complain(f"The guide has no page {page!r}. Its pages are {', '.join(pages)}.")
        raise typer.Exit(Exit.USAGE)
    text = path.read_text(encoding="utf-8")
    if as_json:
        print_json({"page": path.stem, "about": _about(path), "text": text})
    elif sys.stdout.isatty():
        from rich.console import Console  # noqa: PLC0415 - the other commands answer sooner without it
        from rich.markdown import Markdown  # noqa: PLC0415 - the same

        # As git does: colours are shown, and a page that fits the screen is just printed.
        os.environ.setdefault("LESS", "FRX")
        console = Console()
        with console.pager(styles=True):
            console.print(Markdown(text))
    else:
        sys.stdout.write(text)


def pages_of_guide() -> dict[str, str]:
    """Return the titles of the pages, by name."""
    return {path.stem: _about(path) for path in sorted(FOLDER.glob("*.md"))}


def _about(path: Path) -> str:
    """Return the title of a page."""
    return path.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")
