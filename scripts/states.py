"""Draw the table of a session's states into the guide, or say whether the guide shows that table."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from hls_sessions.session.state import TABLE, State

PAGE = Path(__file__).parent.parent / "hls_sessions" / "guide" / "states.md"
DRAWN = re.compile(r"(?<=<!-- scripts/states draws this -->\n).*?(?=<!-- to here -->)", re.DOTALL)


def diagram() -> str:
    """Return the table as a Mermaid state diagram in Markdown."""
    lines = [f"[*] --> {State.PENDING.value}"]
    lines += [f"{state.value} --> {rule.to.value}: {step.value}" for (state, step), rule in TABLE.items()]
    lines += [f"{state.value} --> [*]" for state in State if state.is_final]
    return "\n".join(("```mermaid", "stateDiagram-v2", *(f"    {line}" for line in lines), "```", ""))


def main(arguments: list[str]) -> int:
    """Draw; with ``--check``, change nothing and return 1 where the page shows another table."""
    check = "--check" in arguments
    page = next((Path(argument) for argument in arguments if argument != "--check"), PAGE)
    text = page.read_text()
    drawn = DRAWN.search(text)
    if drawn is None:
        print(f"{page} has no place for the diagram.")
        return 1
    if drawn[0] == diagram():
        return 0
    if check:
        print(f"{page} shows another table than hls_sessions/session/state.py: run scripts/states.")
        return 1
    page.write_text(DRAWN.sub(lambda _: diagram(), text))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
