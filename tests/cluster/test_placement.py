"""Where a session goes, rule by rule."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from hls_sessions.cluster.node import Node
from hls_sessions.cluster.placement import Wanted, candidates

FILM = Wanted("/films/a.mkv")


def node(name, **more):
    return Node(
        name=name, url=f"http://{name}", life="1", **({"roots": ("/films",), "slots": 2, "encoder": "x264"} | more)
    )


def names(nodes, wanted=FILM, without=()):
    return [found.name for found in candidates(nodes, wanted, without)]


class TestANodeIsNoCandidate:
    def test_without_the_film(self):
        assert names([node("a", roots=("/films of a",)), node("b", roots=("/", "/films")), node("c")]) != []
        assert names([node("a", roots=("/films of a",))]) == []

    def test_while_its_folder_does_not_answer(self):
        assert names([node("a", unreachable=("/films",))]) == []

    def test_while_it_is_drained(self):
        assert names([node("a", draining=True)]) == []

    def test_while_its_disk_is_full(self):
        assert names([node("a", disk_full=True)]) == []

    def test_for_a_session_that_was_begun_with_another_encoder(self):
        assert names([node("a"), node("b", encoder="nvenc")], Wanted("/films/a.mkv", "nvenc")) == ["b"]

    def test_when_it_was_tried_already(self):
        assert names([node("a"), node("b")], without={"a"}) == ["b"]


class TestTheOrder:
    def test_begins_with_nodes_that_have_a_free_slot(self):
        assert names([node("a", encoders=2), node("b", encoders=1, waiting=1)]) == ["b", "a"]

    def test_goes_on_with_those_for_which_fewer_viewers_wait(self):
        assert names([node("a", waiting=2), node("b", waiting=1), node("c")]) == ["c", "b", "a"]

    @given(st.permutations(["a", "b", "c", "d"]))
    def test_is_the_same_at_every_ingress(self, order):
        assert names(map(node, order)) == names(map(node, "abcd"))

    @given(st.sampled_from("abcd"), st.text(min_size=1))
    def test_of_the_others_stays_when_a_node_goes(self, gone, film):
        wanted = Wanted(f"/films/{film}")
        before = names(map(node, "abcd"), wanted)

        assert names(map(node, set("abcd") - {gone}), wanted) == [name for name in before if name != gone]

    def test_spreads_films_evenly(self):
        firsts = Counter(names(map(node, "abcd"), Wanted(f"/films/{number}"))[0] for number in range(1000))

        assert min(firsts.values()) > 200

    def test_takes_names_of_films_that_are_no_text(self):
        assert names([node("a")], Wanted("/films/\udcff")) == ["a"]
