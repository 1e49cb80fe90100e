"""The page Pairwise in AppTest and in a browser: nothing tells a model's name before the end, and no vote is lost or blind-fired."""

import json
import re
from pathlib import Path

import orjson
import pytest
from streamlit.testing.v1 import AppTest

from evaluate import blinding, formats, journal, people
from evaluate.__main__ import main
from tests.ui.server import App

# Models, and the files and folders that their answers come from: what nobody may see before the end.
MODELS = ("quartz-7b-tuned", "basalt-instruct")
FOLDER = "spring-duel"
SECRETS = (*MODELS, "quartz", "basalt", "duel", "epoch-nine", ".jsonl", "blind-", "answers/")
PROMPTS = 24


def made(folder: Path, title: str = "") -> Path:
    """A plan of 24 pairs: long answers with code and a script that must not run."""
    folder.mkdir(parents=True)
    files = []
    for number, model in enumerate(MODELS):
        rows = [
            {"prompt_id": f"p{n}", "instruction": f"Question {n}?", "generator": model, "output": text(n, number)}
            | {"messages": [{"role": "user", "content": f"Question **{n}**?"}]}
            for n in range(PROMPTS)
        ]
        files.append(folder / f"{model}-epoch-nine.jsonl")
        files[-1].write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    assert main(["blind", "--answers", *map(str, files), "--out", str(folder / "plan"), "--title", title]) == 0
    return folder / "plan"


def text(n, number):
    return f"Answer {n}-{number} <script>document.title='run'</script>\n\n" + f"Some words {number}. " * (
        600 if number else 60
    )


@pytest.fixture
def plan(tmp_path, monkeypatch):
    """The plan alone, found by the variable."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LAPIDARY_RUN", str(tmp_path / "runs" / "none"))
    folder = made(tmp_path / FOLDER)
    monkeypatch.setenv("LAPIDARY_ANSWERS", str(tmp_path / FOLDER))
    return blinding.read(folder)


def opened(**query):
    def script():
        from ui import pairwise

        pairwise.page()

    at = AppTest.from_function(script, default_timeout=20)
    for name, value in {"reviewer": "kim", **query}.items():
        at.query_params[name] = value
    at.run()
    assert not at.exception
    return at


def said(at):
    """All that a page says, as text."""
    kinds = (at.info, at.error, at.caption, at.markdown, at.code, at.subheader, at.checkbox, at.button, at.expander)
    return "\n".join(
        str(getattr(one, "value", "")) + str(one.label if hasattr(one, "label") else "")
        for kind in kinds
        for one in kind
    )


def judge(plan, person, count=None):
    shown = people.schedule(plan, person)
    for showing in shown[:count]:
        event = {"act": "vote", "id": showing.id, "choice": "first", "reasons": [], "both_bad": False}
        people.cast(plan, person, shown, [{**event, "shown_ms": 900, "token": showing.id}])


def open_secrets(text):
    return [secret for secret in SECRETS if secret in text]


def test_an_empty_folder_says_how_a_plan_is_made(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LAPIDARY_ANSWERS", str(tmp_path / "absent"))
    monkeypatch.setenv("LAPIDARY_RUN", str(tmp_path / "runs" / "none"))
    at = opened()
    assert "nothing to judge yet" in at.info[0].value
    assert "python -m evaluate blind --answers" in at.code[0].value


@pytest.mark.parametrize(
    ("file", "content"),
    [("blind.json", "{"), ("pairs.jsonl", "{}\n"), ("votes", "{}\n")],
)
def test_a_broken_plan_is_told_without_its_path(plan, file, content):
    path = people.votes_of(plan, "kim") if file == "votes" else plan.folder / file
    path.parent.mkdir(exist_ok=True)
    path.write_text(content)
    at = opened()
    assert "cannot be used" in at.error[0].value
    assert open_secrets(said(at)) == []
    # Mended, it can be used again.
    if file == "votes":
        path.unlink()
        assert not opened().error


def test_before_the_first_vote_there_is_nothing_to_reveal(plan):
    at = opened()
    assert not at.expander
    assert open_secrets(said(at)) == []


def test_a_finished_set_is_revealed_by_a_tick_and_a_press(plan):
    judge(plan, "kim")
    at = opened()
    assert open_secrets(said(at)) == []
    assert "You have judged 25 of 25" in said(at)
    assert at.button[-1].disabled
    at.checkbox[0].check().run()
    assert open_secrets(said(at)) == []
    at.button[-1].click().run()
    assert not at.exception
    won, twice = (one.value for one in at.table[:2])
    assert set(won["model"]) | set(won["against"]) == set(MODELS)
    assert won["pairs"].tolist() == ["24"]
    assert re.fullmatch(r"\d+\.\d \[\d+\.\d, \d+\.\d\]", won["win rate, %"][0])
    # Always the first place: the one pair that came again was turned round.
    assert twice["flipped, %"].tolist() == ["100.0"]
    assert twice["A won, %"][0].startswith("100.0 [")
    assert "python -m evaluate leaderboard" in at.code[0].value
    assert formats.read(people.revealed(plan)).height == 25
    # It stays so after a reload, and lee judges on, blind.
    assert len(opened().table) == 2
    assert not opened(reviewer="lee").table


def test_two_who_have_revealed_see_how_far_they_agree(plan):
    for person in ("kim", "lee"):
        judge(plan, person)
        people.reveal(plan, person, blinding.key_of(plan.folder))
    at = opened()
    assert at.table[2].value["judge"].tolist() == ["kim, lee"]
    assert at.table[0].value["judge"].tolist() == ["kim", "lee", "all together"]


def test_without_the_key_the_organiser_is_named(plan, tmp_path, monkeypatch):
    judge(plan, "kim", 1)
    key = blinding.key_of(plan.folder).rename(tmp_path / "elsewhere.json")
    at = opened()
    assert "evaluate reveal" in said(at)
    assert not at.checkbox
    monkeypatch.setenv("LAPIDARY_KEY", str(key))
    assert opened().checkbox
    key.write_text('{"plan": "another", "models": {}}')
    at = opened()
    at.checkbox[0].check().run()
    at.button[-1].click().run()
    assert "The names cannot be shown" in at.error[0].value
    assert open_secrets(said(at)) == []
    assert not people.ballot(plan, "kim", people.schedule(plan, "kim")).is_revealed


def test_of_several_plans_one_is_chosen_by_its_number(plan, tmp_path):
    other = blinding.read(made(tmp_path / FOLDER / "second", "The second day"))
    at = opened(plan=other.id)
    assert sorted(at.selectbox[0].options) == sorted([plan.id, "The second day"])
    assert at.selectbox[0].value == other.id
    at.selectbox[0].select(plan.id).run()
    assert at.query_params["plan"] == plan.id
    assert opened(plan="../../etc").selectbox[0].value in {plan.id, other.id}


# --- In a browser ---


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """The app on a folder of answers, and where the plan lies."""
    root = tmp_path_factory.mktemp("pairwise")
    folder = made(root / FOLDER)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAPIDARY_ANSWERS", str(root / FOLDER))
        server = App(root / "none").start()
        yield server, blinding.read(folder)
        server.kill()


class Judge:
    """A person at a browser: what is on the screen, and every word that came in or went out over the websocket."""

    def __init__(self, chromium, served, person, **options):
        self.server, self.plan, self.person = *served, person
        self.context = chromium.new_context(**options)
        self.page = self.context.new_page()
        self.heard: list[str] = []
        self.page.on("websocket", self.listen)
        self.page.on("request", lambda request: self.heard.append(request.url))
        self.page.goto(f"{self.server.url}/pairwise?reviewer={person}")
        self.page.locator(".pairwise:not([data-id=''])").wait_for()

    def listen(self, socket):
        def take(frame):
            self.heard.append(frame.decode("latin-1") if isinstance(frame, bytes) else frame)

        socket.on("framesent", take)
        socket.on("framereceived", take)

    @property
    def shown(self):
        return self.page.locator(".pairwise").get_attribute("data-id")

    def ready(self):
        """When the pair has been on the screen long enough."""
        self.page.wait_for_function(
            f"() => {{ {FIND} return root.desk.since && performance.now() - root.desk.since > 320 }}"
        )

    def press(self, *keys):
        for key in keys:
            before = self.shown
            self.ready()
            self.page.keyboard.press(key)
            if key in "ab12n0u ":
                self.page.wait_for_function(f"() => {{ {FIND} return root.dataset.id !== {before!r} }}")

    def saved(self):
        """When the server has acknowledged everything."""
        self.page.wait_for_function(f"() => {{ {FIND} return !root.desk.pending.length }}", timeout=20_000)

    @property
    def votes(self):
        return journal.rows(people.votes_of(self.plan, self.person))

    def everything(self):
        """The whole document with its shadow trees, its address, what the browser keeps, and all that was heard."""
        document = self.page.evaluate(
            "() => { const all = (node) => [...node.querySelectorAll('*')].map((one) => one.shadowRoot"
            " ? one.shadowRoot.innerHTML + all(one.shadowRoot) : '').join('');"
            " return [document.documentElement.outerHTML, all(document), location.href, document.title,"
            " JSON.stringify(localStorage), JSON.stringify(sessionStorage), document.cookie].join('\\n') }"
        )
        return "\n".join([document, *self.heard])


# The card lies in a shadow tree.
FIND = (
    "const seek = (node) => { for (const one of node.querySelectorAll('*')) { if (one.matches('.pairwise')) return one;"
    " if (one.shadowRoot) { const found = seek(one.shadowRoot); if (found) return found } } };"
    " const root = seek(document); if (!root?.desk) return false;"
)


@pytest.fixture
def sit_down(chromium, served):
    judges = []

    def begin(person, **options):
        judges.append(Judge(chromium, served, person, **options))
        return judges[-1]

    yield begin
    for one in judges:
        one.context.close()


def test_no_name_is_sent_or_shown_before_the_reveal_and_then_they_are(sit_down):
    kim = sit_down("kim")
    kim.press("a", "3", "x", "b", "n", "u", " ")
    kim.saved()
    assert [row["verdict"] for row in kim.votes][2] == "tie"
    assert (kim.votes[1]["reasons"], kim.votes[1]["both_bad"]) == (["correctness"], True)
    kim.page.reload()
    kim.page.locator(".pairwise:not([data-id=''])").wait_for()
    kim.page.get_by_text("Keys", exact=True).click()
    kim.page.get_by_text("Show the names of the models").click()
    kim.page.get_by_text("I have finished judging").wait_for()
    everything = kim.everything()
    assert all("Some words 1." in part for part in (kim.page.locator(".sides").inner_html(), "".join(kim.heard)))
    assert [name for name in (*SECRETS, str(kim.plan.folder.parent.parent)) if name in everything] == []
    assert kim.page.title() == "Lapidary"
    kim.page.get_by_text("I have finished judging").click()
    kim.page.get_by_role("button", name="Close my ballot").click()
    kim.page.get_by_text("python -m evaluate leaderboard").wait_for()
    assert all(name in kim.everything() for name in MODELS)


def test_neither_a_burst_nor_a_held_key_votes_on_what_was_not_seen(sit_down):
    lee = sit_down("lee")
    lee.ready()
    lee.page.evaluate(
        f"() => {{ {FIND} window.seen = {{}}; const note = () => {{ window.seen[root.dataset.id] ??= performance.now() }};"
        " note(); new MutationObserver(note).observe(root, { attributes: true }) }"
    )
    began = lee.page.evaluate("() => performance.now()")
    for _ in range(40):
        lee.page.keyboard.press("a", delay=5)
    took = lee.page.evaluate("() => performance.now()") - began
    lee.saved()
    burst = len(lee.votes)
    # However slow the machine is, each pair has its moment.
    assert 1 <= burst <= took / people.DWELL + 1
    lee.ready()
    for _ in range(15):
        lee.page.keyboard.down("b")
    lee.page.keyboard.up("b")
    lee.saved()
    assert len(lee.votes) == burst + 1
    seen = list(lee.page.evaluate("() => window.seen"))
    assert [row["shown"] for row in lee.votes] == seen[: burst + 1]
    assert min(row["shown_ms"] for row in lee.votes) >= people.DWELL
    # The card itself sent nothing that the server had to refuse.
    assert not any("did not count" in frame for frame in lee.heard)
    # Typing never decides.
    lee.ready()
    lee.page.evaluate("() => document.body.append(document.createElement('input'))")
    lee.page.locator("body > input").focus()
    lee.page.keyboard.type("ab1 ")
    lee.page.locator("body > input").evaluate("(input) => input.remove()")
    lee.page.keyboard.press("Control+a")
    lee.page.keyboard.press("c")
    lee.saved()
    assert len(lee.votes) == burst + 1


def test_votes_outlive_a_killed_server_and_undo_goes_back_past_a_reload(sit_down, served):
    server, _ = served
    mia = sit_down("mia")
    mia.press("a", "b")
    mia.saved()
    first = [row["shown"] for row in mia.votes]
    server.kill()
    mia.press("n", "1")
    assert [row["shown"] for row in mia.votes] == first
    server.start()
    mia.page.reload()
    mia.page.locator(".pairwise:not([data-id=''])").wait_for()
    mia.saved()
    assert len(mia.votes) == 4
    for left in (3, 2, 1, 0):
        mia.press("u")
        mia.saved()
        assert len(mia.votes) == left
    assert mia.shown == people.schedule(mia.plan, "mia")[0].id
    assert json.loads(people.votes_of(mia.plan, "mia").with_suffix(".undone.jsonl").read_text().splitlines()[0])


def test_two_judges_at_once_have_files_of_their_own(sit_down):
    noa, oli = sit_down("noa"), sit_down("oli")
    for _ in range(2):
        for one in (noa, oli):
            one.press("a")
    for one in (noa, oli):
        one.saved()
        assert [row["shown"] for row in one.votes] == [one.id for one in people.schedule(one.plan, one.person)[:2]]
        assert {row["judge"] for row in one.votes} == {one.person}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_both_answers_can_be_read_and_the_bar_stays_in_sight(sit_down, scheme):
    pat = sit_down("pat", viewport={"width": 1280, "height": 844}, color_scheme=scheme)

    def at(selector):
        return pat.page.locator(selector).bounding_box()

    first, second = at("[data-side=first]"), at("[data-side=second]")
    assert first["y"] == second["y"]
    assert second["x"] >= first["x"] + first["width"]
    # Lengths come after the vote only.
    assert "characters" not in pat.page.locator(".last").inner_text()
    ink, paper = pat.page.locator(".bar").evaluate(
        "(bar) => [getComputedStyle(bar).color, getComputedStyle(bar).backgroundColor]"
    )
    colours = (ink, paper) if scheme == "light" else (paper, ink)
    dark, light = (sum(map(int, re.findall(r"\d+", colour)[:3])) for colour in colours)
    assert dark < 150
    assert light > 600
    for width in (1280, 390):
        pat.page.set_viewport_size({"width": width, "height": 844})
        bar = at(".choices")
        assert 0 < bar["y"] < 844 - bar["height"]
        assert pat.page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
        scrolls = "(box) => box.scrollHeight > box.clientHeight && box.scrollWidth <= box.clientWidth"
        assert any(pat.page.locator(f"[data-side={side}] .answer").evaluate(scrolls) for side in ("first", "second"))
    first, second = at("[data-side=first]"), at("[data-side=second]")
    assert second["y"] >= first["y"] + first["height"]
    assert pat.page.title() == "Lapidary"
