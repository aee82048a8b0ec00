"""The screen: totals, the table or one session, and a line for the operator, in exactly as many lines as there are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from rich.text import Text

from hls_sessions.cli.screen import STYLES, clock_time, counted, printable
from hls_sessions.cli.top.columns import fitting, size
from hls_sessions.cli.top.view import Mode

if TYPE_CHECKING:
    from hls_sessions.cli.top.columns import Column
    from hls_sessions.cli.top.look import Look
    from hls_sessions.cli.top.rows import Row
    from hls_sessions.cli.top.view import View

HEADER: Final = 4
"""Lines above the table: three of totals, and the names of the columns."""

FOOTER: Final = 1

KEYS: Final = "? help  q quit  ↑↓ select  enter details  x stop  p pause  r resume  / filter  ←→ sort  o reverse"

HELP: Final = """\
up, down, j, k        select a row; also page up and down, home and end (g, G)
enter                 show the session: its facts, its renditions and its log
x                     stop the selected session, after a question
p                     pause it
r                     let it go on
/                     filter by words: of the id, state, user, title or file; escape undoes it
left, right           sort by the next or the last column; no column is the order of opening
I S U T P N E         sort by id, state, user, title, position, renditions, encoders
R D V W X             … by restarts, disk, viewers, waits, time until it expires
o                     reverse the order; so does the key of the column again
q, Ctrl-C             quit

ENCODERS says how many there are, how many times as fast as the film the slowest is, and how
far the one that is nearest to the viewer is ahead. "held" are those that are far enough ahead.
POSITION is that of the viewer. A recording is marked [rec]; "kept" is one that is over."""

SORTED: Final = {False: "▾", True: "▴"}


def picture(view: View, look: Look, trouble: str | None, url: str, width: int, height: int) -> list[Text]:
    """Return the lines of the screen, each of which has ``width`` columns at most."""
    body = max(1, height - HEADER - FOOTER)
    view.fit(body)
    if view.mode is Mode.HELP:
        lines = [Text("KEYS", style="bold"), *map(Text, HELP.splitlines())]
    elif view.mode is Mode.DETAILS:
        lines = _details(view, look, body + 1)
    else:
        lines = _table(view, width)
    lines = [*_totals(view, look, trouble, url), *lines]
    lines = [*lines[: height - FOOTER], *(Text() for _ in range(height - FOOTER - len(lines))), _footer(view)]
    for line in lines:
        line.truncate(width, overflow="ellipsis")
    return lines


def _totals(view: View, look: Look, trouble: str | None, url: str) -> list[Text]:
    stats, health = look.stats, look.health
    counts = {state: stats["by_state"][state] for state in ("pending", "active", "paused")}
    states = ", ".join(f"{many} {state}" for state, many in counts.items() if many)
    limit = f" of {health['max_encoders']}" if health["max_encoders"] else ""
    waits = stats["first_segment"]["median"]
    filtered = f", {len(view.shown)} of {view.total} shown" if view.filter else ""
    disk = sum(session["bytes_on_disk"] for session in look.sessions)
    used = "" if health["disk_used"] is None else f", {health['disk_used']:.0%} used"
    first = Text.assemble(("hls-sessions ", "bold"), printable(url), f"  up {clock_time(health['uptime'])}  sort ")
    order = "opened" if view.sort is None else view.sort.name.lower()
    first.append(f"{order}{' reversed' if view.reverse else ''}{filtered}")
    second = Text.assemble(
        ("sessions ", "bold"), f"{stats['living']} of {stats['max_sessions']}{f' ({states})' if states else ''}  ",
        ("encoders ", "bold"), f"{stats['encoders']}{limit}, {stats['encoders_held']} held  ",
        ("waits ", "bold"), f"{stats['viewers_waiting']}{'' if waits is None else f', median {waits:.2f} s'}  ",
        ("disk ", "bold"), f"{size(disk)}{used}",
    )  # fmt: skip
    return [first, second, _health(health, trouble)]


def _health(health: dict[str, Any], trouble: str | None) -> Text:
    if trouble is not None:
        return Text(f"Trying again … {printable(trouble)}", style="bold red")
    status = health["status"]
    reasons = " ".join(health["reasons"])
    return Text.assemble(("health ", "bold"), (status, STYLES.get(status, "")), f"  {printable(reasons)}")


def _table(view: View, width: int) -> list[Text]:
    columns = fitting(width)
    heading = Text(style="reverse")
    for column, room in columns:
        mark = SORTED[view.reverse] if view.sort is column else ""
        _add(heading, f"{column.name}{mark}", room, column)
    heading.pad_right(max(0, width - len(heading)))
    shown = view.shown[view.first : view.first + view.height]
    rows = [_line(row, columns, width, is_selected=row.id == view.selected) for row in shown]
    if not rows:
        rows = [Text("No session meets the filter; escape undoes it." if view.filter else "No session is open.")]
    return [heading, *rows]


def _line(row: Row, columns: list[tuple[Column, int]], width: int, *, is_selected: bool) -> Text:
    line = Text()
    for column, room in columns:
        style = ""
        if column.name == "STATE":
            style = STYLES.get(row.state, "dim")
        elif (column.name == "WAITS" and row.waits) or (column.name == "RESTARTS" and row.restarts):
            style = "yellow"
        _add(line, column.cell(row), room, column, style)
    if is_selected:
        line.pad_right(max(0, width - line.cell_len))
        line.stylize("reverse")
    return line


def _add(line: Text, value: str, room: int, column: Column, style: str = "") -> None:
    """Add a cell to a line, in exactly as many columns as it has."""
    if line:
        line.append(" ")
    cell = Text(printable(value), style=style)
    cell.truncate(room, overflow="crop" if column.name == "ID" else "ellipsis")
    space = " " * (room - cell.cell_len)
    line.append_text(Text.assemble(space, cell) if column.is_number else Text.assemble(cell, space))


def _details(view: View, look: Look, height: int) -> list[Text]:
    row = view.row
    if row is None:
        return [Text("It is not there any more.")]
    lines = _facts(row) + _encoding(row) + _log(look)
    view.scroll = max(0, min(view.scroll, len(lines) - height))
    return lines[view.scroll : view.scroll + height]


def _facts(row: Row) -> list[Text]:
    whole = row.whole
    facts: dict[str, object] = {"session" if row.is_session else "recording": row.id, "state": row.state}
    facts |= {"user": row.user, "title": row.title}
    if row.is_session:
        facts |= {
            "media": whole["media"],
            "source": whole["source"],
            "position": f"{clock_time(whole['position'])} of {clock_time(row.length)}",
            "spent": ", ".join(f"{name} {clock_time(spent)}" for name, spent in whole["seconds_in"].items() if spent),
            "expires in": clock_time(whole["expires_in"]),
            "viewers": f"{row.viewers}, {row.waits} wait",
            **counted(whole),
            "restarts": ", ".join(f"{times} {what}" for what, times in whole["restarts"].items()) or "none",
            "packager": whole["packager"] and f"pid {whole['packager']}",
            "directory": whole["directory"],
            "lacks": ", ".join(whole["lacks"]) or None,
        }
        facts |= {f"note {number}": note for number, note in enumerate(whole["notes"], 1)}
    else:
        facts |= {"length": clock_time(row.length), "bytes": f"{row.disk:,}", "is over": whole["over"]}
    known = {name: value for name, value in facts.items() if value is not None}
    width = max(map(len, known))
    return [Text.assemble((f"{name:<{width}}  ", "bold"), printable(str(value))) for name, value in known.items()]


def _encoding(row: Row) -> list[Text]:
    if not row.is_session:
        return []
    runs: dict[str, list[str]] = {}
    for run in row.whole["runs"]:
        held = ", held" if run["held"] else ""
        runs.setdefault(run["rendition"], []).append(f"{run['encoder']}, pid {run['pid']}, at {run['next']}{held}")
    lines = [Text(), Text(f"{'RENDITION':<20} {'ON DISK':>14}  ENCODER", style="bold")]
    for rendition in row.whole["renditions"]:
        on_disk = f"{rendition['published']} of {rendition['segments']}"
        does = "; ".join(runs.get(rendition["id"], ["-"]))
        lines.append(Text(printable(f"{rendition['id']:<20} {on_disk:>14}  {does}")))
    return lines


def _log(look: Look) -> list[Text]:
    lines = [Text(), Text("LOG", style="bold")]
    for entry in look.log:
        said = [*entry["lines"], *([f"({entry['ended']})"] if entry["ended"] else [])]
        lines += [Text(printable(f"{entry['at']}  {entry['process']}  {line}")) for line in said]
    return lines


def _footer(view: View) -> Text:
    match view.mode:
        case Mode.FILTER:
            return Text.assemble(("filter: ", "bold"), view.filter, ("▏", "blink"))
        case Mode.QUESTION:
            return Text(printable(view.question), style="bold yellow")
        case Mode.HELP:
            return Text("any key goes back", style="dim")
        case Mode.DETAILS if not view.said:
            return Text("↑↓ scroll  x stop  p pause  r resume  escape back", style="dim")
    return Text(printable(view.said), style="bold") if view.said else Text(KEYS, style="dim")
