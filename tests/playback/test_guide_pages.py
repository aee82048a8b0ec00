"""A reader of the guide in a browser."""

from __future__ import annotations

import pytest
from accessibility import faults
from browsing import real

# Playwright's own event loop closes its sockets when it is collected.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


def test_a_reader_goes_from_the_dashboard_to_a_heading_of_a_page(daemon, page):
    page.goto(f"{daemon.url}/")
    page.get_by_role("link", name="Guide").click()
    page.get_by_role("main").get_by_role("link", name="disk", exact=True).click()
    page.get_by_role("navigation").get_by_role("link", name="The quota").click()

    assert page.url == f"{daemon.url}/guide/disk#the-quota"
    assert (
        page.get_by_role("heading", name="The quota").evaluate("(heading) => heading.getBoundingClientRect().top") < 200
    )
    assert real(page.complaints) == []


@pytest.mark.parametrize(("size", "scheme"), [((1280, 800), "light"), ((390, 800), "dark")])
def test_axe_finds_nothing_in_the_guide(daemon, page, scheme, size):
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": size[0], "height": size[1]})
    found = {}
    for name in ("guide", "guide/settings", "guide/library", "guide/nope"):
        page.goto(f"{daemon.url}/{name}")
        if size[0] < 900:
            page.get_by_text("Pages", exact=True).first.click()
        found[name] = faults(page)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")

    assert {name: wrong for name, wrong in found.items() if wrong} == {}
