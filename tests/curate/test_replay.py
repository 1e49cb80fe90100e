"""Decisions of reviewers in a build: what is kept, rejected and edited, what is stale, what is repeated, and what is left alone."""

import hashlib
import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import orjson
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate import decisions, engines, report, runs
from curate import recipe as recipes
from curate.__main__ import main
from curate.build import build, plan, run_stage
from curate.chat import to_messages
from curate.decisions import counted, hashes
from curate.diversity import shares
from curate.errors import InputError
from curate.explain import explain
from curate.progress import silent
from curate.review import log as review_log
from curate.review.store import opened
from curate.text import content_hashes
from curate.whatif import whatif

OUTPUTS = ("dataset.jsonl", "dataset.parquet", "ledger.parquet", "inputs.parquet")
CHISEL = "Flatten the back, then hone the bevel on a fine stone until a burr turns up along the whole of the edge"
# What becomes of each without decisions: the label of an answer goes in cleaning; the set has nine places.
ROWS = {
    "best": (
        "Which fruit keeps?",
        "Output: Apples keep for months in a cool cellar, each wrapped in paper, none beside a pear.",
    ),
    "second": (
        "Why is the sky blue?",
        "Response: Air scatters blue light far more than it scatters red light, so the sky is blue.",
    ),
    "third": (
        "Where do swallows spend winter?",
        "Output: South of the Sahara, in the savannas, to which they fly for weeks.",
    ),
    "fourth": (
        "What is yeast?",
        "A fungus of one cell that eats sugar and gives off alcohol and the gas that lifts bread.",
    ),
    "fifth": (
        "What is a fjord?",
        "A valley that a glacier cut deep into the rock and that the sea has filled since then.",
    ),
    "preferred": ("How does one sharpen a chisel?", CHISEL + "."),
    "twin": ("How does one sharpen a chisel?", CHISEL.replace("fine", "wet")),
    "original": (
        "What is a haiku made of?",
        "Three lines of  five, seven and five syllables, and one word for the season.",
    ),
    "copy": ("What is a haiku made of?", "Three lines of five, seven and five syllables, and one word for the season."),
    "short": ("What does a carburettor do?", "It mixes air and fuel."),
    "sixth": ("What is a moraine?", "Rubble that a glacier carried along and left where it melted in the end."),
    "seventh": ("What is a delta?", "Land that a river builds of its own mud where it meets the sea."),
    "place": ("What is a tarn?", "A small lake in a hollow, high in the mountains."),
}
RECIPE = """
name: small
shard_rows: 5
sources: {set: {kind: instructions, path: set.json}}
filters: {languages: [], min_chars: 30}
exact: {best: longest}
near: {threshold: 0.5, best: longest}
select: {size: 9, order: longest}
"""


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    """The path of the recipe, with the data beside it."""
    folder = tmp_path_factory.mktemp("recipe")
    rows = [{"instruction": ask, "input": "", "output": reply} for ask, reply in ROWS.values()]
    (folder / "set.json").write_text(json.dumps(rows))
    (folder / "small.yaml").write_text(RECIPE)
    return folder / "small.yaml"


@pytest.fixture(scope="module")
def base(recipe, tmp_path_factory):
    """The run that is built without decisions."""
    run = tmp_path_factory.mktemp("replay") / "base"
    build(recipes.load(str(recipe)), run)
    return run


def cleaned(run):
    """Every example by its name: its row after cleaning, with `content`."""
    clean = pl.concat([pl.read_parquet(path) for path in runs.stage_folders(run)[1].parts])
    return dict(zip(ROWS, clean.with_columns(content_hashes(clean)).to_dicts(), strict=True))


@pytest.fixture(scope="module")
def rows(base):
    return cleaned(base)


def line(row, decision="keep", *, at=1, who="ada", **more):
    """A line of decisions.jsonl on an example."""
    fields = {"content": row["content"], "decision": decision, "example": row["id"], "reasons": [], "reviewer": who}
    return {**fields, "time": f"2026-01-31T08:{at // 60:02}:{at % 60:02}.000Z", **more}


def edited(row, response):
    """The conversation of an example with another answer."""
    return [*to_messages(row)[:-1], {"role": "assistant", "content": response}]


def written(path, *lines):
    path.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in lines))
    return path


@pytest.fixture
def replay(recipe, tmp_path, monkeypatch):
    """Build with these lines, in `tmp_path`/run unless `name` says otherwise: the run and its figures of the review.

    Without the page, which takes half of the time of so small a build and is looked at in test_reviewed.py.
    """
    monkeypatch.setattr(report, "write", lambda run, _: json.loads((run / "manifest.json").read_bytes())["review"])

    def build_with(*lines, name="run", settings=(), **more):
        file = written(tmp_path / "decisions.jsonl", *lines)
        run = tmp_path / name
        return run, build(recipes.load(str(recipe), (*settings, f"review.decisions={file}")), run, **more)

    return build_with


def rules(run):
    """Of each example that was dropped the rules, by id."""
    ledger = pl.read_parquet(run / "ledger.parquet")
    return {id_: sorted(found) for id_, found in ledger.group_by("id").agg("rule").iter_rows()}


def kept(run):
    return set(pl.read_parquet(run / "dataset.parquet")["id"])


def answers(run):
    rows = pl.read_parquet(run / "dataset.parquet", columns=["id", "messages"])
    return {id_: messages[-1]["content"] for id_, messages in rows.iter_rows()}


def digest(run):
    return {name: (run / name).read_bytes() for name in OUTPUTS}


def one_of_each(rows):
    """One decision of each kind."""
    return [
        line(rows["best"], "reject", reasons=["wrong or misleading", "style or tone"]),
        line(rows["second"], messages=edited(rows["second"], "In my own words.")),
        *(line(rows[name]) for name in ("short", "twin", "copy", "place")),
        line({"content": "0" * 32, "id": "f" * 16}),
    ]


@pytest.fixture(scope="module")
def one(recipe, rows, tmp_path_factory):
    """A build that replays one decision of each kind: its folder, its summary, its settings."""
    folder = tmp_path_factory.mktemp("one")
    file = written(folder / "decisions.jsonl", *one_of_each(rows))
    settings = recipes.load(str(recipe), (f"review.decisions={file}",))
    return folder / "run", build(settings, folder / "run"), settings


def test_without_decisions_each_meets_the_fate_that_the_tests_start_from(base, rows):
    names = {row["id"]: name for name, row in rows.items()}
    found = {names[id_]: why for id_, why in rules(base).items()}
    assert found == {
        "twin": ["near_duplicate"],
        "copy": ["exact_duplicate"],
        "short": ["min_chars"],
        "place": ["not_selected"],
    }
    assert pl.read_parquet(base / "1-clean/part-0000-00000.parquet")["edits"].to_list()[0] == ["answer_label"]
    assert not any(pl.read_parquet(folder.overridden).height for folder in runs.stage_folders(base)[1:])


def test_a_reject_drops_with_its_reasons_and_without_a_name(one, rows):
    run, _, _ = one
    ledger = pl.read_parquet(run / "ledger.parquet")
    (verdict,) = ledger.filter(pl.col("id") == rows["best"]["id"]).to_dicts()
    told = ("review", "rejected", "wrong or misleading; style or tone")
    assert (verdict["stage"], verdict["rule"], verdict["detail"]) == told
    assert rows["best"]["id"] not in kept(run)
    assert not ledger.select(pl.any_horizontal(pl.col(pl.String).str.contains("ada").any())).item()


def test_an_edit_is_the_text_of_the_set_and_named_among_the_edits(one, rows):
    run, _, _ = one
    second = rows["second"]["id"]
    assert answers(run)[second] == "In my own words."
    found = explain(run, second)
    assert (found["fate"], found["edits"]) == ("kept", ["answer_label", "reviewer"])
    # It is shorter than the rules want: the reviewer's word stands, and the rule is told.
    (filtered,) = (stage for stage in found["stages"] if stage["stage"] == "filters")
    assert [(verdict["rule"], verdict["value"]) for verdict in filtered["overridden"]] == [("min_chars", 16)]
    assert [rule["passed"] for rule in filtered["rules"] if rule["rule"] == "min_chars"] == [False]


def test_a_keep_holds_against_a_rule_and_the_rule_is_counted(one, rows):
    run, summary, _ = one
    assert rows["short"]["id"] in kept(run)
    assert rows["short"]["id"] not in rules(run)
    assert summary["review"]["replayed"]["overridden"] == [{"stage": "filters", "rule": "min_chars", "examples": 2}]


def test_a_kept_example_stays_and_its_preferred_twin_goes(one, rows):
    run, _, _ = one
    assert rows["twin"]["id"] in kept(run)
    assert rules(run)[rows["preferred"]["id"]] == ["near_duplicate"]


def test_of_exact_copies_the_kept_one_stays_and_twins_do_not_come_back(one, rows):
    run, _, _ = one
    assert rows["copy"]["id"] in kept(run)
    assert rules(run)[rows["original"]["id"]] == ["exact_duplicate"]


def test_two_kept_copies_are_one_example_all_the_same(replay, rows):
    run, found = replay(line(rows["copy"]), line(rows["original"]))
    assert rows["original"]["id"] in kept(run)
    assert rules(run)[rows["copy"]["id"]] == ["exact_duplicate"]
    # The text that was kept is in the set: nothing of it was refused.
    assert found["not_kept"] == []


def test_a_kept_example_takes_a_place_and_the_set_does_not_grow(one, rows):
    run, summary, _ = one
    assert rows["place"]["id"] in kept(run)
    assert rules(run)[rows["seventh"]["id"]] == ["not_selected"]
    assert summary["kept"] == len(kept(run)) == 9


def test_the_books_balance_and_the_decisions_are_counted(one):
    run, summary, settings = one
    inputs = set(pl.read_parquet(run / "inputs.parquet")["id"])
    assert kept(run) | set(rules(run)) == inputs
    assert not kept(run) & set(rules(run))
    found = summary["review"]["replayed"]
    told = {"decisions": 7, "kept": 5, "rejected": 1, "edited": 1, "absent": 1}
    assert {name: found[name] for name in told} == told
    assert found["sha256"] == hashlib.sha256(settings.review.decisions.read_bytes()).hexdigest()
    assert (found["not_kept"], found["stale"]) == ([], [])
    assert json.loads((run / "manifest.json").read_bytes())["review"] == found


def test_the_size_of_shards_changes_nothing_that_is_published(one, replay, rows):
    run, _, _ = one
    whole, _ = replay(*one_of_each(rows), settings=("shard_rows=1000",))
    assert (whole / "dataset.jsonl").read_bytes() == (run / "dataset.jsonl").read_bytes()


def test_other_processes_make_the_same_edits(one, tmp_path):
    """The stage that a replay adds to what workers do; that every engine gives the same bytes is a law of the sample."""
    run, _, settings = one
    again = shutil.copytree(run, tmp_path / "again")
    shutil.rmtree(again / "1-clean")
    step = plan(settings, again)[1][1]
    run_stage(again, step, settings.of("clean"), engines.engine("processes", 2), silent)
    files = sorted(path.name for path in (run / "1-clean").glob("*.parquet"))
    assert len(files) > 3
    assert all((again / "1-clean" / name).read_bytes() == (run / "1-clean" / name).read_bytes() for name in files)


def test_a_second_build_with_the_same_decisions_runs_no_stage_again(one):
    run, _, settings = one
    before = digest(run)
    # A file that is written anew with the same bytes is the same file.
    settings.review.decisions.write_bytes(settings.review.decisions.read_bytes())
    summary = build(settings, run)
    reused = json.loads((run / "manifest.json").read_bytes())["reused"]
    assert reused == [folder.name for folder in runs.stage_folders(run)]
    assert digest(run) == before
    assert summary["review"]["replayed"]["rejected"] == 1


def test_what_is_kept_and_rejected_can_change_and_nothing_that_was_measured_is_measured_again(replay, rows):
    lines = one_of_each(rows)
    run, _ = replay(*lines)
    before = {folder.name: folder.done["rows"] for folder in runs.stage_folders(run)[1:]}
    clean = {path: path.stat().st_mtime_ns for path in runs.stage_folders(run)[1].parts}
    # One comes back, one goes: the edit stays, so no text changes.
    lines[0] |= {"decision": "keep"}
    lines[2] |= {"decision": "reject"}
    replay(*lines)
    assert {path: path.stat().st_mtime_ns for path in clean} == clean
    for folder in runs.stage_folders(run)[3:]:
        assert folder.done["taken_over"] >= before[folder.name] - 2, folder.name
        assert folder.done["rows"] - folder.done["taken_over"] <= 2, folder.name
    afresh, _ = replay(*lines, name="afresh")
    assert digest(run) == digest(afresh)


def test_an_edit_has_its_own_row_measured_again_and_no_other(replay, rows):
    run, _ = replay(line(rows["short"]))
    before = {folder.name: folder.done["rows"] for folder in runs.stage_folders(run)[1:]}
    lines = [
        line(rows["short"]),
        line(rows["fifth"], messages=edited(rows["fifth"], "A valley of the sea, cut by ice.")),
    ]
    replay(*lines)
    for folder in runs.stage_folders(run)[2:]:
        assert folder.done["taken_over"] >= before[folder.name] - 1, folder.name
        assert folder.done["rows"] - folder.done["taken_over"] <= 2, folder.name
    assert not list(run.rglob("earlier-*"))
    afresh, _ = replay(*lines, name="afresh")
    assert digest(run) == digest(afresh)
    assert all(
        (afresh / path.relative_to(run)).read_bytes() == path.read_bytes() for path in run.glob("[2-9]-*/*.parquet")
    )


def test_an_edit_that_is_taken_back_gives_the_text_as_cleaned(replay, base, rows):
    run, _ = replay(line(rows["second"], messages=edited(rows["second"], "In my own words.")))
    assert answers(run)[rows["second"]["id"]] == "In my own words."
    replay()
    assert (run / "dataset.jsonl").read_bytes() == (base / "dataset.jsonl").read_bytes()


def test_an_empty_file_decides_nothing_and_gives_the_set_that_there_is_without_one(replay, base):
    run, found = replay()
    assert (run / "dataset.jsonl").read_bytes() == (base / "dataset.jsonl").read_bytes()
    counts = {found[name] for name in ("decisions", "kept", "rejected", "edited", "absent")}
    assert counts == {0}


def test_after_another_cleaning_a_decision_is_stale_listed_and_not_applied(recipe, rows, tmp_path, capsys):
    """Where the setting leaves the text alone the decision holds; one reviewer has decided on the new text already."""
    skip = "clean.skip=[answer_label]"
    build(recipes.load(str(recipe), (skip,)), tmp_path / "other")
    now = cleaned(tmp_path / "other")
    lines = [
        line(rows["best"], "reject", at=5),
        line(rows["second"], messages=edited(rows["second"], "Words.")),
        line(rows["third"], "reject"),
        line(now["third"], at=2),
        line(rows["fourth"], "reject"),
    ]
    file = written(tmp_path / "decisions.jsonl", *lines)
    run = tmp_path / "run"
    assert main(["build", str(recipe), "--out", str(run), "-s", skip, "-s", f"review.decisions={file}"]) == 0
    told = capsys.readouterr().err
    found = json.loads((run / "manifest.json").read_bytes())["review"]["stale"]
    assert [(row["key"], row["decision"], row["content"], row["now"]) for row in found] == [
        (rows[name]["key"], decision, rows[name]["content"], now[name]["content"])
        for name, decision in (("best", "reject"), ("second", "keep"))
    ]
    assert f"stale reject of 2026-01-31 on {rows['best']['key']}" in told
    assert {rows[name]["id"] for name in ("best", "second", "third")} <= kept(run)
    assert answers(run)[rows["second"]["id"]] != "Words."
    assert rules(run)[rows["fourth"]["id"]] == ["rejected"]


WHOLE = {"content": "c", "example": "e", "reviewer": "r", "time": "2026-01-31T08:05:00.000Z", "decision": "keep"}
ASKED = [{"role": "user", "content": "Why?"}]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("no json", "not JSON"),
        ("{}", "content is None"),
        (json.dumps(WHOLE | {"time": "today"}), "time is 'today'"),
        (json.dumps(WHOLE | {"decision": "maybe"}), "decision is 'maybe'"),
        (json.dumps(WHOLE | {"reasons": "none"}), "reasons are 'none'"),
        (json.dumps(WHOLE | {"decision": "reject", "messages": ASKED}), "keep with edited messages"),
        (json.dumps(WHOLE | {"messages": ASKED}), "no question followed by an answer"),
    ],
)
def test_a_bad_line_is_one_line_with_its_place(text, told, recipe, rows, tmp_path, capsys):
    file = written(tmp_path / "decisions.jsonl", line(rows["best"]))
    file.write_bytes(file.read_bytes() + text.encode() + b"\n")
    run = tmp_path / "run"
    assert main(["build", str(recipe), "--out", str(run), "-s", f"review.decisions={file}"]) == 3
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert f"{file}:2: " in error
    assert told in error
    assert not (run / "0-source").exists()


def test_a_missing_file_is_told_before_anything_is_read(recipe, tmp_path, capsys):
    arguments = ["build", str(recipe), "--out", str(tmp_path / "run"), "-s", "review.decisions=nowhere.jsonl"]
    assert main(arguments) == 3
    assert "nowhere.jsonl: no such file" in capsys.readouterr().err


def test_what_was_decided_later_on_the_edited_text_counts(replay, rows):
    """Edited, and edited again as the first edit had made it; edited, and rejected by another who saw it so."""
    first, again = edited(rows["best"], "First words."), edited(rows["second"], "Other words.")
    run, found = replay(
        line(rows["best"], messages=first),
        line({**rows["best"], "content": hashes([first])[0]}, at=2, messages=edited(rows["best"], "Second words.")),
        line(rows["second"], messages=again),
        line({**rows["second"], "content": hashes([again])[0]}, "reject", at=2, who="eve", reasons=["off topic"]),
    )
    assert answers(run)[rows["best"]["id"]] == "Second words."
    assert rules(run)[rows["second"]["id"]] == ["rejected"]
    assert (found["stale"], found["absent"]) == ([], 0)


def test_of_several_reviewers_the_latest_counts(replay, rows):
    best, second = rows["best"], rows["second"]
    # As two files that were joined: the time says which is later, not the place.
    run, _ = replay(
        line(best, "reject", at=1),
        line(best, "keep", at=2, who="eve"),
        line(second, "reject", at=9, who="eve"),
        line(second, "keep", at=3),
    )
    assert best["id"] in kept(run)
    assert second["id"] not in kept(run)


def test_two_kept_twins_both_stay(replay, rows):
    run, found = replay(line(rows["twin"]), line(rows["preferred"]))
    assert {rows["twin"]["id"], rows["preferred"]["id"]} <= kept(run)
    assert {"stage": "near", "rule": "near_duplicate", "examples": 1} in found["overridden"]


def test_more_keeps_than_places_fill_the_set_and_those_left_out_are_told(replay, rows):
    lines = [line(rows[name]) for name in ("third", "fourth", "fifth")]
    run, found = replay(*lines, settings=("select.size=2",))
    assert kept(run) == {rows["fourth"]["id"], rows["fifth"]["id"]}
    assert found["not_kept"] == [{"stage": "select", "rule": "not_selected", "examples": 1}]


def test_a_keep_never_lets_a_test_item_in(replay, rows, tmp_path):
    tests = written(tmp_path / "tests.jsonl", {"ask": "Where do swallows spend winter?"})
    leaking = (f"decontaminate.tests={{mine: {{path: {tests}, question: ask}}}}", "decontaminate.encoder=null")
    run, found = replay(line(rows["third"]), settings=leaking)
    (rule,) = rules(run)[rows["third"]["id"]]
    assert found["not_kept"] == [{"stage": "decontaminate", "rule": rule, "examples": 1}]


def test_whatif_honours_what_reviewers_kept(one, rows):
    run, _, _ = one
    found = whatif(run, ("filters.min_chars=1000",))
    assert found["kept"]["after"] == 5
    assert {row["id"] for row in found["removed"]}.isdisjoint(rows[name]["id"] for name in ("second", "short"))


def test_whatif_tries_other_decisions_and_refuses_those_that_change_texts(one, rows, tmp_path, capsys):
    run, _, _ = one
    lines = one_of_each(rows)
    file = written(tmp_path / "fewer.jsonl", *lines[1:])
    assert [row["id"] for row in whatif(run, (f"review.decisions={file}",))["added"]] == [rows["best"]["id"]]
    written(file, *lines[2:])
    assert main(["whatif", str(run), "-s", f"review.decisions={file}"]) == 2
    assert "review.decisions changes texts, so it takes a build" in capsys.readouterr().err


def reviewed(run, row):
    """A log of one keep in the run folder, and a file as the app derives it."""
    run.mkdir(exist_ok=True)
    with opened(run / "decisions.sqlite") as log:
        review_log.record(log, [review_log.Decision("ada", "s", "t", row["content"], row["id"], "keep")])
    (run / "review").mkdir()
    (run / "review/derived").write_text("as the app left it")


def left_alone(run):
    return (run / "decisions.sqlite").read_bytes(), (run / "review/derived").read_text()


def test_a_build_leaves_the_log_alone_and_says_how_to_replay_it(recipe, rows, tmp_path, capsys):
    run, file = tmp_path / "run", tmp_path / "run/decisions.jsonl"
    reviewed(run, rows["short"])
    before = left_alone(run)
    assert main(["build", str(recipe), "--out", str(run)]) == 0
    told = capsys.readouterr().out.splitlines()[-1]
    assert told.startswith("review   1 decision taken in the app and no part of this build")
    assert f"--export {file}" in told
    assert left_alone(run) == before
    assert main(["review", str(run), "--export", str(file)]) == 0
    assert file.read_bytes().count(b"\n") == 1
    capsys.readouterr()
    assert main(["build", str(recipe), "--out", str(run), "-s", f"review.decisions={file}"]) == 0
    told = capsys.readouterr().out
    assert "1 decision in decisions.jsonl: 1 example kept by reviewers, 0 rejected, 0 edited" in told
    assert "1 kept by reviewers although min_chars" in told
    assert "no part of this build" not in told
    assert rows["short"]["id"] in kept(run)
    assert (run / "review/derived").exists()


def test_a_build_that_is_killed_leaves_the_log_alone(recipe, rows, tmp_path):
    run = tmp_path / "run"
    reviewed(run, rows["short"])
    before = left_alone(run)
    command = [sys.executable, "-m", "curate", "build", str(recipe), "--out", str(run)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not (run / "2-review/begun.json").exists():
        assert process.poll() is None
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert left_alone(run) == before


TEXTS = [[{"role": "user", "content": "Why?"}, {"role": "assistant", "content": name}] for name in "abcde"]
HASHES = hashes(TEXTS)


@st.composite
def files_of_decisions(draw):
    """Lines on five texts that edit them into one another in any way, at times that may be equal."""
    lines = []
    for number in range(draw(st.integers(0, 12))):
        content, at = draw(st.sampled_from(HASHES)), f"2026-01-31T08:05:0{draw(st.integers(0, 9))}.000Z"
        what = draw(st.sampled_from(["keep", "reject", *range(5)]))
        text = TEXTS[what] if isinstance(what, int) else None
        made = HASHES[what] if isinstance(what, int) else None
        decision = what if isinstance(what, str) else "keep"
        lines.append(decisions.Line(number, content, decision, content, (), "ada", at, text, made))
    return lines


@given(files_of_decisions())
def test_edits_end_in_a_text_that_is_not_edited_again_and_has_a_decision(lines):
    found = counted(lines)
    for content, last in found.edits.items():
        assert last.edited not in found.edits
        assert last.edited in found.latest
        assert content != last.edited
    # Whatever the order of the lines in the file: all that counts is their times, and their numbers where those are equal.
    assert counted(lines[::-1])._replace(lines=()) == found._replace(lines=())


@given(st.lists(st.tuples(st.integers(1, 30), st.integers(0, 30)), min_size=1, max_size=8), st.integers(0, 120))
def test_places_go_first_to_what_must_have_one(strata, total):
    n = [size for size, _ in strata]
    held = [min(size, least) for size, least in strata]
    rows = pl.DataFrame({"bucket": "all", "stratum": [f"{i:02}" for i in range(len(n))], "n": n, "held": held})
    places = shares.share_out(rows, {"all": total}, min(total, sum(n)), 3.0)["places"].to_list()
    assert sum(places) == min(total, sum(n))
    assert all(place <= size for place, size in zip(places, n, strict=True))
    if sum(held) <= total:
        assert all(place >= least for place, least in zip(places, held, strict=True))
    else:
        assert all(place <= least for place, least in zip(places, held, strict=True))


def test_a_file_that_is_missing_is_an_input_error():
    with pytest.raises(InputError, match="no such file"):
        decisions.read(Path("nowhere.jsonl"))
