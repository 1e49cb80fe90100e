"""The run folder: atomic, locked, and clear when it cannot be written."""

import errno
import json
import multiprocessing
import os
import subprocess

import polars as pl
import pytest

from curate import runs
from curate.errors import RunError
from curate.runs import StageFolder


@pytest.fixture
def folder(tmp_path):
    return StageFolder(2, "filters", tmp_path / "2-filters")


def test_equal_frames_are_equal_bytes(tmp_path):
    frame = pl.DataFrame({"id": ["a", "b", "c"], "n": [1, None, 3]})
    runs.write_parquet(tmp_path / "one.parquet", frame)
    runs.write_parquet(tmp_path / "two.parquet", pl.concat([frame.head(1), frame.tail(2)], rechunk=False))
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "two.parquet").read_bytes()


def test_parts_written_one_by_one_read_back_as_one_frame(tmp_path):
    frame = pl.DataFrame({"id": ["a", "b", "c"], "tags": [["x"], [], None]})
    runs.write_parquet_parts(tmp_path / "all.parquet", frame.schema, (frame[i] for i in range(3)))
    assert pl.read_parquet(tmp_path / "all.parquet").equals(frame)
    runs.write_parquet_parts(tmp_path / "none.parquet", frame.schema, [])
    assert pl.read_parquet(tmp_path / "none.parquet").schema == frame.schema


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path):
    target = tmp_path / "file.json"
    runs.write_json(target, {"old": 1})

    def fail(handle):
        handle.write(b"half")
        raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        runs.write_atomically(target, fail)
    assert [path.name for path in tmp_path.iterdir()] == ["file.json"]
    assert runs.read_json(target) == {"old": 1}


def test_a_full_disk_is_one_line_and_nothing_is_left(tmp_path):
    def fail(handle):
        handle.write(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(RunError, match="the disk is full"):
        runs.write_atomically(tmp_path / "part.parquet", fail)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def small_disk(tmp_path):
    """A real file system of 256 kB."""
    mount = tmp_path / "disk"
    mount.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", mount], capture_output=True, check=False)
    if made.returncode:
        pytest.skip("needs the right to mount a tmpfs")
    yield mount
    subprocess.run(["umount", mount], check=True)


def test_a_really_full_disk_is_one_line_whoever_writes(small_disk):
    frame = pl.DataFrame({"text": [os.urandom(500).hex() for _ in range(2000)]})
    for write in (
        lambda: runs.write_parquet(small_disk / "a.parquet", frame),
        lambda: runs.write_parquet_parts(small_disk / "b.parquet", frame.schema, [frame]),
        lambda: runs.write_text(small_disk / "c.txt", "x" * 1_000_000),
    ):
        with pytest.raises(RunError, match="the disk is full"):
            write()
    assert list(small_disk.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with (
        pytest.raises(RunError, match=r"cannot be written .*Choose another folder with --out"),
        runs.locked(tmp_path / "file"),
    ):
        pass


def hold(run, ready, release):
    with runs.locked(run):
        ready.set()
        release.wait(30)


def test_two_builds_in_one_folder_are_refused_by_name(tmp_path):
    context = multiprocessing.get_context("spawn")
    ready, release = context.Event(), context.Event()
    other = context.Process(target=hold, args=(tmp_path, ready, release))
    other.start()
    assert ready.wait(30)
    with (
        pytest.raises(RunError, match=rf"another build \(process {other.pid}\) is writing here"),
        runs.locked(tmp_path),
    ):
        pass
    release.set()
    other.join()
    with runs.locked(tmp_path):
        pass


def test_parts_of_the_same_fingerprint_stay_and_others_go(folder):
    runs.begin(folder, "one")
    runs.write_parquet(folder.path / "part-0000-00000.parquet", pl.DataFrame({"id": ["a"]}))
    runs.begin(folder, "one")
    assert len(folder.parts) == 1
    runs.begin(folder, "two")
    assert folder.parts == []


def test_a_stage_is_done_only_for_its_own_fingerprint(folder):
    runs.begin(folder, "one")
    assert not runs.is_done(folder, "one")
    runs.finish(folder, "one", rows=3)
    assert runs.is_done(folder, "one")
    assert not runs.is_done(folder, "two")
    assert folder.done == {"fingerprint": "one", "rows": 3}


def test_a_run_that_is_not_finished_says_what_to_do(tmp_path, folder):
    with pytest.raises(RunError, match="it is not a run folder"):
        runs.open_run(tmp_path)
    folder.path.mkdir()
    with pytest.raises(RunError, match="run it again to go on"):
        runs.open_run(tmp_path)


def test_fingerprints_depend_on_values_and_not_on_their_order():
    assert runs.fingerprint({"a": 1, "b": 2}) == runs.fingerprint({"b": 2, "a": 1})
    assert runs.fingerprint({"a": 1}) != runs.fingerprint({"a": 2})


def test_the_fingerprint_of_code_follows_its_imports(tmp_path, monkeypatch):
    before = runs.code_fingerprint("curate.stages.exact")
    sources = {}
    original = runs.Path.read_text
    monkeypatch.setattr(runs.Path, "read_text", lambda path, **how: sources.setdefault(path, original(path, **how)))
    assert runs.code_fingerprint("curate.stages.exact") == before
    by_name = {path.name: path for path in sources}
    assert {"exact.py", "text.py", "record.py"} <= set(by_name)
    sources[by_name["text.py"]] += "\n# changed"
    assert runs.code_fingerprint("curate.stages.exact") != before


def test_json_is_for_people(tmp_path):
    runs.write_json(tmp_path / "x.json", {"name": "Zürich"})
    assert json.loads((tmp_path / "x.json").read_text()) == {"name": "Zürich"}
    assert "Zürich" in (tmp_path / "x.json").read_text()
