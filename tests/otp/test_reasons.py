import pytest

from hls_sessions.otp import Crash, Shutdown
from hls_sessions.otp.reasons import KILLED, NO_PROCESS, NORMAL, SHUTDOWN, is_abnormal


@pytest.mark.parametrize(
    ("reason", "word"),
    [
        (NORMAL, "normal"),
        (SHUTDOWN, "shutdown"),
        (Shutdown("idle"), "shutdown: idle"),
        (KILLED, "killed"),
        (NO_PROCESS, "no process"),
        (Crash(ValueError("broken")), "crashed with ValueError('broken')"),
    ],
)
def test_a_reason_prints_as_a_word_or_a_sentence(reason, word):
    assert str(reason) == word


@pytest.mark.parametrize("reason", [NORMAL, SHUTDOWN, Shutdown("idle")])
def test_an_end_in_order_is_not_abnormal(reason):
    assert not is_abnormal(reason)


@pytest.mark.parametrize("reason", [KILLED, NO_PROCESS, Crash(ValueError())])
def test_every_other_end_is_abnormal(reason):
    assert is_abnormal(reason)


def test_shutdown_without_detail_is_shutdown():
    assert Shutdown() == SHUTDOWN
