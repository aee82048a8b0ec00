"""The directory: leases, refused nodes, draining, and the limits of the whole cluster."""

from __future__ import annotations

import json

import pytest

from hls_sessions.cluster.claims import Fenced, Granted
from hls_sessions.cluster.directory import Directory
from hls_sessions.cluster.kept import KeptClaims
from hls_sessions.cluster.messages import Admission, Beat, Limits, Opening, Written
from hls_sessions.cluster.node import Node
from hls_sessions.cluster.pace import Pace
from hls_sessions.errors import NodeRefused

LEASE = Pace().lease


class Cluster:
    """A directory, its clock, and nodes that beat as told."""

    def __init__(self, kept=None) -> None:
        self.now = 1000.0
        self.directory = Directory("one", now=lambda: self.now, wall=lambda: self.now, kept=kept)

    def wait(self, seconds, *beating):
        for _ in range(round(seconds / 0.1)):
            self.now += 0.1
            for name in beating:
                self.beat(name)
            self.directory.sweep()

    def beat(self, name="a", *, life="1", url=None, **more):
        node = Node(name=name, url=url or f"http://{name}", life=life)
        return self.directory.beat(Beat(**({"cluster": "one", "node": node} | more)))

    def open(self, session, node="a", user="anna", film="film", **row):
        values = {"idle_timeout": 1800.0, "user": user, "created_at": self.now, "last_activity_at": self.now} | row
        viewing = None if user is None else f"{user} {film}"
        return self.beat(node, rows=(Written(session=session, row=json.dumps(values), viewing=viewing),))

    def admit(self, user="anna", film="film", key="wish", **limits):
        given = {"max_sessions": 2, "max_sessions_per_user": None, "evict": False, "unwatched_after": 60.0} | limits
        viewing = None if user is None else f"{user} {film}"
        return self.directory.admit(Opening(user=user, film=film, viewing=viewing, limits=Limits(**given), key=key))

    def alive(self):
        return {seen.node.name for seen in self.directory.nodes() if seen.alive}


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


class TestALease:
    def test_is_over_when_a_node_has_not_beaten_for_four_beats(self, cluster):
        cluster.beat("a")
        cluster.beat("b")
        cluster.wait(LEASE, "b")

        assert cluster.alive() == {"b"}

    def test_is_extended_when_it_was_the_directory_that_was_away(self, cluster):
        cluster.beat("a")
        cluster.now += 60

        assert cluster.alive() == {"a"}

    def test_of_a_node_that_is_back_is_told_to_the_others(self, cluster):
        cluster.beat("a")
        cluster.wait(2 * LEASE, "b")
        news = cluster.beat("b").news

        cluster.beat("a")

        told = cluster.beat("b", news=news).nodes
        assert "a" in {seen.node.name for seen in told if seen.alive}


class TestANodeIsRefused:
    def test_of_another_cluster(self, cluster):
        with pytest.raises(NodeRefused, match="belongs to another cluster"):
            cluster.beat(cluster="two")

    def test_that_speaks_another_version(self, cluster):
        with pytest.raises(NodeRefused, match="it speaks version 99, and this cluster 1"):
            cluster.beat(wire=99)

    def test_with_the_name_of_one_that_is_there(self, cluster):
        cluster.beat("a")

        with pytest.raises(NodeRefused, match="there is a node of this name at http://a"):
            cluster.beat("a", life="2", url="http://elsewhere")

    def test_but_not_one_that_was_started_again(self, cluster):
        cluster.beat("a")

        cluster.beat("a", life="2")


class TestADrainedNode:
    def test_claims_nothing(self, cluster):
        cluster.open("s", "a")
        cluster.beat("b")
        cluster.directory.drain("b")

        assert isinstance(cluster.directory.claim("s", 1, "b"), Fenced)
        cluster.directory.drain("b", drain=False)
        assert isinstance(cluster.directory.claim("s", 1, "b"), Granted)

    def test_that_there_is_not_is_said(self, cluster):
        assert not cluster.directory.drain("nowhere")


class TestTheLimitsOfTheCluster:
    def test_hold_for_all_nodes_together(self, cluster):
        cluster.open("one", "a", "anna")
        cluster.open("two", "b", "bert")

        assert cluster.admit("carl").refused[:3] == ("max_sessions", 2, 1)

    def test_hold_for_one_user_at_all_nodes(self, cluster):
        cluster.open("one", "a", "anna")

        assert cluster.admit("anna", "other", max_sessions_per_user=1).refused[:2] == ("max_sessions_per_user", 1)
        assert cluster.admit("bert", max_sessions_per_user=1) == Admission()

    def test_count_sessions_that_are_being_opened(self, cluster):
        assert [cluster.admit(None, key=str(n)).refused is None for n in range(3)] == [True, True, False]

        cluster.directory.opened("0")  # it could not be opened after all
        cluster.wait(20)
        assert cluster.admit(None, key="3").refused is None

    def test_end_the_session_that_was_idle_longest_where_that_is_set(self, cluster):
        cluster.open("old", "a", "anna", last_activity_at=cluster.now - 300)
        cluster.open("new", "b", "bert")

        assert cluster.admit("carl", evict=True) == Admission(end=("old",))

    def test_do_not_concern_a_user_who_opens_the_same_film_again(self, cluster):
        cluster.open("one", "a", "anna")

        assert cluster.admit("anna", max_sessions=1).existing.session == "one"


class TestTheSessionsOfADeadNode:
    def test_stay_for_their_viewers(self, cluster):
        cluster.open("s", "a")
        cluster.wait(60, "b")

        assert isinstance(cluster.directory.claim("s", 1, "b"), Granted)

    def test_are_forgotten_when_nobody_asks_until_their_time_is_over(self, cluster):
        cluster.open("s", "a", idle_timeout=60.0)
        cluster.wait(65, "b")

        assert cluster.directory.of("s") is None


def test_claims_are_known_to_the_next_life(tmp_path):
    kept = KeptClaims(tmp_path / "claims.db")
    cluster = Cluster(kept)
    cluster.open("s", "a")
    cluster.open("gone", "a", "bert")
    cluster.directory.claim("s", 1, "b")
    cluster.directory.release("gone", "a", 1)
    kept.close()

    kept = KeptClaims(tmp_path / "claims.db")
    assert [(claim.session, claim.node, claim.epoch) for claim in Cluster(kept).directory.claims] == [("s", "b", 2)]
    kept.close()


def test_claims_that_cannot_be_read_are_begun_anew(tmp_path):
    (tmp_path / "claims.db").write_bytes(b"this is no database, and longer than a header of one is" * 40)

    kept = KeptClaims(tmp_path / "claims.db")
    assert list(kept.claims()) == []
    kept.close()
