"""Films that are replaced, overwritten, recorded or away for a moment while they play."""

from __future__ import annotations

import shutil
import subprocess
from fractions import Fraction

import pytest

from hls_sessions.encoding import source
from hls_sessions.errors import FileChanged, MediaNotFound, NotPlayable, SessionEnded, Unavailable
from hls_sessions.ffmpeg import Prober, find
from hls_sessions.media import read_segment

BOUND = 30
COPIED, ENCODED = "video-copy", "video-90p"
SMALL = {"seconds": 12, "size": "160x90", "rate": "10", "pixels": "yuv420p", "gop": 10}


@pytest.fixture
def film(hls_clip, tmp_path):
    """A film of twelve seconds that nobody has changed yet."""
    return shutil.copy(hls_clip(**SMALL), tmp_path / "film.mp4")


@pytest.fixture
def start(hls_supervisor, tmp_path, paced):
    """Start a supervisor whose encoders make a film twice as fast as it plays, so that its end is not there yet."""
    return lambda **more: hls_supervisor(media=(tmp_path,), ffmpeg=paced(2), **more)


def rename_over(film, other):
    shutil.copy(other, film.with_name("other")).replace(film)


def overwrite(film, other):
    film.write_bytes(other.read_bytes())


@pytest.mark.parametrize("rendition", [COPIED, ENCODED])
@pytest.mark.parametrize("replace", [rename_over, overwrite])
@pytest.mark.parametrize("other", [{"seconds": 8}, {"seconds": 30}])
def test_a_film_that_is_replaced_is_never_played_under_the_old_one(
    start, film, hls_clip, until, rendition, replace, other
):
    other = hls_clip(**SMALL | other)
    supervisor = start(copy_streams=rendition == COPIED)
    session = supervisor.open(film, user="anna")
    last = len(session.presentation.cuts(rendition)) - 1
    assert session.segment(rendition, 0, BOUND).exists()

    replace(film, other)

    with pytest.raises((FileChanged, SessionEnded), match="has changed since it was opened"):
        session.segment(rendition, last, BOUND)
    until(lambda: supervisor.sessions() == [])
    with pytest.raises(SessionEnded, match="has changed since it was opened"):
        supervisor.find(session.id).segment(rendition, 0, BOUND)
    again = supervisor.open(film, user="anna")
    assert again.id != session.id
    assert again.presentation.media.size == other.stat().st_size
    assert again.segment(rendition, 0, BOUND).exists()


def test_a_viewer_who_opens_a_replaced_film_gets_the_new_one_though_nobody_has_noticed(start, film, hls_clip):
    supervisor = start()
    before, paused = supervisor.open(film, user="anna"), supervisor.open(film, user="bob")
    paused.pause()
    rename_over(film, hls_clip(**SMALL | {"seconds": 8}))

    for user, earlier in (("anna", before), ("bob", paused)):
        after = supervisor.open(film, user=user)
        assert after.id != earlier.id
        assert after.presentation.media.duration < 9
        assert supervisor.history(earlier.id)[-1].reason.endswith("has changed since it was opened. Open it again.")


def test_a_film_whose_metadata_was_not_changed_is_the_same(start, film):
    supervisor = start()
    session = supervisor.open(film, user="anna")
    film.chmod(0o600)

    assert session.segment(COPIED, 3, BOUND).exists()
    assert supervisor.open(film, user="anna").id == session.id


# ---- a share that blinks


@pytest.mark.parametrize("rendition", [COPIED, ENCODED])
def test_a_film_that_is_away_for_a_moment_is_waited_for(start, film, rendition, caplog, until):
    session = start(copy_streams=rendition == COPIED).open(film)
    away = film.with_name("away.mp4")
    film.rename(away)

    wanted = session.ask_segment(rendition, 5)
    until(lambda: "is away" in caplog.text)
    assert not wanted.done()
    away.rename(film)

    assert wanted.get(BOUND).exists()
    info = session.info()
    assert (info.state, info.encoder_failures) == ("active", 0)
    assert [rendition.gaps for rendition in info.renditions] == [()] * len(info.renditions)


def test_a_film_that_stays_away_ends_its_session_and_says_so(start, film, monkeypatch, until):
    monkeypatch.setattr(source, "AWAY_FOR", 0.1)
    supervisor = start()
    session = supervisor.open(film)
    film.unlink()

    with pytest.raises(MediaNotFound):
        session.segment(COPIED, 3, BOUND)
    until(lambda: supervisor.sessions() == [])
    with pytest.raises(SessionEnded, match="There is no file"):
        supervisor.find(session.id)


def test_a_stop_does_not_wait_for_a_film_that_is_away(start, film, caplog, until):
    supervisor = start()
    session = supervisor.open(film)
    film.unlink()
    wanted = session.ask_segment(COPIED, 3)
    until(lambda: "is away" in caplog.text)

    supervisor.stop()

    assert wanted.done()


@pytest.mark.parametrize(
    "error", [MediaNotFound("film"), NotPlayable("film", "it is not a regular file"), Unavailable("It hangs.")]
)
def test_a_film_that_is_gone_when_it_is_to_be_read_whole_leaves_a_session_that_somebody_holds(
    start, hls_clip, tmp_path, monkeypatch, error
):
    film = shutil.copy(hls_clip(**SMALL, container="mkv", options=("-live", "1")), tmp_path / "film.mkv")

    def gone(*_):
        raise error

    monkeypatch.setattr(Prober, "read_whole", gone)
    supervisor = start()

    session = supervisor.open(film)

    assert session.presentation.media.video.unread
    assert [each.id for each in supervisor.sessions()] == [session.id]


# ---- recordings

RECORDED = {
    "ts": ["-f", "mpegts"],
    "mkv": ["-f", "matroska", "-live", "1"],
    "mp4": ["-f", "mp4", "-movflags", "empty_moov+frag_keyframe+default_base_moof"],
}


@pytest.fixture
def recording(hls_clip, tmp_path, request):
    """Two recordings, of which the first is still written to, and the rest of the first."""
    kind = request.param
    whole = tmp_path / f"whole.{kind}"
    long = hls_clip(**SMALL | {"seconds": 30})
    command = [find(), "-v", "error", "-i", long, "-c", "copy", "-flush_packets", "1", *RECORDED[kind], whole]
    subprocess.run(command, check=True)
    content = whole.read_bytes()
    whole.unlink()
    size = len(content) * 2 // 5 // 188 * 188
    grows, still = tmp_path / f"grows.{kind}", tmp_path / f"still.{kind}"
    for path in (grows, still):
        path.write_bytes(content[:size])
    return grows, still, content[size:]


@pytest.mark.parametrize("recording", RECORDED, indirect=True)
def test_a_recording_that_goes_on_is_played_as_it_was_when_it_was_opened(hls_supervisor, tmp_path, recording):
    grows, still, rest = recording
    supervisor = hls_supervisor(media=(tmp_path,))
    told = supervisor.open(grows, user="anna")
    other = supervisor.open(still)
    assert told.master_playlist() == other.master_playlist()
    with grows.open("ab") as file:
        file.write(rest)

    for rendition in told.presentation.renditions:
        cuts = told.presentation.cuts(rendition)
        last = len(cuts) - 1
        made = told.segment(rendition, last, BOUND).read_bytes()
        assert made == other.segment(rendition, last, BOUND).read_bytes()
        segment = read_segment(made, told.init(rendition, BOUND).read_bytes())
        assert segment.end - segment.first < cuts.end(last) - cuts.start(last) + Fraction(1, 2)
        assert told.segment(rendition, 0, BOUND).read_bytes() == other.segment(rendition, 0, BOUND).read_bytes()
    assert supervisor.open(grows, user="anna").id == told.id
