import json
from itertools import combinations

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from curate import coefficients
from curate.errors import InputError
from evaluate.record import judgements
from evaluate.statistics.agreement import agreement, by_judge

# Krippendorff (2011), "Computing Krippendorff's Alpha-Reliability", example C: four observers, twelve units.
OBSERVERS = {
    "A": [1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None],
    "B": [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3],
    "C": [None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None],
    "D": [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None],
}

# The example of Fleiss' κ by 14 raters of ten subjects in five categories (Wikipedia, "Fleiss' kappa"): κ = 0.210.
SUBJECTS = """0 0 0 0 14|0 2 6 4 2|0 0 3 5 6|0 3 9 2 0|2 2 8 1 1|7 7 0 0 0|3 2 6 3 0|2 5 3 2 2|6 5 2 1 0|0 2 2 3 7"""


def frame(**columns):
    return pl.DataFrame({"item": [f"i{n}" for n in range(len(next(iter(columns.values()))))], **columns}, strict=False)


def crossed(cells):
    """Two columns of labels from counts {(label of a, label of b): times}."""
    pairs = [pair for pair, times in cells.items() for _ in range(times)]
    return frame(a=[a for a, _ in pairs], b=[b for _, b in pairs])


def pair(table, **options):
    found = agreement(table, "item", ["a", "b"], **{"rounds": 0, **options})
    return found["pairs"][0]


def test_krippendorffs_alpha_of_his_own_example():
    found = agreement(frame(**OBSERVERS), "item", list(OBSERVERS), rounds=0)
    assert found["krippendorff_alpha"] == pytest.approx(0.743, abs=5e-4)
    assert found["krippendorff_alpha_ordinal"] == pytest.approx(0.815, abs=5e-4)
    assert found["krippendorff_alpha_interval"] == pytest.approx(0.849, abs=5e-4)


def test_krippendorffs_alpha_of_two_observers_and_no_missing_data():
    # Krippendorff (2011), example A: binary, ten units, 0.095; example B: nominal, twelve units, 0.692.
    binary = frame(a=[0, 1, 0, 0, 0, 0, 0, 0, 1, 0], b=[1, 1, 1, 0, 0, 1, 0, 0, 0, 0])
    assert agreement(binary, "item", ["a", "b"], rounds=0)["krippendorff_alpha"] == pytest.approx(0.095, abs=5e-4)
    nominal = frame(a=list("aabbddcccedd"), b=list("baabbddcccedd")[1:])
    assert agreement(nominal, "item", ["a", "b"], rounds=0)["krippendorff_alpha"] == pytest.approx(1)


def test_fleiss_kappa_of_the_textbook_example():
    counts = [map(int, line.split()) for line in SUBJECTS.split("|")]
    rows = [[label for label, n in enumerate(row) for _ in range(n)] for row in counts]
    table = pl.DataFrame(rows, schema=[f"r{i}" for i in range(14)], orient="row").with_row_index("item")
    found = agreement(table, "item", [f"r{i}" for i in range(14)], rounds=0)
    assert found["fleiss_kappa"] == pytest.approx(0.210, abs=5e-4)
    assert found["fleiss_rows"] == 10


def test_cohens_kappa_of_the_textbook_examples():
    # Fifty grant proposals: 20 yes-yes, 5 yes-no, 10 no-yes, 15 no-no (Wikipedia, "Cohen's kappa"): 0.4.
    cells = {("yes", "yes"): 20, ("yes", "no"): 5, ("no", "yes"): 10, ("no", "no"): 15}
    assert pair(crossed(cells))["cohen_kappa"] == pytest.approx(0.4)
    assert pair(crossed(cells))["raw"] == pytest.approx(0.7)


def test_gwets_ac1_where_kappa_collapses():
    # Gwet (2002), "Kappa statistic is not satisfactory": 118, 5, 2, 0: AC1 0.9408 where κ is below 0.
    found = pair(crossed({("+", "+"): 118, ("+", "-"): 5, ("-", "+"): 2}))
    assert found["gwet_ac1"] == pytest.approx(0.9408, abs=5e-5)
    assert found["cohen_kappa"] == pytest.approx(-0.0234, abs=5e-5)


def test_tie_discounted_accuracy_gives_half_for_one_tie():
    # By hand: equal 1, equal tie 1, a tie against a winner ½ twice, two winners 0: 3 of 5.
    found = pair(frame(a=["a", "tie", "tie", "b", "a"], b=["a", "tie", "b", "tie", "b"]))
    assert found["tie_discounted"] == pytest.approx(3 / 5)
    assert found["raw"] == pytest.approx(2 / 5)


def test_the_tie_may_be_any_label_that_is_named():
    table = frame(a=[1, 0, 0, 2], b=[1, 0, 2, 1])
    assert pair(table)["tie_discounted"] == pair(table)["raw"] == 0.5
    assert pair(table, tie=0)["tie_discounted"] == pytest.approx(2.5 / 4)
    assert agreement(table, "item", ["a", "b"], tie=0, rounds=0)["tie"] == 0
    with pytest.raises(InputError, match="no label is 'draw', so it cannot be the tie"):
        pair(table, tie="draw")


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(1, 4), st.integers(1, 4)), min_size=2, max_size=30))
def test_cohens_kappas_are_those_of_sklearn(rows):
    a, b = zip(*rows, strict=True)
    assume(len({*a}) > 1 or len({*b}) > 1)
    found = pair(frame(a=a, b=b))
    assert found["cohen_kappa"] == pytest.approx(cohen_kappa_score(a, b))
    labels = sorted({*a, *b})
    if labels == list(range(labels[0], labels[-1] + 1)):
        assert found["cohen_kappa_linear"] == pytest.approx(cohen_kappa_score(a, b, weights="linear"))
        assert found["cohen_kappa_quadratic"] == pytest.approx(cohen_kappa_score(a, b, weights="quadratic"))


def brute_alpha(table, distance):
    """Krippendorff's α by its definition: disagreement within items over disagreement of all values that can be paired."""
    units = [[value for value in row if value is not None] for row in table]
    units = [unit for unit in units if len(unit) > 1]
    values = [value for unit in units for value in unit]
    n = len(values)
    within = sum(
        sum(distance(x, y, values) for i, x in enumerate(unit) for j, y in enumerate(unit) if i != j) / (len(unit) - 1)
        for unit in units
    )
    across = sum(distance(x, y, values) for i, x in enumerate(values) for j, y in enumerate(values) if i != j)
    return 1 - (n - 1) * within / across if across else None


def of_ranks(x, y, values):
    low, high = sorted((x, y))
    between = sum(low <= value <= high for value in values)
    return (between - (values.count(low) + values.count(high)) / 2) ** 2 if low != high else 0


@settings(max_examples=40)
@given(st.lists(st.lists(st.one_of(st.none(), st.integers(1, 4)), min_size=3, max_size=3), min_size=2, max_size=8))
def test_alpha_with_missing_labels_is_its_definition(rows):
    assume(any(sum(value is not None for value in row) > 1 for row in rows))
    columns = {name: [row[i] for row in rows] for i, name in enumerate("abc")}
    found = agreement(frame(**columns), "item", ["a", "b", "c"], rounds=0)
    distances = {
        "krippendorff_alpha": lambda x, y, _: x != y,
        "krippendorff_alpha_interval": lambda x, y, _: (x - y) ** 2,
        "krippendorff_alpha_ordinal": of_ranks,
    }
    for name, distance in distances.items():
        expected = brute_alpha(rows, distance)
        assert found[name] == (None if expected is None else pytest.approx(expected))


def test_two_raters_have_the_fleiss_kappa_of_scott():
    # Scott's π by hand on the table of the fifty proposals: p(yes) 0.55, chance 0.505.
    cells = {("yes", "yes"): 20, ("yes", "no"): 5, ("no", "yes"): 10, ("no", "no"): 15}
    found = agreement(crossed(cells), "item", ["a", "b"], rounds=0)
    assert found["fleiss_kappa"] == pytest.approx((0.7 - 0.505) / 0.495)


def test_what_labels_do_not_determine_is_null():
    found = agreement(frame(a=["x", "x"], b=["x", "x"]), "item", ["a", "b"], rounds=20)
    assert found["pairs"][0]["raw"] == 1
    for value in (found["pairs"][0]["cohen_kappa"], found["pairs"][0]["gwet_ac1"], found["krippendorff_alpha"]):
        assert value is None
    apart = agreement(frame(a=["x", None], b=[None, "x"]), "item", ["a", "b"], rounds=5)
    assert apart["pairs"][0]["n"] == 0
    assert apart["pairs"][0]["raw"] is None


def test_intervals_draw_items_with_all_their_rows():
    random = np.random.default_rng(0)
    a, b = random.integers(0, 2, (2, 30))
    one = frame(a=a.tolist(), b=b.tolist())
    ten = pl.concat([one] * 10)
    once, often = (pair(table, rounds=500) for table in (one, ten))
    assert often["n"] == 300
    assert (often["raw_low"], often["raw_high"]) == pytest.approx((once["raw_low"], once["raw_high"]))
    spread = np.sqrt(once["raw"] * (1 - once["raw"]) / 30)
    assert once["raw_high"] - once["raw_low"] == pytest.approx(2 * 1.96 * spread, rel=0.2)
    assert once["cohen_kappa_low"] < once["cohen_kappa"] < once["cohen_kappa_high"]


def test_leave_one_out_takes_every_majority_in_part():
    # Item 0: others of d say a, a, b: a. Item 1: others say a, b, tie: each a third.
    table = frame(p=["a", "a"], q=["a", "b"], r=["b", "tie"], d=["a", "b"])
    people = ["p", "q", "r", "d"]
    found = {one["label"]: one for one in agreement(table, "item", people, rounds=0)["leave_one_out"]}
    assert found["d"]["agreement"] == pytest.approx((1 + 1 / 3) / 2)
    # r says b against a, a, a and tie against a, b, b.
    assert found["r"]["agreement"] == 0
    # Of p, the others say a, b, a and b, tie, b.
    assert found["p"]["agreement"] == pytest.approx((1 + 0) / 2)


def test_a_judge_is_held_against_people_less_one():
    # People less p: a, b; less q: a, b; less r: a, a. The judge says a: ½, ½, 1.
    table = frame(p=["a"], q=["a"], r=["b"], judge=["a"])
    found = agreement(table, "item", ["p", "q", "r", "judge"], people=["p", "q", "r"], rounds=0)
    assert found["leave_one_out"][3]["agreement"] == pytest.approx(2 / 3)
    with pytest.raises(InputError, match="z is not among the labels"):
        agreement(table, "item", ["p", "q"], people=["z"])


def test_every_pair_of_raters_is_there_and_the_result_is_json():
    found = agreement(frame(**OBSERVERS), "item", list(OBSERVERS), rounds=20)
    assert [(one["a"], one["b"]) for one in found["pairs"]] == [*combinations("ABCD", 2)]
    assert found["pairs"][0]["n"] == 9
    assert found["fleiss_rows"] == 8
    whole = frame(**OBSERVERS).drop_nulls()
    assert found["fleiss_kappa"] == agreement(whole, "item", list(OBSERVERS), rounds=0)["fleiss_kappa"]
    assert json.loads(json.dumps(found)) == found
    assert found == agreement(frame(**OBSERVERS), "item", list(OBSERVERS), rounds=20)


def test_wrong_columns_are_named():
    table = frame(left=["a"], right=["b"])
    with pytest.raises(InputError, match=r"no column lefts\. Did you mean 'left'"):
        agreement(table, "item", ["lefts", "right"])
    with pytest.raises(InputError, match="at least two different columns"):
        agreement(table, "item", ["left", "left"])
    with pytest.raises(InputError, match="no label in left, right"):
        agreement(table.with_columns(left=None, right=None), "item", ["left", "right"])


def test_tables_give_one_value_a_round():
    tables = np.array([[[2.0, 1], [1, 2]], [[3.0, 0], [0, 3]]])
    assert coefficients.raw(tables) == pytest.approx([4 / 6, 1])
    assert coefficients.cohen_kappa(tables) == pytest.approx([1 / 3, 1])


def test_orders_of_a_judge_are_one_label_and_disagreement_is_a_tie():
    rows = [
        ("p", "x", "y", "a", "j"),
        ("p", "y", "x", "b", "j"),
        ("q", "x", "y", "a", "j"),
        ("q", "y", "x", "a", "j"),
        ("p", "y", "x", "a", "k"),
        ("q", "x", "y", None, "k"),
    ]
    table = pl.DataFrame(rows, schema=["prompt_id", "model_a", "model_b", "verdict", "judge"], orient="row")
    status = pl.when(pl.col("verdict").is_null()).then(pl.lit("refused")).otherwise(pl.lit("ok"))
    found = by_judge(judgements(table.with_columns(status=status), "rows"))
    assert found.select("prompt_id", "model_a", "model_b", "j", "k").rows() == [
        ("p", "x", "y", "a", "b"),
        ("q", "x", "y", "tie", None),
    ]


@pytest.mark.parametrize("judge", ["GPT-4", "ChatGPT"])
def test_the_two_orders_of_llmbars_judges_agree_as_published(shared_data, judge):
    folder = shared_data(f"evaluation/llmbar/Natural/evaluators/{judge}/Vanilla")
    published = json.loads((folder / "statistics.json").read_text())
    rows = [row["results"][0] for row in json.loads((folder / "result.json").read_text())]
    columns = {name: [row[f"swap = {swap}"]["winner"] for row in rows] for name, swap in (("a", False), ("b", True))}
    found = pair(frame(**columns))
    assert found["cohen_kappa"] == pytest.approx(published["kappa_agreement"])
    assert published["equal"].endswith(f"= {100 * found['raw']:.1f}%")
