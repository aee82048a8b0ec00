"""Languages in playlists, as RFC 5646 spells them."""

from __future__ import annotations

import pytest

from hls_sessions.media.languages import language_tag


@pytest.mark.parametrize(
    ("written", "tag"),
    [
        ("eng", "en"),
        ("ger", "de"),
        ("deu", "de"),
        ("chi", "zh"),
        ("zho", "zh"),
        ("fre", "fr"),
        ("fra", "fr"),
        ("cze", "cs"),
        ("GER", "de"),
        ("de", "de"),
    ],
)
def test_a_language_has_the_shortest_of_its_codes(written, tag):
    assert language_tag(written) == tag


@pytest.mark.parametrize("written", ["haw", "yue", "ast", "fil", "mul", "zxx", "qaa"])
def test_a_language_without_a_code_of_two_letters_keeps_its_code_of_three(written):
    assert language_tag(written) == written


@pytest.mark.parametrize("tag", ["en", "pt-BR", "zh-Hant-TW", "es-419", "sr-Latn", "sl-rozaj-biske", "x-klingon"])
def test_a_language_tag_is_left_as_it_is(tag):
    assert language_tag(tag) == tag


@pytest.mark.parametrize(
    ("written", "tag"), [("ger-AT", "de-AT"), ("pt_BR", "pt-BR"), ("eng,fre", "en"), (" eng ", "en")]
)
def test_a_spelling_that_is_nearly_a_tag_is_made_one(written, tag):
    assert language_tag(written) == tag


@pytest.mark.parametrize(
    "written", [None, "", "und", "e", "1234", "\0\0\0", '"', "\n", "русский", "en-", "English", "Director's cut"]
)
def test_what_is_no_language_has_no_tag(written):
    assert language_tag(written) is None
