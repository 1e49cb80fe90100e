import pytest

from curate.errors import InputError
from curate.review import saved, store


@pytest.fixture
def log(tmp_path):
    with store.opened(tmp_path / "decisions.sqlite") as connection:
        yield connection


def test_a_saved_queue_keeps_the_order_and_each_content_once(log):
    assert saved.save(log, "lasso", ["c", "a", "c", "b"]) == 3
    assert saved.contents(log, "lasso") == ["c", "a", "b"]
    assert saved.saved(log) == {"lasso": 3}


def test_a_second_queue_of_a_name_takes_the_place_of_the_first(log):
    saved.save(log, "lasso", ["a", "b"])
    saved.save(log, " lasso ", ["c"])
    assert saved.contents(log, "lasso") == ["c"]


def test_a_removed_queue_is_gone_and_the_others_stay(log):
    saved.save(log, "one", ["a"])
    saved.save(log, "two", ["b"])
    saved.remove(log, "one")
    assert saved.saved(log) == {"two": 1}


def test_a_log_without_queues_has_none_and_names_what_there_is(log):
    assert saved.saved(log) == {}
    saved.remove(log, "nothing")
    with pytest.raises(InputError, match="no saved queue 'lasso'"):
        saved.contents(log, "lasso")
    saved.save(log, "lasso 1", ["a"])
    with pytest.raises(InputError, match="Did you mean 'lasso 1'"):
        saved.contents(log, "lasso")


@pytest.mark.parametrize(
    ("name", "contents", "said"), [("", ["a"], "0 characters"), ("x" * 61, ["a"], "61"), ("x", [], "empty")]
)
def test_a_queue_without_a_name_or_contents_is_refused(log, name, contents, said):
    with pytest.raises(InputError, match=said):
        saved.save(log, name, contents)


def test_a_file_names_the_contents_of_a_queue_and_a_line_without_one_is_refused(tmp_path):
    path = tmp_path / "next.jsonl"
    path.write_text('{"content": "b", "why": "taught"}\n{"content": "a"}\n')
    assert saved.read(path) == ["b", "a"]
    path.write_text('{"content": "b"}\n{"id": "a"}\n')
    with pytest.raises(InputError, match=r"next\.jsonl:2: no content"):
        saved.read(path)
    with pytest.raises(InputError, match="no such file"):
        saved.read(tmp_path / "absent.jsonl")
