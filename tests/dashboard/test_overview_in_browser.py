"""The Overview in a real browser."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
from playwright.sync_api import Page, expect

from plant.assets import Mode
from tests.dashboard.conftest import Site, Watched, made

pytestmark = pytest.mark.xdist_group("browser")  # one browser and one works for all of them
LIVE = "html[data-link=live]"
TRACE = "((document.querySelector('#power .js-plotly-plot') || {}).data || []).find(trace => trace.name === 'Measured')"
COUNT = f"() => {{ const trace = {TRACE}; return trace ? trace.x.length : 0; }}"
LAST = f"() => {{ const trace = {TRACE}; return trace ? trace.x[trace.x.length - 1] : ''; }}"
TIMES = f"() => {TRACE}.x"
COLOUR = f"() => {{ const trace = {TRACE}; return trace ? trace.line.color : ''; }}"


def opened(page: Page, site: Site) -> None:
    """The Overview once it is live: something must just have been journalled, or it would be stale."""
    page.goto(site.url)
    site.scribe.run(1)
    page.wait_for_selector(LIVE, timeout=90_000)
    page.wait_for_selector("#tiles .tile", timeout=90_000)
    page.wait_for_function(f"() => ({COUNT})() > 0", timeout=90_000)


def test_shows_what_is_journalled_and_grows(page: Page, site: Site) -> None:
    opened(page, site)
    expect(page.locator("#tiles")).to_contain_text("against doing nothing")
    expect(page.locator("#tiles")).to_contain_text("EUR")
    expect(page.locator("#assets tbody tr")).to_have_count(12)
    expect(page.locator("#stores-words")).to_contain_text("bar")
    expect(page.locator("#orders")).to_contain_text("energy costs")
    before, last = page.evaluate(COUNT), page.evaluate(LAST)
    clock = page.locator("#plant-clock b").inner_text()
    site.scribe.run(2)
    page.wait_for_function(f"() => ({LAST})() > '{last}'", timeout=60_000)
    assert page.evaluate(COUNT) > before
    expect(page.locator("#plant-clock b")).not_to_have_text(clock)
    assert page.locator("#power .scatterlayer .trace").count() >= 5


def test_charts_have_no_button_that_sends_data_elsewhere(page: Page, site: Site) -> None:
    opened(page, site)
    titles = page.locator("#power .modebar-btn").evaluate_all("found => found.map(one => one.getAttribute('data-title') || '')")
    assert titles
    assert not [title for title in titles if any(word in title.lower() for word in ("share", "cloud", "studio", "plotly"))]


def test_theme_changes_page_and_charts_and_is_kept(page: Page, site: Site) -> None:
    opened(page, site)
    light = page.evaluate(COLOUR)
    page.click("#theme-button")
    page.wait_for_function(f"() => ({COLOUR})() !== '{light}'")
    page.reload()
    page.wait_for_selector("html[data-theme=dark]")
    page.wait_for_function(f"() => ({COUNT})() > 0", timeout=90_000)
    assert page.evaluate(COLOUR) != light


def test_a_lost_server_is_seen_and_the_gap_filled(page: Page, site: Site, watched: Watched) -> None:
    opened(page, site)
    last = page.evaluate(LAST)
    watched.offline = True
    site.stop()
    page.wait_for_selector("html[data-link=disconnected]", timeout=60_000)
    expect(page.locator("#link-words")).to_contain_text("No connection to the server")
    expect(page.locator("#link-words")).to_contain_text("Commands are locked")
    site.scribe.run(3)
    page.evaluate("window.neverReloaded = true")
    site.start()
    page.wait_for_selector(LIVE, timeout=90_000)
    page.wait_for_function(f"() => ({LAST})() > '{last}'", timeout=60_000)
    assert len([time for time in page.evaluate(TIMES) if time > last]) >= 8
    assert page.evaluate("window.neverReloaded") is True


def test_a_silent_controller_is_stale_and_a_broken_historian_is_named(page: Page, tmp_path_factory: pytest.TempPathFactory) -> None:
    for old in made(tmp_path_factory.mktemp("old"), 3, Mode.CONTROL, lock_step=False):
        page.goto(old.url)
        page.wait_for_selector("html[data-link=stale]", timeout=90_000)
        expect(page.locator("#link-words")).to_contain_text("has not reported for")
        with closing(sqlite3.connect(old.folder / "works.sqlite")) as database:
            database.execute("ALTER TABLE journal RENAME TO lost")
        page.wait_for_selector("html[data-link=fault]", timeout=90_000)
        expect(page.locator("#link-words")).to_contain_text("The historian cannot be read")


def test_a_site_without_any_cycle_says_so(page: Page, tmp_path_factory: pytest.TempPathFactory) -> None:
    for fresh in made(tmp_path_factory.mktemp("fresh"), 0):
        page.goto(fresh.url)
        page.wait_for_selector("html[data-link=stale]", timeout=90_000)
        expect(page.locator("#link-words")).to_contain_text("Nothing has been recorded yet")
        expect(page.locator("#assets")).to_contain_text("No cycle has been recorded yet")
