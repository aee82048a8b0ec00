"""The fake ffmpeg makes what the real one would make, and misbehaves as it is told."""

from __future__ import annotations

import shlex
import signal
import subprocess
import sys
from pathlib import Path

import judge
import pytest

from hls_sessions.errors import SegmentImpossible
from hls_sessions.media import BrokenSegment, read_segment
from hls_sessions.testing import Clip, FakeRun, make, runs_of

BOUND = 30.0

FILMS = {
    "with B-frames": {},
    "with a frame rate that is no whole number": {"rate": "24000/1001", "size": "640x360", "seconds": 9},
    "copied from, because players take it": {"pixels": "yuv420p", "gop": 25, "audio": "libmp3lame"},
    "in QuickTime": {"container": "mov", "seconds": 4},
    "with audio that ends late": {"audio_seconds": 9.0},
    "without audio": {"audio": None, "seconds": 3, "size": "160x90"},
}


def all_of(session, rendition):
    """Return the init segment and all segments of a rendition, asked for from the last to the first."""
    made = session.presentation.cuts(rendition).made
    for number in reversed(made):
        session.segment(rendition, number, BOUND)
    return b"".join(
        file.read_bytes()
        for file in (session.init(rendition, BOUND), *(session.segment(rendition, number, BOUND) for number in made))
    )


@pytest.mark.parametrize("like", FILMS.values(), ids=FILMS)
def test_every_frame_of_a_film_is_there_at_its_time_and_can_be_decoded(hls_clip, hls_supervisor, hls_fake_ffmpeg, like):
    film = hls_clip(**like)
    session = hls_supervisor(ffmpeg=hls_fake_ffmpeg(), copy_streams=False).open(film)

    for rendition in session.presentation.renditions:
        media = all_of(session, rendition)
        times = judge.times(media)
        assert judge.frames(media) in {len(times), len(times) - 1}  # a decoder leaves the priming of audio out
        assert judge.is_increasing(times)
        if rendition.startswith("video"):
            expected = judge.source_times(film)
            assert judge.worst_deviation(times[: len(expected)], expected) < judge.MILLISECOND


@pytest.mark.parametrize("like", [{"video": None, "container": "flac", "audio": "flac"}, {"container": "mkv"}], ids=str)
def test_a_film_whose_frames_are_not_counted_is_played_to_its_end(
    hls_clip, hls_supervisor, hls_fake_ffmpeg, hls_client, like
):
    session = hls_supervisor(ffmpeg=hls_fake_ffmpeg(), copy_streams=False).open(hls_clip(**like))

    played = hls_client(session).play()

    assert max(each.start + each.seconds for each in played.received) == pytest.approx(6, abs=0.1)


def test_a_segment_is_the_same_whichever_run_has_made_it(hls_clip, hls_supervisor, hls_fake_ffmpeg):
    film = hls_clip()
    supervisor = hls_supervisor(ffmpeg=hls_fake_ffmpeg())

    whole, late = (supervisor.open(film, user) for user in ("one", "other"))
    first = [whole.segment("video-180p", number, BOUND).read_bytes() for number in range(4)]

    assert late.segment("video-180p", 2, BOUND).read_bytes() == first[2]


def test_a_film_that_it_cannot_read_is_named_in_the_error(hls_supervisor, hls_fake_ffmpeg, hls_clip):
    session = hls_supervisor(ffmpeg=hls_fake_ffmpeg()).open(hls_clip(container="ts", audio=None))

    with pytest.raises(SegmentImpossible):
        session.segment("video-180p", 0, BOUND)

    assert "the fake ffmpeg reads video in MP4, MOV and Matroska, not in mpegts" in " ".join(session.log[-1].lines)


def test_a_question_that_it_does_not_know_is_an_error(hls_fake_ffmpeg):
    asked = subprocess.run([hls_fake_ffmpeg(), "-i", "film.mp4"], capture_output=True, text=True, check=False)

    assert (asked.returncode, asked.stderr) == (1, "the fake ffmpeg cannot be asked for: -i film.mp4\n")


def test_its_first_run_crashes_and_the_next_ones_work(hls_clip, hls_supervisor, hls_fake_ffmpeg):
    fake = hls_fake_ffmpeg(FakeRun(crash_after=1, says="Out of luck", code=7), FakeRun())
    session = hls_supervisor(ffmpeg=fake).open(hls_clip(audio=None))

    for number in range(4):
        session.segment("video-180p", number, BOUND)

    assert runs_of(fake) == 2
    assert session.info().encoder_failures == 1
    assert any("Out of luck" in entry.lines for entry in session.log)


def test_the_runs_of_each_rendition_are_counted_by_themselves(hls_clip, hls_supervisor, hls_fake_ffmpeg):
    fake = hls_fake_ffmpeg(FakeRun(crash_after=0), FakeRun())
    session = hls_supervisor(ffmpeg=fake, copy_streams=False).open(hls_clip())

    for rendition in session.presentation.renditions:
        session.segment(rendition, 0, BOUND)

    assert runs_of(fake) == 4


def test_garbage_is_refused_and_the_segments_around_it_are_played(hls_clip, hls_supervisor, hls_fake_ffmpeg):
    session = hls_supervisor(ffmpeg=hls_fake_ffmpeg(garbage=(1,))).open(hls_clip(audio=None))

    with pytest.raises(SegmentImpossible):
        session.segment("video-180p", 1, BOUND)

    assert session.segment("video-180p", 0, BOUND).exists()
    assert session.segment("video-180p", 2, BOUND).exists()


class Run:
    """One run of a fake ffmpeg, with a command line that this package builds, without a supervisor."""

    def __init__(self, fake: Path, film: Path, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        command = [*["-f", "mov", "-format_whitelist", "mov", "-i"], f"file:{film}"]
        command += ["-filter_complex", "[0:0]trim=start=0.0[s0];[s0]scale=320:180[s1]", "-enc_time_base", "1:12800"]
        command += ["-force_key_frames", "0,1,2,4", "-level:v", "1.3", "-segment_start_number", "0"]
        command += ["-segment_format_options", "output_ts_offset=0.25", str(folder / "%d.m4s")]
        self.process = subprocess.Popen([fake, *command], stderr=subprocess.PIPE, text=True)

    def end(self) -> int:
        """Wait for its end."""
        self.said = self.process.communicate(timeout=BOUND)[1]
        return self.process.returncode

    def is_whole(self, number: int) -> bool:
        """Whether it has written a segment to its end."""
        try:
            read_segment((self.folder / f"{number}.m4s").read_bytes())
        except (FileNotFoundError, BrokenSegment):
            return False
        return True

    @property
    def made(self) -> list[bool]:
        return [self.is_whole(number) for number in range(4)]


@pytest.fixture
def run(hls_fake_ffmpeg, hls_clip, tmp_path):
    """Return a function that starts a run which behaves as told, and is killed after the test."""
    runs = []

    def run(**behaviour):
        runs.append(Run(hls_fake_ffmpeg(**behaviour), hls_clip(audio=None), tmp_path / "run-1"))
        return runs[-1]

    yield run
    for each in runs:
        each.process.kill()
        each.process.communicate()


def test_it_ends_well_after_all_segments(run):
    whole = run()

    assert whole.end() == 0
    assert whole.made == [True] * 4


def test_it_ends_well_after_as_many_segments_as_told(run):
    short = run(end_after=2)

    assert short.end() == 0
    assert short.made == [True, True, False, False]
    assert not (short.folder / "2.m4s").exists()


def test_it_crashes_in_the_middle_of_a_segment(run):
    crashed = run(crash_after=2, says="Killed by a test", code=3)

    assert crashed.end() == 3
    assert crashed.said == "Killed by a test\n"
    assert crashed.made == [True, True, False, False]
    assert (crashed.folder / "2.m4s").stat().st_size > 0


def test_it_crashes_at_the_end_if_there_is_no_further_segment(run):
    crashed = run(crash_after=4, code=5)

    assert crashed.end() == 5
    assert crashed.made == [True] * 4


def test_it_crashes_by_a_signal(run):
    assert run(crash_after=0, code=-signal.SIGSEGV).end() == -signal.SIGSEGV


def test_it_stalls_in_the_middle_of_a_segment(run, until):
    stalled = run(stall_after=1)

    until((stalled.folder / "1.m4s").exists)

    assert stalled.made == [True, False, False, False]
    assert stalled.process.poll() is None


def test_one_that_ignores_sigterm_ends_by_sigkill_alone(run, until):
    deaf = run(stall_after=0, ignore_sigterm=True)
    until((deaf.folder / "0.m4s").exists)

    deaf.process.terminate()
    blocked = int(Path(f"/proc/{deaf.process.pid}/status").read_text().partition("SigIgn:")[2].split()[0], 16)
    assert blocked >> (signal.SIGTERM - 1) & 1
    assert deaf.process.poll() is None

    deaf.process.kill()
    assert deaf.end() == -signal.SIGKILL


def test_one_that_starts_late_has_written_nothing_before(run, until):
    late = run(start_delay=3600)

    until(lambda: runs_of(Path(late.process.args[0])) == 1)

    assert list(late.folder.iterdir()) == []


def test_one_with_a_speed_takes_its_time_for_each_segment(run, until):
    slow = run(speed=0.001)

    until((slow.folder / "0.m4s").exists)

    assert slow.made == [False] * 4


def test_one_with_a_bit_rate_makes_segments_as_large_as_that(run):
    large = run(bit_rate=80_000)

    assert large.end() == 0
    assert large.made == [True] * 4
    assert [(large.folder / f"{number}.m4s").stat().st_size for number in range(4)] == [10_000, 10_000, 20_000, 20_000]


def test_it_imports_nothing_of_this_package(hls_fake_ffmpeg):
    """It would take longer to start than the real one."""
    words = shlex.split(hls_fake_ffmpeg().read_text(), comments=True)
    code = words[words.index("-c") + 1].partition("; from")[0]

    loaded = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"{code}; import fake_encoder.command; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()

    assert "fake_encoder.films" in loaded
    assert not {"hls_sessions", "re", "typing", "pathlib", "subprocess"} & set(loaded)


def test_a_film_of_another_folder_may_have_quotes_and_percent_signs_in_its_name(
    hls_supervisor, hls_fake_ffmpeg, tmp_path
):
    folder = tmp_path / "it's 100%"
    folder.mkdir()
    film = make(Clip(seconds=2, size="160x90", audio=None), folder, "a 'film'.mp4")

    session = hls_supervisor(ffmpeg=hls_fake_ffmpeg(), media=(folder,), segments_dir=folder).open(film)

    assert session.segment("video-90p", 0, BOUND).exists()
