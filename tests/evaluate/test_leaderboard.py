import csv
import io
import json

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.errors import ConfigError, InputError
from evaluate import formats, record
from evaluate.board import calibration, leaderboard, panel, standings, style, tables
from evaluate.board.leaderboard import Options, board

NO_FILES = pl.DataFrame(schema={"path": pl.String, "form": pl.String, "kind": pl.String, "rows": pl.Int64, "models": pl.List(pl.String)})  # fmt: skip
FIELDS = ("prompt_id", "model_a", "model_b", "first", "verdict")


def loaded(rows, **columns):
    """Judgements of (prompt, model a, model b, first, verdict), each by judge j; a verdict of None is a truncated one."""
    table = pl.DataFrame(rows, schema=FIELDS, orient="row")
    status = pl.when(pl.col("verdict").is_null()).then(pl.lit("truncated")).otherwise(pl.lit("ok"))
    given_columns = {name: pl.Series(values) for name, values in columns.items()}
    judged = record.judgements(table.with_columns(**{"judge": pl.lit("j"), "status": status, **given_columns}), "rows")
    absent = {name: pl.lit(None, dtype) for name, dtype in record.JUDGED.items() if name not in judged.columns}
    whole = judged.with_columns(**absent).with_columns(pl.col("weight").fill_null(1.0)).select(list(record.JUDGED))
    return formats.Loaded(whole, pl.DataFrame(schema=record.ANSWER), pl.DataFrame(schema=record.PROMPT), NO_FILES)


def by_model(found):
    return {row["model"]: row for row in found["models"]}


# Mine against base on five prompts: two wins, a tie, a loss, and one that the judge did not finish.
FIVE = [("p1", "base", "mine", "a", "b"), ("p2", "base", "mine", "a", "b"), ("p3", "base", "mine", "a", "tie"),
        ("p4", "base", "mine", "b", "a"), ("p5", "base", "mine", "b", None)]  # fmt: skip


def test_a_failed_judgement_is_counted_and_bounded_and_never_a_score():
    found = board(loaded(FIVE), Options(rounds=0))
    mine = by_model(found)["mine"]
    assert (mine["n_total"], mine["n_failed"], mine["n_failed_judgements"]) == (4, 1, 1)
    assert mine["win_rate"] == pytest.approx(62.5)  # (1 + 1 + ½ + 0) / 4
    assert (mine["worst_case"], mine["best_case"]) == (pytest.approx(50), pytest.approx(70))  # 2.5 / 5, 3.5 / 5
    assert mine["win_rate_ties_dropped"] == pytest.approx(200 / 3)
    assert mine["win_rate_ties_lost"] == pytest.approx(50)
    assert mine["standard_error"] == pytest.approx(100 * np.std([1, 1, 0.5, 0], ddof=1) / 2)
    assert found["n_failed"] == 1
    assert any("1 of 5 judgements by j failed (1 truncated)" in warning for warning in found["warnings"])


def test_the_baseline_has_a_row_without_a_rate_that_nobody_measured_and_stands_at_half():
    rows = [*FIVE, *[(row[0], "base", "bad", "a", "a") for row in FIVE]]
    found = board(loaded(rows), Options(rounds=0))
    assert [(row["model"], row["place"]) for row in found["models"]] == [("mine", 1), ("base", 2), ("bad", 3)]
    base = by_model(found)["base"]
    assert (base["win_rate"], base["n_total"], base["is_baseline"]) == (None, 0, True)
    assert base["rating"] is not None
    assert found["baseline"] == "base"


def test_without_a_baseline_the_order_is_by_rating_and_a_model_is_not_its_own_opponent():
    beats = [("x", "y"), ("y", "z"), ("z", "w"), ("x", "z"), ("y", "w"), ("x", "w")]
    rows = [(f"p{i}", a, b, "a", "a") for a, b in beats for i in range(4)]
    rows += [(f"q{i}", b, a, "a", "a") for i, (a, b) in enumerate(beats)]
    found = board(loaded([*rows, *[(f"p{i}", "w", "w", "a", "a") for i in range(30)]]), Options(rounds=20))
    assert found["baseline"] is None
    assert [row["model"] for row in found["models"]] == ["x", "y", "z", "w"]
    assert by_model(found)["w"]["n_total"] == 15
    assert any("30 judgements set a model against itself" in warning for warning in found["warnings"])
    # Each pair met on at least four prompts: the table has the six of them, the better named by a positive difference.
    assert len(found["tests"]) == 6
    assert all(row["difference"] == pytest.approx(100 * (row["win_rate_a"] - 0.5)) for row in found["tests"])


def test_an_unknown_baseline_or_judge_is_named_with_its_neighbour():
    with pytest.raises(ConfigError, match=r"--baseline bose: no pair has this model\. Did you mean 'base'"):
        board(loaded(FIVE), Options(baseline="bose"))
    with pytest.raises(ConfigError, match="--judge k: no judgement is by this judge"):
        board(loaded(FIVE), Options(judges=("k",)))
    with pytest.raises(ConfigError, match="needs --anchors CSV and --difficulty CSV"):
        board(loaded(FIVE), Options(compat=True))
    with pytest.raises(InputError, match="no judgements"):
        board(loaded([]))


def test_controls_say_what_order_length_and_a_coin_would_have_said():
    outputs = {
        "output_a": ["long answer", "same", "short", "x", None],
        "output_b": ["short", "four", "a longer one", "y", "y"],
    }
    found = calibration.controls(loaded(FIVE, **outputs).judgements)
    said = {judge: own["verdict"].to_list() for (judge,), own in found.group_by("judge", maintain_order=True)}
    assert said["first"] == ["a", "a", "a", "b", "b"]
    assert said["longer"] == ["a", "tie", "b", "tie"]  # the fifth lacks an answer
    assert set(said["random"]) <= {"a", "b"}
    assert len(said["random"]) == 5
    assert set(found["status"]) == {"ok"}


def test_the_coin_falls_on_both_sides_alike():
    rows = [(f"p{i}", "base", "mine", "a", "b") for i in range(400)]
    tosses = calibration.controls(loaded(rows).judgements).filter(pl.col("judge") == "random")["verdict"]
    # Four standard deviations of 400 tosses.
    assert abs((tosses == "a").sum() - 200) < 40


def test_a_control_in_the_file_is_shown_as_it_is_and_is_no_judge():
    rows = [*FIVE, *[(f"p{i}", "base", "mine", "a", "a") for i in range(1, 6)]]
    found = board(loaded(rows, judge=["j"] * 5 + ["longer"] * 5), Options(rounds=10))
    assert found["judges"] == ["j"]
    assert found["controls"] == ["first", "longer", "random"]
    assert by_model(found)["mine"]["win_rate"] == pytest.approx(62.5)
    rates = {row["judge"]: row["win_rate"] for row in found["panel"]["by_judge"] if row["model"] == "mine"}
    assert rates["longer"] == 0
    assert rates["first"] == pytest.approx(40)  # b was shown first in two of five
    agreed = {row["control"]: row for row in found["panel"]["calibration"]}
    # Against `longer` (always a): b, b, tie, a: ½ and 1 of four.
    assert (agreed["longer"]["n"], agreed["longer"]["tie_discounted"]) == (4, pytest.approx(1.5 / 4))


def test_where_controls_are_all_there_is_the_board_says_so():
    found = board(loaded(FIVE[:4], judge=["longer"] * 4), Options(rounds=0))
    assert (found["judges"], found["controls"]) == (["longer"], ["first", "random"])
    assert any("every judge here is a control" in warning for warning in found["warnings"])


def test_a_control_that_is_asked_for_is_a_judge_and_no_control_beside_itself():
    both = loaded([*FIVE[:4], *FIVE[:4]], judge=["j"] * 4 + ["longer"] * 4)
    found = board(both, Options(rounds=0, judges=("longer",)))
    assert (found["judges"], found["controls"]) == (["longer"], ["first", "random"])
    rows = [(row["judge"], row["model"]) for row in found["panel"]["by_judge"]]
    assert len(set(rows)) == len(rows)


def test_two_judges_are_compared_and_many_are_taken_together():
    two = board(loaded(FIVE[:4] * 2, judge=["anna"] * 4 + ["ben"] * 4), Options(rounds=20))["panel"]
    assert two["agreement"]["pairs"][0]["raw"] == 1
    assert [row["survives"] for row in two["conclusions"]] == [False]  # four prompts confirm nothing
    assert {row["judge"] for row in two["judges"]} == {"anna", "ben"}
    crowd = board(loaded(FIVE[:4] * 20, judge=[f"voter {i}" for i in range(80)]), Options(rounds=20))
    assert [row["judge"] for row in crowd["panel"]["judges"]] == ["all 80 judges"]
    assert crowd["panel"]["agreement"] is None
    assert panel.MOST_JUDGES < 80


def test_each_category_has_its_own_rates():
    found = board(loaded(FIVE[:4], category=["maths", "maths", "prose", "prose"]), Options(rounds=0))["categories"]
    rates = {row["category"]: (row["win_rate"], row["n_total"]) for row in found}
    assert rates == {"maths": (100, 2), "prose": (25, 2)}


def test_an_interval_of_wins_is_a_shares_and_one_of_probabilities_a_means():
    wins = loaded([(f"p{i}", "base", "mine", "a", "b") for i in range(30)])
    mine = by_model(board(wins, Options(rounds=0)))["mine"]
    assert (mine["win_rate"], mine["win_rate_high"]) == (100, 100)
    assert mine["win_rate_low"] == pytest.approx(
        100 * 30 / (30 + 1.959964**2), abs=1e-3
    )  # Wilson (1927) at a share of 1
    soft = loaded([(f"p{i}", "base", "mine", "a", "b") for i in range(30)], probability=[0.1, 0.2, 0.3] * 10)
    mine = by_model(board(soft, Options(rounds=0)))["mine"]
    assert mine["win_rate"] == pytest.approx(80)
    # Student's t with 29 degrees of freedom, 2.04523, and the error of thirty values 0.9, 0.8, 0.7.
    assert mine["win_rate_high"] == pytest.approx(80 + 2.04523 * mine["standard_error"], abs=1e-3)


def test_votes_of_unequal_weight_have_the_interval_of_their_weighted_mean():
    rows = [(f"p{i}", "base", "mine", "a", "b" if i % 3 else "a") for i in range(30)]
    heavy = loaded(rows, weight=[3.0 if i % 2 else 1.0 for i in range(30)])
    mine = by_model(board(heavy, Options(rounds=0)))["mine"]
    middle = (mine["win_rate_low"] + mine["win_rate_high"]) / 2
    assert middle == pytest.approx(mine["win_rate"])
    # Student's t with 29 degrees of freedom.
    assert mine["win_rate_high"] - middle == pytest.approx(2.04523 * mine["clustered_standard_error"], rel=1e-4)


def test_the_tests_have_rounds_enough_for_their_number():
    # p is at least 2 / (rounds + 1), and Holm multiplies the smallest by the number of pairs.
    for models in (3, 10, 30):
        pairs = models * (models - 1) // 2
        assert 2 / (leaderboard._test_rounds(models) + 1) * pairs < 0.05
    assert leaderboard._test_rounds(500) == 2000


def test_models_are_compared_on_the_same_prompts_and_with_the_baseline():
    other = [(f"p{i}", "base", "other", "a", verdict) for i, verdict in enumerate(("a", "b", "a", "a"), start=1)]
    found = board(loaded([*FIVE, *other]), Options(rounds=0))["tests"]
    rows = {(row["model_a"], row["model_b"]): row for row in found}
    assert set(rows) == {("base", "mine"), ("base", "other"), ("mine", "other")}
    both = rows["mine", "other"]
    assert both["prompts"] == 4
    assert both["difference"] == pytest.approx(100 * (1 + 0 + 0.5 + 0) / 4)
    assert rows["base", "mine"]["difference"] == pytest.approx(50 - 62.5)


def test_single_grades_have_their_scale_and_a_board_of_their_own():
    rows = [(f"p{i}", model, None, None, None) for model in ("x", "y") for i in range(4)]
    graded = loaded([(*row[:4], None) for row in rows], status=["ok"] * 8, score=[7.0, 8, 9, 8, 3, 4, 2, 3])
    found = board(graded, Options(rounds=0))
    assert [(row["model"], row["grade"]) for row in found["models"]] == [("x", 8.0), ("y", 3.0)]
    assert (found["compared"], found["tests"][0]["difference"]) == ("grade", pytest.approx(5))
    assert [row["scale"] for row in found["grades"]] == ["1–10", "1–10"]
    assert [(row["n_grades"], row["n_failed_grades"], row["n_total"]) for row in found["models"]] == [(4, 0, 0)] * 2
    assert "judged" not in tables.to_text(found).splitlines()[2].split()
    odd = board(loaded([rows[0]], status=["ok"], score=[-3.5]), Options(rounds=0))
    assert any("run from -3.5 to -3.5: no scale of grades" in warning for warning in odd["warnings"])


def test_a_board_of_failures_alone_has_bounds_and_nothing_else():
    found = board(loaded([(*row[:4], None) for row in FIVE]), Options(rounds=5))
    mine = by_model(found)["mine"]
    assert (mine["win_rate"], mine["n_total"], mine["n_failed"]) == (None, 0, 5)
    assert (mine["worst_case"], mine["best_case"]) == (0, 100)
    assert (found["tests"], mine["rating"]) == ([], None)
    assert "win rate" not in tables.to_text(found)


def test_style_is_counted_outside_of_code():
    text = "# Head\n\nSome **bold** and __strong__ words\n\n- one\n2. two\n```\n# not a head\n- no item\n```"
    counts = pl.DataFrame({"t": [text, None]}).select(style.counts(pl.col("t"))).to_series().to_list()
    assert counts[0] == {"tokens": len(text.split()), "headers": 1, "lists": 2, "bold": 2}
    assert counts[1] is None or set(counts[1].values()) == {None}


def test_where_outputs_are_missing_length_control_is_not_made_up():
    found = board(loaded(FIVE), Options(rounds=0))
    assert all(row["lc_win_rate"] is None for row in found["models"])
    assert any("no length control of mine: outputs are missing" in warning for warning in found["warnings"])


def test_a_model_of_which_nothing_is_known_has_every_field():
    rows = standings.standings(
        loaded(FIVE).judgements, standings.winrate.join_orders(loaded(FIVE).judgements), "base", []
    )
    assert {tuple(row) for row in rows} == {tuple(rows[0])}


def test_the_json_keeps_every_digit_and_the_csv_every_figure():
    found = board(loaded(FIVE), Options(rounds=10))
    again = json.loads(tables.to_json({**found, "detectable": float("nan")}))
    assert again["models"][0]["standard_error"] == found["models"][0]["standard_error"]
    assert again["detectable"] is None
    rows = list(csv.DictReader(io.StringIO(tables.to_csv(found))))
    assert list(rows[0]) == list(found["models"][0])
    assert float(rows[0]["win_rate"]) == found["models"][0]["win_rate"]


def test_a_name_from_a_file_cannot_break_a_table_or_steer_a_terminal():
    rows = [(f"p{i}", "base", "a|b\x1b[31m\n<b>", "a", "b") for i in range(3)]
    found = board(loaded(rows), Options(rounds=0))
    markdown, text = tables.to_markdown(found), tables.to_text(found)
    assert "a\\|b" in markdown
    assert len({line.replace("\\|", "").count("|") for line in markdown.splitlines() if line.startswith("|")}) == 1
    assert "\x1b" not in text
    assert [line for line in text.splitlines() if "a|b" in line and "100.0" in line]


def test_warnings_that_nobody_would_read_to_the_end_are_counted():
    many = {**board(loaded(FIVE), Options(rounds=0)), "warnings": [f"warning {i}" for i in range(100)]}
    for text in (tables.to_text(many), tables.to_markdown(many)):
        assert "warning 24" in text
        assert "warning 25" not in text
        assert "75 more are in leaderboard" in text


@given(st.text(max_size=40))
def test_columns_of_a_terminal_table_begin_where_their_head_does(name):
    head, row = tables.aligned(["model", "n"], [[name, "1"]]).splitlines()
    assert tables._width(head) == tables._width(row)
