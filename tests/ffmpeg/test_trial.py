"""Which encoder is chosen: each is made to encode, whatever ffmpeg says of itself."""

from __future__ import annotations

import shlex

import pytest

from hls_sessions.errors import EncoderUnusable
from hls_sessions.ffmpeg import (
    ENCODERS,
    SOFTWARE,
    Trial,
    best_encoder,
    choose_encoder,
    find,
    inspect_binary,
    trial,
    try_encoders,
)
from hls_sessions.ffmpeg.trial import AUTO, FILM
from hls_sessions.testing import nvenc_ffmpeg

NVENC, QSV, *_ = ENCODERS


@pytest.fixture
def card(tmp_path):
    """Return a function that makes an ffmpeg whose h264_nvenc works, but for some shell code that its trial runs first.

    The code writes to $folder, and may change the arguments "$@".
    """

    def card(before=":"):
        script = tmp_path / "ffmpeg"
        real = shlex.quote(str(nvenc_ffmpeg(tmp_path)))
        script.write_text(f"""#!/bin/sh
case "$*" in *{FILM}*)
  for word; do case "$word" in */%d.m4s) folder=$(dirname "$word") ;; esac; done
  {before}
esac
exec {real} "$@"
""")
        script.chmod(0o755)
        return inspect_binary(str(script))

    return card


def fault(binary):
    [tried] = try_encoders(binary, [NVENC])
    return tried.fault


def test_an_encoder_that_makes_segments_as_asked_works(card):
    assert fault(card()) is None


def test_software_works():
    assert try_encoders(inspect_binary(find()), [SOFTWARE]) == [Trial(SOFTWARE, None)]


def test_encoders_are_tried_in_the_order_that_was_asked_for(card):
    assert [tried.encoder for tried in try_encoders(card(), [SOFTWARE, NVENC])] == [SOFTWARE, NVENC]


def test_an_encoder_that_this_ffmpeg_was_built_without_is_not_run(tmp_path):
    script = tmp_path / "ffmpeg"
    real = shlex.quote(find())
    script.write_text(f"""#!/bin/sh
case "$*" in *-codecs*) {real} "$@" | sed s/h264_nvenc// ;; *) exec {real} "$@" ;; esac
""")
    script.chmod(0o755)

    assert fault(inspect_binary(str(script))) == "this ffmpeg was built without it"


FAULTS = {
    "the cause in ffmpeg's own words": (
        'echo "[h264_nvenc @ 0x5f] No capable devices found" >&2; echo "Conversion failed!" >&2; exit 1',
        "No capable devices found",
    ),
    "its exit, where it says nothing": ("exit 3", "it ended with exit code 3"),
    "a signal": ("kill -SEGV $$", "it ended by SIGSEGV"),
    "that it made nothing": ("exit 0", "it made no keyframe where one was forced"),
    "that it made nonsense": (
        'echo "nonsense, in bytes" | tee "$folder/0.m4s" > "$folder/1.m4s"; exit 0',
        "its segment 0 is refused: its ense box is cut short",
    ),
    "that it forced no keyframe": (
        'set -- $(echo "$@" | sed "s/-force_key_frames [^ ]*//")',
        "it made no keyframe where one was forced",
    ),
    "that it makes another profile": (
        'set -- $(echo "$@" | sed "s/profile:v high/profile:v main/")',
        "it makes avc1.4d401e when asked for avc1.64001e",
    ),
    "that it left out frames": (
        'set -- $(echo "$@" | sed "s/-profile:v/-frames:v 7 -profile:v/")',
        "its segment 1 is refused: it holds 2 frames instead of 4",
    ),
}


@pytest.mark.parametrize(("before", "says"), FAULTS.values(), ids=FAULTS)
def test_a_fault_is_told_in_a_sentence(card, before, says):
    assert fault(card(before)) == says


def test_an_encoder_that_hangs_is_given_up_and_leaves_nothing(card, monkeypatch):
    monkeypatch.setattr(trial, "LIMIT", 0.2)

    assert fault(card("exec sleep 3600")) == "it did not encode 9 frames within 0.2 seconds"


def test_a_disk_without_room_for_the_film_is_a_fault_of_all(card, monkeypatch, tmp_path):
    binary = card()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))

    assert fault(binary) == "it could not be tried (No such file or directory)"


# Of those that were tried


def test_of_those_that_work_the_most_preferred_is_the_best():
    assert best_encoder([Trial(QSV, None), Trial(SOFTWARE, None)], AUTO) is QSV
    assert best_encoder([Trial(NVENC, "no card"), Trial(QSV, None)], AUTO) is QSV


def test_where_none_works_the_best_is_software():
    assert best_encoder([Trial(NVENC, "no card")], AUTO) is SOFTWARE


def test_the_one_that_is_named_is_the_best_also_where_another_is_preferred():
    assert best_encoder([Trial(NVENC, None), Trial(QSV, None)], "h264_qsv") is QSV


def test_the_one_that_is_named_must_work():
    with pytest.raises(EncoderUnusable, match=r"^The encoder 'h264_nvenc' cannot be used: no card\.$"):
        best_encoder([Trial(NVENC, "no card"), Trial(QSV, None)], "h264_nvenc")


# The choice of a supervisor


def test_a_card_that_works_is_taken(card):
    assert choose_encoder(card(), AUTO) is NVENC


def test_software_is_taken_where_no_hardware_works(card):
    assert choose_encoder(card("exit 1"), AUTO) is SOFTWARE


def test_software_is_taken_untried_when_it_is_named(card):
    assert choose_encoder(card("exit 1"), "libx264") is SOFTWARE


@pytest.mark.parametrize("name", ["h264", "", "libx265", "-version", "H264_NVENC"])
def test_a_name_that_no_encoder_has_is_an_error_that_names_them_all(card, name):
    with pytest.raises(EncoderUnusable, match="none of auto, h264_nvenc, h264_qsv, h264_vaapi, h264_videotoolbox, lib"):
        choose_encoder(card(), name)


def test_a_supervisor_starts_with_an_encoder_that_works_and_tries_anew_each_time(hls_supervisor, card, tmp_path):
    supervisor = hls_supervisor(ffmpeg=card(f"test ! -e {tmp_path}/gone || exit 1").path, encoder="auto")
    assert supervisor.encoder is NVENC
    supervisor.stop()
    (tmp_path / "gone").touch()

    supervisor.start()

    assert supervisor.encoder is SOFTWARE


def test_a_supervisor_whose_encoder_does_not_work_does_not_start(hls_supervisor, card):
    with pytest.raises(EncoderUnusable, match="it ended with exit code 1"):
        hls_supervisor(ffmpeg=card("exit 1").path, encoder="h264_nvenc")
