"""What is refused or left out when a file is opened, because the ffmpeg that plays could make nothing of it."""

from __future__ import annotations

import io
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from ebml import audio, element, matroska, number, video

from hls_sessions.errors import NotPlayable
from hls_sessions.ffmpeg import find, inspect_binary, methods, plan_run
from hls_sessions.ffmpeg.probing.content_encodings import encrypted_tracks
from hls_sessions.media import Presentation
from hls_sessions.testing import Clip, make


@pytest.fixture
def film(hls_clip):
    return hls_clip(seconds=1.0, size="160x90", container="mkv")


def written(path, *arguments):
    """Write a file with ffmpeg, and return its path."""
    subprocess.run([find(), "-v", "error", "-nostdin", *arguments, str(path)], check=True, timeout=60)
    return path


def without(*codecs):
    """Return an ffmpeg that lacks the decoders of some codecs."""
    binary = inspect_binary(find())
    return replace(binary, decoders={codec: names for codec, names in binary.decoders.items() if codec not in codecs})


def refusal(prober, path):
    with pytest.raises(NotPlayable) as refused:
        prober.probe(path)
    return refused.value.reason


def test_what_a_binary_decodes_and_reads_is_known(binary):
    assert binary.decoders["h264"][0] == "h264"
    assert "mp3float" in binary.decoders["mp3"]
    assert not any("_qsv" in name or "_v4l2m2m" in name for names in binary.decoders.values() for name in names)
    assert binary.demuxers >= {"mov", "mov,mp4,m4a,3gp,3g2,mj2", "matroska", "mpegts", "yuv4mpegpipe"}


def test_a_track_that_this_ffmpeg_cannot_decode_is_left_out_and_told(make_prober, film):
    media = make_prober(timeout=60, binary=without("h264")).probe(film)

    assert media.video is None
    assert len(media.audio) == 1
    assert any("the video is left out" in note and "has no decoder for h264" in note for note in media.notes)


def test_a_file_of_which_nothing_is_left_is_refused_with_the_reason(make_prober, film):
    why = refusal(make_prober(timeout=60, binary=without("h264", "aac")), film)

    assert "no decoder for h264" in why
    assert "no decoder for aac" in why


def test_a_container_that_this_ffmpeg_does_not_read_is_refused(make_prober, film):
    binary = replace(inspect_binary(find()), demuxers=frozenset({"mov"}))

    assert "does not read its container (matroska,webm)" in refusal(make_prober(timeout=60, binary=binary), film)


@pytest.mark.parametrize(("version", "plays"), [("5.1.9", False), ("6.0", True), ("N-1-g0", True)])
def test_flac_of_32_bits_is_refused_where_ffmpeg_decodes_24(make_prober, hls_clip_folder, version, plays):
    path = make(Clip(seconds=1.0, video=None, audio="flac", container="flac"), hls_clip_folder)
    deep = bytearray(path.read_bytes())
    deep[20] |= 1  # in STREAMINFO, after the four letters and the header of the block: 32 bits
    deep[21] |= 0xF0
    path = hls_clip_folder / f"deep-{version}.flac"
    path.write_bytes(deep)
    prober = make_prober(timeout=60, binary=replace(inspect_binary(find()), version=version))

    if plays:
        assert prober.probe(path).audio[0].codec == "flac"
    else:
        assert "FLAC of 24 bits at most" in refusal(prober, path)


def test_encrypted_tracks_are_refused_as_such(make_prober, tmp_path):
    path = written(
        tmp_path / "closed.mp4",
        *("-f", "lavfi", "-i", "testsrc2=size=128x72:rate=10", "-f", "lavfi", "-i", "sine", "-t", "1"),
        *("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac"),
        *("-encryption_scheme", "cenc-aes-ctr", "-encryption_key", "76a6c65c5ea762046bd749a2e632ccbb"),
        *("-encryption_kid", "a7e61c373e219033c21091fa607bf3b8"),
    )

    why = refusal(make_prober(timeout=60), path)

    assert "the video (stream 0) is left out: it is encrypted" in why
    assert "the audio (stream 1) is left out: it is encrypted" in why


def with_aes(*key):
    """A content encoding: AES, with a key that may be named (RFC 9559, 5.1.4.1.31)."""
    aes = element(0x5035, number(0x47E1, 5), *key)
    return element(0x6240, number(0x5031, 0), number(0x5032, 1), number(0x5033, 1), aes)


COMPRESSED = element(0x6240, number(0x5031, 1), number(0x5033, 0), element(0x5034, number(0x4254, 3)))
ENCRYPTED = {
    "with the name of the key": element(0x6D80, with_aes(element(0x47E2, b"a key"))),
    "without": element(0x6D80, with_aes()),
    "compressed first": element(0x6D80, COMPRESSED, with_aes()),
    "by its type alone": element(0x6D80, element(0x6240, number(0x5033, 1))),
}


def test_encrypted_tracks_of_a_matroska_are_refused_as_such(make_prober, tmp_path):
    prober = make_prober(timeout=60)
    for name, encodings in ENCRYPTED.items():
        path = tmp_path / f"{name}.mkv"
        path.write_bytes(matroska(tracks=(video(encodings), audio(encodings))))

        why = refusal(prober, path)

        assert "the video (stream 0) is left out: it is encrypted" in why, name
        assert "the audio (stream 1) is left out: it is encrypted" in why, name


def test_the_other_tracks_of_a_matroska_play(make_prober, tmp_path):
    path, prober = tmp_path / "half.mkv", make_prober(timeout=60)
    path.write_bytes(matroska(tracks=(video(element(0x6D80, COMPRESSED)), audio(ENCRYPTED["without"]))))

    media = prober.probe(path)

    assert media.video.codec == "rawvideo"
    assert media.audio == ()
    assert media.notes == ("the audio (stream 1) is left out: it is encrypted",)


@pytest.mark.parametrize(
    "bytes_",
    [b"", b"\0" * 64, matroska()[:60], matroska()[:120], bytes.fromhex("1a45dfa3 80 1654ae6b 01ffffffffffffff")],
)
def test_what_is_cut_off_or_no_matroska_has_no_encrypted_tracks(bytes_):
    tracks = encrypted_tracks(io.BytesIO(bytes_))

    assert not any(tracks["video"] + tracks["audio"])


def test_a_track_of_closed_captions_is_left_out(make_prober, hls_clip, tmp_path):
    text = "1\n00:00:00,200 --> 00:00:00,900\nfourteen bytes\n"
    film = hls_clip(seconds=1.0, size="160x90", subtitles=(text,)).read_bytes()
    pairs = b"\0\0\0\x10cdat" + bytes.fromhex("9420 9470 c8e9 942f")
    path = tmp_path / "captions.mp4"
    path.write_bytes(
        film.replace(b"tx3g", b"c608").replace(b"sbtl", b"clcp").replace(b"\0\x0efourteen bytes", pairs),
    )

    media = make_prober(timeout=60).probe(path)

    assert (media.video.codec, len(media.audio), media.subtitles) == ("h264", 1, ())
    assert media.notes == ("the subtitles #2 (eia_608) are closed captions and are not offered",)


@pytest.mark.parametrize("container", ["m4a", "mka"])
def test_an_audiobook_of_which_only_the_header_is_there_is_refused(make_prober, tmp_path, container):
    chapters = tmp_path / "chapters.txt"
    chapters.write_text(";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1\nSTART=0\nEND=30\ntitle=One\n")
    path = written(
        tmp_path / f"book.{container}",
        *("-f", "lavfi", "-i", "sine", "-i", str(chapters), "-map", "0:a", "-map_chapters", "1", "-t", "30"),
        *("-c:a", "aac", *(["-movflags", "+faststart"] if container == "m4a" else [])),
    )
    whole = path.read_bytes()
    media = whole.index(b"mdat") + 4 if container == "m4a" else whole.index(bytes.fromhex("1f43b675"))
    path.write_bytes(whole[:media])

    assert refusal(make_prober(timeout=60), path)


def test_junk_before_an_mp3_does_not_make_another_format_of_it(make_prober, tmp_path, binary):
    sound = written(tmp_path / "clean.mp3", "-f", "lavfi", "-i", "sine", "-t", "2", "-c:a", "libmp3lame")
    path = tmp_path / "junk.mp3"
    path.write_bytes(bytes(range(1, 250)) * 12 + sound.read_bytes())

    offered = Presentation.of(make_prober(timeout=60, binary=binary).probe(path))
    rendition = offered.audio[0]
    folder = tmp_path / "made"
    folder.mkdir()
    run = plan_run(binary, offered, rendition, methods(rendition)[0], 0, folder)

    assert run.argv[run.argv.index("-f") + 1] == "mp3"
    subprocess.run(run.argv, check=True, timeout=60)
    assert (folder / "0.m4s").stat().st_size > 0


def test_no_other_demuxer_and_no_other_decoder_is_used(make_prober, film, binary, tmp_path):
    media = make_prober(timeout=60).probe(film)

    def outcome(media):
        offered = Presentation.of(media)
        rendition = offered.audio[0]
        folder = Path(tmp_path, "made")
        folder.mkdir(exist_ok=True)
        argv = plan_run(binary, offered, rendition, methods(rendition)[0], 0, folder).argv
        return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)

    assert outcome(media).returncode == 0
    assert outcome(replace(media, container="mov,mp4")).returncode != 0
    other = outcome(replace(media, video=None, audio=(replace(media.audio[0], codec="mp3"),)))
    assert "(aac) not on whitelist" in other.stderr
