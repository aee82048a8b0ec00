"""Try the invariant of tests/playback/test_invariant.py on new films and orders, or watch a recording."""

from __future__ import annotations

import argparse
import os
import secrets
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TEST = ("tests/playback/test_invariant.py", "-k", "every_packet")

QUIETLY = ("-q", "--no-header", "--tb=short", "--show-capture=no", "--capture=no", "-p", "no:cacheprovider")


def main() -> None:
    """Become the test, for as long as told; its exit code is 1 when something was found."""
    arguments = parse()
    seconds = arguments.minutes * 60 if arguments.seconds is None else arguments.seconds
    if arguments.live:
        import live  # noqa: PLC0415 - films need none of it

        sys.exit(live.soak(seconds))
    print(f"{seconds:g} s from seed {arguments.seed}; every ffmpeg has its share", flush=True)
    os.chdir(ROOT)
    told = ("--soak", f"{seconds}", "--soak-seed", f"{arguments.seed}")
    # A soak lasts as long as told, and shrinking what was found as long as it takes.
    pytest = [sys.executable, "-m", "pytest", *TEST, *QUIETLY, "--exitfirst", "--timeout=0", *told]
    os.execv(sys.executable, pytest)  # noqa: S606 - an argument list, no shell


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="scripts/soak", description=__doc__)
    time = parser.add_mutually_exclusive_group()
    time.add_argument("--seconds", type=positive, metavar="N")
    time.add_argument("--minutes", type=positive, metavar="N", default=10.0)
    parser.add_argument("--live", action="store_true", help="record and watch, while workers and daemons are killed")
    parser.add_argument("--seed", type=int, metavar="N", default=secrets.randbelow(1_000_000))
    return parser.parse_args()


def positive(text: str) -> float:
    """Read a length of time."""
    number = float(text)
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"not a length of time: {text}")
    return number


if __name__ == "__main__":
    main()
