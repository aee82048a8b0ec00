"""Names of files that are no UTF-8, as text that can be sent."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hls_sessions.media import readable, spellings

names = st.binary().map(os.fsdecode)


@given(names)
def test_any_name_can_be_sent_and_names_the_same_file_when_it_comes_back(name):
    sent = readable(name)

    assert sent.encode().decode() == sent
    assert name in spellings(sent)


@pytest.mark.parametrize("name", ["film.mkv", "100%.mkv", "a%20b.mkv", "caf%C3%A9.mkv", "фильм.mkv", "50%cc.mkv", ""])
def test_a_name_that_is_utf_8_is_sent_as_it_is_and_means_itself_first(name):
    assert readable(name) == name
    assert spellings(name)[0] == name


def test_only_the_bytes_that_are_no_utf_8_are_encoded_and_the_sign_that_marks_them():
    assert readable("caf\udce9 é 100%.mkv") == "caf%E9 é 100%25.mkv"


def test_a_name_whose_encoded_bytes_are_utf_8_has_no_other_meaning():
    assert spellings("caf%C3%A9.mkv") == ("caf%C3%A9.mkv",)
