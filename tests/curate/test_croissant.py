"""croissant.json against MLCommons' own reader, and against the files it describes."""

import hashlib
import json
import warnings

import polars as pl
import pytest

from curate import croissant
from tests.curate.small_runs import built


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return built(tmp_path_factory.mktemp("croissant"))[0]


@pytest.fixture(scope="module")
def read(run):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its parser's own dependencies
        import mlcroissant

        return mlcroissant.Dataset(str(run / "croissant.json"))


def test_mlcroissant_finds_no_error_and_the_recommended_properties_that_a_publisher_adds(read):
    assert not read.metadata.issues.errors
    missing = {warning.split('"')[1].rpartition("/")[2] for warning in read.metadata.issues.warnings}
    assert missing == {"citeAs", "datePublished", "version"}
    assert str(read.metadata.ctx.conforms_to.value) == "http://mlcommons.org/croissant/1.1"


@pytest.mark.filterwarnings("ignore:The inplace keyword:DeprecationWarning")
def test_its_records_are_the_rows_of_the_dataset_and_of_the_ledger(run, read):
    dataset = pl.read_parquet(run / "dataset.parquet")
    examples = list(read.records("examples"))
    assert [row["examples/id"].decode() for row in examples] == dataset["id"].to_list()
    turns = [[turn["examples/messages/content"].decode() for turn in row["examples/messages"]] for row in examples]
    assert turns == [[turn["content"] for turn in row] for row in dataset["messages"]]
    ledger = pl.read_parquet(run / "ledger.parquet")
    assert [row["ledger/rule"].decode() for row in read.records("ledger")] == ledger["rule"].to_list()


def test_each_file_has_its_own_hash_and_size(run):
    described = json.loads((run / "croissant.json").read_bytes())
    assert [file["@id"] for file in described["distribution"]] == ["dataset.jsonl", "dataset.parquet", "ledger.parquet"]
    for file in described["distribution"]:
        content = (run / file["contentUrl"]).read_bytes()
        assert file["sha256"] == hashlib.sha256(content).hexdigest()
        assert file["contentSize"] == f"{len(content)} B"


def test_the_responsible_ai_fields_speak_of_this_run(run, read):
    described = json.loads((run / "croissant.json").read_bytes())
    assert "set (instructions): 1 file, 8 records" in described["rai:dataCollection"]
    assert any(
        line.startswith("empty_output (filters) dropped 1:") for line in described["rai:dataPreprocessingProtocol"]
    )
    assert any("e-mail address: 1" in line for line in described["rai:personalSensitiveInformation"])
    # The reader knows them by these names too.
    assert read.metadata.data_biases == described["rai:dataBiases"]
    assert read.metadata.data_limitations == described["rai:dataLimitations"]


def test_the_context_is_the_standard_one_of_croissant_1_1(read):
    from mlcroissant._src.core.rdf import make_context

    assert make_context(read.metadata.ctx) == croissant.CONTEXT
