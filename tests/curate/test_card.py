"""The dataset card: metadata that the Hub takes, and sections that speak of this run."""

import json
import re

import pytest
import yaml
from huggingface_hub import DatasetCard, DatasetCardData

from curate import card, config
from curate.__main__ import main
from curate.recipe import Recipe
from tests.curate.small_runs import built


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    run, summary = built(tmp_path_factory.mktemp("card"), "expect.kept=7")
    return run, summary, (run / "README.md").read_text()


def test_the_metadata_reads_back_as_the_hub_s_own_dataset_card_data(made):
    read = DatasetCard(made[2], ignore_metadata_errors=False)
    assert isinstance(read.data, DatasetCardData)
    assert read.data.license == "cc-by-sa-4.0"
    assert read.data.size_categories == ["n<1K"]
    assert read.data.source_datasets == ["extended|other-set.json"]
    assert read.data.task_categories == ["text-generation"]
    known = set(vars(DatasetCardData())) | {"configs", "license_name", "tags", "train-eval-index"}
    assert set(read.data.to_dict()) <= known


def test_every_file_that_the_metadata_names_is_there_and_loads(made, tmp_path):
    from datasets import load_dataset

    run, summary, text = made
    configs = yaml.safe_load(text.split("---\n")[1])["configs"]
    rows = {}
    for given in configs:
        for data in given["data_files"]:
            loaded = load_dataset("parquet", data_files=str(run / data["path"]), split="train", cache_dir=str(tmp_path))
            rows[given["config_name"]] = loaded.num_rows
    assert rows == {"default": summary["kept"], "ledger": sum(row["dropped"] for row in summary["rules"])}


def test_no_section_is_left_empty_and_none_is_a_placeholder(made):
    body = made[2].split("---\n", 2)[2]
    assert "More Information Needed" not in body
    parts = re.split(r"^#+ (.+)$", body, flags=re.MULTILINE)
    sections = dict(zip(parts[1::2], parts[2::2], strict=True))
    wanted = ("Curation rationale", "Source data", "Data collection and processing", "Annotation process")
    wanted += (
        "Who are the annotators?",
        "Personal and sensitive information",
        "Bias, risks and limitations",
        "How to make it again",
        "Uses",
    )
    assert all(sections[name].strip() for name in wanted)


def test_the_figures_are_those_of_the_run(made):
    text = made[2]
    assert "Of 8 inputs 6 were kept and 2 dropped" in text
    assert "- set (instructions): 1 file, 8 records, 8 of them examples, 6 kept." in text
    assert "| filters | `empty_output` | 1 |" in text
    assert "| CC-BY-SA-4.0 | 6 |" in text
    assert "e-mail address: 1" in text
    assert "Gate failed: kept is 6 (expected exactly 7)." in text
    assert "No test set was searched for" in text


def test_a_card_has_no_local_path_and_no_time_and_a_rebuild_writes_the_same_bytes(made, tmp_path):
    run, _, text = made
    again, _ = built(tmp_path, "expect.kept=7")
    assert str(run.parent) not in text
    assert (again / "README.md").read_text() == text
    assert (again / "croissant.json").read_bytes() == (run / "croissant.json").read_bytes()


def test_the_report_command_writes_the_same_files_again_from_the_run_alone(tmp_path, capsys):
    run, _ = built(tmp_path)
    names = ("README.md", "croissant.json", "report.json", "report.html")
    before = {name: (run / name).read_bytes() for name in names}
    (tmp_path / "set.json").unlink()
    for name in names:
        (run / name).unlink()
    assert main(["report", str(run)]) == 0
    assert str(run / "report.html") in capsys.readouterr().out
    assert {name: (run / name).read_bytes() for name in names} == before
    assert main(["report", str(tmp_path)]) == 3
    assert "it is not a run folder" in capsys.readouterr().err


def test_the_recipe_of_the_card_is_a_recipe(made, tmp_path):
    (tmp_path / "set.json").write_text("[]")
    (tmp_path / "recipe.yaml").write_text(re.search(r"```yaml\n(.*?)```", made[2], re.DOTALL)[1])
    theirs = config.load(tmp_path / "recipe.yaml", Recipe)
    ours = config.load(made[0] / "recipe.yaml", Recipe)
    assert theirs.sources["set"].path == tmp_path / "set.json"
    assert theirs.model_copy(update={"sources": ours.sources}) == ours


@pytest.mark.parametrize(
    ("name", "hub"),
    [
        ("CC-BY-SA-4.0", "cc-by-sa-4.0"),
        ("CC BY-NC-SA 3.0", "cc-by-nc-sa-3.0"),
        ("Apache-2.0", "apache-2.0"),
        ("CC-BY-SA-2.5", "other"),
        ("", "unknown"),
        (None, "unknown"),
    ],
)
def test_licences_go_by_the_hub_s_names(name, hub):
    assert card.hub_license(name) == hub


def test_text_that_came_with_the_data_is_never_markup(made):
    run, summary, _ = made
    recipe = config.load(run / "recipe.yaml", Recipe)
    manifest = json.loads((run / "manifest.json").read_bytes())
    hostile = "<script>alert(1)</script> | x\n# y"
    licences = [{"license": hostile, "examples": 6}]
    text = card.render(recipe, manifest, {**summary, "licenses": licences})
    assert "<script>" not in text
    assert "| &lt;script>alert(1)&lt;/script> \\| x # y | 6 |" in text
    assert DatasetCard(text, ignore_metadata_errors=False).data.license == "other"


def test_sizes_go_by_the_hub_s_buckets(made):
    run, summary, _ = made
    recipe = config.load(run / "recipe.yaml", Recipe)
    for kept, bucket in ((999, "n<1K"), (1000, "1K<n<10K"), (52_002, "10K<n<100K")):
        found = yaml.safe_load(card.metadata(recipe, {**summary, "kept": kept}))["size_categories"]
        assert found == [bucket]
