"""The whole error tree: each error has its kind, its facts, its sentence, and a row in both tables."""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
from collections import Counter

import pytest

import hls_sessions
from hls_sessions import errors
from hls_sessions.cli.exits import BY_ERROR, Exit, exit_for
from hls_sessions.web import problems


def below(error) -> list[type[errors.SessionError]]:
    return [error, *(found for child in error.__subclasses__() for found in below(child))]


def all_errors() -> list[type[errors.SessionError]]:
    """Return every error of the package, wherever it is written."""
    for module in pkgutil.walk_packages(hls_sessions.__path__, "hls_sessions."):
        if module.name != "hls_sessions.__main__":  # that module runs a command when it is imported
            importlib.import_module(module.name)
    return [error for error in below(errors.SessionError) if error.__module__.startswith("hls_sessions.")]


ERRORS = all_errors()
FACTS = {"int": 7, "float": 2.5, "str": "a word", "Sequence[str]": ("one", "two"), "Mapping[str, str]": {"one": "two"}}


def example(kind: type[errors.SessionError]) -> errors.SessionError:
    """Return an error of this kind, with facts of the types it asks for."""
    if "__init__" not in vars(kind):
        return kind("A sentence.")
    wanted = list(inspect.signature(kind.__init__).parameters.values())[1:]
    return kind(*(FACTS[fact.annotation] for fact in wanted))


@pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.kind)
class TestEveryError:
    def test_has_a_row_in_the_table_of_http(self, kind):
        assert kind in problems.STATUS

    def test_has_a_row_in_the_table_of_exit_codes(self, kind):
        assert exit_for(kind.kind) is BY_ERROR[kind]

    def test_is_written_in_the_one_tree(self, kind):
        assert kind.__module__ == "hls_sessions.errors"

    def test_has_a_sentence_and_carries_its_facts_as_attributes(self, kind):
        error = example(kind)

        wanted = set(inspect.signature(kind.__init__).parameters) - {"self", "sentence", "args", "kwargs"}
        assert str(error).strip()
        assert wanted <= error.facts().keys()
        assert all(getattr(error, name) == value for name, value in error.facts().items())

    def test_tells_its_facts_as_members_of_its_problem(self, kind):
        error = example(kind)

        told = json.loads(problems.of(error).body)

        assert {name: told[name] for name in ("type", "status", "detail")} == {
            "type": f"/problems/{kind.kind}",
            "status": problems.STATUS[kind],
            "detail": str(error),
        }
        assert told | json.loads(json.dumps(error.facts())) == told
        assert problems.explanation(kind.kind) == kind.__doc__


def test_no_two_errors_share_a_word():
    assert [kind for kind, times in Counter(error.kind for error in ERRORS).items() if times > 1] == []


def test_the_tables_hold_no_error_that_is_not_there():
    assert set(problems.STATUS) == set(BY_ERROR) == set(ERRORS)


def test_not_found_can_be_told_from_gone():
    assert {kind for kind in ERRORS if issubclass(kind, errors.NotFound)} == {
        errors.NotFound,
        errors.MediaNotFound,
        errors.NodeNotFound,
        errors.SessionNotFound,
        errors.RenditionNotFound,
        errors.SegmentNotFound,
        errors.SegmentImpossible,
        errors.RecordingNotFound,
        errors.ThumbnailFailed,
    }
    assert issubclass(errors.SessionEnded, errors.Gone)


def test_an_error_that_a_media_server_derives_is_answered_like_its_parent():
    class Embargoed(errors.NotPlayable):
        """Not before Friday."""

    told = problems.of(Embargoed("film.mkv", "it is too early"))

    assert told.status_code == 415


def test_an_error_of_a_newer_daemon_is_a_failure():
    assert exit_for("out-of-popcorn") is Exit.FAILED


def test_every_error_that_a_caller_may_catch_is_at_the_librarys_door():
    written = {error.__name__ for error in all_errors() if error.__module__ == "hls_sessions.errors"}

    assert written <= set(hls_sessions.__all__)
