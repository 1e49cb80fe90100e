import csv
import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import cohen_kappa_score

from evaluate.__main__ import main

# alpaca_eval, leaderboards/data_AlpacaEval_2/weighted_alpaca_eval_gpt4_turbo_leaderboard.csv: win_rate, standard_error,
# length_controlled_winrate, n_total, avg_length. NullModel calls itself `example`; its row is of the later leaderboard.
PUBLISHED = {
    "alpaca-7b": (2.591450540223603, 0.4870855382635108, 5.875487163278986, 805, 396),
    "gemma-7b-it": (6.937294379677018, 0.7869665731853178, 10.425760403690134, 805, 1115),
    "gpt-3.5-turbo-1106_concise": (7.41586497762733, 0.8374438113826953, 15.769520983894386, 805, 431),
    "gpt4_1106_preview": (50.0, 0.0, 50.0, 805, 2049),
    "vicuna-7b": (4.16261116226087, 0.6135107768217068, 6.277217738516609, 805, 1044),
    "example": (76.919791803727, 0.909010244966, 86.45780691307944, 805, 872),
}
SYSTEMS = ["NullModel", *(name for name in PUBLISHED if name != "example")]


def alpaca_eval(shared_data, systems=SYSTEMS):
    folder = shared_data("evaluation/alpaca_eval")
    return [str(folder / name / "weighted_alpaca_eval_gpt4_turbo" / "annotations.json") for name in systems]


def ran(arguments, capsys):
    assert main([str(argument) for argument in arguments]) == 0
    return json.loads(capsys.readouterr().out)


def test_six_systems_have_their_published_figures(shared_data, tmp_path, capsys):
    compat = ["--compat", "alpaca_eval"]
    for option, name in (("--anchors", "gamed_anchors"), ("--difficulty", "instruction_difficulty")):
        compat += [option, shared_data(f"evaluation/alpaca_eval/{name}.csv")]
    given = [
        "leaderboard",
        *alpaca_eval(shared_data),
        *compat,
        "--rounds",
        20,
        "--pairs",
        20,
        "--out",
        tmp_path,
        "--json",
    ]
    printed = ran(given, capsys)
    written = json.loads((tmp_path / "leaderboard.json").read_text())
    assert written == printed
    rows = {row["model"]: row for row in written["models"]}
    assert set(rows) == set(PUBLISHED)
    for name, (win_rate, error, controlled, n_total, length) in PUBLISHED.items():
        row = rows[name]
        assert row["win_rate"] == pytest.approx(win_rate, abs=1e-9)
        assert row["standard_error"] == pytest.approx(error, abs=1e-9)
        assert row["lc_win_rate"] == pytest.approx(controlled, abs=0.15)
        assert (row["n_total"], row["n_failed"], row["avg_length"]) == (n_total, 0, length)
        assert row["rating_low"] < row["rating"] < row["rating_high"]
    # The prompts' own spread is far wider than the spread of the fitted rates that AlpacaEval states.
    assert all(
        rows[name]["lc_bootstrap_error"] > 1.5 * rows[name]["lc_standard_error"] for name in ("example", "vicuna-7b")
    )
    warnings = " ".join(written["warnings"])
    assert "one answer to 805 of 805 prompts" in warnings
    assert "the folder is called 'NullModel'" in warnings
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        f"leaderboard.{end}" for end in ("csv", "html", "json", "md")
    ]
    assert "20 of 4,025 pairs" in (tmp_path / "leaderboard.html").read_text()
    with (tmp_path / "leaderboard.csv").open() as table:
        assert [row["model"] for row in csv.DictReader(table)] == [row["model"] for row in written["models"]]


def test_a_system_with_803_of_805_rows_is_named_and_its_length_control_is_joined_on_the_instruction(
    shared_data, tmp_path, capsys
):
    rows = json.loads(Path(alpaca_eval(shared_data, ["vicuna-7b"])[0]).read_text())
    (tmp_path / "annotations.json").write_text(json.dumps(rows[2:]))
    files = []
    for option, name in (("--anchors", "gamed_anchors"), ("--difficulty", "instruction_difficulty")):
        files += [option, shared_data(f"evaluation/alpaca_eval/{name}.csv")]
    given = [
        "leaderboard",
        tmp_path / "annotations.json",
        *files,
        "--rounds",
        2,
        "--pairs",
        0,
        "--out",
        tmp_path,
        "--json",
    ]
    joined, by_row = ran(given, capsys), ran([*given, "--compat", "alpaca_eval"], capsys)
    rates = [{row["model"]: row for row in found["models"]}["vicuna-7b"]["lc_win_rate"] for found in (joined, by_row)]
    assert {row["model"]: row["n_total"] for row in joined["models"]}["vicuna-7b"] == 803
    assert any("judged on 803 of 805 prompts; 2 are missing" in warning for warning in joined["warnings"])
    # Two easy prompts more or less hardly matter; difficulties of other prompts do.
    assert rates[0] == pytest.approx(6.277, abs=0.15)
    assert abs(rates[1] - rates[0]) > 1


def test_compat_needs_both_files_and_a_misspelt_option_is_a_usage_error(shared_data, tmp_path, capsys):
    one = alpaca_eval(shared_data, ["alpaca-7b"])
    assert main(["leaderboard", *one, "--compat", "alpaca_eval", "--out", str(tmp_path)]) == 2
    assert "needs --anchors CSV and --difficulty CSV" in capsys.readouterr().err
    assert main(["leaderboard", *one, "--format", "alpaca", "--out", str(tmp_path)]) == 2
    assert main(["leaderboard", str(tmp_path / "absent.jsonl"), "--out", str(tmp_path)]) == 3
    assert main(["leaderboard", *one, "--out", one[0]]) == 3


def test_every_other_prompt_set_has_length_control_without_files(shared_data, tmp_path, capsys):
    given = [
        "leaderboard",
        *alpaca_eval(shared_data, ["vicuna-7b"]),
        "--rounds",
        30,
        "--pairs",
        0,
        "--out",
        tmp_path,
        "--json",
    ]
    row = next(row for row in ran(given, capsys)["models"] if row["model"] == "vicuna-7b")
    # AlpacaEval's own variant without difficulty and anchors lies within some points of the published rate.
    assert row["lc_win_rate"] == pytest.approx(6.277, abs=4)
    assert row["lc_low"] < row["lc_win_rate"] < row["lc_high"]
    assert row["lc_standard_error"] == row["lc_bootstrap_error"]


def lines(path):
    return [json.loads(line) for line in path.read_text().split("\n") if line]


def faireval(shared_data):
    """The 80 verdicts of people on gpt-3.5 against vicuna-13b, and GPT-4's scores of the same pairs as verdicts."""
    people = shared_data("evaluation/faireval/review_gpt35_vicuna-13b_human.txt").read_text().split()
    run = "vicuna-13b-20230322-clean-lang"
    path = shared_data(f"evaluation/fastchat_vicuna_reviews/review/{run}/review_gpt35_{run}.jsonl")
    scores = {row["question_id"]: row["score"] for row in lines(path)}
    verdicts = [("VICUNA13B", "TIE", "CHATGPT")[int(np.sign(a - b)) + 1] for a, b in (scores[i] for i in range(1, 81))]
    return pl.DataFrame({"question": range(1, 81), "people": people, "gpt4": verdicts})


def vicuna_reviews(shared_data, path):
    """FastChat's reviews of Vicuna's 80 questions, by two models, and the human verdicts on one pair, as our judgements."""
    folder = shared_data("evaluation/fastchat_vicuna_reviews")
    questions = {row["question_id"]: row for row in lines(folder / "question.jsonl")}
    answers = {
        row["answer_id"]: (file.stem.removeprefix("answer_"), row["text"])
        for file in sorted((folder / "answer").glob("*.jsonl"))
        for row in lines(file)
    }
    rows = []
    for file in sorted((folder / "review").rglob("*.jsonl")):
        judge = "gpt-3.5-turbo" if "gpt-3.5-turbo_review" in file.parent.name else "gpt-4"
        for row in lines(file):
            a, b = row["score"]
            (model_a, output_a), (model_b, output_b) = answers[row["answer1_id"]], answers[row["answer2_id"]]
            said = (
                {"status": "parse_failed"}
                if a < 0
                else {"status": "ok", "verdict": ("b", "tie", "a")[int(np.sign(a - b)) + 1]}
            )
            rows.append({"prompt_id": str(row["question_id"]), "model_a": model_a, "model_b": model_b, "first": "a", "judge": judge,
                         "category": questions[row["question_id"]]["category"], "raw": row["text"], "fingerprint": file.stem,
                         "instruction": questions[row["question_id"]]["text"], "output_a": output_a, "output_b": output_b, **said})  # fmt: skip
    names = {"CHATGPT": "a", "VICUNA13B": "b", "TIE": "tie"}
    human = {"model_a": "gpt35", "model_b": "vicuna-13b", "judge": "people", "status": "ok"}
    people = faireval(shared_data)["people"]
    rows += [{"prompt_id": str(i), "verdict": names[word], **human} for i, word in enumerate(people, start=1)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_of_three_judges_a_board_says_what_holds_whoever_is_asked(shared_data, tmp_path, capsys):
    vicuna_reviews(shared_data, tmp_path / "reviews.jsonl")
    found = ran(["leaderboard", tmp_path / "reviews.jsonl", "--out", tmp_path / "board", "--json"], capsys)
    assert (found["n_judgements"], found["n_failed"], found["baseline"]) == (1520, 2, None)
    assert {row["model"]: row["rank_best"] for row in found["models"]}["llama-13b"] == 7
    # They met different others: GPT-3.5 won a smaller share, of stronger ones.
    ratings, rates = ([row[name] for row in found["models"]] for name in ("rating", "win_rate"))
    assert ratings == sorted(ratings, reverse=True)
    assert rates != sorted(rates, reverse=True)
    assert any("80 judgements set a model against itself" in warning for warning in found["warnings"])
    pairs = {(row["a"], row["b"]): row for row in found["panel"]["agreement"]["pairs"]}
    assert pairs["gpt-4", "people"]["raw"] == pytest.approx(42 / 80)
    assert pairs["gpt-4", "people"]["tie_discounted"] == pytest.approx(56 / 80)
    several = [row for row in found["panel"]["conclusions"] if row["judges"] > 1]
    held = sum(row["confirmed"] == row["judges"] for row in several)
    turned = [{row["better"], row["worse"]} for row in several if row["contradicted"]]
    assert (len(several), held, turned) == (11, 7, [{"gpt35", "vicuna-13b-20230322-new-hp-fp16"}])
    page = (tmp_path / "board" / "leaderboard.html").read_text()
    assert "200 of 1,040 pairs" in page
    assert "judges disagree" in page
    assert len(page.encode()) < 2_000_000
    one = ran(
        ["leaderboard", tmp_path / "reviews.jsonl", "--judge", "people", "--out", tmp_path / "one", "--json"], capsys
    )
    assert (one["judges"], one["n_judgements"], len(one["models"])) == (["people"], 80, 2)
    assert "80 of 80 pairs" in (tmp_path / "one" / "leaderboard.html").read_text()


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_a_judge_and_people_agree_as_sklearn_says(kind, shared_data, tmp_path, capsys):
    frame = faireval(shared_data)
    path = tmp_path / f"labels.{kind}"
    {"csv": frame.write_csv, "jsonl": frame.write_ndjson, "parquet": frame.write_parquet}[kind](path)
    found = ran(["agreement", path, "--items", "question", "--labels", "people,gpt4", "--rounds", 50, "--json"], capsys)
    people, gpt4 = frame["people"].to_numpy(), frame["gpt4"].to_numpy()
    (pair,) = found["pairs"]
    same = people == gpt4
    one_tie = (people == "TIE") != (gpt4 == "TIE")
    assert (pair["a"], pair["b"], pair["n"]) == ("people", "gpt4", 80)
    assert pair["raw"] == pytest.approx(same.mean())
    assert pair["tie_discounted"] == pytest.approx((same + 0.5 * one_tie).mean())
    assert pair["cohen_kappa"] == pytest.approx(cohen_kappa_score(people, gpt4))
    # Fleiss of two raters is Scott's pi; Krippendorff's alpha is that with its correction for 2n values.
    share = np.array([np.concatenate([people, gpt4]) == label for label in ("CHATGPT", "TIE", "VICUNA13B")]).mean(
        axis=1
    )
    pi = (same.mean() - (share**2).sum()) / (1 - (share**2).sum())
    assert found["fleiss_kappa"] == pytest.approx(pi)
    assert found["krippendorff_alpha"] == pytest.approx(1 - (1 - pi) * 159 / 160)
    assert pair["raw_low"] < pair["raw"] < pair["raw_high"]


def test_numbers_in_a_table_are_grades_and_an_empty_field_is_missing(tmp_path, capsys):
    path = tmp_path / "grades.csv"
    path.write_text("item,anna,ben\n1,1,2\n2,3,3\n3,6,5\n4,,2\n")
    (pair,) = ran(["agreement", path, "--items", "item", "--labels", "anna, ben", "--json"], capsys)["pairs"]
    oracle = cohen_kappa_score([1, 3, 6], [2, 3, 5], weights="quadratic", labels=range(1, 7))
    assert pair["n"] == 3
    assert pair["cohen_kappa_quadratic"] == pytest.approx(oracle)


def test_of_judgements_all_their_judges_are_compared(tmp_path, capsys):
    path = tmp_path / "judged.jsonl"
    rows = [
        ("p1", "anna", "a"),
        ("p1", "ben", "a"),
        ("p2", "anna", "b"),
        ("p2", "ben", "tie"),
        ("p3", "anna", "a"),
        ("p3", "ben", "b"),
    ]
    keys = ("prompt_id", "judge", "verdict")
    both = {"model_a": "x", "model_b": "y", "status": "ok"}
    path.write_text("".join(json.dumps({**dict(zip(keys, row, strict=True)), **both}) + "\n" for row in rows))
    assert main(["agreement", str(path)]) == 0
    text = capsys.readouterr().out
    assert "anna · ben" in text
    assert "0.500" in text  # 1, ½ and 0 of three, tie-discounted


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (["--items", "item"], "--items and --labels belong together"),
        (["--items", "item", "--labels", "anna,bem"], "no column 'bem'. Did you mean 'ben'"),
        (["--items", "item", "--labels", "anna"], "at least two different columns"),
        (["--items", "item", "--labels", "anna,ben", "--people", "cara"], "cara is not among the labels"),
    ],
)
def test_a_wrong_column_is_named(labels, said, tmp_path, capsys):
    path = tmp_path / "labels.csv"
    path.write_text("item,anna,ben\n1,x,y\n2,x,x\n")
    assert main(["agreement", str(path), *labels]) in (2, 3)
    assert said in capsys.readouterr().err
