"""The map and the report's frame in a real browser: lasso, legend, hover, click, keys, reload, small screens, hostile pages."""

import io
import math
import os
import re
from collections import Counter

import polars as pl
import pytest
from PIL import Image
from playwright.sync_api import expect

from curate.desk import lasso
from curate.desk.model import open_desk
from curate.review.log import current
from curate.review.store import opened
from tests.ui.server import app, run, sample  # noqa: F401

pytestmark = pytest.mark.browser
# Of waiting for what is on its way; a machine that builds other things meanwhile needs it.
PATIENCE_MS = int(os.environ.get("PATIENCE", "60000"))
expect.set_options(timeout=PATIENCE_MS)
PAD = 14


@pytest.fixture(scope="module")
def desk(run):  # noqa: F811
    return open_desk(run)


@pytest.fixture
def reader(app, chromium):  # noqa: F811
    """Opens a page of the app; what its console says against us is in `page.complaints`."""
    contexts = []

    def open_page(path="map", width=1280, height=1000, **options):
        context = chromium.new_context(viewport={"width": width, "height": height}, **options)
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        page = context.new_page()
        page.complaints = []
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.goto(f"{app.url}/{path}")
        return page

    yield open_page
    for context in contexts:
        context.close()


def canvas(page):
    found = page.locator("canvas[data-painted]")
    found.wait_for()
    return found


def spot(page, desk, row):
    """Where the point of a row is on the screen, the map as it was opened."""
    box = canvas(page).bounding_box()
    x, y = (int(lasso.places([desk.candidates[name][row]])[0]) / lasso.SIDE for name in ("x", "y"))
    middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    return middle[0] + (x - 0.5) * (box["width"] - 2 * PAD), middle[1] + (0.5 - y) * (box["height"] - 2 * PAD)


def draw(page, radius=0.3):
    """Draw a ring around the middle of the map."""
    box = canvas(page).bounding_box()
    for step in range(31):
        angle = step / 30 * 2 * math.pi
        a, b = 0.5 + radius * math.cos(angle), 0.5 + radius * math.sin(angle)
        page.mouse.move(box["x"] + a * box["width"], box["y"] + b * box["height"])
        if step == 0:
            page.mouse.down()
    page.mouse.up()


def counted(page, seq):
    """The count that the server gave as answer to the choice of this number."""
    status = page.locator(f"[data-part=status][data-seq='{seq}']")
    status.wait_for()
    return int(status.get_attribute("data-count"))


def inside(desk, url):
    polygon = lasso.from_text(re.search(r"lasso=([\w-]+)", url)[1])
    found = desk.candidates.drop_nulls("x")
    return found.filter(lasso.inside(lasso.places(found["x"]), lasso.places(found["y"]), polygon))


def test_what_is_drawn_is_counted_kept_through_a_reload_and_cleared_by_escape(reader, desk):
    page = reader()
    assert int(canvas(page).get_attribute("data-painted")) == desk.candidates["x"].count()
    page.locator("[data-mode=lasso]").click()
    draw(page)
    count = counted(page, 1)
    assert 0 < count < desk.candidates.height
    assert count == inside(desk, page.url).height
    page.locator("[data-part=legend] [data-key=kept]").click()
    rest = counted(page, 2)
    assert rest == inside(desk, page.url).filter(pl.col("fate") != "kept").height
    page.reload()
    expect(page.locator("[data-part=status]")).to_have_attribute("data-count", str(rest))
    expect(page.locator("[data-part=legend] [data-key=kept]")).to_have_attribute("aria-pressed", "false")
    canvas(page).focus()
    page.keyboard.press("Escape")
    expect(page.locator("[data-part=status]")).not_to_have_attribute("data-count", str(rest))
    expect(page).not_to_have_url(re.compile("lasso="))
    assert page.complaints == []


def test_shift_and_drag_draws_and_a_plain_drag_moves(reader):
    page = reader()
    draw(page)
    expect(page).not_to_have_url(re.compile("lasso="))
    page.keyboard.down("Shift")
    draw(page)
    page.keyboard.up("Shift")
    expect(page).to_have_url(re.compile("lasso="))


def test_a_point_says_its_title_when_hovered_and_opens_when_clicked(reader, desk):
    page = reader()
    row = int(desk.candidates.drop_nulls("x").sort("x")["row"][-1])  # the outermost stands alone
    page.mouse.move(*spot(page, desk, row))
    expect(page.locator("[data-part=tip]")).to_contain_text(desk.candidates["title"][row][:40])
    page.mouse.down()
    page.mouse.up()
    expect(page).to_have_url(re.compile(rf"open={row}\b"))
    expect(page.locator(".turn-user").first).to_be_visible()


def test_without_a_pointer_keys_move_the_map_and_a_topic_is_chosen_from_the_list(reader, desk):
    page = reader()
    canvas(page).focus()
    for key in ("+", "ArrowRight", "ArrowUp", "-", "0", "Enter"):
        page.keyboard.press(key)
    expect(page).to_have_url(re.compile(r"open=\d+"))
    box = page.get_by_role("combobox", name=re.compile("topic"))
    box.click()
    page.get_by_role("option").nth(1).click()
    expect(page).to_have_url(re.compile(r"topic=\d+"))
    topic = int(re.search(r"topic=(\d+)", page.url)[1])
    expect(page.locator("[data-part=status]")).to_have_attribute(
        "data-count", str((desk.candidates["topic"] == topic).sum())
    )


def test_a_selection_is_flagged_in_one_act_and_taken_back_in_one(reader, run, desk):  # noqa: F811
    page = reader(
        "map?reviewer=mapper&lasso=" + lasso.to_text([(20000, 20000), (45000, 20000), (45000, 45000), (20000, 45000)])
    )
    contents = inside(desk, page.url)["content"].unique()
    page.get_by_text("Decide on many").click()
    page.get_by_role("radio", name="Flag").click()
    page.get_by_role("button", name=re.compile(rf"^Flag {len(contents)}$")).click()
    undo = page.get_by_role("button", name="Undo")
    expect(undo.first).to_be_visible()
    with opened(run / "decisions.sqlite") as log:
        assert {event.content for event in current(log, "mapper")} == set(contents)
    undo.first.click()
    expect(page.get_by_text("Taken back")).to_be_visible()
    with opened(run / "decisions.sqlite") as log:
        assert current(log, "mapper") == []


def test_colours_change_without_asking_and_the_legend_follows(reader, desk):
    page = reader(color_scheme="dark")
    canvas(page)
    page.locator("select[data-part=by]").select_option("source")
    expect(page.locator("[data-part=legend] .chip")).to_have_count(desk.candidates.drop_nulls("x")["source"].n_unique())
    expect(page).to_have_url(re.compile("by=source"))


@pytest.mark.parametrize("path", ["map", "progress", "reports", "setup", "adjudicate"])
def test_a_telephone_scrolls_down_and_never_sideways(reader, path):
    page = reader(path, width=390, height=844)
    page.locator("h1").wait_for()
    page.locator("[data-test-script-state=notRunning]").wait_for(state="attached")
    # Tables find their width after the script has ended, so this is waited for. What only sticks out, as a table's handle
    # does, scrolls nothing.
    page.wait_for_function(
        "() => { let widest = document.documentElement.scrollWidth - innerWidth;"
        " for (let e = document.querySelector('h1'); e; e = e.parentElement)"
        " if (getComputedStyle(e).overflowX !== 'visible') widest = Math.max(widest, e.scrollWidth - e.clientWidth);"
        " return widest <= 1 }"
    )


def colors(page):
    """How many pixels of the frame, as it is seen, are purely red, green and blue."""
    with Image.open(io.BytesIO(page.locator("iframe[data-part=frame]").screenshot())) as picture:
        seen = Counter(picture.convert("RGB").get_flattened_data())
    return [seen[color] for color in ((255, 0, 0), (0, 255, 0), (0, 0, 255))]


def test_a_report_in_its_frame_can_do_nothing(reader, run):  # noqa: F811
    report = run / "report.html"
    was = report.read_text()
    # Green is what a script would paint, red what a link within the page leads to. The browser's driver cannot look into a
    # page that may run nothing, so the picture is looked at.
    report.write_text(
        "<!doctype html><html><head><title>x</title><style>a{display:block;height:99px;background:#00f}</style></head><body>"
        "<a href='#far'></a><script>parent.document.title = 'taken'; document.body.style.background = '#0f0'</script>"
        "<img src=x onerror=\"document.body.style.background = '#0f0'\"><form action='/'><button>send</button></form>"
        "<div style='height:4000px'></div><p id=far style='height:999px;background:#f00'></p></body></html>"
    )
    try:
        page = reader("reports")
        frame = page.locator("iframe[data-part=frame]")
        frame.scroll_into_view_if_needed()
        for _ in range(100):
            if colors(page)[2]:
                break
        assert colors(page)[:2] == [0, 0]
        assert colors(page)[2] > 1000
        assert frame.get_attribute("sandbox") == ""
        frame.click(position={"x": 60, "y": 40})
        for _ in range(100):
            if colors(page)[0]:
                break
        assert colors(page)[0] > 1000
        assert page.title() != "taken"
        assert "/reports" in page.url
    finally:
        report.write_text(was)
