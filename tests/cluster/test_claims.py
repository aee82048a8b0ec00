"""The table of owners, rule by rule. ``test_takeover_model.py`` has them happen in any order."""

from __future__ import annotations

import pytest

from hls_sessions.cluster.claims import UNKNOWN, Claim, Claims, Duplicate, Fenced, Granted


@pytest.fixture
def claims() -> Claims:
    """Return a table in which node a owns one session, in its first epoch."""
    claims = Claims()
    claims.register(Claim("film", "a", UNKNOWN, "row", "anna"))
    return claims


def at(node, epoch, row="row"):
    return Claim("film", node, epoch, row, "anna")


class TestAClaim:
    def test_gives_the_session_to_another_node_with_the_next_epoch(self, claims):
        assert claims.claim("film", 1, "b") == Granted(at("b", 2))

    def test_is_granted_to_one_of_two_nodes_alone(self, claims):
        claims.claim("film", 1, "b")

        assert claims.claim("film", 1, "c") == Fenced(at("b", 2))

    def test_of_a_session_that_has_ended_is_refused(self, claims):
        claims.release("film", "a", 1)

        assert claims.claim("film", 1, "b") == Fenced(None)

    def test_moves_the_session_from_the_list_of_one_node_to_that_of_the_other(self, claims):
        claims.claim("film", 1, "b")

        assert (claims.owned_by("a"), claims.owned_by("b")) == (frozenset(), {"film"})


class TestAWrite:
    def test_of_the_owner_is_kept(self, claims):
        assert claims.write("film", "a", 1, "new") == Granted(at("a", 1, "new"))

    @pytest.mark.parametrize("writer", ["a", "c"])
    def test_of_an_earlier_epoch_is_fenced_and_changes_nothing(self, claims, writer):
        claims.claim("film", 1, "b")

        assert claims.write("film", writer, 1, "new") == Fenced(at("b", 2))
        assert claims.of("film") == at("b", 2)

    def test_of_an_owner_in_its_earlier_epoch_is_fenced(self, claims):
        claims.claim("film", 1, "b")
        claims.claim("film", 2, "a")

        assert claims.write("film", "a", 1, "new") == Fenced(at("a", 3))

    def test_is_told_to_the_others_where_it_is_to_be_announced(self, claims):
        version = claims.version
        claims.write("film", "a", 1, "position")
        assert claims.changes(version) == ([], [])

        claims.write("film", "a", 1, "paused", announce=True)
        assert claims.changes(version) == ([at("a", 1, "paused")], [])


class TestARegistration:
    def test_after_a_takeover_without_a_directory_wins_with_its_higher_epoch(self, claims):
        assert claims.register(at("b", 2)) == Granted(at("b", 2))

    def test_of_the_same_epoch_by_another_node_is_fenced(self, claims):
        claims.register(at("b", 2))

        assert claims.register(at("c", 2)) == Fenced(at("b", 2))

    def test_gives_a_node_that_was_started_again_its_session_back(self, claims):
        assert claims.register(at("a", UNKNOWN)) == Granted(at("a", 1))

    def test_does_not_give_it_back_when_another_node_has_claimed_it(self, claims):
        claims.claim("film", 1, "b")

        assert claims.register(at("a", UNKNOWN)) == Fenced(at("b", 2))

    def test_does_not_bring_back_what_has_ended(self, claims):
        claims.claim("film", 1, "b")
        claims.release("film", "b", 2)

        assert claims.register(at("a", 1)) == Fenced(None)
        assert claims.register(at("a", UNKNOWN)) == Fenced(None)

    def test_of_a_second_session_of_the_same_user_and_film_names_the_first(self, claims):
        assert claims.register(Claim("other", "b", UNKNOWN, "row", "anna")) == Duplicate(at("a", 1))

    def test_is_open_to_the_user_again_when_the_first_session_has_ended(self, claims):
        claims.release("film", "a", 1)

        assert isinstance(claims.register(Claim("other", "b", UNKNOWN, "row", "anna")), Granted)


class TestANodeThatWasAway:
    def test_is_told_what_it_has_lost_and_to_whom(self, claims):
        claims.claim("film", 1, "b")

        assert claims.lost_by("a", {"film": 1}) == {"film": at("b", 2)}

    def test_is_told_what_has_ended(self, claims):
        claims.claim("film", 1, "b")
        claims.release("film", "b", 2)

        assert claims.lost_by("a", {"film": 1}) == {"film": None}

    def test_keeps_what_it_has_taken_over_meanwhile_without_a_directory(self, claims):
        assert claims.lost_by("b", {"film": 2}) == {}

    def test_hears_of_all_changes_since_it_last_asked(self, claims):
        version = claims.version
        claims.register(Claim("second", "b", UNKNOWN, "row"))
        claims.release("film", "a", 1)

        assert claims.changes(version) == ([Claim("second", "b", 1, "row")], ["film"])
