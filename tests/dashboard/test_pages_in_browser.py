"""The other pages in a real browser, and what a person can do on them."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from dashboard.words import GAP
from plant.assets import Mode
from plant.events import Alarm
from plant.orders import Plan, Verdict
from tests.dashboard.conftest import Site, Watched, made

pytestmark = pytest.mark.xdist_group("browser")  # one browser and one works for all of them
CYCLES_UNTIL_DEAR_HOURS = 41
"""The last of them falls on 17:00 local time: the plan stops what it may."""


@pytest.fixture(scope="module")
def advised(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    yield from made(tmp_path_factory.mktemp("advised"), CYCLES_UNTIL_DEAR_HOURS, Mode.ADVISE)


def show(page: Page, site: Site, path: str) -> None:
    page.goto(site.url + path)
    page.wait_for_selector("html[data-link=live], html[data-link=stale]", timeout=90_000)


def points(page: Page, graph: str) -> int:
    found = page.evaluate(
        f"() => ((document.querySelector('#{graph} .js-plotly-plot') || {{}}).data || [])"
        ".reduce((sum, trace) => sum + (trace.x ? trace.x.length : 0), 0)"
    )
    return int(found)


def test_navigation_leads_to_every_page(page: Page, site: Site) -> None:
    show(page, site, "/")
    for title, seen in (
        ("Assets", "#asset-head h1"),
        ("Plans & evidence", "#plan-verdict h3"),
        ("Commands", "#command-evidence h3"),
        ("Alarms", "#alarm-events .order"),
        ("What if", "#whatif-list code"),
        ("Overview", "#tiles .tile"),
    ):
        page.get_by_role("navigation").get_by_text(title).click()
        page.wait_for_selector(seen, timeout=90_000)
        expect(page.locator(".nav a.here")).to_have_text(title)


def test_an_asset_shows_what_drives_its_health(page: Page, site: Site) -> None:
    show(page, site, "/assets?asset=compressor_1")
    expect(page.locator("#asset-head h1")).to_contain_text("compressor 1", timeout=90_000)
    expect(page.locator("#asset-health")).to_contain_text("compressor_1.bearing")
    expect(page.locator("#asset-health")).to_contain_text("by the present trend")
    page.wait_for_selector("#asset-sensors .scatterlayer .trace", timeout=90_000)
    before = points(page, "asset-sensors")
    site.scribe.run(2)
    page.wait_for_function(
        f"() => document.querySelector('#asset-sensors .js-plotly-plot').data.reduce((n, t) => n + t.x.length, 0) > {before}",
        timeout=60_000,
    )
    page.get_by_role("link", name="battery").click()
    expect(page.locator("#asset-head h1")).to_contain_text("battery", timeout=90_000)
    expect(page.locator("#asset-head")).to_contain_text("kW")


def test_an_unknown_asset_lists_the_known_ones(page: Page, site: Site) -> None:
    show(page, site, "/assets?asset=compresor")
    expect(page.locator("#asset-head")).to_contain_text("no asset 'compresor': there are production_line", timeout=90_000)


def test_a_refused_plan_shows_the_rule_it_breaks(page: Page, site: Site) -> None:
    refused = [verdict.plan_id for verdict in site.scribe.historian.records("verdict", Verdict) if not verdict.ok][-1]
    show(page, site, f"/plans?id={refused}")
    expect(page.locator("#plan-verdict")).to_contain_text("Refused after 50 futures", timeout=90_000)
    expect(page.locator("#plan-verdict")).to_contain_text("store low")
    expect(page.locator("#plan-verdict")).to_contain_text("34")
    page.wait_for_selector("#plan-course .heatmaplayer image, #plan-course .hm", timeout=90_000)


def test_choosing_a_plan_shows_it_beside_doing_nothing(page: Page, site: Site) -> None:
    show(page, site, "/plans")
    page.wait_for_selector("#plan-grid .ag-row", timeout=90_000)
    plans = {plan.id: plan for plan in site.scribe.historian.records("plan", Plan)}
    row = page.locator("#plan-grid .ag-row").nth(3)
    chosen = row.get_attribute("row-id") or ""
    row.locator(".ag-cell").first.click()
    expect(page.locator("#plan-name")).to_contain_text(plans[chosen].id, timeout=60_000)
    expect(page.locator("#plan-verdict")).to_contain_text("Doing nothing")


def test_in_control_nothing_waits_for_approval(page: Page, site: Site) -> None:
    site.scribe.run(1)
    show(page, site, "/commands")
    page.wait_for_selector("#command-grid .ag-row", timeout=90_000)
    page.locator("#command-grid .ag-row .ag-cell").first.click()
    expect(page.locator("#command-evidence")).to_contain_text("Lived through in 50 futures")
    expect(page.locator("#command-approve")).to_be_disabled()


def test_a_person_approves_with_a_name_and_never_on_a_dead_picture(page: Page, advised: Site, watched: Watched) -> None:
    historian = advised.scribe.historian
    show(page, advised, "/commands")
    page.wait_for_selector("#command-grid .row-attention", timeout=90_000)
    waiting = page.locator("#command-grid .row-attention").first
    chosen = waiting.get_attribute("row-id")
    waiting.locator(".ag-cell").first.click()
    expect(page.locator("#command-approve")).to_be_enabled(timeout=60_000)
    page.click("#command-approve")
    expect(page.locator("#command-answer")).to_contain_text("write your name first")
    assert historian.open_requests() == []
    page.fill("#command-who", "Miller")
    page.fill("#command-why", "line is clear")
    page.click("#command-approve")
    expect(page.locator("#command-answer")).to_contain_text("Filed: approve by Miller")
    assert [(item.wish, item.who, item.value, item.words) for item in historian.open_requests()] == [
        ("approve", "Miller", chosen, "line is clear")
    ]
    watched.offline = True
    advised.stop()
    page.wait_for_selector("html[data-link=disconnected]", timeout=60_000)
    page.locator("#command-reject").dispatch_event("click")
    advised.start()
    page.wait_for_selector("html[data-link=live], html[data-link=stale]", timeout=90_000)
    assert [item.wish for item in historian.open_requests()] == ["approve"]


def test_alarms_are_acknowledged_and_shelved_by_request(page: Page, advised: Site) -> None:
    historian = advised.scribe.historian
    before = {item.id for item in historian.open_requests()}
    advised.scribe.run(1)
    show(page, advised, "/alarms")
    page.wait_for_selector("html[data-link=live]", timeout=90_000)
    page.wait_for_selector("#alarm-grid .ag-row", timeout=90_000)
    page.click("#alarm-ack")
    expect(page.locator("#alarm-answer")).to_contain_text("Choose an alarm first")
    page.locator("#alarm-grid .ag-row .ag-cell[col-id=words]").first.click()
    expect(page.locator("#alarm-chosen")).to_contain_text("Clean the cooler")
    page.fill("#alarm-who", "Miller")
    page.click("#alarm-ack")
    expect(page.locator("#alarm-answer")).to_contain_text("Filed: acknowledge 1 alarm")
    page.click("#alarm-shelve")
    expect(page.locator("#alarm-answer")).to_contain_text("Filed: shelve for 8h")
    known = {alarm.id for alarm in historian.records("alarm", Alarm)}
    filed = [item for item in historian.open_requests() if item.id not in before]
    assert [(item.wish, item.who, item.words) for item in filed] == [("ack", "Miller", ""), ("shelve", "Miller", "8h")]
    assert all(item.value in known for item in filed)


def test_answers_of_what_if_are_shown_and_a_broken_one_is_named(page: Page, site: Site) -> None:
    folder = site.folder / "whatif"
    folder.mkdir(exist_ok=True)
    figure = {"mean": 2.0, "p5": 1.0, "p50": 2.0, "p95": 4.0}
    strategies = {name: {"kpi": {"cost": figure}, "violations": {"store_low": 0.25}} for name in ("nothing", "optimal")}
    answer = {"from": "2026-03-09T06:00:00Z", "days": 2, "futures": 20, "strategies": strategies}
    (folder / "two-days.json").write_text(json.dumps(answer), encoding="utf-8")
    (folder / "broken.json").write_text("{", encoding="utf-8")
    show(page, site, "/whatif?name=two-days")
    expect(page.locator("#whatif-table")).to_contain_text("2.00 EUR".replace(" ", GAP), timeout=90_000)
    expect(page.locator("#whatif-table")).to_contain_text("store low")
    page.wait_for_selector("#whatif-figure .scatterlayer .trace", timeout=90_000)
    page.get_by_role("link", name="broken").click()
    expect(page.locator("#whatif-table")).to_contain_text("is no answer of", timeout=90_000)


def test_no_page_is_wider_than_a_tablet(page: Page, site: Site) -> None:
    page.set_viewport_size({"width": 820, "height": 1180})
    for path in ("/", "/assets", "/plans", "/commands", "/alarms", "/whatif"):
        show(page, site, path)
        page.wait_for_selector("#page .panel", timeout=90_000)
        page.wait_for_function("() => document.querySelector('#plant-clock b')", timeout=90_000)
        assert page.evaluate("document.documentElement.scrollWidth") <= 820, path
