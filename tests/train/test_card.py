"""The card of a run: data, deviations, epochs, versions; and its curves."""

import hashlib
import json
import math
import xml.etree.ElementTree as ET

import pytest

from curate import config
from curate.errors import RunError
from train import card, settings


@pytest.fixture
def run(tmp_path):
    """A run folder as train leaves it, of a curate run and a file of its own."""
    made = tmp_path / "curated"
    made.mkdir()
    rows = [
        {"id": "a", "messages": [], "license": "CC BY-SA 4.0"},
        {"id": "b", "messages": [], "license": "CC BY-SA 4.0"},
        {"id": "c", "messages": [], "license": "MIT"},
    ]
    (made / "dataset.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    manifest = {
        "name": "curated",
        "complete": True,
        "inputs": 1200,
        "kept": 3,
        "dropped": 1197,
        "files": [{"source": "wikihow", "file": "/dumps/wikihow.csv", "bytes": 35296, "sha256": "ab" * 32}],
        "versions": {"lapidary": "0.1.0"},
    }
    (made / "manifest.json").write_text(json.dumps(manifest))
    (tmp_path / "own.jsonl").write_text('{"messages": []}\n')
    data = f"[{{path: {made}}}, {{path: {tmp_path / 'own.jsonl'}, examples: 1, stage: 2}}]"
    chosen = settings.load("lima-lora", ["base=models/base", f"data={data}", "optimizer.lr=1.0e-4", "seed=7"])
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "config.yaml").write_text(config.dump(chosen))
    log = [
        {
            "step": n,
            "epoch": 1 + n // 3,
            "loss": 3 - n / 4,
            "lr": 1e-4,
            "grad_norm": 1.0,
            "tokens": 1000,
            "documents": 2,
        }
        for n in (1, 2, 3, 4)
    ]
    (folder / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in log))
    for epoch, step, perplexity in ((1, 2, 8.0), (2, 4, 9.0)):
        (folder / f"epoch-{epoch:02d}").mkdir()
        own = {"epoch": epoch, "step": step, "loss": 2.5 / epoch, "perplexity": perplexity, "bits_per_byte": 0.9}
        (folder / f"epoch-{epoch:02d}" / "metrics.json").write_text(json.dumps(own))
    return folder


def written(run):
    card.write(run)
    return (run / "card.md").read_text()


def test_data_is_named_with_its_hash_its_licences_and_where_it_comes_from(run):
    text = written(run)
    digest = hashlib.sha256((run.parent / "curated" / "dataset.jsonl").read_bytes()).hexdigest()
    assert (
        f"3 rows of the form chat, all of them once an epoch, stage 1. `dataset.jsonl` has the sha256 `{digest}`."
        in text
    )
    assert "| CC BY-SA 4.0 | 2 |\n| MIT | 1 |" in text
    assert "Made by the curate run `curated` (lapidary 0.1.0): 1,200 inputs, 3 kept, 1,197 dropped. It read:" in text
    assert f"| wikihow | wikihow.csv | 35,296 | `{'ab' * 32}` |" in text
    assert "1 rows of the form chat, 1 examples an epoch, stage 2." in text
    assert "| not stated | 1 |" in text


def test_every_deviation_from_the_preset_is_listed_with_both_values(run):
    text = written(run)
    assert "`lima-lora` with 1 deviation:" in text
    assert "| `optimizer.lr` | `0.0002` | `0.0001` |" in text


def test_a_run_by_the_book_and_a_run_without_a_book_say_so(run):
    chosen = settings.load("lima-lora", ["base=b", f"data=[{{path: {run.parent / 'own.jsonl'}}}]"])
    (run / "config.yaml").write_text(config.dump(chosen))
    assert "`lima-lora`, without a deviation." in written(run)
    (run / "config.yaml").write_text(config.dump(chosen.model_copy(update={"based_on": None})))
    assert "No preset: all settings are this run's own." in written(run)


def test_epochs_have_a_row_each_and_empty_columns_are_left_out(run):
    text = written(run)
    assert "| epoch | step | training loss | held-out perplexity | bits per byte |\n" in text
    assert "| 2 | 4 | 1.2500 | 9.0000 | 0.9000 |" in text
    for path in run.glob("epoch-*/metrics.json"):
        own = json.loads(path.read_text())
        path.write_text(json.dumps({**own, "perplexity": None, "bits_per_byte": None}))
    assert "| epoch | step | training loss |\n" in written(run)


def test_after_a_selection_the_card_has_both_choices(run):
    rows = [
        {"epoch": f"epoch-0{n}", "judged": 0.4 + n / 10, "low": 0.3, "high": 0.8, "perplexity": 7.0 + n} for n in (1, 2)
    ]
    found = {"best": "epoch-02", "tied_with": ["epoch-01"], "by_perplexity": "epoch-01", "measure": "win rate"}
    (run / "select.json").write_text(json.dumps({**found, "judges": ["hand"], "epochs": rows}))
    text = written(run)
    assert "Kept: epoch-02, chosen by hand." in text
    assert "| 2 | 4 | 1.2500 | 9.0000 | 0.9000 | 0.600 (0.300 – 0.800) |" in text
    assert "The judge (win rate) takes epoch-02, not to be told from epoch-01; perplexity: epoch-01." in text


def test_settings_seed_and_versions_are_there_to_repeat_it(run):
    text = written(run)
    assert config.dump(config.load(run / "config.yaml", settings.Settings)).rstrip() in text
    assert "Seed 7: order of examples" in text
    for name in ("lapidary", "torch", "transformers", "peft", "accelerate", "python", "device"):
        assert f"\n| {name} | " in text
    assert "sft of `models/base`, adapter lora: 4 steps of up to 32 examples, 4,000 tokens." in text


def test_curves_are_a_picture_of_the_losses_in_one_unit(run):
    card.write(run)
    root = ET.fromstring((run / "curves.svg").read_text())
    assert root.tag.endswith("svg")
    texts = [element.text for element in root.iter() if element.text]
    assert {"training", "held out", "nats per token"} <= set(texts)
    # ln 8 and ln 9: the held-out curve ends above where it began, below it on the picture's axis.
    lines = [element.get("points") for element in root.iter() if element.tag.endswith("polyline")]
    ends = [[float(pair.split(",")[1]) for pair in line.split()] for line in lines]
    assert math.log(8) < math.log(9)
    assert ends[1][0] > ends[1][1]


def test_a_preference_losss_curve_stands_alone(run):
    dpo = config.load(run / "config.yaml", settings.Settings).model_copy(update={"objective": settings.Dpo()})
    picture = card.curves(dpo, [{"step": 1, "loss": 0.7}, {"step": 2, "loss": 0.6}], [{"step": 2, "perplexity": 8.0}])
    assert "dpo, per example" in picture
    assert "held out" not in picture


def test_no_run_no_card(tmp_path):
    with pytest.raises(RunError, match=r"no config\.yaml: expected the folder of a run of python -m train"):
        card.write(tmp_path)
