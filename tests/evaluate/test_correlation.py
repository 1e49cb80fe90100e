"""Quality against perplexity: the coefficients against scipy, the bootstrap, what is refused, a planted run end to end."""

import csv
import json
import math
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import stats

from curate.errors import ConfigError, InputError, RunError
from evaluate import correlation, correlation_table
from evaluate.__main__ import main
from evaluate.board import correlated, correlated_page, figure9
from evaluate.statistics import association
from evaluate.statistics import correlation as statistics
from evaluate.statistics.correlation import Points
from train import choose

# Values with many ties.
TABLES = arrays.arrays(np.float64, st.tuples(st.just(2), st.integers(4, 12)), elements=st.integers(0, 5).map(float))
SCIPY = {"pearson": stats.pearsonr, "spearman": stats.spearmanr, "kendall": stats.kendalltau}


@given(TABLES, st.sampled_from(sorted(SCIPY)))
def test_each_coefficient_is_scipys_ties_and_all(table, name):
    x, y = table
    found = association.COEFFICIENTS[name](x, y)
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        assert np.isnan(found)
    else:
        assert found == pytest.approx(SCIPY[name](x, y).statistic, abs=1e-12)


@pytest.mark.parametrize("name", sorted(SCIPY))
def test_many_at_once_are_each_of_them(name):
    random = np.random.default_rng(1)
    x, y = random.normal(size=(2, 7, 5))
    found = association.COEFFICIENTS[name](x, y)
    assert found == pytest.approx([SCIPY[name](a, b).statistic for a, b in zip(x, y, strict=True)])


def test_a_partial_correlation_is_that_of_residuals():
    x, y, z = np.random.default_rng(2).normal(size=(3, 9))
    r = np.corrcoef([x, y, z])
    # The textbook form for one given variable.
    expected = (r[0, 1] - r[0, 2] * r[1, 2]) / math.sqrt((1 - r[0, 2] ** 2) * (1 - r[1, 2] ** 2))
    assert association.partial(x, y, z[None]) == pytest.approx(expected)
    # Two: residuals of least squares.
    given = np.column_stack([np.ones(9), z, z**2])
    a, b = (one - given @ np.linalg.lstsq(given, one)[0] for one in (x, y))
    assert association.partial(x, y, np.array([z, z**2])) == pytest.approx(stats.pearsonr(a, b).statistic)
    assert np.isnan(association.partial(2 * z + 1, y, z[None]))


def test_the_permutation_p_is_exact_for_few_models():
    x, y = np.array([1.0, 2.0, 3.0, 4.0]), np.array([1.0, 2.0, 3.0, 4.0])
    # Of 24 orders, the given one and its reverse are as far out.
    assert association.permutation_p(association.spearman, x, y) == pytest.approx(2 / 24)
    swapped = np.array([2.0, 1.0, 4.0, 3.0])
    exact = stats.permutation_test(
        (x,), lambda one: stats.pearsonr(one, swapped).statistic, permutation_type="pairings", n_resamples=np.inf
    )
    assert association.permutation_p(association.pearson, x, swapped) == pytest.approx(exact.pvalue)


def test_the_permutation_p_of_many_is_near_students():
    x, y = np.random.default_rng(3).normal(size=(2, 30))
    y += 0.3 * x
    assert association.permutation_p(association.pearson, x, y) == pytest.approx(stats.pearsonr(x, y).pvalue, abs=0.02)


def points(judged, nats, **more):
    judged, nats = np.array(judged, float), np.array(nats, float)
    return Points([f"m{i}" for i in range(judged.shape[1])], judged, nats, np.ones_like(nats), **more)


def test_fewer_than_four_models_are_refused_and_fewer_than_eight_warned_of():
    with pytest.raises(InputError, match=r"3 models .*: m0, m1, m2; a correlation needs 4 or more"):
        statistics.correlate(points([[1, 2, 3]], [[1, 2, 3]]))
    found = statistics.correlate(points([[1, 2, 3, 5]], [[1, 2, 3, 4]]), rounds=100)
    # Student's t with 2 degrees of freedom: median |t| is 0.8165, so |r| is 0.8165 / sqrt(0.8165² + 2) = 0.5.
    assert any(note.startswith("4 models are few") and "±0.50" in note for note in found["notes"])
    assert found["coefficients"]["pearson"]["models_low"] is None


def test_the_interval_is_that_of_drawing_documents_and_prompts_apart_from_each_other():
    random = np.random.default_rng(4)
    quality = np.linspace(0, 1, 9) + random.normal(0, 1.5, (60, 9))
    nats = np.linspace(2, 1, 9) + random.normal(0, 1.5, (80, 9))
    found = statistics.correlate(points(quality, nats), rounds=2000)["coefficients"]["pearson"]
    # Drawn here once more, by other random numbers.
    draws = [
        stats.pearsonr(nats[random.integers(0, 80, 80)].mean(0), quality[random.integers(0, 60, 60)].mean(0)).statistic
        for _ in range(2000)
    ]
    assert [found["low"], found["high"]] == pytest.approx(np.quantile(draws, [0.025, 0.975]), abs=0.05)
    assert found["low"] < found["value"] < found["high"]
    assert found["models_low"] < found["value"] < found["models_high"]


def test_documents_count_by_their_size():
    judged, nats = [[1, 2, 3, 4]], [[1, 1, 1, 1], [30, 10, 20, 40]]
    sizes = np.array([[1.0] * 4, [10.0] * 4])
    found = statistics.correlate(
        Points(list("abcd"), np.array(judged, float), np.array(nats, float), sizes), rounds=100
    )
    assert [row["predicted"] for row in found["models"]] == pytest.approx([31 / 11, 1, 21 / 11, 41 / 11])


def test_regret_is_the_quality_that_the_choice_of_perplexity_lacks():
    # m1 predicts best; m3 is judged best by 1 on half of the prompts and by 3 on the others.
    judged = [[0, 1, 1, 2], [0, 1, 2, 4]] * 20
    found = statistics.correlate(points(judged, [[3, 1, 2, 4]]), rounds=500)["regret"]
    assert (found["best"], found["chosen"], found["value"]) == ("m3", "m1", 2.0)
    assert 1.4 < found["low"] < 2 < found["high"] < 2.6
    assert found["chosen_again"] is None
    many = statistics.correlate(points(judged, [[3, 1, 2, 4], [3, 2.5, 2, 4]]), rounds=500)["regret"]
    # Of two documents: both the first (m1), one of each (m1), both the second (m2).
    assert many["chosen_again"] == pytest.approx(0.75, abs=0.07)


def test_two_that_grow_with_the_steps_have_nothing_left_once_the_step_is_known():
    step = np.arange(1.0, 11)
    noise = np.random.default_rng(5).normal(0, 0.3, (2, 10))
    found = statistics.correlate(points([step + noise[0]], [step + noise[1]], step=step), rounds=100)
    assert found["coefficients"]["pearson"]["value"] > 0.95
    given_step = next(row for row in found["partial"] if row["kind"] == "pearson")
    assert abs(given_step["value"]) < 0.5
    assert given_step["p"] == pytest.approx(_partial_p(given_step["value"], 10, 1))
    assert any("too small" in note for note in found["notes"])


def _partial_p(r, n, k):
    return 2 * stats.t.sf(abs(r) * math.sqrt((n - 2 - k) / (1 - r * r)), n - 2 - k)


def test_step_and_length_are_given_apart_and_together_where_enough_models_are_left():
    random = np.random.default_rng(6)
    judged, nats, step, length = random.normal(size=(4, 9))
    found = statistics.correlate(points([judged], [nats + 5], step=step, length=length), rounds=100)
    assert {tuple(row["given"]) for row in found["partial"]} == {("step",), ("length",), ("step", "length")}
    few = statistics.correlate(points([judged[:4]], [nats[:4] + 5], step=step[:4], length=length[:4]), rounds=100)
    assert {tuple(row["given"]) for row in few["partial"]} == {("step",), ("length",)}


# A run in which the judge and perplexity disagree: epoch 2 predicts best, epoch 3 is judged best.
PERPLEXITY = {1: 9.0, 2: 8.0, 3: 8.5, 4: 9.5, 5: 9.9}
WINS = {1: 2, 2: 6, 3: 18, 4: 12, 5: 13}


@pytest.fixture
def run(tmp_path):
    for epoch, perplexity in PERPLEXITY.items():
        folder = tmp_path / "run" / f"epoch-{epoch:02d}"
        folder.mkdir(parents=True)
        own = {
            "epoch": epoch,
            "step": 10 * epoch,
            "loss": 2 / epoch,
            "perplexity": perplexity,
            "bits_per_byte": perplexity / 10,
        }
        (folder / "metrics.json").write_text(json.dumps(own))
    return tmp_path / "run"


@pytest.fixture
def records(tmp_path):
    rows = [
        judged(f"p{i:02d}", f"runs/mine/epoch-{epoch:02d}", "a" if i < n else "b")
        for epoch, n in WINS.items()
        for i in range(20)
    ]
    return lines(tmp_path / "judged.jsonl", rows)


@pytest.fixture
def rows(tmp_path):
    """Four documents, in the sum of the perplexities above; only some of a fifth."""
    found = []
    for epoch, perplexity in PERPLEXITY.items():
        for i, share in enumerate((0.7, 0.9, 1.1, 1.3)):
            found.append(
                document(f"epoch-{epoch:02d}", f"d{i}", 100 * math.log(perplexity) * share + epoch * (i - 1.5))
            )
    return lines(tmp_path / "rows.jsonl", [*found, document("epoch-01", "lonely", 5.0)])


def judged(prompt, model, verdict, **more):
    base = {"prompt_id": prompt, "model_a": model, "model_b": "reference", "verdict": verdict, "first": "a"}
    return {**base, "probability": None, "score": None, "status": "ok", "judge": "hand", **more}


def document(model, name, nats, tokenization="t", **more):
    own = {
        "model": model,
        "id": name,
        "status": "ok",
        "nats": nats,
        "tokens": 100,
        "bytes": 300,
        "tokenization": tokenization,
    }
    return {**own, "answer_nats": nats / 2, "answer_tokens": 50, "answer_bytes": 150, **more}


def lines(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_a_planted_run_is_chosen_by_the_judge_and_both_figures_stand_beside_each_other(run, records, rows, capsys):
    assert (
        main(
            [
                "correlate",
                str(run),
                "--records",
                str(records),
                "--perplexity",
                str(rows),
                "--against",
                "token_perplexity",
                "--view",
                "whole",
            ]
        )
        == 0
    )
    text = capsys.readouterr().out
    chosen = choose.select(run, records)
    assert (chosen["best"], chosen["by_perplexity"]) == ("epoch-03", "epoch-02")
    assert (run / "best").read_text() == "epoch-03\n"
    assert (
        "Perplexity chooses epoch-02 (30.0 %), the judge epoch-03 (90.0 %): choosing by perplexity costs 60.0 points"
        in text
    )
    found = correlation.report(correlation.of_files([records], [rows], run, against="token_perplexity", view="whole"))
    by = {row["model"]: row for row in found["models"]}
    for row in chosen["epochs"]:
        assert by[row["epoch"]]["quality"] == pytest.approx(row["judged"])
        assert by[row["epoch"]]["value"] == pytest.approx(row["perplexity"])
    behind = next(row for row in chosen["epochs"] if row["epoch"] == "epoch-02")
    regret = found["regret"]
    assert (regret["best"], regret["chosen"]) == (chosen["best"], chosen["by_perplexity"])
    assert regret["value"] == pytest.approx(behind["behind"])
    assert [regret["low"], regret["high"]] == pytest.approx([behind["behind_low"], behind["behind_high"]], abs=0.051)
    perplexities, wins = [math.log(one) for one in PERPLEXITY.values()], [n / 20 for n in WINS.values()]
    assert found["coefficients"]["pearson"]["value"] == pytest.approx(stats.pearsonr(perplexities, wins).statistic)
    assert found["coefficients"]["spearman"]["value"] == pytest.approx(stats.spearmanr(perplexities, wins).statistic)
    assert (found["documents"], found["prompts"]) == (4, 20)
    assert "documents not measured for all models, left out: 1" in found["notes"]


def test_a_run_has_totals_of_its_own(run, records):
    found = correlation.report(correlation.of_files([records], [], run), rounds=100)
    assert [row["value"] for row in found["models"]] == pytest.approx([one / 10 for one in PERPLEXITY.values()])
    assert [row["step"] for row in found["models"]] == [10, 20, 30, 40, 50]
    assert found["models"][0]["value_low"] is None
    assert any("as totals" in note for note in found["notes"])


def test_lengths_come_from_the_answers_of_the_run(run, records, rows):
    (run / "dev").mkdir()
    for epoch in PERPLEXITY:
        answers = [
            {
                "prompt_id": f"p{i:02d}",
                "instruction": "?",
                "output": "x" * 10 * epoch,
                "generator": f"epoch-{epoch:02d}",
            }
            for i in range(20)
        ]
        lines(run / "dev" / f"epoch-{epoch:02d}.jsonl", answers)
    plain = [json.loads(line) for line in records.read_text().splitlines()]
    lines(records, [{**row, "model_a": row["model_a"].removeprefix("runs/mine/")} for row in plain])
    given = correlation.of_files([records], [rows], run)
    assert list(given.points.length) == [10, 20, 30, 40, 50]


def test_models_need_no_run_and_scores_of_single_answers_do(tmp_path):
    scores = [
        {"prompt_id": p, "model_a": m, "model_b": None, "score": s, "status": "ok", "judge": "j"}
        for m, own in {"a": (1, 2), "b": (2, 3), "c": (3, 3), "d": (6, 4)}.items()
        for p, s in zip("pq", own, strict=True)
    ]
    records = lines(tmp_path / "j.jsonl", scores)
    rows = lines(
        tmp_path / "r.jsonl", [document(m, "d", n) for m, n in zip("abcde", (4.0, 3.0, 2.0, 1.0, 9.0), strict=True)]
    )
    given = correlation.of_files([records], [rows])
    assert (given.points.models, given.quality, given.view) == (["a", "b", "c", "d"], "score", "answers")
    assert given.points.judged.mean(0).tolist() == [1.5, 2.5, 3.0, 5.0]
    assert given.points.nats[0].tolist() == [2.0, 1.5, 1.0, 0.5]
    assert given.notes == ["not judged, so left out: e"]


def test_perplexities_per_token_of_different_tokenizers_are_refused(tmp_path, records, run):
    rows = [document(f"epoch-{epoch:02d}", "d", 1.0 + epoch, tokenization=str(epoch)) for epoch in PERPLEXITY]
    path = lines(tmp_path / "r.jsonl", rows)
    with pytest.raises(ConfigError, match=r"different tokens.*Take --against bits_per_byte"):
        correlation.of_files([records], [path], run, against="token_perplexity")
    assert correlation.of_files([records], [path], run).against == "bits_per_byte"
    lines(path, [{**row, "answer_bytes": 100 + i} for i, row in enumerate(rows)])
    with pytest.raises(ConfigError, match="one --template"):
        correlation.of_files([records], [path], run)


def test_what_files_lack_is_said(tmp_path, run, records, rows):
    with pytest.raises(RunError, match="no epoch-NN"):
        correlation.of_files([records], [rows], tmp_path)
    with pytest.raises(ConfigError, match="--perplexity is missing"):
        correlation.of_files([records], [])
    for path in run.glob("epoch-*/metrics.json"):
        path.write_text(json.dumps({"epoch": 1, "step": 1, "perplexity": None, "bits_per_byte": None}))
    with pytest.raises(InputError, match="the run had no held-out set"):
        correlation.of_files([records], [], run)
    other = lines(tmp_path / "other.jsonl", [document("stranger", "d", 1.0)])
    with pytest.raises(InputError, match=r"no model has both: judged are .* with a perplexity stranger"):
        correlation.of_files([records], [other])
    failed = lines(tmp_path / "failed.jsonl", [judged("p", "epoch-01", None, status="parse_failed")])
    with pytest.raises(InputError, match="no judgement succeeded"):
        correlation.of_files([failed], [rows])
    uneven = lines(
        tmp_path / "uneven.jsonl",
        [judged("p", f"epoch-0{i}", "a") for i in (1, 2, 3)] + [judged("p", "epoch-04", "a", model_b="epoch-05")],
    )
    with pytest.raises(InputError, match=r"epoch-01 was not compared with epoch-04"):
        correlation.of_files([uneven], [rows])


def table(tmp_path, text):
    path = tmp_path / "table.csv"
    path.write_text(text)
    return path


def test_a_table_of_models(tmp_path, capsys):
    path = table(
        tmp_path, "model,quality,bits_per_byte,step,length\na,1,0.9,1,10\nb,2,0.8,2,\nc,3,0.7,3,12\nd,5,0.75,4,9\n"
    )
    with pytest.raises(InputError, match=r"record 2: length is .*; expected a number"):
        correlation_table.of_table(path)
    path.write_text(path.read_text().replace("2,\n", "2,11\n"))
    found = correlation.report(correlation_table.of_table(path), rounds=100)
    assert found["coefficients"]["spearman"]["value"] == pytest.approx(-0.8)
    assert found["regret"] | {"low": 0, "high": 0} == {
        "best": "d",
        "chosen": "c",
        "value": 2.0,
        "low": 0,
        "high": 0,
        "chosen_again": None,
    }
    assert main(["correlate", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["models"][0]["value"] == pytest.approx(0.9)


def test_a_table_of_perplexities_is_of_one_tokenizer(tmp_path):
    head = "model,quality,perplexity,tokenizer\n"
    one = correlation_table.of_table(table(tmp_path, head + "".join(f"m{i},{i},{i + 2},t\n" for i in range(4))))
    assert one.points.nats[0] == pytest.approx(np.log([2, 3, 4, 5]))
    assert one.notes == []
    with pytest.raises(ConfigError, match="the tokenizers are t0, t1, t2, t3"):
        correlation_table.of_table(table(tmp_path, head + "".join(f"m{i},{i},{i + 2},t{i}\n" for i in range(4))))
    unnamed = correlation_table.of_table(
        table(tmp_path, "model,quality,perplexity\n" + "".join(f"m{i},{i},{i + 2}\n" for i in range(4)))
    )
    assert "only bits_per_byte compares" in unnamed.notes[0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("model,quality\na,1\n", "no column perplexity"),
        ("model,quality,perplexity\na,1,0.5\n", "below 1, which no perplexity is"),
        ("model,quality,perplexity\na,1,2\na,1,3\n", "model a stands there twice"),
        ("model,quality,perplexity\na,good,2\n", "record 1: quality is 'good'; expected a number"),
    ],
)
def test_a_table_that_cannot_be_read_says_why(tmp_path, text, said):
    with pytest.raises(InputError, match=said):
        correlation_table.of_table(table(tmp_path, text))


def test_the_pictures_mark_both_choices_and_the_page_asks_for_nothing(run, records, rows, tmp_path, capsys):
    out = tmp_path / "board"
    assert main(["correlate", str(run), "--records", str(records), "--perplexity", str(rows), "--out", str(out)]) == 0
    assert "figure9.svg" in capsys.readouterr().out
    space = "{http://www.w3.org/2000/svg}"
    for name in ("figure9.svg", "against.svg"):
        svg = ET.fromstring((out / name).read_text())
        marks = [one for one in svg.iter() if one.get("fill") == "none" and one.get("stroke") == "var(--ink)"]
        panels = 2 if name == "figure9.svg" else 1
        assert sum(one.tag == f"{space}circle" for one in marks) == panels
        assert sum(one.tag == f"{space}rect" for one in marks) == panels
    curves = list(ET.fromstring((out / "figure9.svg").read_text()).iter(f"{space}polyline"))
    heights = [[float(point.split(",")[1]) for point in one.get("points").split()] for one in curves]
    # Higher is higher up: the judged curve peaks at its third point, the other is lowest at its second.
    assert [heights[0].index(min(heights[0])), heights[1].index(max(heights[1]))] == [2, 1]
    page = (out / "correlation.html").read_text()
    assert "default-src 'none'" in page
    assert "<script" not in page
    assert page.count("<svg") == 2
    assert json.loads((out / "correlation.json").read_text())["regret"]["best"] == "epoch-03"


def test_a_leaderboard_has_the_panel(run, records, rows, tmp_path, capsys):
    panel, out = tmp_path / "panel", tmp_path / "board"
    assert main(["correlate", str(run), "--records", str(records), "--perplexity", str(rows), "--out", str(panel)]) == 0
    given = ["--correlation", str(panel / "correlation.json"), "--rounds", "0", "--out", str(out)]
    assert main(["leaderboard", str(records), *given]) == 0
    page = (out / "leaderboard.html").read_text()
    assert "<h2>Does perplexity tell quality?</h2>" in page
    assert "Quality and perplexity over training" in page
    assert json.loads((out / "leaderboard.json").read_text())["correlation"]["regret"]["chosen"] == "epoch-02"
    with pytest.raises(InputError, match="is no correlation"):
        correlated.read(run / "epoch-01/metrics.json")
    with pytest.raises(InputError, match="cannot be read"):
        correlated.read(records)
    capsys.readouterr()


def test_names_from_files_are_escaped_and_many_models_are_not_named():
    models = [
        {
            "model": f"<b>{i}",
            "quality": float(i),
            "value": float(i % 7) + 1,
            "step": None,
            "length": None,
            **dict.fromkeys(("quality_low", "quality_high", "value_low", "value_high")),
        }
        for i in range(20)
    ]
    found = {"models": models, "quality": "score", "against": "bits_per_byte", "view": None, "documents": 1, "prompts": 1, "notes": ["<i>"],
             "coefficients": {}, "partial": [], "regret": {"best": "<b>19", "chosen": "<b>0", "value": 19.0, "low": None, "high": None, "chosen_again": None}}  # fmt: skip
    found["coefficients"] = {
        "spearman": {"value": None, "low": None, "high": None, "p": None, "models_low": None, "models_high": None}
    }
    assert figure9.over_steps(found) == ""
    page = correlated_page.page(found, "t<u>")
    assert not {"<b>", "<i>", "<u>"} & {page[i : i + 3] for i in range(len(page))}


def test_across_90_public_models_bits_per_byte_tells_accuracy(shared_data, tmp_path):
    """perplexity-correlations (Thrush et al. 2024): `arc_easy` error against bits per byte on 263 domains."""
    folder = shared_data("evaluation/perplexity_correlations")
    with (folder / "error.csv").open(newline="") as handle:
        errors = next(row for row in csv.DictReader(handle) if row["benchmark"] == "arc_easy")
    with (folder / "chunked_synthetic_sample_bpb_id.csv").open(newline="") as handle:
        domains = list(csv.DictReader(handle))
    models = [name for name in errors if name != "benchmark"]
    bits = [sum(float(row[name]) for row in domains) / len(domains) for name in models]
    accuracy = [1 - float(errors[name]) for name in models]
    text = "".join(
        json.dumps({"model": m, "quality": q, "bits_per_byte": b}) + "\n"
        for m, q, b in zip(models, accuracy, bits, strict=True)
    )
    (tmp_path / "t.jsonl").write_text(text)
    found = correlation.report(correlation_table.of_table(tmp_path / "t.jsonl"), rounds=200)["coefficients"]
    assert len(models) == 90
    for name, own in SCIPY.items():
        assert found[name]["value"] == pytest.approx(own(bits, accuracy).statistic, abs=1e-12)
    assert found["spearman"]["value"] == pytest.approx(-0.978, abs=0.001)
    assert -1 < found["spearman"]["models_low"] < -0.97 < found["spearman"]["models_high"] < -0.93
