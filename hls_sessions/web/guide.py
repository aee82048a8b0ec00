"""The guide as pages: the same Markdown that ``hls-sessions guide`` shows, with the list of pages beside it.

``index.md`` lists the pages, and its headings are those of the list. The pages need no script, and link to each other
by relative addresses, so that they work under any prefix.
"""

from __future__ import annotations

import re
from functools import cache
from html import escape
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from starlette.routing import Route

from hls_sessions.media import CompressedText
from hls_sessions.web.answers import text_answer
from hls_sessions.web.pages import Markup, page

if TYPE_CHECKING:
    from collections.abc import Sequence

    from markdown_it.token import Token
    from markdown_it.utils import EnvType, OptionsDict
    from starlette.requests import Request
    from starlette.responses import Response

FOLDER: Final = Path(__file__).parents[1] / "guide"

INDEX: Final = "index"
"""The page that lists the others; it is at ``/guide`` itself."""

POLICY: Final = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'"
"""A page of the guide needs a style sheet and an icon, and nothing else."""

FILES: Final = {".json": "application/json", ".yml": "application/yaml"}
"""What the guide brings for other programs, by extension."""


class Heading(NamedTuple):
    """A heading of a page: its level, its anchor and its text."""

    level: int
    anchor: str
    text: str


class Rendered(NamedTuple):
    """A page as HTML."""

    headings: tuple[Heading, ...]
    html: str

    @property
    def title(self) -> str:
        """The text of its first heading."""
        return self.headings[0].text


async def index(_: Request) -> Response:
    """Answer with the page that lists the others."""
    return _page(INDEX, "guide/")


async def one(request: Request) -> Response:
    """Answer with a page, or with a file for other programs."""
    name = request.path_params["page"]
    if name in names():
        return _page(name, "")
    path = FOLDER / name
    if path.name == name and path.suffix in FILES and path.is_file():
        return text_answer(request, _text_of(path), FILES[path.suffix], {"Cache-Control": "no-cache"})
    text = f"<h1>There is no such page</h1>\n<p>The guide has no page <q>{escape(name)}</q>, but those listed here.</p>"
    return page(
        "guide.html",
        404,
        policy=POLICY,
        up="../",
        top="../guide",
        home="../",
        title="There is no such page",
        pages=Markup(_listed("", None, "")),
        text=Markup(text),
    )


@cache
def names() -> frozenset[str]:
    """Return the names of the pages, that of the index left out."""
    return frozenset(path.stem for path in FOLDER.glob("*.md")) - {INDEX}


@cache
def rendered(name: str, base: str = "") -> Rendered:
    """Return a page as HTML. Its links to other pages begin with ``base``."""
    text = (FOLDER / f"{name}.md").read_text(encoding="utf-8")
    parser = MarkdownIt("commonmark", renderer_cls=_Renderer).enable("table")
    tokens = parser.parse(text)
    headings = tuple(_headings(tokens))
    return Rendered(headings, parser.renderer.render(tokens, parser.options, {"base": base}))


def _page(name: str, base: str) -> Response:
    """Answer with a page; ``base`` leads from its address to the other pages."""
    shown = rendered(name, base)
    return page(
        "guide.html",
        policy=POLICY,
        up="" if base else "../",
        top="guide" if base else "../guide",
        home="./" if base else "../",
        title=shown.title,
        pages=Markup(_listed(base, name, _contents(shown.headings))),
        text=Markup(shown.html),
    )


@cache
def _text_of(path: Path) -> CompressedText:
    return CompressedText(path.read_text(encoding="utf-8"))


def _listed(base: str, shown: str | None, contents: str) -> str:
    """Return the list of pages, with the contents of the page that is shown."""
    parts: list[str] = []
    for line in (FOLDER / f"{INDEX}.md").read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            parts.append(f"{'</ul>' if parts else ''}<p>{escape(line[3:])}</p>\n<ul>")
        elif entry := re.match(r"- \[[^]]+\]\(([\w-]+)\.md\)", line):
            name = entry[1]
            here = ' aria-current="page"' if name == shown else ""
            label = escape(rendered(name).title)
            parts.append(f'<li><a href="{base}{name}"{here}>{label}</a>{contents if name == shown else ""}</li>')
    return "\n".join([*parts, "</ul>"])


def _contents(headings: Sequence[Heading]) -> str:
    entries = [f'<li><a href="#{each.anchor}">{escape(each.text)}</a></li>' for each in headings if each.level == 2]  # noqa: PLR2004 - <h2>
    return f"<ul>{''.join(entries)}</ul>" if entries else ""


def _headings(tokens: Sequence[Token]) -> list[Heading]:
    """Return the headings, and give each its anchor, as code forges do: the words in lower case, with hyphens."""
    found: list[Heading] = []
    for token, content in pairwise(tokens):
        if token.type == "heading_open":
            text = "".join(child.content for child in content.children or ())
            anchor = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
            if (same := sum(re.sub(r"-\d+$", "", each.anchor) == anchor for each in found)) > 0:
                anchor = f"{anchor}-{same}"
            token.attrSet("id", anchor)
            found.append(Heading(int(token.tag[1:]), anchor, text))
    return found


class _Renderer(RendererHTML):
    """Writes no HTML that stands in a page, leads links to the pages as HTML, and lets what is wide be scrolled."""

    def html_block(self, *_: object) -> str:
        """Leave out comments, for which alone the guide has HTML."""
        return ""

    def html_inline(self, *_: object) -> str:
        """Leave them out within a line, too."""
        return ""

    def link_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        """Lead a link to a page of the guide to where it is as HTML."""
        target = str(tokens[idx].attrs["href"])
        if found := re.fullmatch(r"([\w-]+)(\.md)?(#.*)?", target):
            tokens[idx].attrSet("href", f"{env['base']}{found[1]}{found[3] or ''}")
            if tokens[idx + 1].content == f"{found[1]}.md":
                tokens[idx + 1].content = found[1]
        elif re.fullmatch(r"[\w-]+\.(json|yml)", target):
            tokens[idx].attrSet("href", f"{env['base']}{target}")
        return self.renderToken(tokens, idx, options, env)

    def fence(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:  # noqa: ARG002 - the renderer's signature
        """Write a block of code that can be scrolled with the keyboard."""
        return f'<pre tabindex="0"><code>{escape(tokens[idx].content)}</code></pre>\n'

    code_block = fence

    def table_open(self, *_: object) -> str:
        """Begin a table that can be scrolled with the keyboard where it is wider than the screen."""
        return '<div class="table" tabindex="0"><table>\n'

    def table_close(self, *_: object) -> str:
        """End a table."""
        return "</table></div>\n"

    def heading_close(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        """End a heading with a link to itself."""
        opened = next(token for token in reversed(tokens[:idx]) if token.type == "heading_open")
        text = "".join(child.content for child in tokens[idx - 1].children or ())
        link = f' <a class="anchor" href="#{opened.attrs["id"]}" aria-label="Link to: {escape(text)}">#</a>'
        return f"{link}{self.renderToken(tokens, idx, options, env)}"


open_routes = [
    Route("/guide", index),
    Route("/guide/{page}", one),
]
"""Open without a token, because the guide is documentation and the same for all."""
