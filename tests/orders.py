"""The orders in which viewers may ask, and the moments at which an encoder is killed or the film is replaced."""

from __future__ import annotations

import os
import random
import shutil
import signal
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain, zip_longest
from typing import TYPE_CHECKING

from hypothesis import strategies as st

from hls_sessions.errors import SessionError
from hls_sessions.otp import CallTimeout

if TYPE_CHECKING:
    from collections.abc import Callable

BOUND = 60
"""Seconds after which a segment counts as never made."""

KILLS = 2
"""How often the encoder of one rendition may be killed: a third time at the same segment ends a session."""

ALONE = "alone"
"""The path on which each segment is asked for in a session of its own, so that a run begins with it. It takes long."""

PATHS = ("sequential", "reverse", "random", "two viewers", "two screens", "zigzag")


@dataclass(frozen=True, slots=True)
class Kill:
    """An encoder dies."""

    request: int
    """After which request."""
    after: int = 0
    """How many milliseconds after it, at most: not when it is answered before."""
    run: int = 0
    """Which of the encoders that run then; by index."""


@dataclass(frozen=True, slots=True)
class Replacement:
    """The file of a film gets another content."""

    request: int
    """After which request."""
    after: int = 0
    """How many milliseconds after it, at most: not when it is answered before."""
    in_place: bool = False
    """Whether the file is written to. Otherwise another one is renamed over it."""

    def make(self, film, other) -> None:
        """Replace a film by another one."""
        if self.in_place:
            film.write_bytes(other.read_bytes())
        else:
            shutil.copy(other, film.with_name("other")).replace(film)


replacements = st.builds(Replacement, st.integers(0, 60), st.integers(0, 400), st.booleans())


@dataclass(frozen=True, slots=True)
class Order:
    """The requests of viewers, their order, and the kills meanwhile."""

    path: str = "sequential"
    seed: int = 0
    """Which of the many random orders."""
    at_once: int = 1
    """How many requests may be unanswered when the next is made."""
    look_ahead: float = 30.0
    """Seconds an encoder may be ahead of its viewer before it is held."""
    kills: tuple[Kill, ...] = ()


def orders(*more: str):
    """Generate orders on the usual paths, and on more of them."""
    kill = st.builds(Kill, request=st.integers(0, 60), after=st.integers(0, 400), run=st.integers(0, 3))
    return st.builds(
        Order,
        path=st.sampled_from([*PATHS, *more]),
        seed=st.integers(0, 999),
        at_once=st.integers(1, 4),
        look_ahead=st.sampled_from([30.0, 2.0]),
        kills=st.lists(kill, max_size=6).map(tuple),
    )


@dataclass(frozen=True, slots=True)
class Request:
    """One viewer asks for one segment."""

    viewer: int
    rendition: str
    segment: int


def requests(order: Order, presentation) -> list[Request]:
    """Return the requests in order; every viewer asks for every segment of every rendition."""
    everything = in_time(presentation)
    shuffled = random.Random(order.seed).sample(everything, len(everything))
    middle = len(everything) // 2
    halves = [everything, everything[middle:] + everything[:middle]]
    match order.path:
        case "sequential":
            asked = [everything]
        case "reverse":
            asked = [everything[::-1]]
        case "random":
            asked = [shuffled]
        case "two viewers":
            asked = halves
        case "two screens":
            asked = [list(chain.from_iterable(zip(*halves, strict=True)))]
        case "zigzag":
            asked = [list(dict.fromkeys([*zigzag(presentation, order.seed), *shuffled]))]
    numbered = [[Request(viewer, *each) for each in one] for viewer, one in enumerate(asked)]
    return [request for turn in zip_longest(*numbered) for request in turn if request is not None]


def in_time(presentation) -> list[tuple[str, int]]:
    """Return every segment of every rendition, as a player on all of them at once would ask for them."""
    pieces = []
    for id_ in presentation.renditions:
        cuts = presentation.cuts(id_)
        pieces += [(cuts.times[number], id_, number) for number in range(len(cuts))]
    return [(id_, number) for _, id_, number in sorted(pieces, key=lambda piece: piece[0])]


def zigzag(presentation, turn: int = 0) -> list[tuple[str, int]]:
    """Return the video segments of a player that changes to another variant at each boundary that both have."""
    variants = [rendition.id for rendition in presentation.video]
    starts = {id_: {t: n for n, t in enumerate(presentation.cuts(id_).times[:-1])} for id_ in variants}
    time, path = presentation.timeline.origin, []
    while here := [id_ for id_ in variants if time in starts[id_]]:
        others = [id_ for id_ in here if not path or id_ != path[-1][0]] or here
        id_ = others[(turn + len(path)) % len(others)]
        number = starts[id_][time]
        path.append((id_, number))
        time = presentation.cuts(id_).end(number)
    return path


@dataclass(slots=True)
class Screening:
    """The segments that the viewers of a film got."""

    presentation: object
    inits: list[dict[str, bytes]]
    """Each session's init segments, by rendition."""
    segments: list[dict[tuple[str, int], bytes]]
    """Each session's segments, by rendition and number."""
    killed: int
    states: list[str]
    """The state of each session after the last request."""

    def piece(self, session: int, rendition: str, segment: int) -> bytes:
        """Return one segment with the init segment before it."""
        return self.inits[session][rendition] + self.segments[session][rendition, segment]

    def joined(self, session: int, rendition: str, numbers: range) -> bytes:
        """Return some segments of one rendition, joined."""
        return self.inits[session][rendition] + b"".join(self.segments[session][rendition, n] for n in numbers)


def screen(supervisor, film, order: Order) -> Screening:
    """Have a film watched, and return the segments that the viewers got."""
    if order.path == ALONE:
        while (screening := screen_alone(supervisor, film)) is None:
            pass  # it was read as a whole meanwhile, and is cut elsewhere from then on
        return screening
    sessions = open_for(supervisor, film, order)
    presentation = sessions[0].presentation
    killer, got = Killer(sessions), [{} for _ in sessions]

    def keep(request: Request, answer) -> None:
        got[request.viewer][request.rendition, request.segment] = answer.get(BOUND).read_bytes()

    watch(sessions, order, killer.disturb, keep)
    inits = [{id_: s.init(id_, BOUND).read_bytes() for id_ in presentation.renditions} for s in sessions]
    states = [session.info().state for session in sessions]
    for session in sessions:
        session.stop()
    return Screening(presentation, inits, got, killer.killed.total(), states)


def open_for(supervisor, film, order: Order) -> list:
    """Open a film for each viewer of an order."""
    return [supervisor.open(film, user) for user in (["anna", "ben"] if order.path == "two viewers" else ["anna"])]


def watch(sessions, order: Order, disturb: Callable, keep: Callable) -> None:
    """Make all requests of an order; ``disturb`` something after each, and ``keep`` each answer when it is awaited."""
    asked, open_ = requests(order, sessions[0].presentation), {}

    def settle(left: int) -> None:
        while len(open_) > left:
            request = next(iter(open_))
            keep(request, open_.pop(request))

    for number, request in enumerate(asked):
        open_[request] = sessions[request.viewer].ask_segment(request.rendition, request.segment)
        disturb(order, number, len(asked), open_[request])
        settle(order.at_once - 1)
    settle(0)


@dataclass(slots=True)
class Interrupted:
    """The answers to the viewers of a film that was replaced meanwhile."""

    presentation: object
    segments: list[tuple[str, int, bytes]] = field(default_factory=list)
    refusals: list[SessionError] = field(default_factory=list)


def screen_replaced(supervisor, film, other, order: Order, replacement: Replacement) -> Interrupted:
    """Have a film watched, replace it by another one meanwhile, and return the answers that the viewers got."""
    sessions = open_for(supervisor, film, order)
    told, killer = Interrupted(sessions[0].presentation), Killer(sessions)

    def disturb(order: Order, number: int, count: int, answer) -> None:
        if replacement.request % count == number:
            with suppress(CallTimeout, SessionError):
                answer.get(replacement.after / 1000)
            replacement.make(film, other)
        killer.disturb(order, number, count, answer)

    def keep(request: Request, answer) -> None:
        try:
            try:
                data = answer.get(BOUND).read_bytes()
            except FileNotFoundError:  # the session has ended since the answer, and says why
                data = sessions[request.viewer].segment(request.rendition, request.segment, BOUND).read_bytes()
            told.segments.append((request.rendition, request.segment, data))
        except SessionError as refusal:
            told.refusals.append(refusal)

    watch(sessions, order, disturb, keep)
    return told


def screen_alone(supervisor, film) -> Screening | None:
    """Have each segment of a film watched in a session of its own, and return the segments.

    Return None if the film is offered otherwise to later sessions.
    """
    session = supervisor.open(film)
    presentation = session.presentation
    inits = {id_: session.init(id_, BOUND).read_bytes() for id_ in presentation.renditions}
    session.stop()
    got, states = {}, []
    for id_, number in in_time(presentation):
        session = supervisor.open(film)
        if session.presentation != presentation:
            session.stop()
            return None
        got[id_, number] = session.segment(id_, number, BOUND).read_bytes()
        assert session.init(id_, BOUND).read_bytes() == inits[id_]
        states.append(session.info().state)
        session.stop()
    return Screening(presentation, [inits], [got], 0, states)


@dataclass(slots=True)
class Killer:
    """Ends encoders as the kernel does when memory is short."""

    sessions: list
    killed: Counter = field(default_factory=Counter)

    def disturb(self, order: Order, number: int, count: int, answer) -> None:
        """Kill what is to be killed after this one of all requests."""
        for kill in order.kills:
            if kill.request % count == number:
                with suppress(CallTimeout, SessionError):
                    answer.get(kill.after / 1000)
                self.kill(kill.run)

    def kill(self, which: int) -> None:
        """Kill one of the encoders that run, if there is one that may still be killed."""
        running = [(session.id, run.rendition, run.pid) for session in self.sessions for run in runs_of(session)]
        mortal = [run for run in running if self.killed[run[:2]] < KILLS]
        if mortal:
            *rendition, pid = mortal[which % len(mortal)]
            self.killed[tuple(rendition)] += 1
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def runs_of(session) -> tuple:
    """Return the encoders of a session that run; none if it has ended."""
    try:
        return session.info().runs
    except SessionError:
        return ()
