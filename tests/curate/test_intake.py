"""Stage 0: tasks, shards, repeated keys, the list of inputs."""

import hashlib
import json

import polars as pl
import pytest

from curate import intake, runs, shards
from curate.build import build
from curate.engines import engine
from curate.progress import silent
from curate.recipe import Recipe


def rows(n):
    return [
        {"instruction": f"Say the number {i} in words.", "output": f"That is the number {i}, in words."}
        for i in range(n)
    ]


def recipe(tmp_path, **files):
    folder = tmp_path / "raw"
    folder.mkdir()
    for name, content in files.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    return Recipe.model_validate(
        {"name": "r", "shard_rows": 4, "sources": {"set": {"kind": "instructions", "path": folder}}}
    )


def read(tmp_path, settings, limit=None):
    work = intake.tasks(settings, limit)
    run = tmp_path / "run"
    run.mkdir(exist_ok=True)
    return intake.read(run, settings, work, engine("local"), silent), run


def test_small_files_share_a_task_and_shards_are_full_but_the_last(tmp_path):
    settings = recipe(tmp_path, a=rows(6), b=rows(5))
    assert len(intake.tasks(settings)) == 1
    _, run = read(tmp_path, settings)
    assert [pl.read_parquet(path).height for path in runs.stage_folders(run)[0].parts] == [4, 4, 3]


def test_large_files_have_tasks_of_their_own(tmp_path, monkeypatch):
    settings = recipe(tmp_path, a=rows(6), b=rows(5))
    monkeypatch.setattr(intake, "TASK_BYTES", 10)
    assert [len(task.units) for task in intake.tasks(settings)] == [1, 1]


def test_long_texts_close_a_shard_early(tmp_path, monkeypatch):
    monkeypatch.setattr(shards, "SHARD_BYTES", 1)
    _, run = read(tmp_path, recipe(tmp_path, a=rows(4)))
    assert [pl.read_parquet(path).height for path in runs.stage_folders(run)[0].parts] == [1, 1, 1, 1]


def test_the_files_are_listed_with_their_hash(tmp_path):
    found, _ = read(tmp_path, recipe(tmp_path, a=rows(2)))
    assert [file["bytes"] for file in found["files"]] == [(tmp_path / "raw/a.json").stat().st_size]
    assert found["files"][0]["sha256"] == hashlib.sha256((tmp_path / "raw/a.json").read_bytes()).hexdigest()


def test_the_form_of_the_files_is_told_with_its_coverage(tmp_path):
    found, _ = read(tmp_path, recipe(tmp_path, a=rows(2), b=[*rows(3), {"instruction": "No answer."}]))
    assert found["forms"] == [
        {"source": "set", "kind": "instructions", "form": "alpaca", "files": 2, "rows": 6, "covered": 5}
    ]
    assert intake.described(found["forms"][0]) == "set: 2 files of instructions, alpaca; 5 of 6 records looked at fit"


def test_a_changed_file_is_read_again_and_an_unchanged_one_is_not(tmp_path):
    settings = recipe(tmp_path, a=rows(2))
    _, run = read(tmp_path, settings)
    stamp = (run / "0-source/done.json").stat().st_mtime_ns
    read(tmp_path, settings)
    assert (run / "0-source/done.json").stat().st_mtime_ns == stamp
    (tmp_path / "raw/a.json").write_text(json.dumps(rows(3)))
    read(tmp_path, settings)
    assert pl.read_parquet(run / "inputs.parquet").height == 3


def test_a_limit_counts_the_examples_of_each_source(tmp_path):
    _, run = read(tmp_path, recipe(tmp_path, a=rows(6), b=rows(5)), limit=3)
    assert pl.read_parquet(run / "inputs.parquet")["key"].to_list() == ["a.json:1", "a.json:2", "a.json:3"]


POSTS = """<?xml version="1.0" encoding="utf-8"?>
<posts>
  <row Id="1" PostTypeId="1" Score="3" CreationDate="2015-01-01T00:00:00.000" Title="Why is the sky blue?" Body="&lt;p&gt;Why?&lt;/p&gt;" />
  <row Id="2" PostTypeId="2" ParentId="1" Score="9" CreationDate="2015-01-01T00:00:00.000" Body="&lt;p&gt;It scatters.&lt;/p&gt;" />
  <row Id="3" PostTypeId="1" Score="3" CreationDate="2015-01-01T00:00:00.000" Title="Why is grass green?" Body="&lt;p&gt;Why?&lt;/p&gt;" />
  <row Id="2" PostTypeId="2" ParentId="3" Score="4" CreationDate="2015-01-01T00:00:00.000" Body="&lt;p&gt;It reflects.&lt;/p&gt;" />
</posts>
"""


@pytest.mark.parametrize("shard_rows", [1, 10])
def test_a_record_whose_key_came_before_is_set_apart_and_the_books_balance(tmp_path, shard_rows):
    (tmp_path / "physics").mkdir()
    (tmp_path / "physics/Posts.xml").write_text(POSTS)
    settings = Recipe.model_validate(
        {
            "name": "r",
            "shard_rows": shard_rows,
            "sources": {"se": {"kind": "stackexchange", "path": tmp_path / "physics/Posts.xml"}},
        }
    )
    summary = build(settings, tmp_path / "run")
    assert summary["inputs"] == 2
    ledger = pl.read_parquet(tmp_path / "run/ledger.parquet").filter(pl.col("rule") == "repeated_key")
    kept = pl.read_parquet(tmp_path / "run/inputs.parquet").filter(pl.col("key") == "physics.stackexchange.com/a/2")
    assert ledger["other"].to_list() == kept["id"].to_list()


def test_a_crash_while_repeated_keys_are_moved_loses_none(tmp_path, monkeypatch):
    """The moved records are written before any part is shortened: stopping between the two and going on is safe."""
    (tmp_path / "physics").mkdir()
    (tmp_path / "physics/Posts.xml").write_text(POSTS)
    settings = Recipe.model_validate(
        {"name": "r", "sources": {"se": {"kind": "stackexchange", "path": tmp_path / "physics/Posts.xml"}}}
    )
    write = runs.write_parquet

    def stop_after_the_target(path, frame):
        write(path, frame)
        if path.name == "rejects-repeated.parquet":
            raise KeyboardInterrupt

    monkeypatch.setattr(runs, "write_parquet", stop_after_the_target)
    with pytest.raises(KeyboardInterrupt):
        build(settings, tmp_path / "run")
    monkeypatch.setattr(runs, "write_parquet", write)
    build(settings, tmp_path / "run")
    ledger = pl.read_parquet(tmp_path / "run/ledger.parquet")
    assert ledger.filter(pl.col("stage") == "source")["rule"].to_list() == ["repeated_key"]
