"""What a run says of its review: figures from the log or the file, agreement, and no name in anything that is published."""

import json
import warnings

import orjson
import polars as pl
import pytest

from curate import report, runs
from curate.__main__ import main
from curate.chat import to_messages
from curate.review.log import Decision, record
from curate.review.store import opened
from curate.text import content_hashes
from tests.curate.small_runs import built, recipe

ADA, EVE = "Ada Byron", "Eve Nemo"
SAID = ("keep", "reject", "edit", "flag", "skip")


def texts(run):
    """The rows after cleaning, in input order, with `content`."""
    clean = pl.concat([pl.read_parquet(path) for path in runs.stage_folders(run)[1].parts])
    return clean.with_columns(content_hashes(clean)).to_dicts()


def decision(row, number, who, what, **more):
    """A decision with a token of its own."""
    messages = [*to_messages(row)[:-1], {"role": "assistant", "content": "Better."}] if what == "edit" else None
    fields = (who, f"session of {who}", f"t{number}", row["content"], row["id"], what)
    return Decision(*fields, **{"messages": messages, "shown_ms": 1000 * number, **more})


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run that two people reviewed after it was built, one of them the third text twice, and its report written again."""
    run, _ = built(tmp_path_factory.mktemp("reviewed"), 'expect={review.share: ">= 0.5", review.stale: 0}')
    rows = texts(run)
    style, wrong = ("style or tone",), ("wrong or misleading", "style or tone")
    with opened(run / "decisions.sqlite") as log:
        record(
            log,
            [
                decision(rows[0], 1, ADA, "keep"),
                decision(rows[3], 3, ADA, "reject", reasons=wrong),
                decision(rows[4], 8, ADA, "edit"),
                decision(rows[5], 2, ADA, "flag"),
                decision(rows[0], 1, EVE, "keep"),
                decision(rows[3], 2, EVE, "reject", reasons=style),
                decision(rows[4], 3, EVE, "reject", reasons=style),
                decision(rows[6], 4, EVE, "keep", act="all of them"),
                decision(rows[7], 5, EVE, "skip"),
            ],
        )
        record(
            log, [decision(rows[3], 4, ADA, "keep", role="repeat"), decision(rows[0], 5, ADA, "keep", role="repeat")]
        )
    return run, rows, report.again(run)


def test_the_decisions_that_count_are_counted_for_each_reviewer_and_reason(made):
    found = made[2]["review"]["by_hand"]
    assert [found[kind] for kind in SAID] == [3, 3, 1, 1, 1]
    assert (found["reviewers"], found["texts"], found["bulk"], found["file"]) == (2, 4, 1, "decisions.sqlite")
    # Ada decided on three texts, Eve on four, three of them the same.
    assert found["per_text"] == 7 / 4
    assert found["reasons"] == [
        {"reason": "style or tone", "decisions": 3},
        {"reason": "wrong or misleading", "decisions": 1},
    ]
    counts = ("reviewer", "decisions", "keep", "edit", "reject", "flag", "seconds")
    assert [[row[name] for name in counts] for row in found["people"]] == [
        ["reviewer 1", 3, 1, 1, 1, 1, 2.5],
        ["reviewer 2", 4, 2, 0, 2, 0, 2.5],
    ]


def test_agreement_is_that_of_the_log(made):
    found = made[2]["review"]["by_hand"]
    # Together: keep and keep, reject and reject, edit (a keep) and reject. Observed disagreement 1/3, expected 2·3·3/(6·5).
    assert (found["between"]["pairs"], found["between"]["raw"]) == (3, 0.6667)
    assert found["between"]["alpha"] == pytest.approx(1 - (1 / 3) / (18 / 30), abs=1e-4)
    assert found["between"]["low"] <= found["between"]["alpha"] <= found["between"]["high"]
    # Ada rejected the fourth text and, shown it again, kept it.
    assert (found["within"]["pairs"], found["within"]["raw"]) == (2, 0.5)


def test_what_was_rejected_since_the_build_deserves_a_look(made):
    run, rows, summary = made
    found = summary["review"]["by_hand"]
    kept = set(pl.read_parquet(run / "dataset.parquet")["id"])
    # The latest word on the fifth text is a reject; of the first, third and seventh one is a copy of the second.
    rejected = {rows[3]["id"], rows[4]["id"]}
    assert found["rejected_since"] == len(rejected & kept) == 2
    assert found["seen"] == len({rows[n]["id"] for n in (0, 3, 4, 6)} & kept)
    assert found["share"] == round(found["seen"] / len(kept), 4)
    page = (run / "report.html").read_text()
    assert "2 examples of the set were rejected after it was built: build again with the decisions." in page
    assert 'id="review"' in page
    assert "0.444 [" in page


def test_no_file_but_the_log_has_a_name(made):
    run, _, _ = made
    for path in run.rglob("*"):
        if path.is_file() and not path.name.startswith("decisions.sqlite"):
            data = path.read_bytes()
            assert ADA.encode() not in data, path
            assert EVE.encode() not in data, path


def test_the_card_says_who_annotated_and_how_in_numbers(made):
    card = (made[0] / "README.md").read_text()
    process = card.split("#### Annotation process")[1].split("####")[0]
    people = card.split("#### Who are the annotators?")[1].split("###")[0]
    assert "- 2 reviewers decided on 4 texts, in 7 decisions: 3 to keep, 1 to keep as edited, 3 to reject." in process
    assert "- 1 text was flagged for someone else to look at." in process
    assert "Reasons for rejecting: style or tone 3, wrong or misleading 1." in process
    assert "Reviewers agreed with one another in 66.7% (95 % interval" in process
    assert "Krippendorff's alpha of these is 0.44 (95 % interval" in process
    assert "- Reviewer 1: 3 decisions, " in people
    assert "Who they are, and anything else about them, is not published." in people
    assert "annotations_creators:\n- other\n" in card


def test_croissant_takes_the_fields_of_annotation(made):
    written = json.loads((made[0] / "croissant.json").read_bytes())
    assert written["rai:annotationsPerItem"] == "1.75 on average, of the 4 texts that were decided on"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its parser's own dependencies
        import mlcroissant

        read = mlcroissant.Dataset(str(made[0] / "croissant.json")).metadata
    assert not read.issues.errors
    assert read.data_annotation_platform == ["Lapidary's review app (python -m curate review)"]
    assert read.annotations_per_item == written["rai:annotationsPerItem"]
    assert any("Krippendorff" in sentence for sentence in read.data_annotation_analysis)
    assert len(read.annotator_demographics) == 3


def test_gates_hold_a_build_to_its_review(made):
    gates = {row["figure"]: (row["value"], row["passed"]) for row in made[2]["gates"]}
    # Without decisions that are replayed nothing was looked at for staleness.
    assert gates == {"review.share": (made[2]["review"]["by_hand"]["share"], True), "review.stale": (None, False)}


def test_a_build_that_replays_a_file_tells_of_its_lines(tmp_path):
    run, _ = built(tmp_path)
    rows = texts(run)
    line = {"reasons": [], "decision": "keep", "time": "2026-01-31T08:05:00.000Z", "reviewer": ADA}
    lines = [
        line | {"content": rows[3]["content"], "example": rows[3]["id"]},
        line | {"content": rows[3]["content"], "example": rows[3]["id"], "reviewer": EVE, "role": "settle"},
        line | {"content": rows[2]["content"], "example": rows[2]["id"], "time": "2026-02-01T08:05:00.000Z"},
        line | {"content": "0" * 32, "example": rows[4]["id"], "decision": "reject", "reasons": ["other"]},
    ]
    file = tmp_path / "decisions.jsonl"
    file.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in lines))
    _, summary = built(tmp_path, f"review.decisions={file}", name="again")
    by_hand, replayed = summary["review"]["by_hand"], summary["review"]["replayed"]
    assert [by_hand[kind] for kind in SAID] == [3, 1, 0, 0, 0]
    # A settlement is no vote of its own, and one vote is no pair.
    assert (by_hand["between"], by_hand["within"]) == (None, None)
    assert replayed["overridden"] == [{"stage": "filters", "rule": "empty_output", "examples": 1}]
    assert len(replayed["stale"]) == 1
    page, card = ((tmp_path / "again" / name).read_text() for name in ("report.html", "README.md"))
    assert "1 decision of reviewers is stale" in page
    assert "filters/empty_output" in page.split('id="review"')[1].split("<section")[0]
    assert "Kept by a reviewer although a rule would have dropped them: empty_output 1." in card
    assert f"| decisions | decisions.jsonl | {file.stat().st_size:,} | `{replayed['sha256']}` |" in card
    assert str(tmp_path) not in card
    # The report can be written again where the file is not: what was replayed is known, what people said is not.
    file.unlink()
    assert report.again(tmp_path / "again")["review"] == {
        "replayed": replayed,
        "by_hand": None,
        "unreadable": None,
    }


def test_without_a_review_the_page_says_how_to_begin_one_and_the_card_that_nobody_annotated(tmp_path):
    run, summary = built(tmp_path)
    assert summary["review"] is None
    assert "python -m curate review runs/small" in (run / "report.html").read_text()
    card = (run / "README.md").read_text()
    assert "No person's decision on a single example is part of this build" in card
    assert "Nobody annotated this set." in card
    assert "rai:annotationsPerItem" not in (run / "croissant.json").read_text()


def test_a_broken_log_is_told_in_one_line_and_does_not_fail_the_build(tmp_path, capsys):
    run = tmp_path / "run"
    run.mkdir()
    (run / "decisions.sqlite").write_text("no database at all, whatever its name says")
    assert main(["build", str(recipe(tmp_path)), "--out", str(run)]) == 0
    told = capsys.readouterr().err.strip().splitlines()[-1]
    assert "decisions.sqlite: the review log cannot be read" in told
    page = (run / "report.html").read_text()
    assert "The log of the review could not be read" in page
    assert (run / "README.md").exists()
