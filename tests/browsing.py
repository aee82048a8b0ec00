"""What tests of pages share: waiting for a page, and telling faults from noise."""

from __future__ import annotations

import time

BOUND = 40


def happens(page, expression: str) -> None:
    """Wait until an expression holds in a page.

    Playwright's own wait evaluates strings in the page, which its content security policy forbids.
    """
    deadline = time.monotonic() + BOUND
    while not page.evaluate(expression):
        assert time.monotonic() < deadline, f"it never happened: {expression}"
        page.wait_for_timeout(20)


def real(complaints: list[str]) -> list[str]:
    """Leave out complaints that are no faults: a seek or a leave drops requests; a browser asks for an icon, now and
    then under the policy of the page that it leaves."""
    return [c for c in complaints if "ERR_ABORTED" not in c and "favicon" not in c and "icon.svg" not in c]
