"""Thumbnails are made from keyframes, by processes that may crash or hang, and each once."""

from __future__ import annotations

import io
import os
import signal
from dataclasses import replace
from fractions import Fraction

import av
import pytest

from hls_sessions.errors import MediaNotFound, ThumbnailFailed, Unavailable
from hls_sessions.ffmpeg import Prober, ThumbnailMaker, Workers
from hls_sessions.ffmpeg.thumbnails import maker as thumbnails
from hls_sessions.media import Sheet, thumbnails_of

BOUND = 60
RED, BLUE = (254, 0, 0), (0, 0, 254)


@pytest.fixture
def probed(hls_shared_workers):
    prober = Prober(hls_shared_workers[0])
    yield prober.probe
    prober.close()


@pytest.fixture
def maker(hls_shared_workers):
    made = ThumbnailMaker(hls_shared_workers[0])
    yield made
    made.close()


@pytest.fixture
def colours(hls_clip_folder):
    """Return a function that makes a film which is red for four seconds, and then blue."""

    def make(name: str, *options: str, size: str = "320x180"):
        from hls_sessions.testing.clips import find  # noqa: PLC0415

        path = hls_clip_folder / name
        if not path.exists():
            import subprocess  # noqa: PLC0415

            halves = [f"color={colour}:size={size}:rate=25:duration=4" for colour in ("red", "blue")]
            inputs = [argument for half in halves for argument in ("-f", "lavfi", "-i", half)]
            joined = ["-filter_complex", "concat=n=2", "-pix_fmt", "yuv420p", "-g", "50"]
            subprocess.run([find(), "-v", "error", "-y", *inputs, *joined, *options, str(path)], check=True)
        return path

    return make


def picture(jpeg: bytes):
    with av.open(io.BytesIO(jpeg)) as container:
        return next(container.decode(video=0))


def colour_at(jpeg: bytes, x: int, y: int) -> str:
    frame = picture(jpeg).reformat(format="rgb24")
    plane = frame.planes[0]
    at = y * plane.line_size + 3 * x
    red, green, blue = bytes(plane)[at : at + 3]
    if max(red, green, blue) < 40:
        return "black"
    return max((red, "red"), (green, "green"), (blue, "blue"))[1]


def sheet_of(*times: float, columns: int = 1, width: int = 160, height: int = 90) -> Sheet:
    return Sheet(tuple(map(Fraction, times)), columns, width, height)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("colours.mp4", ("-c:v", "libx264", "-bf", "2")),
        ("colours.mkv", ("-c:v", "libx265", "-x265-params", "log-level=none")),
        ("colours.webm", ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8")),
        ("colours.ts", ("-c:v", "mpeg2video")),
        ("colours.avi", ("-c:v", "mpeg4")),
        ("av1.mp4", ("-c:v", "libaom-av1", "-usage", "realtime", "-cpu-used", "8")),
    ],
)
def test_a_thumbnail_shows_the_film_at_its_time_in_any_codec(maker, probed, colours, name, options):
    media = probed(colours(name, *options))
    film = thumbnails_of(media)

    first, second = (maker.ask(media, film.at(at)).get(BOUND) for at in (1, 7))

    assert (colour_at(first, 160, 90), colour_at(second, 160, 90)) == ("red", "blue")
    assert (picture(first).width, picture(first).height) == (320, 180)


def test_a_sheet_holds_its_pictures_in_rows(maker, probed, colours):
    media = probed(colours("colours.mp4", "-c:v", "libx264", "-bf", "2"))

    image = maker.ask(media, sheet_of(1, 7, 7, columns=2)).get(BOUND)

    assert (picture(image).width, picture(image).height) == (320, 180)
    places = [(80, 45), (240, 45), (80, 135), (240, 135)]
    assert [colour_at(image, *place) for place in places] == ["red", "blue", "blue", "black"]


def test_a_film_that_is_shown_turned_has_turned_thumbnails(maker, probed, colours, tmp_path):
    media = probed(colours("turned.mp4", "-c:v", "libx264", "-metadata:s:v", "rotate=90"))
    shape = thumbnails_of(media)

    assert (shape.width, shape.height) == ((102, 180) if media.video.height > media.video.width else (320, 180))
    assert picture(maker.ask(media, shape.one(0)).get(BOUND)).height == 180


def test_a_thumbnail_is_made_once(maker, probed, colours):
    media = probed(colours("colours.mp4", "-c:v", "libx264", "-bf", "2"))
    first = maker.ask(media, sheet_of(1)).get(BOUND)
    again = maker.ask(media, sheet_of(1))

    assert again.done()
    assert again.get(0) is first


def test_a_thumbnail_that_nobody_wants_any_more_is_not_made(maker, probed, colours, monkeypatch):
    media = probed(colours("colours.mp4", "-c:v", "libx264", "-bf", "2"))
    monkeypatch.setattr(maker, "_threads", Held())
    given_up, wanted = maker.ask(media, sheet_of(1)), maker.ask(media, sheet_of(5))
    given_up.cancel()
    maker._threads.run()

    assert wanted.get(BOUND)
    assert not maker.ask(media, sheet_of(1)).done()


class Held:
    """Threads that begin when they are told to."""

    def __init__(self):
        self.calls = []

    def submit(self, call):
        self.calls.append(call)

    def run(self):
        while self.calls:
            self.calls.pop(0)()

    def shutdown(self):
        pass


def test_the_newest_question_is_answered_first(maker, probed, colours, monkeypatch):
    media = probed(colours("colours.mp4", "-c:v", "libx264", "-bf", "2"))
    monkeypatch.setattr(maker, "_threads", Held())
    answered = []
    for at in (1, 3, 5):
        maker.ask(media, sheet_of(at)).add_done_callback(lambda _, at=at: answered.append(at))
    maker._threads.run()

    assert answered == [5, 3, 1]


def test_a_worker_that_is_killed_is_replaced(maker, probed, colours):
    media = probed(colours("colours.mp4", "-c:v", "libx264", "-bf", "2"))
    maker.ask(media, sheet_of(1)).get(BOUND)
    [worker] = maker._open.values()
    os.kill(worker.pid, signal.SIGALRM)  # as by itself, when nobody has asked for long
    worker.wait(BOUND)

    assert maker.ask(media, sheet_of(2)).get(BOUND)


def test_one_whose_worker_is_killed_from_outside_may_be_asked_for_again(maker, probed, colours):
    media = probed(colours("colours.mp4", "-c:v", "libx264", "-bf", "2"))
    maker.ask(media, sheet_of(1)).get(BOUND)

    # One that is killed before it was given the question is replaced, and nobody notices: it is tried until one was.
    for at in range(2, 12):
        [worker] = maker._open.values()
        os.kill(worker.pid, signal.SIGSTOP)
        asked = maker.ask(media, sheet_of(at / 10))
        os.kill(worker.pid, signal.SIGKILL)
        try:
            asked.get(BOUND)
        except Unavailable:
            break
    else:
        pytest.fail("nobody was told that a worker was killed")
    assert maker.ask(media, sheet_of(at / 10)).get(BOUND)


def test_a_film_of_which_nothing_can_be_decoded_has_no_thumbnail(maker, probed, colours, tmp_path):
    media = probed(colours("colours.mp4", "-c:v", "libx264", "-bf", "2"))
    damaged = tmp_path / "damaged.mp4"
    data = bytearray(media.path.read_bytes())
    at = data.index(b"mdat") + 4
    data[at : at + 100_000] = bytes(min(100_000, len(data) - at))
    damaged.write_bytes(data[: len(media.path.read_bytes())])
    os.utime(damaged, ns=(media.modified, media.modified))

    with pytest.raises(ThumbnailFailed):
        maker.ask(replace(media, path=damaged, inode=damaged.stat().st_ino), sheet_of(1)).get(BOUND)


def test_a_file_that_was_replaced_has_no_thumbnail_of_what_it_was(maker, probed, colours, tmp_path):
    path = tmp_path / "film.mp4"
    path.write_bytes(colours("colours.mp4", "-c:v", "libx264", "-bf", "2").read_bytes())
    media = probed(path)
    path.write_bytes(b"something else")

    with pytest.raises(ThumbnailFailed, match="not the file that was opened"):
        maker.ask(media, sheet_of(1)).get(BOUND)


def test_a_file_that_is_gone_is_told_as_such(maker, probed, colours, tmp_path):
    path = tmp_path / "film.mp4"
    path.write_bytes(colours("colours.mp4", "-c:v", "libx264", "-bf", "2").read_bytes())
    media = probed(path)
    path.unlink()

    with pytest.raises(MediaNotFound):
        maker.ask(media, sheet_of(1)).get(BOUND)


def test_one_that_takes_too_long_is_given_up_and_not_tried_again(maker, probed, colours, monkeypatch):
    media = probed(colours("colours.mp4", "-c:v", "libx264", "-bf", "2"))
    monkeypatch.setattr(thumbnails, "TIMEOUT", 1e-9)
    with pytest.raises(ThumbnailFailed, match="takes more than"):
        maker.ask(media, sheet_of(1)).get(BOUND)

    assert maker.ask(media, sheet_of(1)).done()
    assert maker.ask(media, sheet_of(2)).done()  # for another one would take as long


def test_a_maker_that_is_closed_answers_all_and_leaves_no_process(hls_shared_workers, probed, colours):
    media = probed(colours("colours.mp4", "-c:v", "libx264", "-bf", "2"))
    workers = Workers()
    maker = ThumbnailMaker(workers)
    maker.ask(media, sheet_of(1)).get(BOUND)
    [worker] = maker._open.values()
    maker.close()
    workers.close()

    assert worker.exit is not None
    with pytest.raises(Unavailable):
        maker.ask(media, sheet_of(2)).get(BOUND)
