"""The README and the guide say what the code does."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest
from starlette.routing import Route
from typer.main import get_command

from hls_sessions import Event, Supervisor
from hls_sessions.cli import app
from hls_sessions.cli.exits import BY_ERROR, Exit
from hls_sessions.settings import Settings
from hls_sessions.web import create_app
from hls_sessions.web.problems import STATUS

README = Path(__file__).parents[1] / "README.md"
GUIDE = README.parent / "hls_sessions" / "guide"
INDEX = GUIDE / "index.md"
PAGES = sorted(GUIDE.glob("*.md"))


def rows(page: str) -> list[list[str]]:
    """Return the cells of a page's tables, row by row, without their headings and backticks."""
    text = (GUIDE / page).read_text().replace("`", "")
    tables = re.findall(r"^\| ---[^\n]*\n((?:\|[^\n]*\n)+)", text, re.MULTILINE)
    return [[cell.strip() for cell in line.strip("|").split("|")] for table in tables for line in table.splitlines()]


@pytest.mark.parametrize("page", [README, *PAGES], ids=lambda page: page.name)
def test_every_link_leads_to_a_page(page):
    links = re.findall(r"\]\(([^)#:]+)\)", page.read_text())

    assert [link for link in links if not (page.parent / link).is_file()] == []


@pytest.mark.parametrize("page", [README, INDEX], ids=["README.md", "index.md"])
def test_every_page_is_listed(page):
    listed = re.findall(r"^- \[(\w+\.md)\]", page.read_text(), re.MULTILINE)

    assert sorted(listed) == [page.name for page in PAGES if page != INDEX]


def test_the_readme_lists_the_pages_as_the_guide_does():
    def listed(page):
        entries = re.findall(r"^- \[(\w+\.md)\]\([\w/]*\w+\.md\)(.+)", page.read_text(), re.MULTILINE)
        return dict(entries)

    assert listed(README) == listed(INDEX)


def test_the_example_of_the_readme_runs(hls_clip, hls_segments_dir, monkeypatch, capsys):
    film = hls_clip(name="big_buck_bunny.mp4", seconds=90, size="160x90", rate="10", pixels="yuv420p", gop=20)
    monkeypatch.setenv("HLS_SESSIONS_SEGMENTS_DIR", str(hls_segments_dir))
    monkeypatch.setenv("HLS_SESSIONS_ENCODER", "libx264")
    [example] = re.findall(r"```python\n(from hls_sessions import Supervisor.*?)```", README.read_text(), re.DOTALL)

    exec(example.replace("/films", str(film.parent)), {})

    assert "/video-copy/42.m4s" in capsys.readouterr().out


def test_every_setting_is_named_with_its_default_and_whether_it_changes():
    def shown(default: object) -> str:
        if isinstance(default, tuple):
            return ", ".join(default) or "none"
        return "none" if default is None else str(default).lower().removesuffix(".0")

    assert [cells[:3] for cells in rows("settings.md")] == [
        [name, shown(field.default), "yes" if name in Settings.changeable() else "no"]
        for name, field in Settings.model_fields.items()
    ]


def test_every_route_is_named():
    web = create_app(Supervisor())
    routes = {f"{method.upper()} {path}" for path, methods in web.openapi()["paths"].items() for method in methods}
    plain = [route for route in web.routes if type(route) is Route and route.include_in_schema]
    routes |= {f"{method} {route.path}" for route in plain for method in route.methods - {"HEAD"}}
    told = {cells[0].partition("?")[0] for cells in rows("http.md")}

    assert {re.sub(r"{(session|recording)_id}", "{id}", route) for route in routes if "/static/" not in route} == told


def test_every_command_is_named():
    assert {cells[0].split()[0] for cells in rows("cli.md")} >= get_command(app).commands.keys()


def test_every_exit_code_is_named():
    assert [cells[0] for cells in rows("cli.md") if cells[0].isdecimal()] == [str(code.value) for code in Exit]


def test_every_error_is_named_with_its_kind_status_exit_code_and_facts():
    def facts(error: type[Exception]) -> str:
        own = inspect.signature(error.__init__).parameters if "__init__" in vars(error) else ()
        return ", ".join(name for name in own if name not in {"self", "sentence"}) or "none"

    assert {tuple(cells) for cells in rows("errors.md")} == {
        (error.__name__, error.kind, str(STATUS[error].value), str(BY_ERROR[error].value), facts(error))
        for error in STATUS
    }


def test_every_event_is_named():
    told = {cells[0]: cells[1] for cells in rows("events.md")}

    assert told == {kind.__name__: kind.name for kind in Event.__subclasses__()}


def test_every_test_that_the_faults_name_is_there():
    named = set(re.findall(r"`(test_\w+)`", (GUIDE / "faults.md").read_text()))
    there = {
        name
        for path in Path(__file__).parent.rglob("test_*.py")
        for name in re.findall(r"def (test_\w+)", path.read_text())
    }

    assert named
    assert named - there == set()
