import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from curate.errors import ConfigError, InputError
from evaluate import formats, record
from evaluate.statistics import length_control, winrate

# alpaca_eval, leaderboards/data_AlpacaEval_2/weighted_alpaca_eval_gpt4_turbo_leaderboard.csv; NullModel: its results.
PUBLISHED = {
    "alpaca-7b": 5.875487163278986,
    "example": 86.45780691307944,
    "gemma-7b-it": 10.425760403690134,
    "gpt-3.5-turbo-1106_concise": 15.769520983894386,
    "gpt4_1106_preview": 50.0,
    "vicuna-7b": 6.277217738516609,
}


def joined(won, lengths, base=10, instructions=None, model="mine"):
    """Judgements of a model against `base`: what it won and how long its outputs are."""
    n = len(won)
    frame = pl.DataFrame(
        {
            "prompt_id": [f"p{i}" for i in range(n)],
            "model_a": ["base"] * n,
            "model_b": [model] * n,
            "judge": ["j"] * n,
            "status": ["ok" if value is not None else "api_error" for value in won],
            "probability": [None if value is None else 1 - value for value in won],
            "instruction": instructions or [f"do {i}" for i in range(n)],
            "output_a": ["x" * length for length in ([base] * n if isinstance(base, int) else base)],
            "output_b": [None if length is None else "y" * length for length in lengths],
        },
        schema_overrides={"probability": pl.Float64},
    )
    return winrate.join_orders(record.judgements(frame, "here"))


def controlled(*frames, rounds=2, **options):
    table = length_control.length_controlled(pl.concat(frames), "base", rounds=rounds, **options)
    assert table.schema == length_control.LENGTH_CONTROLLED
    return table


def test_answers_of_equal_length_leave_the_win_rate_as_it_is():
    row = controlled(joined([1.0, 0.0, 1.0, 0.5], [10] * 4)).row(0, named=True)
    assert row["lc_win_rate"] == pytest.approx(62.5, abs=1e-4)
    assert row["length"] == pytest.approx(0.0)


def test_a_judge_that_only_counts_characters_finds_two_models_equal():
    # Longer by 5 wins with 0.9, shorter by 5 with 0.1; three of four answers are longer.
    row = controlled(joined([0.9, 0.9, 0.9, 0.1], [15, 15, 15, 5])).row(0, named=True)
    assert row["lc_win_rate"] == pytest.approx(50, abs=1e-3)
    # Longer is preferred: the coefficient of the baseline's length less the model's is negative.
    assert row["length"] < 0


def test_lengths_are_scaled_by_the_deviation_of_their_differences():
    # Differences of −2 and 0, a deviation of √2; the two rows are met exactly: logit 0.9 = length · tanh(−√2), logit 0.5 = 0.
    row = controlled(joined([0.9, 0.5], [12, 10])).row(0, named=True)
    assert row["length"] == pytest.approx(np.log(9) / np.tanh(-np.sqrt(2)), abs=1e-4)
    assert row["model_term"] == pytest.approx(0, abs=1e-4)


def test_other_models_tell_a_hard_prompt_from_a_long_answer():
    # Length has no effect at all here, but the baseline answers easy prompts shortly, so it seems to have one.
    random = np.random.default_rng(0)
    easy = random.normal(size=200)
    base = (1500 - 300 * easy + random.normal(scale=800, size=200)).clip(1).astype(int)
    models = []
    for level in range(8):
        won = 1 / (1 + np.exp(-(easy + level / 2 - 2 + random.normal(scale=0.5, size=200))))
        lengths = (base * random.uniform(0.2, 1.2) * random.uniform(0.5, 1.5, size=200)).astype(int)
        models.append(joined(won.tolist(), lengths.tolist(), base.tolist(), model=f"m{level}"))
    together = controlled(*models)
    alone = pl.concat([controlled(frame) for frame in models])
    raw = {row["model"]: row["win_rate"] for row in winrate.win_rates(pl.concat(models), "base").to_dicts()}
    apart = [np.mean([abs(row["lc_win_rate"] - raw[row["model"]]) for row in t.to_dicts()]) for t in (together, alone)]
    assert apart[0] < 2
    assert apart[1] > 5
    assert together["difficulty"].min() > 0
    assert alone["difficulty"].null_count() == 8


def test_difficulties_come_from_judged_rows_of_models_other_than_the_baseline():
    random = np.random.default_rng(2)
    won = [[*random.uniform(size=9).round(2).tolist(), None] for _ in range(5)]
    models = [joined(one, random.integers(5, 15, size=10).tolist(), model=f"m{i}") for i, one in enumerate(won)]
    table = controlled(*models)
    # On the last prompt every judgement failed: it is a prompt of unknown, so of average difficulty, and not left out.
    assert table["n_lacking"].to_list() == [0] * 5
    with_baseline = controlled(*models, joined([0.5] * 10, [10] * 10, model="base"))
    assert_frame_equal(with_baseline.filter(pl.col("model") != "base"), table)


def test_the_baseline_is_fifty_by_construction():
    frame = joined([0.5, 0.5], [10, 10], model="base")
    assert controlled(frame).select("lc_win_rate", "lc_standard_error").row(0) == (50.0, 0.0)


def test_difficulty_is_joined_on_the_instruction_and_by_row_only_for_compatibility():
    won, lengths = [0.9, 0.2, 0.8, 0.3, 0.6], [12, 9, 14, 8, 11]
    texts = [f"do {i}" for i in range(5)]
    difficulty = pl.DataFrame({"instruction": texts, "instruction_difficulty": [1.0, -1.0, 0.5, -0.5, 0.0]})
    whole = controlled(joined(won, lengths), difficulty=difficulty)
    backwards = joined(won[::-1], lengths[::-1], instructions=texts[::-1])
    again = controlled(backwards, difficulty=difficulty)
    assert again["difficulty"][0] == pytest.approx(whole["difficulty"][0], abs=1e-9)
    assert again["lc_win_rate"][0] == pytest.approx(whole["lc_win_rate"][0], abs=1e-9)
    by_row = controlled(backwards, difficulty=difficulty.reverse(), by_row=True)
    assert by_row["difficulty"][0] == pytest.approx(whole["difficulty"][0], abs=1e-9)
    shifted = controlled(backwards, difficulty=difficulty, by_row=True)
    assert abs(shifted["difficulty"][0] - whole["difficulty"][0]) > 0.1


def test_rows_that_lack_an_output_or_a_difficulty_are_counted():
    difficulty = pl.DataFrame({"instruction": ["do 0", "do 1"], "instruction_difficulty": [0.0, 1.0]})
    frame = joined([0.9, 0.2, 0.8], [12, None, 14])
    assert controlled(frame)["n_lacking"][0] == 1
    assert controlled(frame, difficulty=difficulty)["n_lacking"][0] == 2


def test_a_failed_judgement_has_no_part_in_the_fit():
    known = controlled(joined([0.9, 0.2], [12, 9]))
    table = controlled(joined([0.9, 0.2, None], [12, 9, 10]))
    assert table["n_total"][0] == 2
    # The length term changes with the third length, and the model's share does not become zero or one.
    assert table["lc_win_rate"][0] == pytest.approx(known["lc_win_rate"][0], abs=5)
    assert controlled(joined([None, None], [12, 9]))["lc_win_rate"][0] is None


def test_the_standard_error_comes_from_the_prompts_and_is_reproducible():
    random = np.random.default_rng(0)
    won = random.uniform(size=200).round(3).tolist()
    frame = joined(won, [10] * 200)
    one, two = (controlled(frame, rounds=400, seed=7) for _ in range(2))
    assert one["lc_standard_error"][0] == two["lc_standard_error"][0]
    # Without any difference in length it is the standard error of the plain win rate.
    plain = 100 * np.std(won, ddof=1) / np.sqrt(200)
    assert one["lc_standard_error"][0] == pytest.approx(plain, rel=0.1)
    assert one["lc_sem"][0] == pytest.approx(0, abs=1e-9)


def test_the_standard_error_holds_the_spread_of_the_prompts_themselves():
    # Preferences that follow the difficulty exactly: every resample has the same coefficients, but other prompts.
    hardness = np.linspace(-2, 2, 100)
    won = 1 / (1 + np.exp(-2 * hardness))
    difficulty = pl.DataFrame({"instruction": [f"do {i}" for i in range(100)], "instruction_difficulty": hardness})
    row = controlled(joined(won.tolist(), [10] * 100), difficulty=difficulty, rounds=400).row(0, named=True)
    assert row["difficulty"] == pytest.approx(2, abs=1e-4)
    assert row["lc_standard_error"] == pytest.approx(100 * np.std(won, ddof=1) / 10, rel=0.1)


def test_what_cannot_be_controlled_is_said():
    with pytest.raises(InputError, match="'mine' against 'base': no outputs; give the files that hold them"):
        controlled(joined([0.5], [None]))
    difficulty = pl.DataFrame({"instruction": ["other"], "instruction_difficulty": [0.0]})
    with pytest.raises(InputError, match="no difficulties for its instructions"):
        controlled(joined([0.5, 1.0], [1, 2]), difficulty=difficulty)
    with pytest.raises(InputError, match="'mine' has 2 rows, but there are 1 difficulties"):
        controlled(joined([0.5, 1.0], [1, 2]), difficulty=difficulty, by_row=True)


def test_anchors_need_difficulties():
    anchors = length_control.Anchors(np.zeros((1, 3)), np.zeros(1))
    with pytest.raises(ConfigError, match="they need the difficulties of the instructions too"):
        controlled(joined([0.5, 1.0], [1, 2]), anchors=anchors)


def test_tables_with_other_columns_or_words_for_numbers_are_refused(tmp_path):
    path = tmp_path / "difficulty.csv"
    path.write_text("instruction,difficulty\nHi,0\n")
    with pytest.raises(
        InputError, match="no column instruction_difficulty; expected the columns instruction, instruct"
    ):
        length_control.read_difficulty(path)
    path.write_text("instruction,instruction_difficulty\nHi,hard\n")
    with pytest.raises(InputError, match="row 1: instruction_difficulty is 'hard'; expected a number"):
        length_control.read_difficulty(path)
    path.write_text("which,surrogate_preference\nconcise,0\n")
    with pytest.raises(InputError, match="no column tanh_std_delta_len, instruction_difficulty"):
        length_control.read_anchors(path)


def test_alpaca_evals_published_rates_are_met_within_their_own_spread(shared_data):
    folder = shared_data("evaluation/alpaca_eval")
    judgements = formats.read(sorted(folder.glob("*/*/annotations.json")))
    options = {
        "difficulty": length_control.read_difficulty(folder / "instruction_difficulty.csv"),
        "anchors": length_control.read_anchors(folder / "gamed_anchors.csv"),
    }
    frame = winrate.join_orders(judgements)
    for by_row in (False, True):
        table = length_control.length_controlled(frame, "gpt4_1106_preview", **options, by_row=by_row, rounds=50)
        ours = dict(table.select("model", "lc_win_rate").iter_rows())
        assert ours == pytest.approx(PUBLISHED, abs=0.15)
        assert not table["is_far"].any()
    # AlpacaEval publishes 0.14 for NullModel, which leaves out what is not known of the coefficients.
    null_model = table.filter(pl.col("model") == "example").row(0, named=True)
    assert null_model["lc_sem"] == pytest.approx(0.14, abs=0.01)
    assert null_model["lc_standard_error"] == pytest.approx(0.81, abs=0.2)
