"""The pages that look: Browse, Dropped, Duplicates, Contamination, Coverage; on a small run, on empty and on broken ones."""

import json
import re
import shutil

import polars as pl
import pytest
from streamlit.testing.v1 import AppTest

from curate.desk import pairs
from curate.desk.model import open_desk
from curate.review import log
from curate.review.store import opened
from tests.curate.small_runs import built
from tests.ui.server import sample  # noqa: F401 - a fixture
from ui.words import table

PAGES = ("browse", "dropped", "duplicates", "contamination", "coverage")


@pytest.fixture(scope="module")
def run(sample, tmp_path_factory):  # noqa: F811
    """A copy of the sample run whose desk is prepared once; the log is each test's own."""
    copy = shutil.copytree(sample, tmp_path_factory.mktemp("pages") / "sample")
    open_desk(copy)
    return copy


@pytest.fixture(scope="module")
def dropped_run(tmp_path_factory):
    """A run that kept nothing, named no test set and has no vectors."""
    return built(tmp_path_factory.mktemp("dropped"), "filters.min_chars=100000", name="dropped")[0]


@pytest.fixture(autouse=True)
def own_log(run):
    yield
    for path in [*run.glob("decisions.sqlite*"), run / pairs.DECIDED]:
        path.unlink(missing_ok=True)


@pytest.fixture
def shown(run, monkeypatch):
    """A page as it stands after its first run."""

    def show(name, on=run, **params):
        monkeypatch.setenv("LAPIDARY_RUN", str(on))
        at = AppTest.from_string(f"from ui import {name}\n{name}.page()", default_timeout=60)
        for param, value in {"reviewer": "ann", **params}.items():
            at.query_params[param] = str(value)
        # What is folded is made when it is opened.
        for folded in (f"{name} bulk False", "dropped inputs", "example why", "example read"):
            at.session_state[folded] = True
        return at.run()

    return show


def said(run):
    """Who said what of which text, as far as it counts."""
    with opened(run / "decisions.sqlite") as journal:
        return {(event.reviewer, event.content): event.decision for event in log.current(journal)}


def button(at, label):
    (found,) = [button for button in at.button if button.label == label]
    return found


def text(at):
    """All that the page says in Markdown, captions, boxes, HTML and rendered conversations."""
    kinds = (at.markdown, at.caption, at.info, at.warning, at.error)
    said = [element.value for elements in kinds for element in elements]
    said += [element.proto.body for element in at.get("html")]
    return "\n".join([*said, *(json.loads(element.proto.json) for element in at.get("bidi_component"))])


def links(at):
    return {
        e.proto.label: (e.proto.page, dict(pair.split("=") for pair in e.proto.query_string.split("&")))
        for e in at.get("page_link")
    }


def frame(element):
    value = element.value
    return value if isinstance(value, pl.DataFrame) else pl.DataFrame(value.to_dict("list"))


# --- every page on every run ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("lang", ["en", "ko"])
@pytest.mark.parametrize("page", PAGES)
def test_a_page_says_what_it_is_for_and_shows_the_run(page, lang, shown):
    at = shown(page, lang=lang)
    assert not at.exception
    assert not at.error
    assert at.title[0].value == table(page)["title"][lang]
    assert table(page)["about"][lang] in text(at)


@pytest.mark.parametrize("lang", ["en", "ko"])
@pytest.mark.parametrize("page", PAGES)
def test_a_page_on_a_run_that_kept_nothing_says_so_and_helps_on(page, lang, shown, dropped_run):
    at = shown(page, dropped_run, lang=lang)
    assert not at.exception
    assert not at.error
    expected = {
        "duplicates": table("duplicates")["none"],
        "contamination": table("contamination")["no_tests"],
        "coverage": table("coverage")["no_quotas"],
    }
    if page in expected:
        assert expected[page][lang] in text(at)


@pytest.mark.parametrize(
    "missing", ["inputs.parquet", "ledger.parquet", "recipe.yaml", "*-clean", "*-filters/done.json"]
)
def test_a_run_with_a_missing_file_ends_in_one_clear_line(missing, shown, run, tmp_path):
    broken = shutil.copytree(run, tmp_path / "broken", ignore=shutil.ignore_patterns("review"))
    (gone,) = broken.glob(missing)
    shutil.rmtree(gone) if gone.is_dir() else gone.unlink()
    at = shown("dropped", broken)
    assert not at.exception
    (line,) = [error.value for error in at.error]
    assert "\n" not in line
    assert "broken" in line


@pytest.mark.parametrize("page", PAGES)
def test_a_run_that_lost_its_books_after_it_was_opened_is_no_traceback(page, shown, run, tmp_path):
    broken = shutil.copytree(run, tmp_path / "broken")
    for name in ("inputs.parquet", "ledger.parquet", "contamination.jsonl"):
        (broken / name).unlink()
    at = shown(page, broken)
    assert not at.exception
    assert len(at.error) <= 1


@pytest.mark.parametrize("page", PAGES)
def test_a_log_that_another_program_wrote_is_one_clear_line(page, shown, run):
    (run / "decisions.sqlite").write_bytes(b"no log of ours" * 100)
    at = shown(page)
    assert not at.exception
    (line,) = [error.value for error in at.error]
    assert "decisions" in line


@pytest.mark.parametrize("page", PAGES)
def test_a_folder_that_is_no_run_is_an_error_or_no_choice_at_all(page, shown, tmp_path):
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    assert "python -m curate build" in shown(page, foreign).code[0].value
    (foreign / "manifest.json").write_text("{}")
    at = shown(page, foreign)
    assert not at.exception
    assert [len(error.value.splitlines()) for error in at.error] == [1]


# --- Browse --------------------------------------------------------------------------------------------------------


def count(at):
    (line,) = [found for found in (re.match(r"([\d,]+) of [\d,]+ candidates", e.value) for e in at.markdown) if found]
    return int(line[1].replace(",", ""))


def test_the_filter_in_the_url_is_the_filter_of_the_table_and_of_the_queue(shown, run):
    wanted = open_desk(run).candidates.filter(source="wikihow", fate="kept").height
    at = shown("browse", source="wikihow", fate="kept")
    assert count(at) == wanted
    assert links(at)["Review these one by one"] == (
        "",
        {"queue": "undecided", "source": "wikihow", "fate": "kept", "reviewer": "ann"},
    )


def test_a_choice_goes_into_the_url_and_back_to_the_first_page(shown):
    at = shown("browse", page=3, open=1)
    at.selectbox(key="browse source").select("alpaca").run()
    assert at.query_params["source"] == "alpaca"
    assert "page" not in at.query_params
    assert "open" not in at.query_params
    button(at, "Clear").click().run()
    assert "source" not in at.query_params
    assert count(at) == 210


def test_words_and_meaning_find_what_they_say(shown, run):
    titles = open_desk(run).candidates["title"]
    at = shown("browse", words="tyre pressure")
    assert 0 < count(at) < 20
    at = shown("browse", meaning="keeping bicycles in good order")
    first = frame(at.dataframe[0]).row(0, named=True)
    assert "bicycle" in first["title"].lower() or "chain" in first["title"].lower() or "tyre" in first["title"].lower()
    assert first["title"] in titles.to_list()


def test_what_nothing_is_says_how_to_find_more(shown):
    at = shown("browse", words="zeppelin quartz")
    assert table("browse")["nothing"]["en"] in text(at)


def test_a_value_in_the_url_that_there_is_none_of_does_not_count(shown):
    at = shown("browse", source="nobody", state="maybe", topic="99", page="x", open="-1", order="none")
    assert not at.exception
    assert count(at) == 210


def test_a_row_of_the_url_is_open_in_full_and_can_be_decided(shown, run):
    candidates = open_desk(run).candidates
    at = shown("browse", open=3)
    assert candidates["title"][3] in text(at)
    button(at, "Keep").click().run()
    assert said(run) == {("ann", candidates["content"][3]): "keep"}
    assert "Your last act: Keep, 20" in text(at)
    button(at, "Undo").click().run()
    assert said(run) == {}


def test_before_and_next_turn_the_examples_of_the_page_and_close_shuts_the_last(shown):
    at = shown("browse", open=0)
    assert button(at, "Before").disabled
    button(at, "Next").click().run()
    assert at.query_params["open"] == "1"
    button(at, "Close").click().run()
    assert "open" not in at.query_params


def test_a_whole_filter_is_decided_after_its_preview_and_taken_back_by_one_undo(shown, run):
    at = shown("browse", source="wikihow")
    texts = open_desk(run).candidates.filter(source="wikihow")["content"].n_unique()
    at.segmented_control(key="browse decision").set_value("reject").run()
    at.selectbox(key="browse reason").select(5).run()
    assert f"{texts:,} new · 0 changed · 0 so already" in text(at)
    button(at, f"Reject {texts}").click().run()
    assert set(said(run).values()) == {"reject"}
    assert len(said(run)) == texts
    with opened(run / "decisions.sqlite") as journal:
        assert {event.reasons for event in log.current(journal)} == {("off topic or low value",)}
    assert table("pieces")["bulk_nothing"]["en"] in text(at)
    button(at, "Undo").click().run()
    assert said(run) == {}


def test_a_bulk_act_that_would_replace_what_others_decided_says_whose(shown, run):
    at = shown("browse", source="wikihow", reviewer="bob", open=71)
    button(at, "Keep").click().run()
    at = shown("browse", source="wikihow")
    at.segmented_control(key="browse decision").set_value("reject").run()
    assert "bob (1)" in text(at)


def test_an_undo_takes_back_nothing_but_what_it_said(shown, run):
    at = shown("browse", open=3)
    button(at, "Keep").click().run()
    other = shown("browse", open=4)
    button(other, "Flag").click().run()
    # The first page still shows the keep as the last act.
    button(at, "Undo").click().run()
    assert sorted(said(run).values()) == ["flag", "keep"]
    assert "Your last act: Flag" in text(at)


# --- Dropped -------------------------------------------------------------------------------------------------------


def test_the_funnel_adds_up_and_a_rescue_counts_against_its_rule(shown, run):
    at = shown("dropped", rule="filters/min_chars")
    candidates = open_desk(run).candidates
    assert frame(at.dataframe[0])["dropped"].sum() == candidates.filter(pl.col("fate") != "kept").height
    assert [metric.value for metric in at.metric] == ["281", "210", "80", "0"]
    row = candidates.filter(rule="min_chars")["row"][0]
    at = shown("dropped", rule="filters/min_chars", order="near", open=row)
    button(at, "Keep").click().run()
    assert "1 of 1 judged were brought back" in text(at)
    assert [metric.value for metric in at.metric][-1] == "1"
    (line,) = frame(at.dataframe[0]).filter(rule="min_chars").to_dicts()
    assert (line["judged"], line["rescued"], line["rates"]) == (1, 1, "100%  (21%–100%)")
    assert table("dropped")["too_many"]["en"] in text(at)


def test_inputs_without_text_are_listed_with_their_reason(shown):
    at = shown("dropped", rejects="alpaca/unreadable")
    assert "Inputs that never became an example: 71" in [e.label for e in at.expander]
    assert frame(at.dataframe[-1]).height == 3


# --- Duplicates ----------------------------------------------------------------------------------------------------


def test_keeping_another_one_of_a_cluster_is_one_act_with_one_undo(shown, run):
    at = shown("duplicates", found="meaning")
    # The build kept the first; the second button keeps the other one.
    keep = [button for button in at.button if button.label == "Keep this one, drop the other 1"]
    assert len(keep) == 2
    keep[1].click().run()
    assert sorted(said(run).values()) == ["keep", "reject"]
    assert "Your last act: Keep" in text(at) or "Your last act: Reject" in text(at)
    button(at, "Undo").click().run()
    assert said(run) == {}


def test_twins_of_the_very_same_text_are_decided_together(shown, run):
    at = shown("duplicates", found="exact")
    keep = [button for button in at.button if button.label == "Keep this text"]
    keep[1].click().run()
    assert list(said(run).values()) == ["keep"]


def test_a_settled_cluster_leaves_the_list_of_open_ones(shown):
    at = shown("duplicates", found="near", show="open")
    next(button for button in at.button if button.label.startswith("Keep this")).click().run()
    assert table("duplicates")["none"]["en"] in text(at)


# --- Contamination -------------------------------------------------------------------------------------------------


def test_a_pair_shows_both_texts_and_a_decision_reaches_the_file_of_the_next_build(shown, run):
    at = shown("contamination")
    assert "Why does a metal spoon feel colder" in text(at)
    assert "A metal spoon and a wooden spoon" in text(at)
    button(at, "A leak: drop").click().run()
    (line,) = (run / pairs.DECIDED).read_text().splitlines()
    assert json.loads(line)["decision"] == "drop"
    assert "1 of 1 pairs decided" in at.get("progress")[0].proto.text
    assert str(run / pairs.DECIDED) in at.code[0].value
    button(at, "Take back").click().run()
    assert (run / pairs.DECIDED).read_text() == ""
    with opened(run / "decisions.sqlite") as journal:
        assert [event.decision for event in pairs.history(journal)] == ["drop", "undecided"]


def test_a_test_set_that_is_gone_leaves_the_pair_to_be_decided(shown, run, tmp_path):
    moved = shutil.copytree(run, tmp_path / "moved", ignore=shutil.ignore_patterns("review"))
    recipe = (moved / "recipe.yaml").read_text()
    (moved / "recipe.yaml").write_text(re.sub(r"path: .*tests\.jsonl", "path: gone.jsonl", recipe))
    at = shown("contamination", moved)
    assert not at.exception
    assert any("gone" in warning.value for warning in at.warning)
    button(at, "No leak: keep").click().run()
    assert json.loads((moved / pairs.DECIDED).read_text())["decision"] == "keep"


# --- Coverage ------------------------------------------------------------------------------------------------------


def test_what_people_keep_fills_the_quotas(shown, run):
    row = open_desk(run).candidates.filter(source="reddit")["row"][0]
    button(shown("browse", source="reddit", open=row), "Keep").click().run()
    at = shown("coverage")
    (line,) = frame(at.dataframe[0]).filter(bucket="reddit").to_dicts()
    assert (line["quota"], line["people"], line["gap"]) == (10, 1, 9)
    assert links(at)["Fill gaps in Review"][1]["queue"] == "quota_gaps"


def test_rows_of_the_table_can_be_groups(shown):
    at = shown("coverage", by="group")
    assert ">stem</th>" in text(at)
    assert ">alpaca</th>" in text(at)
