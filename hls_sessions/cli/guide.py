"""``hls-sessions guide``: the guide that ships with the package."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markdown import Markdown

from hls_sessions.cli.exits import Exit
from hls_sessions.cli.screen import complain, print_rows

FOLDER = Path(__file__).parents[1] / "guide"


def guide(
    page: Annotated[str | None, typer.Argument(metavar="[PAGE]", help="Its name, as the list of pages has it.")] = None,
) -> None:
    """List the pages of the guide, or show one."""
    pages = {path.stem: path for path in sorted(FOLDER.glob("*.md"))}
    if page is None:
        print_rows(("PAGE", "ABOUT"), ((name, _about(path)) for name, path in pages.items()))
        return
    path = pages.get(page.removesuffix(".md"))
    if path is None:
        complain(f"The guide has no page {page!r}. Its pages are {', '.join(pages)}.")
        raise typer.Exit(Exit.USAGE)
    text = path.read_text(encoding="utf-8")
    if sys.stdout.isatty():
        console = Console()
        with console.pager(styles=True):
            console.print(Markdown(text))
    else:
        sys.stdout.write(text)


def _about(path: Path) -> str:
    """Return the title of a page."""
    return path.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")
