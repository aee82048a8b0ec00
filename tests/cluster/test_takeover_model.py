"""Claims, beats, losses, partitions and restarts in any order: one owner for each epoch, and no write below another.

The directory and the nodes' copies are the real ones. A message is a call that may get lost, on its way or on its way
back, or come a second time much later. Time passes on a manual clock.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from hls_sessions.cluster.claims import UNKNOWN, Claim, Fenced, Granted
from hls_sessions.cluster.directory import Directory
from hls_sessions.cluster.messages import Beat, Written
from hls_sessions.cluster.node import Node
from hls_sessions.cluster.pace import Pace
from hls_sessions.cluster.placement import Wanted
from hls_sessions.cluster.replica import Replica

NAMES = "abc"
MOST = 2
"""Sessions: few, so that much happens to each."""
FILM = Wanted("/films/a.mkv")
ROW = '{"idle_timeout": 1800.0, "user": null, "created_at": 0.0, "last_activity_at": 0.0}'


class Disk:
    """What the directory has written down."""

    def __init__(self) -> None:
        self.kept: dict[str, Claim] = {}

    def claims(self):
        return list(self.kept.values())

    def put(self, claim):
        self.kept[claim.session] = claim

    def drop(self, session):
        self.kept.pop(session, None)


@dataclass
class Machine:
    """A node as the model sees it."""

    replica: Replica
    lives: int = 0
    is_up: bool = True
    has_directory: bool = True
    """Whether it can reach the directory."""
    told: set[str] = field(default_factory=set)
    """The sessions that the directory has heard of."""


class Takeovers(RuleBasedStateMachine):
    @initialize()
    def begin(self):
        self.now = 0.0
        self.disk = Disk()
        self.directory = self.new_directory()
        self.is_up = True
        self.machines = {name: Machine(Replica(name)) for name in NAMES}
        self.cuts: set[frozenset[str]] = set()
        """The pairs of nodes that cannot reach each other."""
        self.sessions = 0
        self.sent: list[Beat | tuple[str, int, str]] = []
        """All beats and claims, because each may come again."""
        self.over: set[str] = set()
        self.granted: dict[tuple[str, int], str] = {}
        """The owner of each epoch that the directory has ever granted."""
        self.latest: dict[str, int] = {}
        self.there: set[str] = set()
        self.gone: dict[str, int] = {}
        """The sessions that have ended in this life of the directory, in which epoch."""
        for name in NAMES * 2:
            self.beat(name, "arrives")
        self.open("a")
        self.all_beat()

    def all_beat(self):
        for name in NAMES:
            self.beat(name, "arrives")

    def new_directory(self):
        return Directory("one", now=lambda: self.now, wall=lambda: self.now, kept=self.disk)

    # ---- what nodes do

    @rule(name=st.sampled_from(NAMES), fate=st.sampled_from(["arrives", "arrives", "lost", "answer lost"]))
    def beat(self, name, fate):
        machine = self.machines[name]
        if not (machine.is_up and machine.has_directory and self.is_up) or fate == "lost":
            return
        replica = machine.replica
        node = Node(name=name, url=f"http://{name}", life=f"{name}{machine.lives}", roots=("/films",))
        unknown = [s for s in replica.owned if s not in machine.told or replica.life != self.directory.life]
        beat = Beat(
            cluster="one",
            node=node,
            life=replica.life,
            version=replica.version,
            news=replica.news,
            owned=dict(replica.owned),
            rows=tuple(Written(session=s, epoch=replica.owned[s], row=ROW) for s in unknown),
            ended=dict(replica.over),
        )
        self.sent.append(beat)
        answer = self.directory.beat(beat)
        self.look()
        if fate == "arrives":
            replica.heard(answer, beat.ended)
            machine.told = {s for s in replica.owned if s in machine.told or s in unknown}

    @rule(name=st.sampled_from(NAMES))
    def open(self, name):
        if self.machines[name].is_up and self.sessions < MOST:
            self.sessions += 1
            self.machines[name].replica.opened(f"s{self.sessions}")
            self.beat(name, "arrives")

    @rule(name=st.sampled_from(NAMES), data=st.data())
    def ask(self, name, data):
        """A viewer asks a node for a segment of a session."""
        if self.machines[name].is_up:
            self.serve(name, f"s{data.draw(st.integers(1, self.sessions))}")

    @rule(name=st.sampled_from(NAMES), data=st.data())
    def ask_while_the_owner_is_frozen(self, name, data):
        """A takeover, which is what matters most here."""
        session = f"s{data.draw(st.integers(1, self.sessions))}"
        claim = self.directory.of(session)
        if claim is not None and claim.node != name and self.machines[name].is_up:
            owner = self.machines[claim.node]
            was_up, owner.is_up = owner.is_up, False
            self.serve(name, session)
            owner.is_up = was_up

    @rule(name=st.sampled_from(NAMES), data=st.data())
    def end(self, name, data):
        machine = self.machines[name]
        if machine.is_up and machine.replica.owned:
            session = data.draw(st.sampled_from(sorted(machine.replica.owned)))
            machine.replica.ended(session)
            self.over.add(session)

    def serve(self, ingress, session):
        """Pass a request on as an ingress does; return the node that answers it."""
        replica, failed = self.machines[ingress].replica, set()
        while (attempt := replica.next_attempt(session, FILM, failed)) is not None:
            machine = self.machines[attempt.node]
            if not machine.is_up or frozenset((ingress, attempt.node)) in self.cuts:
                failed.add(attempt.node)
            elif self.answers(machine, attempt, replica.claim_of(session)):
                return attempt.node
            elif (claim := machine.replica.claim_of(session)) is not None and claim.node != attempt.node:
                before = replica.claim_of(session)
                replica.learned(claim)
                if replica.claim_of(session) == before:
                    failed.add(attempt.node)
            else:
                failed.add(attempt.node)
        return None

    def answers(self, machine, attempt, claim):
        """Whether a node answers a request for a session: because it owns it, or because it takes it over now."""
        replica = machine.replica
        if claim is None or claim.session in replica.owned or claim.session in replica.over:
            return claim is not None
        known = replica.claim_of(claim.session)
        is_its_own = known is not None and known.node == replica.name
        return (attempt.take or is_its_own) and self.take(machine, claim)

    def take(self, machine, claim):
        if not (self.is_up and machine.has_directory):
            machine.told.discard(claim.session)
            machine.replica.took(replace(claim, node=machine.replica.name, epoch=claim.epoch + 1))
            return True
        self.sent.append((claim.session, claim.epoch, machine.replica.name))
        match self.directory.claim(claim.session, claim.epoch, machine.replica.name):
            case Granted(new):
                machine.told.add(claim.session)
                machine.replica.took(new)
                return True
            case Fenced(None):
                machine.replica.forget(claim.session)
            case Fenced(other):
                machine.replica.learned(other)
        return False

    # ---- what befalls them

    @rule(seconds=st.floats(0.05, 2 * Pace().lease))
    def wait(self, seconds):
        until = self.now + seconds
        while self.now < until:
            self.now += 0.1
            if self.is_up:
                self.directory.sweep()

    @precondition(lambda self: self.sent and self.is_up)
    @rule(data=st.data())
    def a_message_comes_again(self, data):
        match data.draw(st.sampled_from(self.sent[-20:])):
            case Beat() as beat:
                self.directory.beat(beat)
            case late:
                self.directory.claim(*late)

    @rule(name=st.sampled_from(NAMES))
    def freeze_or_go_on(self, name):
        self.machines[name].is_up = not self.machines[name].is_up

    @rule(name=st.sampled_from(NAMES), keeps=st.booleans())
    def start_again(self, name, keeps):
        """A node is killed and started again, with its state folder or without."""
        machine = self.machines[name]
        machine.lives += 1
        machine.is_up = True
        owned = machine.replica.owned if keeps else {}
        machine.replica = Replica(name)
        machine.told = set()
        for session in owned:
            machine.replica.opened(session)

    @rule(name=st.sampled_from(NAMES))
    def cut_off_from_the_directory_or_join(self, name):
        self.machines[name].has_directory = not self.machines[name].has_directory

    @rule(one=st.sampled_from(NAMES), other=st.sampled_from(NAMES))
    def cut_or_join(self, one, other):
        if one != other:
            self.cuts ^= {frozenset((one, other))}

    @rule()
    def kill_the_directory_or_start_it_again(self):
        self.is_up = not self.is_up
        if self.is_up:
            self.directory = self.new_directory()
            self.gone.clear()

    # ---- what always holds

    def look(self):
        there = {claim.session for claim in self.directory.claims}
        self.gone |= {session: self.latest[session] for session in self.there - there}
        self.there = there
        for claim in self.directory.claims:
            assert self.granted.setdefault((claim.session, claim.epoch), claim.node) == claim.node
            assert claim.epoch >= self.latest.get(claim.session, UNKNOWN)
            assert claim.epoch > self.gone.get(claim.session, UNKNOWN), "an ended session is back"
            self.latest[claim.session] = claim.epoch

    @invariant()
    def one_owner_for_each_epoch_and_epochs_only_grow(self):
        self.look()

    @invariant()
    def no_write_below_one_that_was_accepted(self):
        for claim in list(self.directory.claims):
            for name in NAMES:
                for epoch in range(1, claim.epoch):
                    assert self.directory.claims.write(claim.session, name, epoch, "late") == Fenced(claim)

    def teardown(self):
        """When all is well again, each session that somebody asks for is owned by one node that is alive."""
        if not hasattr(self, "machines"):
            return
        if not self.is_up:
            self.kill_the_directory_or_start_it_again()
        self.cuts.clear()
        for machine in self.machines.values():
            machine.is_up = machine.has_directory = True
        for _ in range(3):
            self.all_beat()
        watched = [session for session in self.directory.claims if session.session not in self.over]
        for claim in watched:
            for name in NAMES:
                assert self.serve(name, claim.session) is not None
            self.all_beat()
        owners = [(s, name) for name in NAMES for s in self.machines[name].replica.owned]
        assert len(owners) == len({session for session, _ in owners})
        for claim in watched:
            now = self.directory.of(claim.session)
            assert self.machines[now.node].replica.owned[claim.session] == now.epoch


Takeovers.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestTakeovers = Takeovers.TestCase
