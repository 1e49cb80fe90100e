import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize

from curate.errors import ConfigError, InputError
from evaluate.record import judgements
from evaluate.statistics import bradley_terry, rating, style_control
from evaluate.statistics.votes import votes

SCORES = {"left": 1.0, "right": 0.0, "tie": 0.5}

# evalica's simple.csv (commit 401d6ee), the votes behind simple-golden.csv.
SIMPLE = """0 1 tie|0 2 right|0 2 tie|0 4 tie|1 0 left|1 2 tie|1 2 tie|1 3 tie|2 4 tie|3 0 left|3 1 left|3 2 left
3 4 tie|3 4 tie|4 0 left|4 3 left"""

# Stigler (1994), as in Agresti (2002), p. 448: how often the row's journal is cited by the column's.
JOURNALS = ["Biometrika", "Comm Statist", "JASA", "JRSS-B"]
CITED = [[714, 730, 498, 221], [33, 425, 68, 17], [320, 813, 1072, 142], [284, 276, 325, 188]]

# Davidson (1970), example 2, six brands of chocolate pudding: brands, wins of the first, of the second, ties.
PUDDING = """1 2 19 22 16|1 3 16 19 12|2 3 19 19 10|1 4 18 23 13|2 4 23 19 9|3 4 19 20 15|1 5 13 19 18|2 5 16 20 12
3 5 16 15 17|4 5 17 14 16|1 6 18 21 12|2 6 22 20 12|3 6 13 18 10|4 6 14 19 18|5 6 11 21 12"""


def ballot(rows, prompts=None):
    """Votes from (a, b, score) or (a, b, score, weight)."""
    columns = list(zip(*[(*row, 1.0)[:4] for row in rows], strict=True))
    names = ["model_a", "model_b", "score", "weight"]
    frame = pl.DataFrame(dict(zip(names, columns, strict=True))).cast({"score": pl.Float64, "weight": pl.Float64})
    return frame.with_columns(prompt_id=pl.Series(prompts or [f"p{i}" for i in range(len(rows))], dtype=pl.String))


def pudding():
    rows = []
    for line in PUDDING.replace("\n", "|").split("|"):
        a, b, won, lost, tied = line.split()
        rows += [(a, b, 1.0, float(won)), (a, b, 0.0, float(lost)), (a, b, 0.5, float(tied))]
    return ballot(rows)


def theta(found):
    """Natural logarithms of strength by model name."""
    table = found.table.sort("model")
    return (table["rating"].to_numpy() - 1000) / rating.POINTS


def evalica(shared_data, name):
    golden = pl.read_csv(shared_data(f"evaluation/evalica/{name}-golden.csv"), schema_overrides={"item": pl.String})
    if name == "simple":
        rows = [line.split() for line in SIMPLE.replace("\n", "|").split("|")]
    else:
        rows = pl.read_csv(shared_data(f"evaluation/evalica/{name}.csv")).rows()
    frame = ballot([(a, b, SCORES[winner]) for a, b, winner in rows])
    return frame, {key[0]: dict(part.select("item", "score").rows()) for key, part in golden.group_by("algorithm")}


@pytest.mark.parametrize("name", ["food", "simple"])
def test_bradley_terry_elo_and_mean_win_rate_equal_evalicas_goldens(shared_data, name):
    frame, golden = evalica(shared_data, name)
    found = rating.bradley_terry(frame, rounds=0)
    strength = np.exp(theta(found))
    expected = [golden["bradley_terry"][model] for model in found.table["model"].sort()]
    # Their iteration stops when the scores move less than 1e-6.
    assert strength / strength.sum() == pytest.approx(expected, abs=1e-5)
    assert dict(rating.elo(frame).rows()) == pytest.approx(golden["elo"])
    assert dict(rating.mean_win_rate(frame).select("model", "mean_win_rate").rows()) == pytest.approx(
        golden["average_win_rate"]
    )


def test_journals_have_the_abilities_published_for_them():
    # BradleyTerry2 (Turner & Firth 2012, section 2): Biometrika is the reference.
    rows = [(JOURNALS[i], JOURNALS[j], 1.0, float(CITED[i][j])) for i in range(4) for j in range(4) if i != j]
    found = theta(rating.bradley_terry(ballot(rows), rounds=0))
    assert found - found[0] == pytest.approx([0, -2.94907, -0.47957, 0.26895], abs=5e-6)


def test_puddings_have_the_worths_that_davidson_published():
    found = rating.bradley_terry(pudding(), rounds=0, ties=True)
    worth = np.exp(theta(found))
    # Davidson stopped after seven iterations.
    assert worth / worth.sum() == pytest.approx([0.1388, 0.1730, 0.1617, 0.1654, 0.1587, 0.2024], abs=1e-4)
    assert found.tie == pytest.approx(0.747, abs=5e-4)


def test_two_models_differ_by_the_logarithm_of_their_odds():
    # 3 wins, 1 loss, 2 ties: 4 against 2 votes.
    rows = [("x", "y", 1.0, 3.0), ("y", "x", 1.0), ("x", "y", 0.5, 2.0)]
    found = rating.bradley_terry(ballot(rows), rounds=0)
    assert found.table["rating"].to_list() == pytest.approx([1000 + 200 * np.log10(2), 1000 - 200 * np.log10(2)])
    # Davidson: odds of a win 3 to 1, a tie against the geometric mean of both 2 to sqrt(3).
    tied = rating.bradley_terry(ballot(rows), rounds=0, ties=True)
    assert tied.table["rating"].to_list() == pytest.approx([1000 + 200 * np.log10(3), 1000 - 200 * np.log10(3)])
    assert tied.tie == pytest.approx(2 / np.sqrt(3))


def likelihood(parameters, wins, ties):
    """-ln L of Davidson's model, written down from the paper; the last parameter is ln ν."""
    strength, nu = np.exp(parameters[:-1]), np.exp(parameters[-1])
    total = 0.0
    for i in range(len(strength)):
        for j in range(i + 1, len(strength)):
            middle = np.sqrt(strength[i] * strength[j]) * nu
            below = strength[i] + strength[j] + middle
            total += wins[i, j] * np.log(strength[i] / below) + wins[j, i] * np.log(strength[j] / below)
            total += ties[i, j] * np.log(middle / below)
    return -total


@settings(max_examples=25)
@given(st.integers(0, 10_000))
def test_the_fit_is_the_maximum_that_a_general_optimizer_finds(seed):
    random = np.random.default_rng(seed)
    wins = random.integers(1, 9, (4, 4)) * (1 - np.eye(4))
    ties = np.triu(random.integers(0, 5, (4, 4)), 1).astype(float)
    ties += ties.T
    found = bradley_terry.fit((wins + ties / 2)[None], ties[None], np.zeros(4, int))
    if ties.any():
        ours = np.append(found.theta[0], np.log(found.nu[0]))
        best = optimize.minimize(likelihood, np.zeros(5), args=(wins, ties), method="BFGS", options={"gtol": 1e-7})
        assert likelihood(ours, wins, ties) <= best.fun + 1e-7
    assert found.theta[0].sum() == pytest.approx(0, abs=1e-9)


@settings(max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4), st.sampled_from([0.0, 0.5, 1.0])), min_size=1))
def test_any_votes_have_finite_ratings_that_do_not_depend_on_order_or_side(rows):
    rows = [(f"m{a}", f"m{b}", score) for a, b, score in rows if a != b] or [("m0", "m1", 1.0)]
    other = [(b, a, 1 - score) for a, b, score in reversed(rows)]
    for ties in (False, True):
        found = rating.bradley_terry(ballot(rows), rounds=5, ties=ties)
        assert found.table["rating"].is_finite().all()
        assert np.isfinite(found.samples).all()
        again = rating.bradley_terry(ballot(other), rounds=0, ties=ties)
        assert theta(again) == pytest.approx(theta(found), abs=1e-6)
    means = found.table.group_by("group").agg(pl.col("rating").mean())["rating"]
    assert means.to_list() == pytest.approx([1000] * len(means))


def test_a_model_that_won_every_vote_is_bounded_and_named():
    rows = [("best", "x", 1.0, 50.0), ("x", "y", 1.0, 3.0), ("y", "x", 1.0, 2.0), ("y", "worst", 1.0, 4.0)]
    found = rating.bradley_terry(ballot(rows), rounds=0)
    assert found.table["model"].to_list()[0::3] == ["best", "worst"]
    assert dict(found.table.select("model", "finite").rows()) == {"best": False, "x": True, "y": True, "worst": False}
    assert found.table["rating"].max() < 2500
    assert found.notes == [
        "best won every vote against others and has no finite rating; one drawn vote of prior bounds it",
        "worst lost every vote against others and has no finite rating; one drawn vote of prior bounds it",
    ]


def test_the_prior_of_one_who_won_n_votes_is_one_drawn_vote():
    # By hand: by symmetry the average opponent stands between; 5 (1 - p) = (q - 1/2), with p of the gap, q of half of it.
    found = theta(rating.bradley_terry(ballot([("x", "y", 1.0, 5.0)]), rounds=0))
    half = optimize.brentq(lambda t: 5 / (1 + np.exp(2 * t)) - (1 / (1 + np.exp(-t)) - 0.5), 0, 10)
    assert found == pytest.approx([half, -half])


def test_nothing_is_added_where_the_likelihood_has_its_maximum():
    rows = [("x", "y", 1.0, 3.0), ("y", "x", 1.0, 1.0)]
    found = rating.bradley_terry(ballot(rows), rounds=0)
    assert theta(found)[0] - theta(found)[1] == pytest.approx(np.log(3))
    assert found.notes == []


def test_wins_and_ties_without_a_cycle_of_wins_leave_davidson_without_maximum():
    # y never beat x, only tied: the likelihood grows for ever with ν and the difference. Ties as half a win are no problem.
    frame = ballot([("x", "y", 1.0), ("x", "y", 0.5)])
    assert rating.bradley_terry(frame, rounds=0).notes == []
    found = rating.bradley_terry(frame, rounds=0, ties=True)
    assert "leave no finite ratings" in found.notes[0]
    assert found.table["rating"][0] < 1300


def test_groups_that_never_met_are_told_apart():
    rows = [("a", "b", 1.0, 2.0), ("b", "a", 1.0), ("a", "c", 0.5), ("x", "y", 1.0, 3.0), ("y", "x", 1.0)]
    found = rating.bradley_terry(ballot(rows), rounds=20)
    assert dict(found.table.select("model", "group").rows()) == {"a": 0, "b": 0, "c": 0, "x": 1, "y": 1}
    assert found.table.filter(group=1)["rank"].to_list() == [1, 2]
    assert "never met" in found.notes[0]
    assert "a, b, c | x, y" in found.notes[0]


def test_an_anchor_shifts_ratings_and_intervals_alike():
    plain = rating.bradley_terry(pudding(), rounds=50)
    moved = rating.bradley_terry(pudding(), rounds=50, anchor=("6", 1114.0))
    shift = moved.table.select("rating", "rating_low", "rating_high") - plain.table.select(
        "rating", "rating_low", "rating_high"
    )
    assert moved.table.filter(model="6")["rating"].item() == pytest.approx(1114)
    assert np.ptp(shift.to_numpy()) == pytest.approx(0, abs=1e-9)
    with pytest.raises(ConfigError, match="anchor pudding: no vote is about this model"):
        rating.bradley_terry(pudding(), rounds=0, anchor=("pudding", 1114.0))


def test_prompts_are_drawn_with_all_their_votes():
    # Twenty prompts of ten equal votes each: drawn by vote, the interval would be about a third as wide.
    random = np.random.default_rng(0)
    scores = np.repeat(random.integers(0, 2, 20).astype(float), 10)
    rows = [("x", "y", score) for score in scores]
    by_prompt = rating.bradley_terry(ballot(rows, [f"p{i // 10}" for i in range(200)]), rounds=400)
    by_vote = rating.bradley_terry(ballot(rows), rounds=400)
    width = [(t["rating_high"] - t["rating_low"])[0] for t in (by_prompt.table, by_vote.table)]
    assert 2.3 < width[0] / width[1] < 4.3


def test_the_bootstrap_spreads_as_the_delta_method_says():
    rows = [("x", "y", float(i % 3 > 0)) for i in range(600)]
    found = rating.bradley_terry(ballot(rows), rounds=400)
    log_odds = (found.samples[:, 0] - found.samples[:, 1]) / rating.POINTS
    assert log_odds.std() == pytest.approx(np.sqrt(1 / 400 + 1 / 200), rel=0.1)


def test_rounds_are_those_of_a_fit_to_the_rows_drawn():
    rows = [("x", "y", 1.0), ("y", "z", 0.5), ("z", "x", 1.0), ("x", "y", 0.0), ("y", "z", 1.0), ("z", "y", 1.0)]
    frame = ballot(rows, ["p", "p", "q", "q", "r", None])
    found = rating.bradley_terry(frame, rounds=8, seed=5)
    # Clusters p, q, r and the vote of no prompt, drawn as documented.
    random = np.random.default_rng(5)
    parts = [frame[:2], frame[2:4], frame[4:5], frame[5:]]
    for sample in found.samples:
        drawn = pl.concat([parts[i] for i in random.integers(0, 4, 4)])
        if drawn["model_a"].append(drawn["model_b"]).n_unique() == 3:
            one = rating.bradley_terry(drawn, rounds=0)
            if one.table["finite"].all() and one.table["group"].max() == 0:
                again = dict(zip(found.table["model"], sample, strict=True))
                assert dict(one.table.select("model", "rating").rows()) == pytest.approx(again, abs=1e-6)


def test_equal_models_share_a_rank_group_and_a_better_one_does_not():
    rows = [("good", "x", 1.0, 1.0)] * 90 + [("good", "y", 1.0, 1.0)] * 90 + [("x", "y", 1.0), ("y", "x", 1.0)] * 50
    rows += [("x", "good", 1.0)] * 10 + [("y", "good", 1.0)] * 10
    table = rating.bradley_terry(ballot(rows), rounds=100).table
    assert table["rank"].to_list() == [1, 2, 3]
    assert table.sort("model").select("rank_best", "rank_worst").rows() == [(1, 1), (2, 3), (2, 3)]


def test_one_prompt_has_no_interval_and_few_prompts_a_note():
    rows = [("x", "y", 1.0), ("y", "x", 1.0), ("x", "y", 1.0)]
    one = rating.bradley_terry(ballot(rows, ["p"] * 3))
    assert one.table["rating_low"].null_count() == 2
    assert one.table["rank_best"].to_list() == [1, 1]
    assert one.notes == ["all votes are about one prompt: there is no interval"]
    notes = rating.bradley_terry(ballot(rows)).notes
    assert any("intervals rest on 3 prompts" in note for note in notes)


def test_a_tie_probability_is_a_win_for_whom_it_favours_in_davidsons_model():
    soft = ballot([("x", "y", 0.7), ("x", "y", 0.2), ("x", "y", 0.5)])
    hard = ballot([("x", "y", 1.0), ("x", "y", 0.0), ("x", "y", 0.5)])
    assert theta(rating.bradley_terry(soft, rounds=0, ties=True)) == pytest.approx([0, 0], abs=1e-9)
    assert rating.bradley_terry(soft, rounds=0, ties=True).tie == pytest.approx(
        rating.bradley_terry(hard, rounds=0, ties=True).tie
    )
    # Bradley-Terry takes the probability as it is: 1.4 of 3 votes.
    found = theta(rating.bradley_terry(soft, rounds=0))
    assert found[0] - found[1] == pytest.approx(np.log(1.4 / 1.6))


def test_what_failed_or_is_about_one_model_is_no_vote():
    rows = [
        {"model_a": "x", "model_b": "y", "verdict": "a", "status": "ok"},
        {"model_a": "x", "model_b": "y", "verdict": "tie", "status": "ok", "probability": 0.5},
        {"model_a": "x", "model_b": "y", "verdict": None, "status": "parse_failed"},
        {"model_a": "x", "model_b": "x", "verdict": "a", "status": "ok"},
        {"model_a": "x", "model_b": None, "verdict": None, "status": "ok", "score": 5.0},
    ]
    frame = judgements(pl.DataFrame([{"prompt_id": "p", "judge": "j", "score": None, **row} for row in rows]), "rows")
    assert votes(frame).rows() == [("p", "x", "y", 1.0, 1.0), ("p", "x", "y", 0.5, 1.0)]
    with pytest.raises(InputError, match="no votes to rate models by"):
        rating.bradley_terry(votes(frame.filter(status="parse_failed")))


def test_weights_count_votes_and_must_be_above_zero():
    heavy = rating.bradley_terry(ballot([("x", "y", 1.0, 3.0), ("y", "x", 1.0)]), rounds=0)
    long = rating.bradley_terry(ballot([("x", "y", 1.0)] * 3 + [("y", "x", 1.0)]), rounds=0)
    assert heavy.table.equals(long.table)
    with pytest.raises(InputError, match="weight must be a number above 0"):
        rating.bradley_terry(ballot([("x", "y", 1.0, 0.0)]), rounds=0)


def styled(n=4000, effect=0.8, seed=0):
    """Votes of two equal models where the longer answer wins by `effect`, and x is the longer one."""
    random = np.random.default_rng(seed)
    long, short = random.integers(100, 300, n), random.integers(50, 150, n)
    lists = random.integers(0, 5, (n, 2))
    difference = (long - short) / (long + short + 1)
    x = difference / np.sqrt((difference**2).mean())
    won = random.random(n) < 1 / (1 + np.exp(-effect * x))
    style = [
        pl.Series(
            f"style_{side}", [{"tokens": int(t), "lists": int(k)} for t, k in zip(tokens, lists[:, i], strict=True)]
        )
        for i, (side, tokens) in enumerate((("a", long), ("b", short)))
    ]
    return ballot([("x", "y", float(one)) for one in won]).with_columns(style)


def test_style_control_finds_equal_models_equal_and_the_style_that_was_paid():
    frame = styled()
    assert rating.bradley_terry(frame, rounds=0).table["rating"][0] > 1050
    found = style_control.style_control(frame, rounds=30)
    tokens, lists = found.coefficients.rows(named=True)
    assert tokens["feature"] == "tokens"
    assert tokens["low"] < 0.8 < tokens["high"]
    assert lists["low"] < 0 < lists["high"]
    row = found.ratings.table.row(0, named=True)
    assert row["rating_low"] < 1000 < row["rating_high"]


def test_style_control_is_logistic_regression_with_the_models_as_columns():
    from sklearn.linear_model import LogisticRegression

    frame = styled(400)
    _, x = style_control._differences(frame, ["tokens", "lists"])
    design = np.column_stack([np.ones(len(x)), x])
    # Their penalty |w|^2 / (2 C) is our prior where C = 100; on the strengths it is nearly none: C x 10,000.
    scale = np.array([100.0, 1, 1])
    model = LogisticRegression(C=100, fit_intercept=False, tol=1e-10, max_iter=1000)
    expected = model.fit(design * scale, frame["score"].to_numpy()).coef_[0] * scale
    found = style_control.style_control(frame, ["tokens", "lists"], rounds=0)
    ours = theta(found.ratings)
    assert [ours[0] - ours[1], *found.coefficients["coefficient"]] == pytest.approx(expected, abs=1e-4)


def test_swapping_the_sides_of_votes_changes_nothing_in_style_control():
    frame = styled(200)
    swapped = frame.select(
        "prompt_id",
        "weight",
        model_a="model_b",
        model_b="model_a",
        score=1 - pl.col("score"),
        style_a="style_b",
        style_b="style_a",
    )
    one, other = (
        style_control.style_control(f, rounds=0)
        for f in (frame, pl.concat([frame[:100], swapped[100:].select(frame.columns)]))
    )
    assert other.ratings.table["rating"].to_list() == pytest.approx(one.ratings.table["rating"].to_list())
    assert other.coefficients["coefficient"].to_list() == pytest.approx(one.coefficients["coefficient"].to_list())


def test_style_control_says_what_is_missing():
    frame = styled(50)
    with pytest.raises(InputError, match="no column style_a, style_b"):
        style_control.style_control(frame.drop("style_a", "style_b"))
    with pytest.raises(InputError, match="bold is not a feature of the votes"):
        style_control.style_control(frame, ["bold"])
    with pytest.raises(InputError, match="50 counts of style are missing"):
        style_control.style_control(frame.with_columns(style_a=pl.struct(tokens=pl.lit(None, pl.Int64), lists=1)))
    with pytest.raises(InputError, match="tokens is equal in both answers of every vote"):
        style_control.style_control(frame.with_columns(style_b="style_a"), ["tokens"])


def test_separating_style_stays_finite():
    rows = [("x", "y", 1.0), ("y", "x", 1.0)] * 5
    style = [pl.Series(f"style_{s}", [{"tokens": t}] * 10) for s, t in (("a", 9), ("b", 1))]
    found = style_control.style_control(ballot(rows).with_columns(style), rounds=5)
    assert 3 < found.coefficients["coefficient"].item() < 10
