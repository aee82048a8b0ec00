"""What keys do, how rows are sorted, and what is drawn, without a terminal and without a daemon."""

from __future__ import annotations

import pytest
from rich.cells import cell_len

from hls_sessions.cli.top.columns import COLUMNS, encoders, fitting, size
from hls_sessions.cli.top.keyboard import keys_of
from hls_sessions.cli.top.look import Look
from hls_sessions.cli.top.picture import picture
from hls_sessions.cli.top.rows import Pace, rows_of
from hls_sessions.cli.top.view import Action, Mode, Verb, View


def session(number: int, **more) -> dict:
    """Return what a daemon says of a session of ten minutes, in 300 segments."""
    rendition = {"id": "video-360p", "segments": 300, "published": 3}
    return {
        "session_id": f"{number:08}-0000-4000-8000-000000000000",
        "state": "active",
        "user": f"user{number % 3}",
        "title": f"film{number}.mkv",
        "media": f"/films/film{number}.mkv",
        "position": 10.0 * number,
        "duration": 600.0,
        "renditions": [rendition],
        "runs": [],
        "restarts": {},
        "bytes_on_disk": number * 1000,
        "subscriber_count": 0,
        "viewers_waiting": 0,
        "expires_in": 1800.0 - number,
        "packager": None,
        "source": None,
    } | more


def encoder(**more) -> dict:
    return {"rendition": "video-360p", "run": 1, "pid": 7, "first": 0, "next": 0, "held": False, "encoder": "x"} | more


def look(*sessions: dict, **more) -> Look:
    stats = {
        "living": len(sessions),
        "max_sessions": 300,
        "by_state": {"pending": 0, "active": len(sessions), "paused": 0},
        "encoders": 0,
        "encoders_held": 0,
        "viewers_waiting": 0,
        "first_segment": {"median": 0.2},
    }
    health = {"status": "healthy", "reasons": [], "max_encoders": None, "uptime": 60, "disk_used": 0.5}
    known = {"at": 0.0, "sessions": list(sessions), "recordings": [], "stats": stats, "health": health, "log": []}
    return Look(**known | more)


def view_of(*sessions: dict) -> View:
    view = View()
    view.take(rows_of(list(sessions), [], Pace()))
    return view


def press(view: View, *keys: str) -> list[Action | None]:
    return [view.press(key) for key in keys]


def numbers(view: View) -> list[int]:
    return [int(row.id[:8]) for row in view.shown]


# ---- keys


@pytest.mark.parametrize(
    ("typed", "keys"),
    [
        ("jkx", ["j", "k", "x"]),
        ("\x1b[A\x1bOB\x1b[C\x1b[D", ["up", "down", "right", "left"]),
        ("\x1b[5~\x1b[6~\x1b[H\x1b[4~", ["page up", "page down", "home", "end"]),
        ("\r\n\x7f\x1b", ["enter", "enter", "backspace", "escape"]),
        ("\x1b[1;5A\x1b[200~é\x00", ["é"]),
    ],
)
def test_a_terminal_sends_keys(typed, keys):
    assert keys_of(typed) == keys


def test_arrows_and_letters_move_the_selection_within_the_rows():
    view = view_of(*map(session, range(5)))

    press(view, "j", "down", "j", "k")
    assert view.selected == view.shown[2].id
    press(view, "G", "j")
    assert view.selected == view.shown[4].id
    press(view, "home", "up")
    assert view.selected == view.shown[0].id


def test_the_selection_stays_with_its_session_and_at_its_place_when_that_ends():
    sessions = [session(number) for number in range(4)]
    view = view_of(*sessions)
    press(view, "j", "j")

    view.take(rows_of(sessions[1:], [], Pace()))
    assert view.row.title == "film2.mkv"
    view.take(rows_of([sessions[1], sessions[3]], [], Pace()))
    assert view.row.title == "film3.mkv"
    view.take([])
    assert view.row is None
    assert press(view, "x", "p", "r", "enter") == [None] * 4


def test_letters_and_arrows_sort_and_o_reverses():
    view = view_of(session(1, bytes_on_disk=5), session(2, bytes_on_disk=9), session(3, bytes_on_disk=7))

    press(view, "D")
    assert numbers(view) == [2, 3, 1]
    press(view, "D")
    assert numbers(view) == [1, 3, 2]
    press(view, "I")
    assert numbers(view) == [1, 2, 3]
    press(view, "o")
    assert numbers(view) == [3, 2, 1]
    press(view, "left")
    assert (view.sort, view.reverse) == (None, False)
    press(view, "right", "right")
    assert view.sort.name == "STATE"


@pytest.mark.parametrize("column", COLUMNS, ids=lambda column: column.name)
def test_every_column_sorts_rows_that_lack_a_value_last(column):
    sessions = [session(1), session(2, user=None), session(3, runs=[encoder(next=40)])]
    kept = {"id": "kept", "user": None, "title": "Lake", "duration": 60.0, "size": 10, "over": "it was stopped"}
    view = View()
    view.take(rows_of(sessions, [kept], Pace()))

    for key in (column.key, "o"):
        press(view, key)
        lacking = [column.order(row) is None for row in view.shown]
        assert lacking == sorted(lacking)
        assert len(view.shown) == 4


def test_a_filter_is_typed_corrected_and_undone():
    view = view_of(*map(session, range(6)))

    press(view, "/", *"film3x", "backspace")
    assert (numbers(view), view.mode) == ([3], Mode.FILTER)
    press(view, "escape")
    assert len(view.shown) == 6
    press(view, "/", *"USER1 active", "enter")
    assert (numbers(view), view.mode) == ([1, 4], Mode.TABLE)
    press(view, "escape")
    assert len(view.shown) == 6


def test_only_a_yes_stops_a_session():
    view = view_of(session(1), session(2))

    assert press(view, "j", "x", "enter") == [None] * 3
    assert view.said == "Nothing is stopped."
    assert press(view, "x", "y")[-1] == Action(Verb.STOP, session(2)["session_id"])


def test_the_question_is_about_the_session_that_was_selected_though_it_has_gone():
    view = view_of(session(1), session(2))
    press(view, "x")

    view.take(rows_of([session(2)], [], Pace()))

    assert "film1.mkv" in view.question
    assert view.press("y") == Action(Verb.STOP, session(1)["session_id"])


def test_a_recording_that_is_over_cannot_be_stopped():
    kept = {"id": "5d0e", "user": None, "title": "Lake", "duration": 60.0, "size": 10, "over": "it was stopped"}
    view = View()
    view.take(rows_of([], [kept], Pace()))

    assert press(view, "x", "p", "r") == [None] * 3
    assert "is over" in view.said


# ---- rows


def test_the_speed_of_an_encoder_is_that_of_its_last_seconds_without_those_in_which_it_was_held():
    pace, speeds = Pace(), []
    for at, made, held in [(0, 0, False), (1, 2, False), (2, 2, True), (3, 3, False), (5, 5, False)]:
        sessions = [session(1, runs=[encoder(next=made, held=held)])]
        pace.note(at, sessions)
        speeds.append(rows_of(sessions, [], pace)[0].speed)

    # 2 seconds each; after the hold, one segment a second.
    assert speeds == [None, 4.0, None, 2.0, 2.0]


def test_encoders_are_told_with_their_speed_and_how_far_they_are_ahead():
    def shown(*runs, **more):
        return encoders(rows_of([session(1, runs=list(runs), **more)], [], Pace())[0])

    assert shown() == "-"
    assert shown(packager=7) == "copies"
    assert shown(encoder(next=20, held=True)) == "1 held +30s"
    assert shown(encoder(next=2)) == "1 +0s"


def test_a_recording_has_one_row_while_it_is_a_session_too():
    live = session(1, source="arriving")
    recording = {"id": live["session_id"], "user": None, "title": "Lake", "duration": 1.0, "size": 10, "over": None}

    [row] = rows_of([live], [recording], Pace())

    assert (row.is_session, row.is_recording) == (True, True)


@pytest.mark.parametrize(
    ("many", "shown"),
    [(0, "0B"), (999, "999B"), (1200, "1.2K"), (123_456, "123K"), (9.96e9, "10.0G"), (5e15, "5000.0T")],
)
def test_bytes_are_short(many, shown):
    assert size(many) == shown


# ---- the picture


@pytest.mark.parametrize("mode", ["", "/", "x", "?", "\r"])
@pytest.mark.parametrize(("width", "height"), [(20, 5), (80, 24), (120, 40), (200, 60)])
def test_the_picture_has_the_terminal_s_size(width, height, mode):
    kinds = {"seconds_in": {"active": 5}, "notes": [], "lacks": [], "directory": "/tmp/x"}
    counters = dict.fromkeys(
        (
            "segments_made",
            "bytes_made",
            "segments_shared",
            "segments_served",
            "bytes_served",
            "segments_refused",
            "encoder_failures",
        ),
        0,
    ) | {"encoder_seconds": 0.5}
    now = look(*(session(number, **kinds, **counters, title="Ω映画" * 20) for number in range(200)))
    view = view_of(*now.sessions)
    press(view, *(["enter"] if mode == "\r" else mode))

    lines = picture(view, now, None, "http://127.0.0.1:8642", width, height)

    assert len(lines) == height
    assert max(cell_len(line.plain) for line in lines) <= width


def test_the_selected_row_is_always_on_the_screen():
    now = look(*map(session, range(200)))
    view = view_of(*now.sessions)
    for key in ("G", "page up", "k", "g", "page down", "D"):
        press(view, key)
        shown = [line.plain for line in picture(view, now, None, "", 80, 24)]
        assert sum(line.startswith(view.selected[:8]) for line in shown) == 1


def test_names_cannot_command_the_terminal():
    now = look(session(1, title="\x1b[2Jfilm\x07", user="\x9b31m\nben"))
    view = view_of(*now.sessions)
    press(view, "x")

    drawn = "".join(line.plain for line in picture(view, now, "\x1b]0;title\x07", "", 120, 24))

    assert drawn.isprintable()
    assert "film" in drawn


def test_the_columns_fit_in_any_width():
    for width in range(30, 250):
        columns = fitting(width)
        assert sum(room for _, room in columns) + len(columns) - 1 <= width
        assert columns[0][0].name == "ID"
