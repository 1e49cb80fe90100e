"""What holds for every stage, every source and every engine, on the embedded sample."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from curate import corpus as corpora
from curate import recipe as recipes
from curate import runs
from curate.build import build
from curate.errors import RunError
from curate.record import EXAMPLE, INPUT, VERDICT
from curate.sources import RULES as SOURCE_RULES
from curate.sources import SOURCES
from curate.stages import STAGES

OUTPUTS = (
    "dataset.jsonl",
    "dataset.parquet",
    "ledger.parquet",
    "inputs.parquet",
    "recipe.yaml",
    "baselines/random.jsonl",
)
SMALL_SHARDS = ("shard_rows=25",)


@pytest.fixture(scope="session")
def sample():
    return recipes.load("sample", SMALL_SHARDS)


@pytest.fixture(scope="session")
def built(sample, tmp_path_factory):
    """The sample, built once in shards of 25 on the local engine."""
    run = tmp_path_factory.mktemp("runs") / "sample"
    build(sample, run)
    return run


def digest(run):
    return {name: (run / name).read_bytes() for name in OUTPUTS}


def shards(built):
    return [pl.read_parquet(path) for path in runs.stage_folders(built)[1].parts]


def test_every_input_is_kept_or_dropped_and_never_both(built):
    inputs = set(pl.read_parquet(built / "inputs.parquet")["id"])
    kept = set(pl.read_parquet(built / "dataset.parquet")["id"])
    dropped = set(pl.read_parquet(built / "ledger.parquet")["id"])
    assert kept | dropped == inputs
    assert not kept & dropped
    assert kept


def test_files_have_their_schemas(built):
    assert pl.read_parquet_schema(built / "inputs.parquet") == INPUT
    assert pl.read_parquet_schema(built / "ledger.parquet") == VERDICT
    assert pl.read_parquet_schema(runs.stage_folders(built)[0].parts[0]) == EXAMPLE


@pytest.mark.parametrize("name", STAGES)
def test_measuring_is_row_local(name, sample, built):
    """Halves measured apart equal the whole measured at once; ids and their order stay; the input is not changed."""
    stage, settings = STAGES[name], getattr(sample, name)
    for shard in (pl.read_parquet(path) for path in runs.stage_folders(built)[0 if name == "clean" else 1].parts[:4]):
        before = shard.clone()
        whole = stage.measure(shard, settings)
        halves = [stage.measure(half, settings) for half in (shard.head(7), shard.slice(7))]
        assert whole.equals(pl.concat(halves))
        assert whole["id"].equals(shard["id"])
        assert shard.equals(before)


@pytest.mark.parametrize("name", STAGES)
def test_an_empty_shard_keeps_the_stages_schema(name, sample, built):
    stage, settings = STAGES[name], getattr(sample, name)
    shard = pl.read_parquet(runs.stage_folders(built)[0 if name == "clean" else 1].parts[0])
    assert stage.measure(shard.head(0), settings).schema == stage.measure(shard, settings).schema


@pytest.mark.parametrize("name", STAGES)
def test_deciding_does_not_depend_on_the_order_of_rows(name, sample, built):
    folder = next(folder for folder in runs.stage_folders(built) if folder.name == name)
    corpus = corpora.read(built, folder, STAGES[name].NEEDS)
    one, two = (
        STAGES[name].decide(rows, getattr(sample, name))
        for rows in (corpus, corpus.sample(fraction=1.0, shuffle=True, seed=3))
    )
    order = ["id", "rule"]
    assert one.verdicts.sort(order).equals(two.verdicts.sort(order))
    assert one.scores.sort("id").equals(two.scores.sort("id"))


def test_deciding_sees_numbers_and_labels_but_no_text():
    for stage in STAGES.values():
        assert not {"prompt", "response", "system", "history", "title"} & set(stage.NEEDS)


def test_every_rule_is_a_sentence():
    for rules in (SOURCE_RULES, *(stage.RULES for stage in STAGES.values())):
        assert [sentence for sentence in rules.values() if not sentence.endswith((".", ")"))] == []


def test_every_verdict_is_by_a_declared_rule(built):
    from curate.report.numbers import RULES

    ledger = pl.read_parquet(built / "ledger.parquet")
    for stage, rule in ledger.select("stage", "rule").unique().iter_rows():
        assert rule in RULES[stage]


@pytest.mark.parametrize("name", recipes.load("sample").active)
def test_every_source_gives_each_record_once_with_a_readable_key(name, sample, tmp_path):
    settings, keys = sample.active[name], []
    source = SOURCES[settings.kind]
    for unit in source.units(settings):
        for batch in source.load(name, unit, settings, tmp_path):
            assert batch.examples["license"].dtype == pl.String
            keys += [*batch.examples["key"], *batch.rejects["key"]]
    assert len(keys) == len(set(keys)) > 10


@pytest.mark.parametrize("engine", ["processes", pytest.param("ray", marks=pytest.mark.slow)])
def test_every_engine_gives_the_same_bytes(engine, sample, built, tmp_path):
    build(sample, tmp_path / "run", engine=engine, workers=2)
    assert digest(tmp_path / "run") == digest(built)


def test_the_size_of_shards_changes_nothing_that_is_published(built, tmp_path):
    whole = recipes.load("sample", ("shard_rows=100000",))
    build(whole, tmp_path / "run")
    assert (tmp_path / "run/dataset.jsonl").read_bytes() == (built / "dataset.jsonl").read_bytes()
    ledgers = [pl.read_parquet(run / "ledger.parquet").sort("id", "rule") for run in (built, tmp_path / "run")]
    assert ledgers[0].equals(ledgers[1])


def test_a_second_build_runs_no_stage_again(sample, built):
    times = [folder.done["seconds"] for folder in runs.stage_folders(built)[1:]]
    stamps = [(folder.path / "done.json").stat().st_mtime_ns for folder in runs.stage_folders(built)]
    before = digest(built)
    build(sample, built)
    assert [(folder.path / "done.json").stat().st_mtime_ns for folder in runs.stage_folders(built)] == stamps
    assert [folder.done["seconds"] for folder in runs.stage_folders(built)[1:]] == times
    assert digest(built) == before


def test_a_changed_setting_repeats_its_stage_and_those_after_it(built, tmp_path):
    run = tmp_path / "run"
    build(recipes.load("sample", SMALL_SHARDS), run)
    stamps = {folder.name: (folder.path / "done.json").stat().st_mtime_ns for folder in runs.stage_folders(run)}
    build(recipes.load("sample", (*SMALL_SHARDS, "exact.of=response")), run)
    again = {folder.name: (folder.path / "done.json").stat().st_mtime_ns for folder in runs.stage_folders(run)}
    assert [name for name in stamps if again[name] != stamps[name]] == [*STAGES][list(STAGES).index("exact") :]
    build(recipes.load("sample", SMALL_SHARDS), run)
    assert digest(run) == digest(built)


def test_a_moved_limit_decides_anew_without_measuring_again(built, tmp_path):
    run = tmp_path / "run"
    build(recipes.load("sample", SMALL_SHARDS), run)
    stamps = {path: path.stat().st_mtime_ns for path in run.glob("*-filters/part-*.parquet")}
    moved = recipes.load("sample", (*SMALL_SHARDS, "filters.profiles.wikihow.min_chars=900"))
    summary = build(moved, run)
    assert {path: path.stat().st_mtime_ns for path in run.glob("*-filters/part-*.parquet")} == stamps
    build(moved, tmp_path / "afresh")
    assert digest(run) == digest(tmp_path / "afresh") != digest(built)
    assert any(row["rule"] == "min_chars" and row["dropped"] > 16 for row in summary["rules"])


def test_a_corpus_that_has_grown_is_measured_where_it_is_new(sample, built, tmp_path):
    """One source more, and its texts drop some that were kept before: rows known from the first build are not measured again."""
    extra = tmp_path / "extra.jsonl"
    copies = (built / "dataset.jsonl").read_text().splitlines()[:20]
    breads = [("Bake", "rye"), ("Plan", "spelt"), ("Buy", "wheat"), ("Toast", "oats")]
    new = [
        {
            "instruction": f"{verb} bread for {n}.",
            "output": f"For {n} people take {n * 80} grams of {grain} and bake it well.",
        }
        for n, (verb, grain) in enumerate(breads, start=3)
    ]
    extra.write_text("\n".join(copies))
    (tmp_path / "more.jsonl").write_text("\n".join(map(json.dumps, new)))
    run, grown = tmp_path / "run", (*SMALL_SHARDS, f"sources.copies={{kind: instructions, path: {extra}}}")
    grown = (*grown, f"sources.new={{kind: instructions, path: {tmp_path / 'more.jsonl'}}}")
    build(sample, run)
    rows = {folder.name: folder.done["rows"] for folder in runs.stage_folders(run)[1:]}
    build(recipes.load("sample", grown), run)
    for folder in runs.stage_folders(run)[1:]:
        # A copy with the smaller id may have taken the place of what was known.
        assert rows[folder.name] >= folder.done["taken_over"] >= rows[folder.name] - len(copies), folder.name
        assert folder.done["rows"] > folder.done["taken_over"], folder.name
        assert not list(folder.path.glob("earlier-*"))
    build(recipes.load("sample", grown), tmp_path / "afresh")
    assert digest(run) == digest(tmp_path / "afresh") != digest(built)


def test_a_changed_text_is_measured_anew(tmp_path):
    """The same ids in the same file, one text changed: nothing of the old shard is taken over."""
    data = tmp_path / "set.jsonl"
    settings = recipes.load("instructions", (f"sources.set.path={data}",))
    for answer in ("Water boils at 100 degrees.", "Water boils at 90 degrees up there."):
        data.write_text(json.dumps({"instruction": "When does water boil?", "output": answer}))
        build(settings, tmp_path / "run")
    assert all(folder.done["taken_over"] == 0 for folder in runs.stage_folders(tmp_path / "run")[1:])
    assert "up there" in (tmp_path / "run/dataset.jsonl").read_text()


def start(run: Path, engine: str, *more: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "curate", "build", "sample", "-s", "shard_rows=10", "--out", str(run)]
    command += ["--engine", engine, *more]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)


def wait_until(come: Callable[[], bool], process: subprocess.Popen) -> None:
    until = time.monotonic() + 120
    while not come() and process.poll() is None:
        assert time.monotonic() < until, "the build hangs"
        # Not a loop without rest: the build needs the processor.
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.002)


# Moments of a build, by the file that has just appeared.
MOMENTS = [
    "0-source/task-0000.json",
    "0-source/done.json",
    "*-clean/part-0000-00003.parquet",
    "*-filters/part-0001-00000.parquet",
    "*-filters/verdicts.parquet",
    "*-near/part-0000-00001.parquet",
    "*-select/begun.json",
    "ledger.parquet",
]


@pytest.mark.parametrize("engine", ["local", "processes", pytest.param("ray", marks=pytest.mark.long)])
def test_killed_at_any_moment_it_goes_on_and_ends_in_the_same_bytes(engine, tmp_path):
    """One folder, killed again and again at later and later moments, against one that ran through."""
    run, through = tmp_path / "killed", tmp_path / "through"
    kills = 0
    for moment in {"local": MOMENTS, "processes": MOMENTS[2:5:2], "ray": MOMENTS[3:4]}[engine]:
        process = start(run, engine)
        wait_until(lambda moment=moment: any(run.glob(moment)), process)
        os.killpg(process.pid, signal.SIGKILL)
        kills += process.wait() == -signal.SIGKILL
    # A build that was over before its moment came would prove nothing.
    assert kills
    assert start(run, engine).wait() == 0
    assert start(through, "local").wait() == 0
    assert digest(run) == digest(through)
    assert not [path for path in run.rglob("*") if path.name.endswith(".tmp") or path.name.startswith("scratch")]


def test_an_interrupted_build_does_not_claim_to_be_finished(tmp_path):
    run = tmp_path / "run"
    assert start(run, "local").wait() == 0
    assert json.loads((run / "manifest.json").read_bytes())["kept"] > 0
    process = start(run, "local", "-s", "clean.skip=[links]")
    wait_until(lambda: not (run / "manifest.json").exists(), process)
    process.kill()
    process.wait()
    with pytest.raises(runs.RunError, match="its build has not finished"):
        runs.open_run(run)


def mounted(folder: Path, options: str) -> None:
    """A real file system in memory, mounted or mounted anew with other options; the test skips without the right to."""
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a tmpfs")


@pytest.fixture
def disk(tmp_path):
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted(folder, "size=300k")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk_loses_nothing_and_the_build_goes_on_when_there_is_room(disk, sample, built):
    with pytest.raises(RunError, match="the disk is full"):
        build(sample, disk / "run")
    finished = {path.relative_to(disk): path.stat().st_mtime_ns for path in disk.rglob("part-*.parquet")}
    assert finished
    mounted(disk, "remount,size=50m")
    build(sample, disk / "run")
    assert digest(disk / "run") == digest(built)
    assert {path: (disk / path).stat().st_mtime_ns for path in finished} == finished


def test_a_read_only_folder_is_one_line(disk, sample):
    mounted(disk, "remount,ro")
    with pytest.raises(RunError, match=r"cannot be written .*Choose another folder with --out"):
        build(sample, disk / "run")
