"""The comparison of runs in Chromium: charts, what the address keeps, what goes on while a run goes on."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from experiments import services
from experiments.models import Run
from experiments.status import RunStatus
from mlportal.access.models import User
from tests.pages.test_compare_page import HOSTILE, MakeRun, make_run, two  # noqa: F401

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
CURVE = [1.0, 0.5, float("nan"), 0.25]


@pytest.fixture
def runs(make_run: MakeRun) -> list[Run]:  # noqa: F811
    """Three, the last of them still running; their names, metrics and parameters are as hostile as they can be."""
    return [
        make_run(
            name=f"{HOSTILE} %{{y}} {number}",
            metrics={"loss": [value * number for value in CURVE], HOSTILE: [1, float("inf"), 2], "f1": [0.9 / number]},
            params={"lr": str(10**-number), HOSTILE: "</script>", "kernel": "<b>rbf</b>", "seed": "1"},
            status=RunStatus.RUNNING if number == 3 else RunStatus.COMPLETED,
        )
        for number in (1, 2, 3)
    ]


def address_of(runs: list[Run], more: str = "") -> str:
    return f"/w/lab/compare/?runs={','.join(run.uid for run in runs)}{more}"


def lines(page: Page, metric: str) -> int:
    """How many curves the chart of the metric has."""
    charts = page.locator(".metric-card").all()
    chart = next(chart for chart in charts if chart.get_attribute("data-metric") == metric)
    return chart.locator(".scatterlayer .trace").count()


def test_curves_are_drawn_and_what_is_chosen_stays_in_the_address(page: Page, runs: list[Run]) -> None:
    page.goto(address_of(runs))
    page.get_by_role("tab", name="Curves").click()
    expect(page.locator(".metric-card .main-svg").first).to_be_visible()
    assert sorted(page.locator(".metric-card h2").all_inner_texts()) == sorted(["loss", HOSTILE])
    expect(page.locator(".metric-card", has_text="loss").locator(".scatterlayer .trace")).to_have_count(3)
    legend = page.locator("[data-curves=legend]")
    legend.get_by_role("button", name="None").click()
    expect(page.locator(".metric-card .scatterlayer .trace")).to_have_count(0)
    assert "show=-" in page.url
    legend.get_by_role("button", name="All").click()
    legend.locator("[data-uid]").nth(1).click()
    expect(page.locator(".metric-card", has_text="loss").locator(".scatterlayer .trace")).to_have_count(2)
    page.locator("[data-curves=axis]").select_option("relative")
    page.locator("[data-curves=log]").check()
    page.get_by_role("button", name=f"Take the chart of {HOSTILE} away").click()
    expect(page.locator(".metric-card")).to_have_count(1)
    page.reload()
    expect(page.locator(".metric-card")).to_have_count(1)
    expect(page.locator(".metric-card .scatterlayer .trace")).to_have_count(2)
    assert lines(page, "loss") == 2
    expect(page.locator("[data-curves=axis]")).to_have_value("relative")
    expect(page.locator("[data-curves=log]")).to_be_checked()
    expect(legend.locator("[aria-pressed=false]")).to_have_count(1)
    expect(legend.locator("[data-uid]").nth(1)).to_have_attribute("aria-pressed", "false")
    expect(page.locator(".metric-card .card-footer")).to_contain_text("2 not finite")


def test_runs_are_added_and_taken_out_and_the_rest_of_the_address_stays(
    page: Page,
    runs: list[Run],
    make_run: MakeRun,  # noqa: F811
) -> None:
    make_run("sweep", name="the other one")
    page.goto(address_of(runs[:2]))
    # A click would miss it where charts move it on a busy machine
    page.get_by_label("Only what differs").press("Space")
    expect(page.get_by_label("Only what differs")).to_be_checked()
    expect(page.locator("tr", has_text="seed")).to_be_hidden()
    expect(page.locator("[data-table=parameters] tr", has_text="lr")).to_be_visible()
    page.get_by_role("tab", name="Differences").click()
    page.get_by_label("Find a run to add").fill("sweep")
    page.get_by_role("link", name="Add the other one").click()
    expect(page.get_by_role("heading", name="Compare 3 runs")).to_be_visible()
    expect(page.locator("[role=tabpanel]:visible")).to_have_attribute("id", "panel-differences")
    expect(page.locator("[data-compare=controls] [name=only]")).to_be_checked()
    page.get_by_role("button", name="Take the other one out of the comparison").click()
    expect(page.get_by_role("heading", name="Compare 2 runs")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("heading", name="Compare 3 runs")).to_be_visible()


def test_plots_show_any_number_against_any_other_and_a_table_says_the_same(page: Page, runs: list[Run]) -> None:
    page.goto(f"{address_of(runs)}&x=p:kernel#plots")
    parallel, scatter = page.locator("[data-plots=parallel]"), page.locator("[data-plots=scatter]")
    expect(parallel.locator(".scatterlayer .trace")).to_have_count(4)  # and the one that has the legend of colours
    expect(scatter).to_contain_text("<b>rbf</b>")
    expect(scatter.locator(".points path.point")).to_have_count(3)
    page.locator("[data-plots=y]").select_option(f"m:{HOSTILE}")
    page.get_by_text("The numbers of both as a table").click()
    row = page.locator("[data-plots=table] tbody tr").first
    expect(row).to_contain_text(f"{HOSTILE} %{{y}} 1")
    expect(row).to_contain_text("<b>rbf</b>")
    page.reload()
    expect(page.locator("[data-plots=y]")).to_have_value(f"m:{HOSTILE}")
    scatter.scroll_into_view_if_needed()
    point = scatter.locator(".points path.point").first.bounding_box()
    assert point is not None
    page.mouse.click(point["x"] + point["width"] / 2, point["y"] + point["height"] / 2)
    page.wait_for_url("**/runs/*/")


def test_tables_and_curves_follow_a_run_that_goes_on_until_all_are_final(
    page: Page, runs: list[Run], owner: User
) -> None:
    page.goto(f"{address_of(runs)}&metric=loss#curves")
    note = page.locator(".metric-card .card-footer")
    expect(note).to_contain_text("3 runs, 12 points")
    services.log_metrics(runs[2], [{"t": 9.0, "k": "scalar", "n": "loss", "v": 77.5, "s": 9}], by=owner)
    expect(note).to_contain_text("3 runs, 13 points")
    page.get_by_role("tab", name="Values").click()
    expect(page.locator("[data-table=metrics]")).to_contain_text("77.5")
    Run.objects.filter(pk=runs[2].pk).update(status=RunStatus.COMPLETED, revision=999)
    expect(page.locator("[data-part=runs] [data-live]")).to_have_count(0)


def test_the_best_end_of_a_metric_can_be_turned_round(page: Page, runs: list[Run]) -> None:
    page.goto(address_of(runs[:2], "&stat=last"))
    best = page.locator("[data-table=metrics] tr", has_text="loss").locator(".is-best")
    expect(best).to_contain_text("0.25")
    page.get_by_role("button", name="loss: lower is better").click()
    expect(best).to_contain_text("0.5")
    expect(page.get_by_role("button", name="loss: higher is better")).to_be_focused()
    page.get_by_label("Filter").fill("f1")
    expect(page.locator("[data-table=metrics] tbody tr")).to_have_count(1)
    page.reload()
    expect(page.locator("[data-table=metrics] tbody tr")).to_have_count(1)
    assert "higher=loss" in page.url


@pytest.mark.parametrize("width", [390, 1440])
def test_two_runs_differ_and_no_part_is_wider_than_the_page(page: Page, two: tuple[Run, Run], width: int) -> None:  # noqa: F811
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(f"{address_of(list(two))}#differences")
    page.locator("details", has_text="train.py").locator("summary").press("Enter")
    expect(page.locator(".diff ins")).to_have_text("+a = 2")
    page.get_by_role("button", name="The other way round").click()
    expect(page.locator(".argument-diff del")).to_have_text(HOSTILE)
    page.locator("details", has_text="train.py").locator("summary").press("Enter")
    expect(page.locator(".diff ins")).to_have_text("+a = 1")
    for tab in ("Values", "Curves", "Plots", "Differences"):
        page.get_by_role("tab", name=tab).click()
        expect(page.locator("[role=tabpanel]:visible")).to_have_count(1)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, tab


def test_no_chart_offers_to_send_its_numbers_elsewhere(page: Page, runs: list[Run]) -> None:
    """plotly's own button "Share chart" uploads them."""
    for address, charts in ((f"{address_of(runs)}#curves", 2), (f"{runs[0].get_absolute_url()}#metrics", 2)):
        page.goto(address)
        expect(page.locator(".metric-card .modebar-btn[data-title=Zoom]")).to_have_count(charts)
        expect(page.locator(".modebar-btn[data-title*=Share]")).to_have_count(0)


def test_ranges_on_axes_tell_which_runs_remain_and_keep_only_these(page: Page, runs: list[Run]) -> None:
    page.goto(address_of(runs, "&dim=m:f1&dim=p:lr#plots"))
    kept, parallel = page.locator("[data-plots=kept]"), page.locator("[data-plots=parallel]")
    expect(parallel.locator(".scatterlayer .trace")).to_have_count(4)
    expect(kept).to_be_hidden()
    page.locator("[data-plots=ranges] > summary").press("Enter")
    page.get_by_label("Least of f1").press("ArrowRight")  # the worst of three, at the very end of the axis, is out
    expect(kept).to_contain_text("2 of 3 runs")
    expect(kept.locator("[data-plots=keptRuns] a")).to_have_text([runs[0].name, runs[1].name])
    page.reload()
    expect(kept).to_contain_text("2 of 3 runs")

    kept.get_by_role("button", name="Clear the ranges").click()
    expect(kept).to_be_hidden()
    expect(page.locator("[data-plots=ranges] > summary")).to_be_focused()
    assert "brush" not in page.url

    axis = parallel.locator(".shapelayer path").first.bounding_box()  # with the pointer: along the upper half of f1
    assert axis is not None
    x = axis["x"] + axis["width"] / 2
    page.mouse.move(x, axis["y"] + 2)
    page.mouse.down()
    page.mouse.move(x, axis["y"] + axis["height"] * 0.4, steps=4)
    page.mouse.up()
    expect(kept).to_contain_text("1 of 3 runs")
    page.mouse.click(x, axis["y"] + axis["height"] * 0.7)  # a click takes the range away
    expect(kept).to_be_hidden()

    page.locator("[data-plots=ranges] > summary").press("Enter")
    page.get_by_label("Most of lr").press("ArrowLeft")
    expect(kept).to_contain_text("2 of 3 runs")
    kept.get_by_role("link", name="Keep only these").click()
    page.wait_for_url(lambda url: runs[0].uid not in url)
    assert "brush" not in page.url and runs[1].uid in page.url and runs[2].uid in page.url
    expect(parallel.locator(".scatterlayer .trace")).to_have_count(3)
