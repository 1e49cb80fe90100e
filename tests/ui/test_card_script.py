"""The card's browser half by itself: its modules are one script, and in a browser without a server it loses nothing."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from curate.review import reasons
from ui import card
from ui.words import table

HERE = Path(card.__file__).parent
IMPORT = re.compile(r'^import \{ (.*) \} from "\./(\w+)\.js"$', re.MULTILINE)
NAMED = re.compile(r"^(?:export )?(?:function|class|const|let) (\w+)", re.MULTILINE)


def module(name):
    return (HERE / f"{name}.js").read_text(encoding="utf-8")


# --- one script -----------------------------------------------------------------------------------------------------


def test_every_module_is_named_and_comes_after_those_it_imports_from():
    assert sorted(card.SCRIPTS) == sorted(path.stem for path in HERE.glob("*.js"))
    for place, name in enumerate(card.SCRIPTS):
        lines = [line for line in module(name).splitlines() if line.startswith("import")]
        imports = IMPORT.findall(module(name))
        assert len(imports) == len(lines), f'{name}: an import that is not `import {{ … }} from "./….js"` on one line'
        for names, source in imports:
            assert source in card.SCRIPTS[:place], f"{name} imports from {source}, which comes later"
            exported = {
                found[1]
                for found in re.finditer(r"^export (?:function|class|const) (\w+)", module(source), re.MULTILINE)
            }
            assert set(names.split(", ")) <= exported, f"{name} imports what {source} does not export"


def test_no_name_stands_twice_in_the_script_and_it_has_one_component():
    names = NAMED.findall(card.script())
    assert len(names) == len(set(names))
    assert re.findall(r"^(?:import|export).*", card.script(), re.MULTILINE) == ["export default function (component) {"]


# --- in a browser ---------------------------------------------------------------------------------------------------

# The page of a component as streamlit makes it: a shadow root with the card's HTML, data in, what it says out.
PAGE = """async ({ html, css, script }) => {
  const host = document.body.appendChild(document.createElement("div"))
  const root = host.attachShadow({ mode: "open" })
  root.innerHTML = `<style>${css}</style>${html}`
  const { default: mount } = await import(URL.createObjectURL(new Blob([script], { type: "text/javascript" })))
  window.said = []
  window.give = (data) => mount({ parentElement: root, data, setStateValue: (name, value) => window.said.push(structuredClone(value)) })
}"""


def example(row, **more):
    messages = [{"role": "user", "content": f"Question {row}?"}, {"role": "assistant", "content": f"Answer {row}."}]
    html = "".join(
        f'<section class="turn"><div class="text"><p>{one["content"]}</p></div></section>' for one in messages
    )
    given = {
        "row": row,
        "id": f"e{row}",
        "content": f"c{row}",
        "title": f"Question {row}?",
        "messages": messages,
        "html": html,
    }
    nothing = dict.fromkeys(
        ("group", "license", "score", "key", "rule", "url", "quality", "topic", "decision", "draft", "draft_html")
    )
    lists = {"why": [], "neighbours": [], "cluster": [], "since": [], "cleaned": {"edits": [], "html": None}}
    facts = {"source": "set", "language": "en", "turns": 2, "prompt_chars": 11, "response_chars": 9, "fate": "kept"}
    return {**nothing, **lists, **facts, **given, "vector": False, "cut": False, "because": "", **more}


def data(rows, deck, **more):
    """What ui/review.py gives the card: these examples, and these rows in line."""
    texts = {key: text["en"] for name in ("shell", "review") for key, text in table(name).items()}
    pace = {"done": 0, "goal": len(deck), "per_hour": None, "left": None}
    queue = {"id": "q", "title": "Queue", "sentence": ""}
    cards = {str(row): example(row) for row in rows}
    about = {"store": "lapidary test", "queue": queue, "pace": pace, "words": texts, "reviewer": "ann", "trouble": None}
    given = {
        "cards": cards,
        "deck": list(deck),
        "again": [],
        "because": {},
        "answers": [],
        "replies": {},
        "drafts": {},
        "end": True,
        "held": 0,
        "done": 0,
    }
    why = {str(reason.key): reason.name for reason in reasons.REASONS}
    return {**about, **given, "reasons": why, "guidelines": "<h1>Guidelines</h1><p>Be kind.</p>", **more}


@pytest.fixture
def page(chromium):
    context = chromium.new_context(viewport={"width": 1200, "height": 800})
    tab = context.new_page()
    tab.route(
        "http://card.test/", lambda route: route.fulfill(body="<!doctype html><body></body>", content_type="text/html")
    )
    failed = []
    tab.on("pageerror", lambda error: failed.append(str(error)))
    yield tab
    context.close()
    assert failed == []


def mounted(page, given):
    page.goto("http://card.test/")
    css = (HERE / "card.css").read_text(encoding="utf-8")
    page.evaluate(PAGE, {"html": (HERE / "card.html").read_text(encoding="utf-8"), "css": css, "script": card.script()})
    give(page, given)


def give(page, given):
    page.evaluate("(data) => void window.give(data)", given)


def pressed(page, *keys):
    """Press keys on an example that has been looked at; its row."""
    seen = "() => { const card = document.querySelector('div').shadowRoot.querySelector('.card'); return card.dataset.seen && card.dataset.seen === card.dataset.id }"
    page.wait_for_function(seen)
    row = page.locator(".card").get_attribute("data-row")
    for key in keys:
        page.keyboard.press(key)
    return int(row)


def log(page):
    return page.evaluate("window.said.length ? window.said.at(-1).log : []")


@pytest.mark.browser
def test_what_was_decided_is_sent_until_it_is_answered_and_asked_for_until_it_is_there(page):
    mounted(page, data([1, 2], [1, 2, 3]))
    assert page.evaluate("window.said.at(-1).have") == [1, 2]
    assert pressed(page, "k") == 1
    assert pressed(page, "x", "2") == 2
    assert [(entry["row"], entry["kind"], entry["reasons"]) for entry in log(page)] == [
        (1, "keep", []),
        (2, "reject", ["incomplete"]),
    ]
    expect(page.locator("[data-part=empty]")).to_have_attribute("data-state", "waiting")
    sent = page.evaluate("window.said.length")
    page.wait_for_function(f"window.said.length > {sent}")
    assert len(log(page)) == 2
    first, second = log(page)
    give(page, data([3], [3], answers=[{"session": first["session"], "seq": first["seq"]}]))
    assert pressed(page) == 3
    page.wait_for_function("window.said.at(-1).log.length === 1")
    assert log(page) == [second]
    assert page.evaluate("Object.keys(localStorage)") == [f"lapidary test {first['session']}"]


@pytest.mark.browser
def test_a_hidden_repeat_is_shown_as_if_it_had_not_been_decided(page):
    mounted(page, data([1, 2, 3], [1, 2, 3]))
    assert pressed(page, "x", "1") == 1
    # Not while the first decision may still be on its way: the server's deck may be older than it.
    give(page, data([], [1, 2, 3], again=[1]))
    assert pressed(page, "k") == 2
    answered = [{"session": entry["session"], "seq": entry["seq"]} for entry in log(page)]
    give(page, data([], [3, 1], again=[1], answers=answered))
    assert pressed(page, "k") == 3
    page.wait_for_function("!window.said.at(-1).have.includes(1)")
    give(page, data([1], [3, 1], again=[1]))
    assert pressed(page) == 1
    expect(page.locator(".meta .badge")).to_have_count(0)
    pressed(page, "k")
    give(page, data([], [1], again=[1]))
    expect(page.locator("[data-part=empty]")).to_be_visible()
    assert [entry["row"] for entry in log(page)] == [3, 1]


@pytest.mark.browser
def test_another_queue_says_its_own_why(page):
    mounted(page, data([1, 2], [1, 2], because={1: "flagged by ben"}))
    pressed(page, "v")
    expect(page.locator(".because")).to_have_text("flagged by ben")
    other = {"id": "other", "title": "Other", "sentence": ""}
    give(page, data([], [1, 2], queue=other, because={1: "kept, rank 3"}))
    expect(page.locator(".because")).to_have_text("kept, rank 3")
    pressed(page, "k")
    expect(page.locator(".because")).to_have_count(0)


@pytest.mark.browser
def test_an_example_that_comes_again_leaves_its_reader_where_they_are(page):
    mounted(page, data([1], [1]))
    pressed(page, "v")
    expect(page.locator("[data-view=raw]")).to_have_attribute("aria-selected", "true")
    give(page, data([1], [1]))
    expect(page.locator("[data-view=raw]")).to_have_attribute("aria-selected", "true")
    page.keyboard.press("v")
    give(page, data([1], [1]))
    expect(page.locator("[data-view=cleaned]")).to_have_attribute("aria-selected", "true")


@pytest.mark.browser
def test_the_words_of_an_edit_that_is_refused_are_a_draft_again(page):
    mounted(page, data([1, 2], [1, 2]))
    pressed(page, "e")
    page.keyboard.type("Better: ")
    page.keyboard.press("Control+Enter")
    pressed(page)
    (entry,) = log(page)
    assert entry["messages"][1]["content"] == "Better: Answer 1."
    refused = {"session": entry["session"], "seq": entry["seq"], "error": "the text is another one now"}
    give(page, data([], [1, 2], answers=[refused]))
    expect(page.locator(".toast")).to_have_text("Not saved: the text is another one now")
    page.wait_for_function("window.said.at(-1).drafts.length === 1")
    assert page.evaluate("window.said.at(-1).drafts[0].messages[1].content") == "Better: Answer 1."
    page.keyboard.press("ArrowRight")
    assert pressed(page) == 1
    expect(page.locator(".badge.draft")).to_be_visible()


@pytest.mark.browser
def test_what_has_changed_since_a_decision_has_a_view_of_its_own(page):
    known = {
        "reviewer": "ben",
        "decision": "edit",
        "said": "Kept as edited",
        "time": "2026-01-31 08:05",
        "html": "<ins>new</ins>",
    }
    unknown = {**known, "reviewer": "$& {what}", "decision": "reject", "said": "Rejected", "html": None}
    given = data([1, 2], [1, 2])
    given["cards"]["1"]["since"] = [known, unknown]
    mounted(page, given)
    tab = page.locator("[data-view=since]")
    expect(tab).to_have_attribute("data-count", "2")
    expect(page.locator(".badge.changed")).to_have_text("changed since $& {what}: Rejected")
    page.locator(".badge.changed").click()
    expect(tab).to_have_attribute("aria-selected", "true")
    expect(page.locator(".panel .since ins")).to_have_text("new")
    expect(page.locator(".panel")).to_contain_text("The text of then is not known")
    pressed(page, "k")
    assert pressed(page) == 2
    expect(tab).to_be_hidden()
    expect(page.locator(".badge.changed")).to_have_count(0)
    page.keyboard.press("v")
    expect(page.locator("[data-view=raw]")).to_have_attribute("aria-selected", "true")


@pytest.mark.browser
@pytest.mark.parametrize("text", ["<h1>Guidelines</h1><p>Be kind.</p>", "<p>Be kind.</p>"])
def test_the_guidelines_have_one_heading(page, text):
    mounted(page, data([1], [1], guidelines=text))
    pressed(page, "?")
    expect(page.locator("dialog")).to_contain_text("Be kind.")
    expect(page.locator("dialog").get_by_role("heading", name="Guidelines", exact=True)).to_have_count(1)
