"""The judge of pages: axe-core, by the rules of WCAG 2.2 at level AA and of good practice."""

from __future__ import annotations

from axe_playwright_python.sync_playwright import Axe


def faults(page) -> list[str]:
    """Return what axe finds wrong with a page, each with the elements.

    It tries styles on elements, of which the page's content security policy complains on the console.
    """
    found = Axe().run(page)
    return [
        f"{fault['id']}: {fault['help']}: {' | '.join(node['html'][:120] for node in fault['nodes'])}"
        for fault in found.response["violations"]
    ]
