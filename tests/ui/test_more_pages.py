"""The pages Map, Adjudicate, Progress, Reports and Setup; on the sample run, on one that kept nothing, and on broken ones."""

import json
import shutil

import polars as pl
import pytest
from streamlit.testing.v1 import AppTest

from curate import ablate
from curate.desk import lasso
from curate.desk.model import open_desk, texts
from curate.review import exchange, guidelines, log, saved
from curate.review.store import opened
from tests.curate.small_runs import built
from tests.ui.server import sample  # noqa: F401 - a fixture
from ui import progress, reports
from ui.words import table

PAGES = ("map", "adjudicate", "progress", "reports", "setup")
ALL = [(0, 0), (lasso.SIDE, 0), (lasso.SIDE, lasso.SIDE), (0, lasso.SIDE)]


@pytest.fixture(scope="module")
def run(sample, tmp_path_factory):  # noqa: F811
    """A copy of the sample run whose desk is prepared once; what a test writes into it is removed after it."""
    copy = shutil.copytree(sample, tmp_path_factory.mktemp("more") / "sample")
    open_desk(copy)
    return copy


@pytest.fixture(scope="module")
def desk(run):
    return open_desk(run)


@pytest.fixture(scope="module")
def dropped_run(tmp_path_factory):
    """A run that kept nothing and has no vectors."""
    return built(tmp_path_factory.mktemp("dropped"), "filters.min_chars=100000", name="dropped")[0]


@pytest.fixture(autouse=True)
def as_it_was(run):
    yield
    for path in [*run.glob("decisions.*"), run / "guidelines.md"]:
        path.unlink(missing_ok=True)
    shutil.rmtree(run / "ablations", ignore_errors=True)


@pytest.fixture
def shown(run, monkeypatch):
    """A page as it stands after its first run."""

    def show(name, on=run, **params):
        monkeypatch.setenv("LAPIDARY_RUN", str(on))
        at = AppTest.from_string(f"from ui import {name}\n{name}.page()", default_timeout=60)
        for param, value in {"reviewer": "ann", **params}.items():
            at.query_params[param] = str(value)
        return at.run()

    return show


@pytest.fixture
def say(run, desk):
    """Decide as a reviewer on a row: `say("ann", 3, "reject", "incomplete")`."""
    counter = iter(range(10_000))

    def decide(reviewer, row, decision, *reasons, messages=None, content=None, act=None):
        example, of_row = desk.candidates["id"][row], desk.candidates["content"][row]
        with opened(run / "decisions.sqlite") as journal:
            token = str(next(counter))
            one = log.Decision(
                reviewer, "test", token, content or of_row, example, decision, reasons, messages, act=act
            )
            return log.record(journal, [one])[0]

    return decide


def counting(run):
    with opened(run / "decisions.sqlite") as journal:
        return {content: opinion.decision for content, opinion in log.counting(journal).items()}


def button(at, label):
    (found,) = [button for button in at.button if button.label == label]
    return found


def text(at):
    kinds = (at.markdown, at.caption, at.info, at.warning, at.error, at.success, at.code, at.subheader, at.get("html"))
    said = [str(getattr(e, "value", "") or e.proto.body) for elements in kinds for e in elements]
    # The points of the map come as bytes.
    return "\n".join([*said, *(str(json.loads(e.proto.json)) for e in at.get("bidi_component") if e.proto.json)])


def links(at):
    return {
        e.proto.label: (e.proto.page, dict(pair.split("=") for pair in e.proto.query_string.split("&")))
        for e in at.get("page_link")
    }


def asked(at, name):
    """What the address says; AppTest gives it as a text or as a list."""
    value = at.query_params[name]
    return value if isinstance(value, str) else value[-1]


def words(page, key, lang="en", **values):
    return table(page)[key][lang].format(**values)


# --- every page on every run ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("lang", ["en", "ko"])
@pytest.mark.parametrize("page", PAGES)
def test_a_page_says_what_it_is_for_and_shows_the_run(page, lang, shown):
    at = shown(page, lang=lang)
    assert not at.exception
    assert not at.error
    assert at.title[0].value == words(page, "title", lang)
    assert words(page, "about", lang) in text(at)


@pytest.mark.parametrize("lang", ["en", "ko"])
@pytest.mark.parametrize(("page", "key"), [("map", "no_vectors"), ("adjudicate", "no_cases"), ("progress", "empty")])
def test_a_page_without_anything_to_show_helps_on(page, key, lang, shown, dropped_run):
    at = shown(page, dropped_run, lang=lang)
    assert not at.exception
    assert not at.error
    assert words(page, key, lang) in text(at)


@pytest.mark.parametrize("page", ["reports", "setup"])
def test_reports_and_setup_stand_on_a_run_that_kept_nothing(page, shown, dropped_run):
    at = shown(page, dropped_run)
    assert not at.exception
    assert not at.error


@pytest.fixture(scope="module")
def damaged(run, tmp_path_factory):
    """Copies of the run by what is wrong with them."""

    def copy(name, *without):
        ignored = shutil.ignore_patterns(*without)
        return shutil.copytree(run, tmp_path_factory.mktemp("damaged") / name, ignore=ignored)

    found = {
        "recipe": copy("recipe", "review", "recipe.yaml"),
        "books": copy("books", "inputs.parquet", "ledger.parquet", "report.*"),
        "log": copy("log"),
    }
    (found["log"] / "decisions.sqlite").write_bytes(b"no database, " * 100)
    return found


@pytest.mark.parametrize("page", PAGES)
def test_a_run_whose_recipe_is_gone_ends_in_one_clear_line(page, shown, damaged):
    at = shown(page, damaged["recipe"])
    assert not at.exception
    (line,) = [error.value for error in at.error]
    assert "\n" not in line
    assert str(damaged["recipe"]) in line


@pytest.mark.parametrize("page", PAGES)
def test_a_run_that_lost_files_after_it_was_opened_is_no_traceback(page, shown, damaged):
    at = shown(page, damaged["books"])
    assert not at.exception
    assert len(at.error) <= 1


@pytest.mark.parametrize("page", ["map", "adjudicate", "progress"])
def test_what_is_no_log_is_said_in_one_line(page, shown, damaged):
    at = shown(page, damaged["log"])
    assert not at.exception
    (line,) = [error.value for error in at.error]
    assert "decisions" in line
    assert "\n" not in line


@pytest.mark.parametrize(
    ("page", "params"),
    [
        ("map", {"lasso": "%%%", "by": "nothing", "hide": "x~y", "topic": "-3", "open": "99999999999999"}),
        ("map", {"topic": "²", "open": "²", "lasso": "A" * 5000}),
        ("adjudicate", {"view": "nothing", "case": "<script>", "page": "-1"}),
        ("progress", {"whose": "nobody", "page": "99999"}),
        ("reports", {"view": "../..", "with": "nothing", "board": "../../etc"}),
        ("setup", {"run": "nothing", "lang": "xx"}),
    ],
)
def test_an_address_that_someone_made_up_is_read_as_far_as_it_goes(page, params, shown):
    at = shown(page, **params)
    assert not at.exception
    assert not at.error


# --- Map ------------------------------------------------------------------------------------------------------------


def test_a_lasso_in_the_address_is_counted_and_sampled(shown, desk):
    at = shown("map", lasso=lasso.to_text(ALL))
    # The outer sides of the square that are not its own hold the outermost point, or two.
    count = int(at.subheader[0].value.split()[0])
    assert desk.candidates["x"].count() - 2 <= count <= desk.candidates["x"].count()
    assert len([one for one in at.button if str(one.key).startswith("map sample")]) == 6


def test_what_is_hidden_is_not_chosen(shown, desk):
    kept = desk.candidates.drop_nulls("x").filter(pl.col("fate") == "kept").height
    everything, rest = (
        int(shown("map", lasso=lasso.to_text(ALL), **more).subheader[0].value.split()[0])
        for more in ({}, {"by": "fate", "hide": "kept"})
    )
    assert everything - rest in (kept, kept - 1, kept - 2)


def test_a_topic_is_picked_without_a_pointer_and_can_be_reviewed(shown, desk):
    at = shown("map")
    at.selectbox[0].select(0).run()
    assert asked(at, "topic") == "0"
    count = desk.candidates.filter(pl.col("topic") == 0).height
    assert at.subheader[0].value == words("map", "chosen", count=count)
    page, params = links(at)[words("map", "review_topic")]
    assert (page, params["topic"]) == ("", "0")  # Review is where the app opens


def test_a_selection_becomes_a_queue_of_its_name(shown, run, desk):
    at = shown("map", lasso=lasso.to_text(ALL), hide="kept")
    at.text_input[0].input("my corner")
    [one for one in at.button if one.label.startswith("Make a queue")][0].click().run()  # noqa: RUF015
    assert not at.exception
    with opened(run / "decisions.sqlite") as journal:
        contents = set(saved.contents(journal, "my corner"))
    visible = desk.candidates.drop_nulls("x").filter(pl.col("fate") != "kept")["content"].to_list()
    assert contents <= set(visible)
    assert len(contents) >= len(set(visible)) - 2
    assert any(params.get("queue") == "saved%3Amy+corner" for _, params in links(at).values())


def test_a_queue_without_a_name_is_refused_in_one_line(shown):
    at = shown("map", lasso=lasso.to_text(ALL))
    at.text_input[0].input("  ")
    [one for one in at.button if one.label.startswith("Make a queue")][0].click().run()  # noqa: RUF015
    (error,) = at.error
    assert "1 to 60" in error.value


def test_an_example_of_the_sample_opens_beside_the_map_and_closes(shown):
    at = shown("map", lasso=lasso.to_text(ALL))
    first = next(one for one in at.button if str(one.key).startswith("map sample"))
    first.click().run()
    assert asked(at, "open") == str(first.key).rsplit(" ", 1)[1]
    assert '<section class="turn turn-user">' in text(at)
    button(at, words("map", "close")).click().run()
    assert "open" not in at.query_params
    assert "<section" not in text(at)


# --- Adjudicate -----------------------------------------------------------------------------------------------------


def test_one_click_makes_a_reviewers_word_the_one_that_counts_and_one_undo_takes_it_back(shown, run, desk, say):
    say("bo", 1, "keep")
    say("chan", 1, "reject", "incomplete")
    content = desk.candidates["content"][1]
    at = shown("adjudicate")
    assert words("shell", "reason_2") in text(at)
    button(at, words("adjudicate", "choose", decision="Reject")).click().run()
    assert counting(run)[content] == "reject"
    assert words("adjudicate", "no_cases") in text(at)
    button(at, "Undo").click().run()
    assert button(at, words("adjudicate", "choose", decision="Keep"))


def test_an_edit_is_shown_as_a_word_diff_and_settles_with_its_text(shown, run, desk, say):
    (original,) = texts(desk, [2])
    changed = [{**turn, "content": turn["content"] + " Afterword."} for turn in original.messages]
    say("bo", 2, "edit", messages=changed)
    say("chan", 2, "reject")
    at = shown("adjudicate")
    assert "<ins> Afterword.</ins>" in text(at)
    button(at, words("adjudicate", "choose", decision="Edit")).click().run()
    with opened(run / "decisions.sqlite") as journal:
        settled = [event for event in log.current(journal, "ann") if event.role == "settle"]
    assert [event.messages for event in settled] == [changed]


def test_a_case_that_was_closed_meanwhile_is_not_settled_twice(shown, run, desk, say):
    say("bo", 1, "keep")
    say("chan", 1, "reject")
    at = shown("adjudicate")
    say("chan", 1, "keep")
    button(at, words("adjudicate", "choose", decision="Reject")).click().run()
    with opened(run / "decisions.sqlite") as journal:
        assert log.current(journal, "ann") == []


def test_cases_are_walked_through_by_address(shown, desk, say):
    for row in (1, 2, 3):
        say("bo", row, "keep")
        say("chan", row, "reject")
    at = shown("adjudicate")
    button(at, words("adjudicate", "after")).click().run()
    assert asked(at, "case") == desk.candidates["content"][2]
    assert words("adjudicate", "case_place", place=2, count=3) in text(at)


def test_a_decision_on_a_text_that_has_changed_comes_back_with_what_is_known_of_it(shown, run, desk, say):
    (now,) = texts(desk, [4])
    then = [{**turn, "content": turn["content"].upper()} for turn in now.messages]
    say("bo", 4, "edit", messages=then, content="1" * 16)
    say("bo", 5, "reject", content="0" * 16)
    at = shown("adjudicate", view="stale")
    assert "<ins>" in text(at)
    assert words("adjudicate", "old_unknown") in text(at)
    for one in [one for one in at.button if one.label == words("adjudicate", "now_keep")][:1]:
        one.click().run()
    assert desk.candidates["content"][5] in counting(run) or desk.candidates["content"][4] in counting(run)


def test_agreement_says_each_figure_with_its_interval_and_what_it_means(shown, say):
    at = shown("adjudicate", view="agreement")
    assert text(at).count(words("adjudicate", "not_yet")) == 3
    for row in range(12):
        say("bo", row, "keep" if row % 3 else "reject")
        say("chan", row, "keep" if row % 3 or row == 0 else "reject")
    at = shown("adjudicate", view="agreement")
    said = text(at)
    # 24 labels, 17 keep and 7 reject, and one pair of twelve that differs: 1 - (2 / 24) / (2 * 17 * 7 / (24 * 23)) = 0.807.
    assert "0.81 (" in said
    assert words("adjudicate", "alpha_high") in said
    assert words("adjudicate", "self_none") in said


# --- Progress -------------------------------------------------------------------------------------------------------


def test_progress_counts_people_reasons_and_days(shown, say):
    say("bo", 1, "reject", "incomplete")
    say("bo", 2, "reject", "incomplete", "duplicate")
    say("ann", 3, "keep")
    at = shown("progress")
    figures = {metric.label: metric.value for metric in at.metric}
    assert (figures["Decided"], figures["Kept"], figures["Rejected"]) == ("3", "1", "2")
    frames = [element.value for element in at.dataframe]
    reasons = next(frame for frame in frames if "reason" in frame.columns)
    assert dict(zip(reasons["reason"], reasons["count"], strict=True)) == {"incomplete": 2, "duplicate": 1}
    assert list(next(frame for frame in frames if "reviewer" in frame.columns)["reviewer"]) == ["bo", "ann"]


def test_the_log_is_shown_newest_first_from_what_to_what(shown, say):
    say("bo", 1, "keep")
    say("bo", 1, "reject", "duplicate")
    for row in (2, 3, 4):
        say("ann", row, "keep")
    at = shown("progress", whose="bo")
    journal = at.dataframe[-1].value
    assert list(journal["change"]) == ["Keep → Reject", "undecided → Keep"]
    assert journal["what"][0] == "duplicate"


def test_decisions_are_written_to_the_run_with_the_command_that_replays_them(shown, run, say):
    say("ann", 1, "keep")
    at = shown("progress")
    assert not (run / "decisions.jsonl").exists()
    button(at, words("progress", "export")).click().run()
    assert [json.loads(line)["decision"] for line in (run / "decisions.jsonl").open()] == ["keep"]
    command = f"curate build {run / 'recipe.yaml'} -s review.decisions={run / 'decisions.jsonl'} --out {run}-reviewed"
    assert command in text(at)
    assert at.get("download_button")


def test_decisions_of_a_file_come_in_once_and_a_broken_file_is_named(shown, run, desk, say, tmp_path):
    say("bo", 1, "reject", "incomplete")
    with opened(run / "decisions.sqlite") as journal:
        exchange.export_decisions(journal, tmp_path / "decisions.jsonl")
    (run / "decisions.sqlite").unlink()
    at = shown("progress")
    upload = at.get("file_uploader")[0]
    upload.set_value(("decisions.jsonl", (tmp_path / "decisions.jsonl").read_bytes(), "application/jsonl")).run()
    button(at, words("progress", "import")).click().run()
    assert counting(run) == {desk.candidates["content"][1]: "reject"}
    at.get("file_uploader")[0].set_value(("decisions.jsonl", b'{"content": 1}\n', "application/jsonl")).run()
    button(at, words("progress", "import")).click().run()
    (error,) = at.error
    assert error.value.startswith("decisions")
    assert "content is 1" in error.value.replace("\\", "")


@pytest.mark.parametrize(
    ("seconds", "said"), [(None, "–"), (59 * 60, "59 min"), (7200 + 300, "2 h 5 min"), (360_000, "100 h 0 min")]
)
def test_a_stretch_of_time_is_said_in_its_largest_units(seconds, said):
    assert progress.duration(seconds, lambda key, **values: words("progress", key, **values)) == said


def test_the_days_are_stacked_from_the_first_to_the_last():
    names = {"keep": "Keep", "edit": "Edit", "reject": "Reject", "flag": "Flag", "skip": "Skip"}
    days = [("2026-01-30", "keep", 3), ("2026-02-01", "keep", 1), ("2026-02-01", "reject", 2)]
    chart = progress.days_chart("Days", days, names)
    assert [part.split("</title>")[0] for part in chart.split("<title>")[2:]] == [
        "2026-01-30: Keep 3",
        "2026-02-01: Keep 1",
        "2026-02-01: Reject 2",
    ]
    assert all(label in chart for label in ("01-30", "01-31", "02-01"))
    assert "Flag" not in chart


# --- Reports --------------------------------------------------------------------------------------------------------


def test_the_report_and_every_file_of_the_run_can_be_had(shown, run):
    at = shown("reports")
    names = {element.label.split(" · ")[0] for element in at.get("download_button")}
    assert names == {name for name in reports.FILES if (run / name).is_file()}
    assert "report.html" in names


def test_two_runs_are_compared_by_settings_rules_and_examples(shown, dropped_run, run, tmp_path):
    built(tmp_path, name="before")
    after, _ = built(tmp_path, "filters.min_chars=100000", name="after")
    at = shown("reports", after, view="compare")
    assert not at.exception
    kept = len((tmp_path / "before/dataset.jsonl").read_text().splitlines())
    figures = {metric.label: metric.value for metric in at.metric}
    assert figures == {"in both": "0", "added": "0", "removed": str(kept), "changed": "0"}
    settings, rules, removed = (element.value for element in at.dataframe)
    assert list(settings["key"]) == ["filters.min_chars"]
    assert list(rules["rule"]) == ["min_chars"]
    assert removed["why"].str.startswith("filters/min_chars").all()
    assert f"curate diff {tmp_path / 'before'} {after}" in text(at)


def test_a_run_alone_says_how_to_make_another(shown):
    at = shown("reports", view="compare")
    assert "python -m curate build" in text(at)


def test_ablations_that_are_there_are_listed_and_the_others_come_with_their_command(shown, run):
    ablate.ablate(run, "quantity")
    at = shown("reports", view="ablations")
    assert not at.exception
    (sets,) = [element.value for element in at.dataframe]
    assert list(sets["name"])[:2] == ["n16", "n32"]
    assert "--by quality" in text(at)
    assert "--by quantity" not in text(at)


def test_a_board_beside_the_run_is_found_and_can_be_had(shown, run, tmp_path):
    here = shutil.copytree(run, tmp_path / "runs" / "sample")
    for board in (tmp_path / "boards" / "mine", here / "board"):
        board.mkdir(parents=True)
        (board / "leaderboard.html").write_text("<!doctype html><title>Board</title>")
        (board / "leaderboard.csv").write_text("model\n")
    assert {folder.name for folder in reports.boards(here)} == {"mine", "board"}
    at = shown("reports", here, view="boards", board="mine")
    assert at.selectbox[0].value == "mine"
    assert [element.label.split(" · ")[0] for element in at.get("download_button")] == [
        "leaderboard.html",
        "leaderboard.csv",
    ]


# --- Setup ----------------------------------------------------------------------------------------------------------


def test_a_name_and_a_language_go_into_the_address(shown):
    at = shown("setup", reviewer="ann")
    at.text_input[0].input("  Bo Lee ").run()
    assert asked(at, "reviewer") == "Bo Lee"
    at.get("button_group")[0].set_value("ko").run()
    assert asked(at, "lang") == "ko"
    assert at.title[0].value == words("setup", "title", "ko")


def test_another_run_is_chosen_without_what_was_of_the_first(shown, run, tmp_path):
    here = shutil.copytree(run, tmp_path / "a")
    shutil.copytree(run, tmp_path / "b")
    at = shown("setup", here, topic="3", run="a")
    at.selectbox[0].select("b").run()
    assert asked(at, "run") == "b"
    assert "topic" not in at.query_params


def test_guidelines_are_written_and_not_over_what_another_wrote(shown, run):
    at = shown("setup")
    at.text_area[0].input("# Ours")
    button(at, words("setup", "save")).click().run()
    assert guidelines.read(run) == "# Ours\n"
    at = shown("setup")
    (run / "guidelines.md").write_text("# Theirs\n")
    at.text_area[0].input("# Ours again")
    button(at, words("setup", "save")).click().run()
    assert guidelines.read(run) == "# Theirs\n"
    (error,) = at.error
    assert "someone has changed it" in error.value


def test_setup_says_who_may_see_the_app(shown, monkeypatch):
    assert words("setup", "without_password") in text(shown("setup"))
    monkeypatch.setenv("LAPIDARY_PASSWORD", "x")
    assert words("setup", "with_password") in text(shown("setup"))
