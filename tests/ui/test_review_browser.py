"""The review card in a real browser: keys, bursts, reloads, crashes, hostile texts, small screens."""

import json
import re

import polars as pl
import pytest
from playwright.sync_api import expect

from curate.desk.model import cluster, open_desk, texts
from curate.review import leases
from curate.review.log import Decision, current, history, record
from curate.review.store import opened
from tests.curate import small_runs
from tests.ui.server import app, run, sample  # noqa: F401

pytestmark = pytest.mark.browser
# Of waiting for what is on its way; a machine that builds other things meanwhile needs it.
PATIENCE_MS = 60_000
expect.set_options(timeout=PATIENCE_MS)

# What the reader had before their eyes and for how long, noted beside the card and not by it: from after the frame that an
# example was first in, to the moment that another one took its place.
RECORDER = """
window.seen = []
let watched = null, last = null
const gone = new MutationObserver(() => {
  const span = window.seen.at(-1)
  if (span && span.to === null && span.id !== watched.dataset.id) span.to = performance.now()
})
const look = () => {
  const host = [...document.querySelectorAll('*')].find((e) => e.shadowRoot && e.shadowRoot.querySelector('.card'))
  const card = host && host.shadowRoot.querySelector('.card')
  if (card && card !== watched) {
    gone.disconnect()
    gone.observe(watched = card, {attributeFilter: ['data-id']})
  }
  const id = card && card.querySelector('.panel').textContent ? card.dataset.id : ''
  if (id && id !== last) {
    const painted = new MessageChannel()
    painted.port1.onmessage = () => watched.dataset.id === id && window.seen.push({id, from: performance.now(), to: null})
    painted.port2.postMessage(null)
  }
  last = id
  requestAnimationFrame(look)
}
requestAnimationFrame(look)
"""


HOSTILE = (
    "<script>window.ran = 1</script>",
    '"><img src=x onerror="window.ran = 2"> <svg onload="window.ran = 3">',
    "![a](https://example.org/a.png) [b](javascript:window.ran=4) [c](data:text/html,<script>window.ran=5</script>)",
    "\u202eevil\u202c \u200bhidden\ufeff <a href='javascript:window.ran=6'>here</a> <https://example.org/auto>",
    "$\\href{javascript:window.ran=7}{x}$ and $<img src=x onerror=window.ran=8>$ `<b>`",
    "```<script>\n</code></pre><script>window.ran = 9</script>\n```",
    "> " * 300 + "deep\n\n" + "- " * 300 + "deep\n\n" + "[" * 3000 + "*" * 3000,
    "[x]: javascript:window.ran=10\n\n[x] <iframe src='https://example.org/'></iframe> <link rel=stylesheet href=//example.org/a>",
)


@pytest.fixture(scope="module")
def hostile(run):  # noqa: F811
    """Beside the run another one, of texts that would do harm if a browser took them for its own."""
    rows = [(f"Explain number {place}. {text}", f"It is so: {text}") for place, text in enumerate(HOSTILE)]
    rows.append(("Say it all.", "word <b>" + "of many words " * 15_000))
    folder = run.parent / "hostile data"
    folder.mkdir()
    built, _ = small_runs.built(folder, rows=rows, name="../hostile")
    return built.resolve()


@pytest.fixture
def reader(app, chromium, request):  # noqa: F811
    """Opens the page for a reviewer; `reader(page=…)` uses an open one."""
    contexts, names = [], set()

    def open_page(reviewer=None, width=1280, height=900, query="", watch=lambda page: None, **options):
        reviewer = reviewer or request.node.name.removeprefix("test_")[:30]
        names.add(reviewer)
        context = chromium.new_context(viewport={"width": width, "height": height}, **options)
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        page = context.new_page()
        page.add_init_script(RECORDER)
        watch(page)
        page.goto(f"{app.url}/?reviewer={reviewer}&queue=undecided{query}")
        shown(page)
        return page

    yield open_page
    for context in contexts:
        context.close()
    with opened(app.log) as log:
        for name in names:
            leases.release(log, name)


# The one card of the page, in its shadow root; after a reconnect there are two for a moment.
CARD = """() => {
  const all = [...document.querySelectorAll('*')].map((e) => e.shadowRoot?.querySelector('.card')).filter(Boolean)
  const card = all.length === 1 ? all[0] : null
  return %s
}"""


def shown(page, other_than=""):
    """The id of the example on the screen, once it has been there long enough to be decided on."""
    ready = f"card?.dataset.seen && card.dataset.seen === card.dataset.id && card.dataset.id !== '{other_than}' && card.dataset.id"
    return page.wait_for_function(CARD % ready).json_value()


def decide(page, *keys):
    """Press these keys on what is shown; its id, when the next example is there."""
    here = shown(page)
    for key in keys:
        page.keyboard.press(key)
    shown(page, here)
    return here


def acknowledged(page):
    """Wait until everything is on the server's disk, by the page's own word."""
    page.wait_for_function(
        CARD % "card?.dataset.pending === '0' && card.querySelector('.saved').dataset.state === 'all'"
    )


def written(app, reviewer):  # noqa: F811
    """What the log has of a reviewer, oldest first: (decision, example, reasons)."""
    with opened(app.log) as log:
        return [(e.decision, e.example, list(e.reasons)) for e in history(log) if e.reviewer == reviewer]


def counts(app, reviewer):  # noqa: F811
    with opened(app.log) as log:
        return {event.example: event.decision for event in current(log, reviewer)}


def test_a_key_is_one_decision_and_undo_takes_back_one_after_the_other(app, reader):  # noqa: F811
    page = reader("keys")
    first, second = decide(page, "k"), decide(page, "x", "2")
    third, fourth, fifth = decide(page, "x", "x"), decide(page, "f"), decide(page, "Space")
    sixth = decide(page, "x", "Enter")
    expect(page.locator(".toast")).to_contain_text("Rejected")
    acknowledged(page)
    assert written(app, "keys") == [
        ("keep", first, []),
        ("reject", second, ["incomplete"]),
        ("reject", third, ["incomplete"]),
        ("flag", fourth, []),
        ("skip", fifth, []),
        ("reject", sixth, []),
    ]
    for key, back in [("u", sixth), ("Backspace", fifth), ("u", fourth)]:
        page.keyboard.press(key)
        expect(page.locator(".card")).to_have_attribute("data-id", back)
    acknowledged(page)
    assert counts(app, "keys") == {first: "keep", second: "reject", third: "reject"}
    page.reload()
    shown(page)
    for back in (third, second, first):
        page.keyboard.press("u")
        expect(page.locator(".card")).to_have_attribute("data-id", back)
        shown(page)
    acknowledged(page)
    assert counts(app, "keys") == {}
    page.keyboard.press("u")
    expect(page.locator(".toast")).to_have_text("There is nothing to undo.")


def test_looking_back_and_ahead_decides_nothing_and_the_views_show_the_same_example(app, reader):  # noqa: F811
    page = reader("looks")
    first = decide(page, "k")
    second = shown(page)
    page.keyboard.press("ArrowLeft")
    assert shown(page, second) == first
    expect(page.locator(".meta .badge.keep")).to_contain_text("Kept")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    shown(page, second)
    for view, selector in [("raw", "pre.raw"), ("cleaned", ".diff, .quiet"), ("mine", ".quiet"), ("rendered", ".text")]:
        page.keyboard.press("v")
        expect(page.locator(f"[data-view={view}]")).to_have_attribute("aria-selected", "true")
        expect(page.locator(f".panel {selector}").first).to_be_visible()
    page.keyboard.press("w")
    expect(page.locator(".why [aria-expanded=true]")).to_be_visible()
    page.keyboard.press("n")
    page.locator("button.near:not([disabled])").first.click()
    expect(page.locator(".near-diff .diff").first).to_be_visible()
    page.keyboard.press("?")
    expect(page.locator("dialog")).to_be_visible()
    page.keyboard.press("k")
    page.keyboard.press("Escape")
    expect(page.locator("dialog")).not_to_be_visible()
    acknowledged(page)
    assert written(app, "looks") == [("keep", first, [])]


def test_typing_decides_nothing_and_an_edit_is_kept_with_its_words(app, reader):  # noqa: F811
    page = reader("edits")
    here = shown(page)
    page.keyboard.press("/")
    expect(page.get_by_placeholder("Search words")).to_be_focused()
    page.keyboard.type("kxu")
    page.get_by_placeholder("Search words").fill("chain")
    page.keyboard.press("Enter")
    expect(page.locator(".card")).to_be_focused()
    here = shown(page)
    assert "chain" in page.locator(".panel").inner_text().lower()
    page.keyboard.press("e")
    area = page.locator("textarea[data-role=assistant]")
    expect(area).to_be_focused()
    page.keyboard.type("kx 1 ")
    expect(page.locator("[data-part=draft]")).to_have_text("Draft saved")
    assert written(app, "edits") == []
    page.keyboard.press("Escape")
    expect(page.locator(".badge.draft")).to_be_visible()
    page.reload()
    assert shown(page) == here
    page.keyboard.press("k")
    expect(page.locator(".menu")).to_contain_text("You have edited this one.")
    page.keyboard.press("e")
    expect(page.locator("textarea[data-role=assistant]")).to_have_value("kx 1 " + _answer(app, here))
    page.keyboard.press("Control+Enter")
    shown(page, here)
    acknowledged(page)
    with opened(app.log) as log:
        (event,) = current(log, "edits")
    assert (event.decision, event.example) == ("edit", here)
    assert event.messages[-1]["content"].startswith("kx 1 ")
    page.keyboard.press("u")
    expect(page.locator(".card")).to_have_attribute("data-id", here)
    expect(page.locator(".badge.draft")).to_be_visible()


def _answer(app, example):  # noqa: F811
    rows = pl.read_parquet(app.run / "1-clean/part-*.parquet").filter(pl.col("id") == example)
    return rows["response"][0]


def test_no_burst_and_no_held_key_decides_what_was_not_seen(app, reader):  # noqa: F811
    page = reader("bursts")
    for _ in range(25):
        page.keyboard.press("k", delay=15)
        page.wait_for_timeout(15)
    shown(page)
    page.keyboard.down("k")
    held = page.locator(".card").get_attribute("data-id")
    for _ in range(20):
        page.keyboard.down("k")  # a second down without an up is a repeat
    page.keyboard.up("k")
    shown(page)
    acknowledged(page)
    on_screen = {}
    for span in page.evaluate("window.seen.filter((span) => span.to !== null)"):
        on_screen[span["id"]] = max(on_screen.get(span["id"], 0), span["to"] - span["from"])
    decided = [example for _, example, _ in written(app, "bursts")]
    assert 1 <= len(decided) == len(set(decided)) <= 25
    assert decided.count(held) <= 1
    # A browser's clock is coarse.
    assert min(on_screen[example] for example in decided) >= 150 - 1
    with opened(app.log) as log:
        assert all(event.shown_ms >= 150 for event in history(log) if event.reviewer == "bursts")


def test_a_reload_in_the_middle_goes_on_where_it_was(app, reader):  # noqa: F811
    page = reader("reloads")
    done = [decide(page, "k"), decide(page, "k")]
    here = shown(page)
    page.keyboard.press("k")
    page.reload()
    after = shown(page)
    acknowledged(page)
    assert [example for _, example, _ in written(app, "reloads")] == [*done, here]
    assert after not in {*done, here}


def test_two_reviewers_at_once_get_different_examples(app, reader):  # noqa: F811
    pages = {name: reader(name) for name in ("anna", "ben")}
    seen = {name: set() for name in pages}
    for _ in range(3):
        for name, page in pages.items():
            seen[name].add(decide(page, "k"))
    ahead = {name: page.evaluate("[...new Set(window.seen.map((s) => s.id))]") for name, page in pages.items()}
    assert len(seen["anna"]) == len(seen["ben"]) == 3
    assert not {*ahead["anna"]} & {*ahead["ben"]}


def test_a_killed_server_loses_nothing_that_was_acknowledged_and_gets_the_rest_later(app, reader):  # noqa: F811
    page = reader("crash")
    saved = decide(page, "k")
    acknowledged(page)
    app.kill()
    unsaved = [decide(page, "x", "1"), decide(page, "k")]
    expect(page.locator(".saved")).not_to_have_attribute("data-state", "all")
    kept = page.evaluate("Object.entries(localStorage).filter(([k]) => k.startsWith('lapidary')).map(([, v]) => v)")
    assert [entry["id"] for text in kept for entry in json.loads(text)] == unsaved
    assert [example for _, example, _ in written(app, "crash")] == [saved]
    app.start()
    acknowledged(page)
    assert [example for _, example, _ in written(app, "crash")] == [saved, *unsaved]
    assert not page.evaluate("Object.keys(localStorage).some((k) => k.startsWith('lapidary'))")
    # The browser goes on, and what is sent twice is written once.
    last = decide(page, "k")
    acknowledged(page)
    assert [example for _, example, _ in written(app, "crash")] == [saved, *unsaved, last]


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (1280, "dark"), (390, "dark")])
def test_a_phone_has_room_and_the_dark_is_dark(reader, width, scheme):
    page = reader(f"{width}{scheme}", width=width, height=844, color_scheme=scheme)
    assert page.evaluate("document.scrollingElement.scrollWidth") <= width
    inner = page.evaluate(
        "(() => { const c = [...document.querySelectorAll('*')].map((e) => e.shadowRoot?.querySelector('.card')).find(Boolean); return c.scrollWidth - c.clientWidth })()"
    )
    assert inner <= 0
    colour = page.locator(".foot").evaluate("(e) => getComputedStyle(e).backgroundColor")
    dark = sum(int(part) for part in colour[4:-1].split(",")[:3]) < 3 * 60
    assert dark == (scheme == "dark")
    keep = page.locator("[data-act=keep]").bounding_box()
    assert keep["y"] + keep["height"] <= 844
    assert keep["height"] >= 40
    page.locator("[data-act=reject]").click()
    expect(page.locator("[role=menu]")).to_be_visible()
    page.get_by_role("menuitem", name="incomplete").click()
    expect(page.locator(".toast")).to_contain_text("Rejected: incomplete")


def test_the_tab_key_goes_through_views_text_context_and_decisions_in_that_order(reader):
    page = reader("tabs")
    page.locator("[role=tab][aria-selected=true]").focus()
    stops = []
    for _ in range(60):
        page.keyboard.press("Tab")
        stop = page.evaluate(
            "(() => { let e = document.activeElement; while (e?.shadowRoot?.activeElement) e = e.shadowRoot.activeElement;"
            " return e?.dataset?.act || e?.closest?.('[data-part]')?.dataset.part || null })()"
        )
        if stop and (not stops or stops[-1] != stop):
            stops.append(stop)
        if stop == "help":
            break
    parts = [stop for stop in stops if stop in {"panel", "why", "neighbours", "origin"}]
    assert parts == [part for part in ("panel", "why", "neighbours", "origin") if part in parts]
    acts = ["keep", "reject", "skip", "flag", "edit", "undo", "back", "next", "help"]
    assert [stop for stop in stops if stop in acts] == acts
    assert stops[0] == "panel"
    # Enter on a button is that button's.
    page.keyboard.press("Enter")
    expect(page.locator("dialog")).to_be_visible()


def test_of_hostile_texts_nothing_runs_and_nothing_is_fetched(app, reader, hostile):  # noqa: F811
    asked, said = [], []

    def watch(page):
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: message.type == "error" and said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("dialog", lambda dialog: said.append(dialog.message))

    page = reader("eve", query=f"&run={hostile.name}", watch=watch)
    texts = []
    for number in range(len(HOSTILE) + 1):
        here = shown(page)
        texts.append(page.locator(".panel").inner_text())
        for view in ("raw", "cleaned", "mine", "rendered"):
            page.keyboard.press("v")
            expect(page.locator(f"[data-view={view}]")).to_have_attribute("aria-selected", "true")
            texts[-1] += page.locator(".panel").inner_text()
        page.keyboard.press("e")
        expect(page.locator("textarea").first).to_be_visible()
        page.keyboard.press("Escape")
        if number < len(HOSTILE):
            page.keyboard.press("k")
            shown(page, here)
    assert "<script>window.ran = 1</script>" in texts[0]
    assert "U+202E" in texts[3]
    assert page.locator(".panel .cut").count() == 1
    page.locator(".more").click()
    expect(page.locator(".panel .cut")).to_have_count(0)
    assert len(page.locator(".panel").inner_text()) > 200_000
    assert page.evaluate("window.ran") is None
    assert said == []
    strangers = [url for url in asked if not url.startswith((app.url, app.url.replace("http", "ws"), "data:", "blob:"))]
    assert strangers == []


def test_one_key_settles_a_cluster_and_one_undo_opens_it_again(app, reader):  # noqa: F811
    desk = open_desk(app.run)
    row = desk.candidates.filter(pl.col("cluster").is_not_null() & (pl.col("fate") == "kept"))["row"][-1]
    texts = desk.candidates["content"].gather(cluster(desk, row)).unique().to_list()
    page = reader("twins", query=f"&row={row}")
    expect(page.locator(".card")).to_have_attribute("data-row", str(row))
    shown(page)
    expect(page.locator(".cluster .small:disabled")).to_have_count(len(cluster(desk, row)) - 1)
    page.keyboard.press("d")
    expect(page.locator(".card")).not_to_have_attribute("data-row", str(row))
    acknowledged(page)
    with opened(app.log) as log:
        events = current(log, "twins")
    assert {event.content: event.decision for event in events} == {
        text: "keep" if text == desk.candidates["content"][row] else "reject" for text in texts
    }
    assert len({event.act for event in events} - {None}) == 1
    page.keyboard.press("u")
    expect(page.locator(".card")).to_have_attribute("data-row", str(row))
    acknowledged(page)
    assert counts(app, "twins") == {}


def test_what_a_rule_dropped_is_brought_back_by_its_key(app, reader):  # noqa: F811
    page = reader("rescuer", query="&fate=limit")
    here = shown(page)
    expect(page.locator(".badge.dropped")).to_contain_text("dropped:")
    expect(page.locator(".rules .failed").first).to_be_visible()
    expect(page.locator("[data-act=keep] .label")).to_have_text("Bring back")
    page.keyboard.press("b")
    shown(page, here)
    acknowledged(page)
    assert counts(app, "rescuer") == {here: "keep"}


def test_what_has_changed_since_a_decision_is_shown_before_it_is_decided_anew(app, reader):  # noqa: F811
    desk = open_desk(app.run)
    row = desk.candidates.height - 3
    (now,) = texts(desk, [row])
    example = desk.candidates["id"][row]
    then = [*now.messages[:-1], {**now.messages[-1], "content": f"It was so. {now.messages[-1]['content']}"}]
    with opened(app.log) as log:
        record(log, [Decision("cleo", "earlier", "1", "0" * 32, example, "edit", (), then)])
    page = reader("since", query=f"&row={row}")
    assert shown(page) == example
    expect(page.locator(".badge.changed")).to_have_text("changed since cleo: Kept as edited")
    page.keyboard.press("v")
    expect(page.locator("[data-view=since]")).to_have_attribute("aria-selected", "true")
    expect(page.locator(".panel del")).to_have_text("It was so. ")
    expect(page.locator(".panel ins")).to_have_count(0)
    page.keyboard.press("k")
    shown(page, example)
    expect(page.locator("[data-view=since]")).to_be_hidden()
    acknowledged(page)
    assert counts(app, "since") == {example: "keep"}


def test_the_address_with_the_name_of_the_page_is_the_page(app, reader):  # noqa: F811
    row = open_desk(app.run).candidates.height - 4
    page = reader("addressed")
    page.goto(f"{app.url}/review?reviewer=addressed&queue=undecided&row={row}")
    expect(page.locator(".card")).to_have_attribute("data-row", str(row))
    assert re.fullmatch(rf"{app.url}/\?.*", page.url)
    assert {"reviewer=addressed", "queue=undecided", f"row={row}"} <= {*page.url.partition("?")[2].split("&")}
    shown(page)
    # Links of other pages lead there, too.
    page.goto(f"{app.url}/adjudicate?reviewer=addressed")
    page.get_by_role("link", name="Give second looks in Review").click()
    expect(page.locator(".queue-name")).to_have_text("A second opinion")
    assert page.url.startswith(f"{app.url}/?")


def test_under_a_korean_layout_the_letters_are_where_they_were(app, reader):  # noqa: F811
    page = reader("hangul")
    here = shown(page)
    page.evaluate(
        "() => document.body.dispatchEvent(new KeyboardEvent('keydown', {key: 'ㅏ', code: 'KeyK', bubbles: true}))"
    )
    shown(page, here)
    acknowledged(page)
    assert counts(app, "hangul") == {here: "keep"}
