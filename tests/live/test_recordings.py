"""Recordings as their sources and viewers use them: nothing that was kept is lost, whatever is killed."""

from __future__ import annotations

import errno
import os
import re
import signal
import subprocess
from fractions import Fraction
from io import BytesIO
from itertools import pairwise
from pathlib import Path

import av
import m3u8
import pytest
from streams import AUDIO, H264, SECONDS, VIDEO, VP8

from hls_sessions import (
    InputBusy,
    NotPlayable,
    RecordingFull,
    RecordingNotFound,
    RecordingOver,
    SegmentNotFound,
    SessionEnded,
    SourceState,
    StorageFailed,
    WrongOffset,
)
from hls_sessions.errors import IllegalTransition, RenditionNotFound
from hls_sessions.ffmpeg import find
from hls_sessions.testing import crash

BOUND = 60
MILLISECOND = Fraction(1, 1000)
TALK = "1\n00:00:01,000 --> 00:00:02,000\nHello & welcome\n"
MATROSKA, WEBM = "H.264 and AAC in Matroska", "VP8 and Opus in WebM"


def send(recording, data, chunk=10_000):
    for at in range(0, len(data), chunk):
        recording.write(data[at : at + chunk])


def listed(recording, kind="video") -> m3u8.M3U8:
    recording.ask_playable().get(BOUND)
    return m3u8.loads(str(recording.playlist(kind)))


def shown(recording, kind="video") -> list[list[Fraction]]:
    """When each packet of a rendition is shown, in order, of each part, as a player gets them."""
    parts: list[tuple[str, bytes]] = []
    for number, segment in enumerate(listed(recording, kind).segments):
        name = segment.init_section.uri
        if not parts or parts[-1][0] != name:
            init = int(name.removeprefix("init-").removesuffix(".mp4")) if "-" in name else 0
            parts.append((name, recording.ask_init(kind, init).get(BOUND).read_bytes()))
        parts[-1] = name, parts[-1][1] + recording.segment(kind, number, BOUND).read_bytes()
    return [times(data) for _, data in parts]


def times(data, kind=None) -> list[Fraction]:
    with av.open(BytesIO(data)) as container:
        streams = [stream for stream in container.streams if kind in {None, stream.type}]
        return sorted(packet.pts * packet.time_base for packet in container.demux(streams) if packet.size)


def steps(at) -> list[Fraction]:
    """Milliseconds between frames. The first is left out, because it is shown from the beginning on."""
    return [0, *(round((time - at[1]) / MILLISECOND) for time in at[1:])]


@pytest.fixture
def recording(hls_supervisor):
    return hls_supervisor().record(user="anna", title="At the lake")


@pytest.mark.parametrize("name", [MATROSKA, WEBM, "H.264 and AAC in MPEG-TS", "rare keyframes"])
def test_every_frame_that_is_sent_can_be_watched(recording, arrives, name):
    data = arrives(name)

    with recording:
        send(recording, data)

    assert listed(recording).is_endlist
    [video] = shown(recording)
    assert steps(video) == steps(times(data, "video"))
    assert len(video) == 20 * SECONDS


def test_it_can_be_watched_while_it_arrives_and_what_was_shown_stays(recording, arrives):
    data = arrives(MATROSKA)
    send(recording, data[: len(data) * 2 // 3])
    before = listed(recording)
    first = recording.segment("video", 0, BOUND).read_bytes()
    said = str(recording.playlist("video"))

    send(recording, data[len(data) * 2 // 3 :])
    recording.finish(BOUND)

    assert not before.is_endlist
    assert before.playlist_type == "event"
    assert str(recording.playlist("video")).startswith(said)
    assert recording.segment("video", 0, BOUND).read_bytes() == first
    assert listed(recording).is_endlist


def test_sound_alone_is_a_recording_too(recording, arrives):
    data = arrives("Opus in WebM")

    with recording:
        send(recording, data)

    master = m3u8.loads(str(recording.playlist()))
    assert [variant.uri for variant in master.playlists] == ["audio/index.m3u8"]
    assert sum(segment.duration for segment in listed(recording, "audio").segments) == pytest.approx(SECONDS, abs=0.05)


def test_the_master_playlist_names_what_there_is(recording, arrives):
    with recording:
        send(recording, arrives(MATROSKA))

    [variant] = m3u8.loads(str(recording.playlist())).playlists
    assert variant.uri == "video/index.m3u8"
    assert variant.stream_info.resolution == (128, 72)
    assert variant.stream_info.codecs.endswith(",mp4a.40.2")
    assert variant.media[0].uri == "audio/index.m3u8"


@pytest.mark.parametrize("low_latency", [False, True], ids=["whole segments", "parts"])
def test_a_maker_that_is_killed_is_replaced_and_no_frame_is_missing(hls_supervisor, arrives, until, low_latency):
    recording, data = hls_supervisor().record(low_latency=low_latency), arrives(WEBM)
    killed = set()

    def other() -> int | None:
        pid = recording.info().packager
        return None if pid in killed else pid

    for at in range(0, len(data), len(data) // 3):
        send(recording, data[at : at + len(data) // 3])
        until(other)
        killed.add(pid := other())
        os.kill(pid, signal.SIGKILL)
    recording.finish(BOUND)

    [video] = shown(recording)
    assert steps(video) == steps(times(data, "video"))
    assert recording.info().restarts["killed"]


def test_an_actor_that_crashes_goes_on(recording, arrives, until):
    data = arrives(MATROSKA)
    half = len(data) // 2
    send(recording, data[:half])
    recording.ask_playable().get(BOUND)
    until(crash(recording))
    send(recording, data[half:])
    recording.finish(BOUND)

    [video] = shown(recording)
    assert steps(video) == steps(times(data, "video"))


def test_it_goes_on_in_the_next_supervisor_with_what_it_has_shown(hls_supervisor, arrives, tmp_path):
    data = arrives(MATROSKA)
    half = len(data) // 2
    lasting = {"state_dir": tmp_path / "state", "drain": False}
    first = hls_supervisor(**lasting)
    before = first.record(user="anna")
    send(before, data[:half])
    before.ask_playable().get(BOUND)
    said = str(before.playlist("video"))
    first.stop()

    second = hls_supervisor(state_dir=tmp_path / "state")
    after = second.find(before.id)
    source = after.input()
    assert source.next == half
    source.write(half, data[half:])
    source.stop()
    after.finish(BOUND)

    assert str(after.playlist("video")).startswith(said)
    [video] = shown(after)
    assert steps(video) == steps(times(data, "video"))
    assert [file.size for file in after.files()] == [len(data)]


def test_another_stream_is_another_part_after_a_discontinuity(recording, arrives):
    first, second = arrives(MATROSKA), arrives(WEBM)
    for data in (first, second):
        source = recording.input(new_stream=True)
        source.write(0, data)
        source.close()
    recording.finish(BOUND)

    videos = shown(recording)
    assert [steps(video) for video in videos] == [steps(times(data, "video")) for data in (first, second)]
    assert [bool(segment.discontinuity) for segment in listed(recording).segments].count(True) == 1
    assert [file.name for file in recording.files()] == ["part-0.mkv", "part-1.webm"]
    assert [file.path.read_bytes() for file in recording.files()] == [first, second]


def test_a_segment_that_is_gone_is_made_again_the_same(recording, arrives):
    with recording:
        send(recording, arrives(WEBM))
    wanted = [(kind, number) for kind in ("video", "audio") for number in (0, 1, 2)]
    inits = {kind: recording.ask_init(kind).get(BOUND).read_bytes() for kind in ("video", "audio")}
    kept = {each: recording.segment(*each, BOUND) for each in wanted}
    before = {each: times(inits[each[0]] + path.read_bytes()) for each, path in kept.items()}
    for path in kept.values():
        path.unlink()

    for each in wanted:
        assert times(inits[each[0]] + recording.segment(*each, BOUND).read_bytes()) == before[each]


def test_a_segment_that_is_not_there_yet_is_refused(recording, arrives):
    send(recording, arrives(MATROSKA))
    recording.ask_playable().get(BOUND)

    with pytest.raises(SegmentNotFound):
        recording.segment("video", 99, BOUND)
    with pytest.raises(RenditionNotFound):
        recording.segment("video-180p", 0, BOUND)


def test_what_belongs_elsewhere_is_refused_and_nothing_is_lost(recording):
    source = recording.input()
    source.write(0, b"\x1aE\xdf\xa3")

    with pytest.raises(WrongOffset) as refused:
        source.write(2, b"more")
    assert (refused.value.offset, refused.value.expected) == (2, 4)
    assert recording.files()[0].size == 4


def test_a_second_source_waits_until_the_first_is_silent(hls_supervisor, hls_clock):
    recording = hls_supervisor(clock=hls_clock).record()
    first = recording.input()
    first.write(0, b"\x1aE\xdf\xa3")

    with pytest.raises(InputBusy):
        recording.input()
    hls_clock.advance(3)
    second = recording.input()

    assert second.next == 4
    with pytest.raises(InputBusy):
        first.write(4, b"more")
    second.write(4, b"more")


def test_one_that_is_over_takes_nothing_more(recording, arrives):
    source = recording.input()
    source.write(0, arrives(MATROSKA))
    source.stop()

    with pytest.raises(RecordingOver):
        source.write(source.next, b"more")
    with pytest.raises(RecordingOver):
        recording.input()
    assert recording.source is SourceState.ENDED


def test_one_that_is_larger_than_it_may_be_keeps_what_it_has(hls_supervisor, arrives):
    data = arrives(MATROSKA)
    recording = hls_supervisor(max_recording_bytes=len(data)).record()
    source = recording.input()
    source.write(0, data)

    with pytest.raises(RecordingFull):
        source.write(len(data), b"more")

    recording.ask_playable().get(BOUND)
    assert recording.source is SourceState.ENDED
    recording.finish(BOUND)
    assert len(shown(recording)[0]) == 20 * SECONDS
    assert any("no more can be kept" in note for note in recording.info().notes)


def test_one_whose_disk_is_full_ends_with_what_is_there(hls_supervisor, arrives, monkeypatch):
    data, write = arrives(MATROSKA), os.write
    recording = hls_supervisor().record()
    send(recording, data)

    def full(file, more):
        if Path(f"/proc/self/fd/{file}").readlink().name == "part-0.mkv":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(file, more)

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(StorageFailed, match="No space left"):
        recording.write(b"more")
    monkeypatch.undo()

    with pytest.raises(StorageFailed):
        recording.write(b"more")
    recording.finish(BOUND)
    assert listed(recording).is_endlist
    assert len(shown(recording)[0]) == 20 * SECONDS
    assert recording.files()[0].size == len(data)
    assert any("No space left" in note for note in recording.info().notes)


@pytest.mark.parametrize("data", [b"\0" * 100_000, b"<html>" * 1000, b"#EXTM3U\n#EXTINF:2,\nfile:///etc/passwd\n"])
def test_what_is_no_media_is_refused_with_a_reason_and_kept(recording, data, until):
    send(recording, data)
    source = recording.input if recording.source is SourceState.ENDED else None
    recording.finish(BOUND)

    assert source is None or recording.source is SourceState.ENDED
    with pytest.raises(NotPlayable):
        recording.ask_playable().get(BOUND)
    assert recording.files()[0].path.read_bytes() == data
    until(lambda: recording.info().notes)


def test_a_source_that_is_lost_may_come_back_for_a_while(hls_supervisor, hls_clock, arrives):
    data = arrives(MATROSKA)
    supervisor = hls_supervisor(clock=hls_clock, source_patience=60)
    recording = supervisor.record()
    heard = []
    supervisor.subscribe("source_changed", heard.append)
    source = recording.input()
    source.write(0, data[:100_000])
    source.close()
    assert recording.info().source == "lost"

    hls_clock.advance(59)
    again = recording.input()
    again.write(again.next, data[100_000:])
    again.close()
    recording.info()  # it has heard of that
    hls_clock.advance(61)
    recording.info()
    recording.finish(BOUND)

    assert len(shown(recording)[0]) == 20 * SECONDS
    info = recording.info()
    assert info.source == "ended"
    with pytest.raises(RecordingOver, match="did not come back"):
        recording.input()


def test_one_that_is_over_is_completed_and_what_it_has_recorded_stays(hls_supervisor, hls_clock, arrives, tmp_path):
    data = arrives(MATROSKA)
    supervisor = hls_supervisor(clock=hls_clock, state_dir=tmp_path / "state", idle_timeout=100)
    recording = supervisor.record(title="Kept")
    with recording:
        send(recording, data)

    hls_clock.advance(101)
    assert supervisor.reap() == [recording.id]

    with pytest.raises(SessionEnded) as ended:
        recording.info()
    assert (ended.value.state, ended.value.reason) == ("completed", "it was finished")
    [kept] = supervisor.recordings()
    assert (kept.id, kept.title, kept.size) == (recording.id, "Kept", len(data))
    supervisor.tidy()
    assert supervisor.recordings() == [kept]
    supervisor.delete_recording(recording.id)
    assert supervisor.recordings() == []
    with pytest.raises(RecordingNotFound):
        supervisor.delete_recording(recording.id)


def test_one_that_is_sent_to_does_not_expire(hls_supervisor, hls_clock):
    supervisor = hls_supervisor(clock=hls_clock, idle_timeout=10, source_patience=1000)
    recording = supervisor.record()
    source = recording.input()
    for offset in range(5):
        hls_clock.advance(8)
        source.write(offset, b"G")
        supervisor.reap()

    assert recording.info().state == "active"


def test_it_cannot_be_paused(recording):
    with pytest.raises(IllegalTransition):
        recording.pause()


@pytest.mark.parametrize("wanted", ["..", "../state", "0", ""])
def test_a_recording_is_named_by_its_id_alone(hls_supervisor, wanted):
    with pytest.raises(RecordingNotFound):
        hls_supervisor().delete_recording(wanted)


def test_one_that_nobody_has_used_for_long_is_deleted(hls_supervisor, hls_clock, arrives, tmp_path):
    supervisor = hls_supervisor(clock=hls_clock, state_dir=tmp_path / "state", keep_recordings=3600)
    old, living = supervisor.record(), supervisor.record()
    send(old, arrives(MATROSKA))
    hls_clock.advance(1000)
    old.stop()

    hls_clock.advance(3500)
    supervisor.tidy()
    kept = {recording.id for recording in supervisor.recordings()}
    hls_clock.advance(200)
    supervisor.tidy()

    assert kept == {old.id, living.id}
    assert [recording.id for recording in supervisor.recordings()] == [living.id]


def test_with_a_window_only_the_newest_can_be_watched(hls_supervisor, arrives):
    recording = hls_supervisor(dvr_window=5).record()

    feed_parts(recording, *[arrives(MATROSKA)] * 4)
    recording.finish(BOUND)

    playlist = listed(recording)
    assert playlist.media_sequence > 0
    assert playlist.playlist_type is None
    assert 12 <= sum(segment.duration for segment in playlist.segments) < 18
    assert recording.segment("video", playlist.media_sequence, BOUND).stat().st_size


# ---- files


def feed_parts(recording, *streams):
    """Send streams one after another, each of a source that comes back with another one."""
    for stream in streams:
        source = recording.input(new_stream=True)
        source.write(0, stream)
        source.close()


def packets_in(path, kind) -> list[Fraction]:
    with av.open(str(path)) as container:
        [stream] = [each for each in container.streams if each.type == kind]
        return [packet.pts * packet.time_base for packet in container.demux(stream) if packet.size]


def test_parts_that_are_alike_are_one_file_and_one_film(hls_supervisor, arrives):
    supervisor = hls_supervisor()
    recording, data = supervisor.record(title="Twice"), arrives(MATROSKA)
    feed_parts(recording, data, data)
    recording.finish(BOUND)

    both = supervisor.export_recording(recording.id)
    second = supervisor.export_recording(recording.id, part=1)
    sound = supervisor.export_recording(recording.id, "wav")
    supervisor.close(recording.id)
    film, is_new = supervisor.open_recording(recording.id)

    arrived = [file.seconds for file in recording.files() if file.kind == "original"]
    assert arrived == pytest.approx([SECONDS, SECONDS], abs=0.1)
    once = sorted(packets_in(second, "video"))
    found = sorted(packets_in(both, "video"))
    assert len(found) == 2 * len(once) == 2 * 20 * SECONDS
    later = [time - found[len(once)] for time in found[len(once) :]]
    assert later == pytest.approx([time - once[0] for time in once], abs=0.002)
    assert 0 < found[len(once)] - found[len(once) - 1] < 0.2
    with av.open(str(sound)) as samples:
        assert float(samples.duration / av.time_base) == pytest.approx(2 * SECONDS, abs=0.2)
    assert is_new
    assert float(film.info().duration) == pytest.approx(2 * SECONDS, abs=0.2)


def test_parts_that_are_unlike_can_be_had_one_by_one(hls_supervisor, arrives):
    supervisor = hls_supervisor()
    recording = supervisor.record()
    feed_parts(recording, arrives(MATROSKA), arrives(WEBM))
    recording.finish(BOUND)

    with pytest.raises(NotPlayable, match="not alike"):
        supervisor.export_recording(recording.id)
    assert len(packets_in(supervisor.export_recording(recording.id, part=1), "video")) == 20 * SECONDS
    with pytest.raises(SegmentNotFound):
        supervisor.export_recording(recording.id, part=2)
    supervisor.close(recording.id)
    film, _ = supervisor.open_recording(recording.id)
    assert float(film.info().duration) == pytest.approx(SECONDS, abs=0.2)


def test_the_texts_of_a_stream_can_be_had_as_webvtt(hls_supervisor, arrives, hls_clip):
    supervisor = hls_supervisor()
    recording = supervisor.record()
    data = hls_clip(name="talk.mkv", seconds=4, size="128x72", rate="10", subtitles=(TALK,)).read_bytes()
    feed_parts(recording, data, data)
    recording.finish(BOUND)

    texts = supervisor.export_recording(recording.id, "subtitles").read_text()

    assert texts.startswith("WEBVTT\n\n00:00:01.000 --> 00:00:02.000\nHello &amp; welcome\n")
    assert re.search(r"\n00:00:0[45]\.\d+ --> 00:00:06\.\d+\nHello", texts)
    speechless = supervisor.record()
    feed_parts(speechless, arrives(MATROSKA))
    with pytest.raises(NotPlayable, match="no texts"):
        supervisor.export_recording(speechless.id, "subtitles")


@pytest.fixture
def exported(hls_supervisor, tmp_path):
    """Return a function that records what ffmpeg writes, and returns a file that is made of it."""

    def exported(*options, kind="video", change=lambda data: data) -> Path:
        path = tmp_path / "sent"
        subprocess.run([find(), "-v", "error", "-y", *options, path], check=True, timeout=BOUND)
        supervisor = hls_supervisor()
        recording = supervisor.record()
        feed_parts(recording, change(path.read_bytes()))
        recording.finish(BOUND)
        return supervisor.export_recording(recording.id, kind)

    return exported


TRANSPORT = (*VIDEO, *AUDIO, *H264, "-c:a", "aac", "-f", "mpegts")


@pytest.mark.parametrize(
    ("options", "extension", "codecs"),
    [
        (
            (*VIDEO, *AUDIO, "-c:v", "libsvtav1", "-preset", "12", "-c:a", "libopus", "-f", "matroska"),
            "mp4",
            ["av1", "opus"],
        ),
        ((*VIDEO, *AUDIO, *H264, "-c:a", "libmp3lame", "-f", "matroska"), "mp4", ["h264", "mp3"]),
        ((*VIDEO, *AUDIO, *H264, "-c:a", "pcm_mulaw", "-f", "matroska"), "mov", ["h264", "pcm_mulaw"]),
        ((*VIDEO, *AUDIO, *VP8, "-c:a", "libvorbis", "-f", "webm"), "mkv", ["vp8", "vorbis"]),
    ],
    ids=["AV1", "MP3", "µ-law", "VP8"],
)
def test_a_file_is_in_a_container_that_takes_its_codecs(exported, options, extension, codecs):
    path = exported(*options)

    with av.open(str(path)) as made:
        assert [stream.codec_context.codec.canonical_name for stream in made.streams] == codecs
    assert path.suffix == f".{extension}"
    assert len(packets_in(path, "video")) == 20 * SECONDS


@pytest.mark.parametrize(
    ("options", "change", "times_over"),
    [
        ((*TRANSPORT[:-2], "-output_ts_offset", "95440", *TRANSPORT[-2:]), lambda data: data, 1),
        (TRANSPORT, lambda data: data + data, 2),
    ],
    ids=["a counter that begins anew", "a stream that comes again"],
)
def test_a_clock_that_jumps_leaves_no_hole_in_a_file(exported, options, change, times_over):
    path = exported(*options, change=change)

    times = sorted(packets_in(path, "video"))
    assert len(times) == times_over * 20 * SECONDS
    assert max(after - before for before, after in pairwise(times)) < Fraction(1, 4)


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data[: len(data) * 2 // 3 + 100],
        lambda data: data[: len(data) // 2] + bytes(4000) + data[len(data) // 2 + 4000 :],
    ],
    ids=["cut off", "damaged"],
)
def test_samples_that_cannot_be_decoded_are_silent_in_a_wav(exported, change):
    path = exported(*TRANSPORT, kind="wav", change=change)

    with av.open(str(path)) as made:
        assert float(made.duration / av.time_base) > SECONDS / 2


# ---- low latency


@pytest.fixture
def low(hls_supervisor):
    return hls_supervisor().record(user="anna", low_latency=True)


def whole(recording) -> int:
    """How many segments are whole."""
    return sum(segment.uri is not None for segment in listed(recording).segments)


def offered(recording, kind="video") -> list[tuple[int, str, float]]:
    """The parts that a playlist offers: of which segment, under which name, how long."""
    playlist = listed(recording, kind)
    segments = [(playlist.media_sequence + at, segment.parts) for at, segment in enumerate(playlist.segments)]
    return [(number, part.uri, part.duration) for number, parts in segments for part in parts]


def test_what_arrives_can_be_watched_in_parts_before_a_segment_is_whole(low, arrives):
    data = arrives(MATROSKA)
    send(low, data[: len(data) * 2 // 3])
    low.ask_playable().get(BOUND)

    low.ask_reload(whole(low), 0).get(BOUND)

    text = str(low.playlist("video"))
    control = listed(low).server_control
    assert control.can_block_reload == "YES"
    assert control.part_hold_back >= 3 * listed(low).part_inf.part_target
    assert "#EXT-X-PRELOAD-HINT:TYPE=PART," in text
    assert 'RENDITION-REPORT:URI="../audio/index.m3u8"' in text
    segment = low.segment("video", 0, BOUND).read_bytes()
    parts = [name for number, name, _ in offered(low) if number == 0]
    files = [low.ask_partial("video", 0, number).get(BOUND).read_bytes() for number in range(len(parts))]
    assert parts == [f"0.{number}.m4s" for number in range(len(parts))]
    assert b"".join(files) == segment


def test_the_part_that_is_hinted_at_is_answered_as_soon_as_it_is_there(low, arrives):
    data = arrives(MATROSKA)
    send(low, data[: len(data) // 2])
    low.ask_playable().get(BOUND)
    hint = str(low.playlist("audio")).partition("PRELOAD-HINT:TYPE=PART,URI=")[2].split('"')[1]
    segment, part = map(int, hint.split(".")[:2])

    waiting = low.ask_partial("audio", segment, part)
    send(low, data[len(data) // 2 :])

    assert waiting.get(BOUND).read_bytes()[4:8] == b"moof"


def test_playlists_and_parts_that_are_waited_for_are_answered_at_the_end(low, arrives):
    send(low, arrives(MATROSKA))
    low.ask_playable().get(BOUND)

    reload = low.ask_reload(whole(low) + 1, None)
    low.finish(BOUND)

    assert reload.get(BOUND) is None
    playlist = str(low.playlist("video"))
    assert "#EXT-X-ENDLIST" in playlist
    assert "#EXT-X-PART:" not in playlist
    with pytest.raises(SegmentNotFound):
        low.ask_partial("video", 99, 0).get(BOUND)
    [video] = shown(low)
    assert len(video) == 20 * SECONDS


@pytest.mark.parametrize("wanted", [("video", 0, 99), ("video", 2, 0), ("video", 1, 99)])
def test_a_part_that_is_not_the_next_is_refused(low, arrives, wanted):
    data = arrives(MATROSKA)
    send(low, data[: len(data) // 3])
    low.ask_playable().get(BOUND)

    with pytest.raises(SegmentNotFound):
        low.ask_partial(*wanted).get(BOUND)
    with pytest.raises(RenditionNotFound):
        low.ask_partial("subtitles", 0, 0).get(BOUND)
    with pytest.raises(SegmentNotFound):
        low.ask_reload(9, None).get(BOUND)


def test_parts_are_offered_for_three_target_durations_and_then_deleted(low, arrives, until):
    for number in range(4):
        source = low.input(new_stream=True)
        source.write(0, arrives(MATROSKA))
        source.close()
        until(lambda number=number: whole(low) > 3 * number + 2)

    names, first = {name for _, name, _ in offered(low)}, min(number for number, _, _ in offered(low))
    kept = [path.name for path in low.segment("video", 0, BOUND).parent.glob("*.*.m4s")]

    following = whole(low)
    assert sum(segment.duration for segment in listed(low).segments[first:following]) < 3 * 4 + 4
    assert names <= set(kept)
    assert {int(name.split(".")[0]) for name in kept} <= set(range(first, following + 1))


def test_what_is_copied_goes_on_encoded_where_keyframes_are_rare_though_parts_were_shown(low, arrives):
    data = arrives("rare keyframes")

    with low:
        send(low, data)

    first, second = shown(low)
    assert len(first) + len(second) == 20 * SECONDS
