"""LIMA's ablations as data, drawn from a small finished run."""

import json
from itertools import pairwise

import orjson
import polars as pl
import pytest

from curate import recipe as recipes
from curate import runs
from curate.ablate import ablate, named_in
from curate.build import build
from curate.errors import InputError, RunError


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The embedded sample."""
    folder = tmp_path_factory.mktemp("runs") / "sample"
    build(recipes.load("sample"), folder)
    return folder


@pytest.fixture(scope="module")
def one_source(tmp_path_factory):
    """Forty different questions of one file, none of which any rule drops."""
    tmp_path = tmp_path_factory.mktemp("sums")
    rows = [
        {"instruction": f"What is {n} plus {n}?", "output": f"The sum of {n} and {n} is {2 * n}."} for n in range(40)
    ]
    (tmp_path / "sums.json").write_text(json.dumps(rows))
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("name: sums\nsources:\n  sums: {kind: instructions, path: sums.json}\n")
    build(recipes.load(str(recipe)), tmp_path / "run")
    return tmp_path / "run"


def rows(run, by, index, name):
    entry = next(entry for entry in index["sets"] if entry["name"] == name)
    found = [orjson.loads(line) for line in (run / "ablations" / by / entry["file"]).read_bytes().splitlines()]
    assert len(found) == entry["examples"]
    return found


def dropped_by(run, stage):
    folder = next(folder for folder in runs.stage_folders(run) if folder.name == stage)
    return set(pl.read_parquet(folder.verdicts)["id"])


def test_filtered_and_unfiltered_have_the_same_sources_and_differ_in_the_rules_alone(run):
    index = ablate(run, "quality", size=40)
    one, two = (rows(run, "quality", index, name) for name in ("filtered", "unfiltered"))
    assert [entry["sources"] for entry in index["sets"]] == [index["sets"][0]["sources"]] * 2
    assert len(one) == len(two) == 40
    assert not {row["id"] for row in one} & dropped_by(run, "filters")
    assert {row["id"] for row in two} & dropped_by(run, "filters")


def test_many_sources_stand_against_each_that_is_large_enough(run):
    index = ablate(run, "diversity", size=16)
    assert index["sets"][0]["name"] == "many"
    assert len(index["sets"][0]["sources"]) == 4
    assert {len(entry["sources"]) for entry in index["sets"][1:]} == {1}
    assert {entry["examples"] for entry in index["sets"]} == {16}


def test_what_is_too_small_is_said_to_be_left_out(run):
    index = ablate(run, "diversity")
    assert len(index["sets"]) + len(index["left_out"]) == 5
    assert all("examples passed" in reason for reason in index["left_out"])


def test_every_smaller_set_is_part_of_every_larger_one(run):
    index = ablate(run, "quantity")
    assert [entry["examples"] for entry in index["sets"]][:2] == [16, 32]
    sets = [{row["id"] for row in rows(run, "quantity", index, entry["name"])} for entry in index["sets"]]
    assert all(small < large for small, large in pairwise(sets))
    early = pl.read_parquet(run / "ledger.parquet").filter(pl.col("stage") != "select")
    assert not sets[-1] & set(early["id"])


def test_a_row_has_the_form_of_the_runs_own_dataset(run):
    index = ablate(run, "quantity", size=16)
    own = orjson.loads((run / "dataset.jsonl").read_bytes().splitlines()[0])
    found = rows(run, "quantity", index, "n16")
    assert found[0].keys() == own.keys()
    assert sorted(row["rank"] for row in found) == list(range(1, 17))


def test_the_same_seed_draws_the_same_bytes_and_another_seed_others(run):
    def drawn(seed):
        index = ablate(run, "quantity", size=32, seed=seed)
        assert runs.read_json(run / "ablations/quantity/index.json") == index
        return (run / "ablations/quantity/n32.jsonl").read_bytes()

    assert drawn(1) == drawn(1) != drawn(2)


def test_sets_of_an_earlier_call_do_not_stay_behind(run):
    ablate(run, "quantity")
    ablate(run, "quantity", size=16)
    assert sorted(path.name for path in (run / "ablations/quantity").iterdir()) == ["index.json", "n16.jsonl"]


@pytest.mark.parametrize(
    ("by", "message"),
    [
        ("quality", "no rule dropped anything"),
        ("diversity", "of one source and one stratum"),
        ("size", "not an ablation. Known: diversity, quality, quantity"),
    ],
)
def test_a_run_that_cannot_serve_is_refused_with_the_reason(one_source, by, message):
    with pytest.raises(RunError, match=message):
        ablate(one_source, by)


def test_a_size_that_nobody_has_is_refused(run):
    with pytest.raises(RunError, match=r"are needed\. Give a smaller size"):
        ablate(run, "quality", size=5000)
    with pytest.raises(RunError, match="no source has 5000 examples that passed"):
        ablate(run, "diversity", size=5000)


def test_an_unfinished_run_is_refused(tmp_path):
    with pytest.raises(RunError, match=r"no manifest.json: it is not a run folder"):
        ablate(tmp_path, "quality")


def test_what_a_model_will_be_asked_is_in_no_set(run, tmp_path):
    before = {row["id"] for row in rows(run, "quality", ablate(run, "quality"), "filtered")}
    asked = sorted(before)[:5]
    (tmp_path / "asked.jsonl").write_text(
        "".join(f'{{"{key}": "{id_}"}}\n' for key, id_ in zip(["id", "prompt_id"] * 3, asked, strict=False))
    )
    index = ablate(run, "quality", without=named_in([tmp_path / "asked.jsonl"]))
    assert len({one["examples"] for one in index["sets"]}) == 1
    for one in index["sets"]:
        assert not {row["id"] for row in rows(run, "quality", index, one["name"])} & set(asked)


def test_a_line_without_an_id_is_refused_with_its_place(tmp_path):
    (tmp_path / "asked.jsonl").write_text('{"id": "a"}\n{"prompt": "b"}\n')
    with pytest.raises(InputError, match=r"asked\.jsonl:2: no id"):
        named_in([tmp_path / "asked.jsonl"])
