"""What the operator has chosen to see, and what each key does. It neither draws nor asks the daemon."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final, NamedTuple

from hls_sessions.cli.top.columns import COLUMNS, ordered

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hls_sessions.cli.top.columns import Column
    from hls_sessions.cli.top.rows import Row


class Mode(Enum):
    """What the keys are for."""

    TABLE = "table"
    FILTER = "filter"
    """The filter is being typed."""
    QUESTION = "question"
    """Whether the selected session is to be stopped."""
    DETAILS = "details"
    """One session fills the screen."""
    HELP = "help"


class Verb(Enum):
    """What a key has the program do."""

    QUIT = "quit"
    STOP = "stop"
    PAUSE = "pause"
    RESUME = "resume"
    LOOK = "look"
    """Ask the daemon anew: for the log of the session that is shown."""


class Action(NamedTuple):
    """Something to do; with a session, but for QUIT and LOOK."""

    verb: Verb
    session_id: str | None = None


class View:
    """Which rows are shown in which order, and which of them is selected."""

    def __init__(self) -> None:
        self.mode = Mode.TABLE
        self.shown: list[Row] = []
        """The rows that meet the filter, in their order."""
        self.total = 0
        """All rows."""
        self.selected: str | None = None
        """The id of the selected row; its row may have gone."""
        self.sort: Column | None = None
        """None for the order in which the sessions were opened."""
        self.reverse = False
        self.filter = ""
        self.said = ""
        """What came of the last action, until the next key."""
        self.first = 0
        """The first row on the screen."""
        self.height = 1
        """How many rows there is room for."""
        self.scroll = 0
        """The first line of the details on the screen."""
        self._rows: list[Row] = []
        self._before = ""
        self._asked: Row | None = None
        self._keys: dict[Mode, Callable[[str], Action | None]] = {
            Mode.TABLE: self._in_table,
            Mode.FILTER: self._in_filter,
            Mode.QUESTION: self._in_question,
            Mode.DETAILS: self._in_details,
            Mode.HELP: self._in_help,
        }

    @property
    def row(self) -> Row | None:
        """The selected row; None where there is none any more."""
        return next((row for row in self._rows if row.id == self.selected), None)

    @property
    def question(self) -> str:
        """The question that is asked."""
        row = self._asked
        if row is None:
            return ""
        return f"Stop {row.id[:8]} ({row.title}{f', of {row.user}' if row.user else ''})? [y/N]"

    def take(self, rows: Sequence[Row]) -> None:
        """Show these rows. The selection stays with its session; when that has gone, at its place."""
        place = self._place()
        self._rows = list(rows)
        self._arrange(place)

    def press(self, key: str) -> Action | None:
        """Handle a key; return the order that is to be carried out beyond the view, if any."""
        self.said = ""
        return self._keys[self.mode](key)

    def fit(self, height: int) -> None:
        """Note how many rows there is room for, and scroll so that the selected one is among them."""
        self.height = max(1, height)
        place = self._place()
        self.first = min(self.first, place)
        self.first = max(self.first, place - self.height + 1)
        self.first = max(0, min(self.first, len(self.shown) - self.height))

    # ---- keys

    def _in_table(self, key: str) -> Action | None:
        if key in MOVES:
            self._move(MOVES[key](self))
        elif key in {"left", "right"}:
            self._sort_next(1 if key == "right" else -1)
        elif key in BY_KEY:
            self._sort_by(BY_KEY[key])
        elif key == "o":
            self.reverse = not self.reverse
        elif key == "/":
            self.mode, self._before = Mode.FILTER, self.filter
        elif key == "escape":
            self.filter = ""
        elif key in {"?", "h"}:
            self.mode = Mode.HELP
        elif key == "q":
            return Action(Verb.QUIT)
        elif self.row is not None:
            return self._with_row(key, self.row)
        self._arrange(self._place())
        return None

    def _with_row(self, key: str, row: Row) -> Action | None:
        if key == "enter":
            self.mode, self.scroll = Mode.DETAILS, 0
            return Action(Verb.LOOK)
        if key in {"x", "p", "r"} and not row.is_session:
            self.said = "This recording is over: there is nothing to stop, to pause or to resume."
        elif key == "x":
            self.mode, self._asked = Mode.QUESTION, row
        elif key == "p":
            return Action(Verb.PAUSE, row.id)
        elif key == "r":
            return Action(Verb.RESUME, row.id)
        return None

    def _in_filter(self, key: str) -> Action | None:
        if key == "enter":
            self.mode = Mode.TABLE
        elif key == "escape":
            self.mode, self.filter = Mode.TABLE, self._before
        elif key == "backspace":
            self.filter = self.filter[:-1]
        elif len(key) == 1:
            self.filter += key
        self._arrange(0)
        return None

    def _in_question(self, key: str) -> Action | None:
        row, self._asked = self._asked, None
        self.mode = Mode.TABLE
        if row is not None and key in {"y", "Y"}:
            return Action(Verb.STOP, row.id)
        self.said = "Nothing is stopped."
        return None

    def _in_details(self, key: str) -> Action | None:
        if key in {"escape", "q", "enter", "left"}:
            self.mode = Mode.TABLE
        elif key in SCROLLS:
            self.scroll = max(0, self.scroll + SCROLLS[key](self))
        elif key == "home":
            self.scroll = 0
        elif self.row is not None and key in {"x", "p", "r"}:
            return self._with_row(key, self.row)
        return None

    def _in_help(self, _: str) -> Action | None:
        self.mode = Mode.TABLE
        return None

    # ---- within

    def _place(self) -> int:
        """Return the place of the selected row among those that are shown."""
        return next((place for place, row in enumerate(self.shown) if row.id == self.selected), 0)

    def _move(self, by: int) -> None:
        if self.shown:
            self.selected = self.shown[max(0, min(len(self.shown) - 1, self._place() + by))].id

    def _sort_by(self, column: Column) -> None:
        self.reverse = self.sort is column and not self.reverse
        self.sort = column

    def _sort_next(self, by: int) -> None:
        orders: tuple[Column | None, ...] = (None, *COLUMNS)
        self.sort, self.reverse = orders[(orders.index(self.sort) + by) % len(orders)], False

    def _arrange(self, place: int) -> None:
        words = self.filter.casefold().split()
        rows = [row for row in self._rows if all(word in _text(row) for word in words)]
        if self.sort is not None:
            rows = ordered(rows, self.sort, reverse=self.reverse)
        elif self.reverse:
            rows.reverse()
        self.shown, self.total = rows, len(self._rows)
        # One that is shown by itself, or asked about, stays selected when it has gone.
        if self.mode in {Mode.TABLE, Mode.FILTER} and all(row.id != self.selected for row in rows):
            self.selected = rows[min(place, len(rows) - 1)].id if rows else None


def _text(row: Row) -> str:
    """Return what a filter looks in."""
    return " ".join((row.id, row.state, row.user or "", row.title, str(row.whole.get("media", "")))).casefold()


BY_KEY: Final = {column.key: column for column in COLUMNS}

MOVES: Final[dict[str, Callable[[View], int]]] = {
    "up": lambda _: -1,
    "k": lambda _: -1,
    "down": lambda _: 1,
    "j": lambda _: 1,
    "page up": lambda view: -view.height,
    "page down": lambda view: view.height,
    "home": lambda view: -len(view.shown),
    "g": lambda view: -len(view.shown),
    "end": lambda view: len(view.shown),
    "G": lambda view: len(view.shown),
}
"""By how many rows each key moves the selection."""

SCROLLS: Final[dict[str, Callable[[View], int]]] = {
    name: move for name, move in MOVES.items() if name in {"up", "k", "down", "j", "page up", "page down"}
}
