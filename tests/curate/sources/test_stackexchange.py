import html
import random
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
import py7zr
import pytest
from hypothesis import given
from hypothesis import settings as examples_of
from hypothesis import strategies as st
from lxml import etree

from curate.errors import InputError
from curate.record import Batch, example_id
from curate.sources import RULES, stackexchange
from curate.sources.stackexchange import Settings, load, sites, sniff, units
from tests.curate.sources import reading

Row = dict[str, str | int]


def question(number: int, **more: str | int) -> Row:
    return {"Id": number, "PostTypeId": 1, "CreationDate": "2014-01-21T20:26:05.383", "Score": 1,
            "Body": f"<p>Body of {number}?</p>", "Title": f"Title {number}", "Tags": "<a><b-c>", **more}  # fmt: skip


def answer(number: int, parent: int, score: int, **more: str | int) -> Row:
    return {"Id": number, "PostTypeId": 2, "ParentId": parent, "CreationDate": "2014-01-22T00:00:00.000",
            "Score": score, "Body": f"<p>Answer {number}</p>", **more}  # fmt: skip


def document(rows: list[Row]) -> bytes:
    written = [
        "  <row " + " ".join(f'{name}="{html.escape(str(value))}"' for name, value in row.items()) + " />"
        for row in rows
    ]
    return ("\r\n".join(['\ufeff<?xml version="1.0" encoding="utf-8"?>', "<posts>", *written, "</posts>"])).encode()


def write(folder: Path, rows: list[Row], site: str = "beer.stackexchange.com") -> Path:
    path = folder / site / "Posts.xml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(document(rows))
    return path


def read(path: Path, **more: Any) -> Batch:
    return reading.read("se", kind="stackexchange", path=path, **more)


def fates(path: Path, **more: Any) -> dict[str, str]:
    """What became of each row: its key, and `example` or the rule."""
    batch = read(path, **more)
    return dict.fromkeys(batch.examples["key"], "example") | dict(batch.rejects.select("key", "rule").iter_rows())


def test_the_best_answer_becomes_an_example_with_all_its_fields(tmp_path: Path) -> None:
    rows = [question(1, AcceptedAnswerId=3, ClosedDate="2015-01-01T00:00:00"), answer(2, 1, 4), answer(3, 1, 9)]
    batch = read(write(tmp_path, rows), prompt_from="title")
    assert batch.examples.to_dicts() == [
        {
            "id": example_id("se", "beer.stackexchange.com/a/3"),
            "source": "se",
            "key": "beer.stackexchange.com/a/3",
            "file": "Posts.xml",
            "position": 3,
            "license": "CC-BY-SA-3.0",
            "url": "https://beer.stackexchange.com/a/3",
            "group": "other",
            "stratum": "beer.stackexchange.com",
            "system": None,
            "history": [],
            "prompt": "Title 1",
            "response": "<p>Answer 3</p>",
            "prompt_role": None,
            "markup": "html",
            "title": "Title 1",
            "context_chars": len("Body of 1?"),
            "score": 9,
            "date": "2014-01-22T00:00:00.000",
            "tags": ["a", "b-c"],
            "flags": ["closed", "accepted"],
        }
    ]
    (rejected,) = batch.rejects.select("key", "rule", "value", "limit", "other", "position").rows()
    assert rejected == ("beer.stackexchange.com/a/2", "not_best_answer", 4.0, 9.0, batch.examples["id"][0], 2)


def test_equal_scores_are_decided_by_acceptance_then_by_id(tmp_path: Path) -> None:
    rows = [
        *(question(1, AcceptedAnswerId=12), answer(11, 1, 5), answer(12, 1, 5), answer(10, 1, 4)),
        *(question(2), answer(21, 2, -3), answer(20, 2, -3)),
        # 10 is more than 9 as a number only.
        *(question(3), answer(30, 3, 9), answer(31, 3, 10)),
    ]
    assert read(write(tmp_path, rows)).examples["key"].str.split("/").list.last().to_list() == ["12", "20", "31"]


def test_every_other_row_is_rejected_by_name(tmp_path: Path) -> None:
    rows: list[Row] = [
        question(1),
        answer(2, 77, 3),
        {"Id": 3, "PostTypeId": 5, "Body": ""},
        {"Id": "four", "PostTypeId": 1},
        {"PostTypeId": 1},
        answer(6, 1, 3) | {"Score": "3.5"},
        {"Id": 7, "PostTypeId": 2, "Score": 1, "Body": "no parent"},
    ]
    batch = read(write(tmp_path, rows))
    assert batch.examples.height == 0
    assert batch.rejects.sort("position").select("key", "rule", "position", "value", "detail").rows() == [
        ("beer.stackexchange.com/q/1", "no_answer", 1, None, None),
        ("beer.stackexchange.com/a/2", "no_question", 2, None, "its question 77 is not in Posts.xml"),
        ("beer.stackexchange.com/posts/3", "not_a_post", 3, 5.0, None),
        ("beer.stackexchange.com/Posts.xml:4", "unreadable", 4, None, "Id is 'four', not an integer"),
        ("beer.stackexchange.com/Posts.xml:5", "unreadable", 5, None, "the row has no Id"),
        ("beer.stackexchange.com/Posts.xml:6", "unreadable", 6, None, "Score is '3.5', not an integer"),
        ("beer.stackexchange.com/Posts.xml:7", "unreadable", 7, None, "the row has no ParentId"),
    ]
    assert set(batch.rejects["rule"]) <= set(RULES)


def test_a_malformed_row_is_unreadable_and_the_rest_is_read(tmp_path: Path) -> None:
    path = write(tmp_path, [question(1), answer(2, 1, 3)])
    path.write_bytes(path.read_bytes().replace(b"</posts>", b'<row Id="9" PostTypeId="2" Body="a & b" />\n</posts>'))
    batch = read(path)
    assert batch.examples.height == 1
    assert batch.rejects.select("rule", "position").rows() == [("unreadable", 3)]
    assert batch.rejects["detail"][0].startswith("not well-formed XML")


def test_a_repeated_post_counts_once(tmp_path: Path) -> None:
    rows = [question(1), answer(2, 1, 3), question(1, Title="Again"), answer(2, 1, 8)]
    batch = read(write(tmp_path, rows), prompt_from="title")
    assert batch.examples.select("key", "prompt", "score").rows() == [("beer.stackexchange.com/a/2", "Title 1", 3)]
    assert batch.rejects.select("key", "rule").rows() == [
        ("beer.stackexchange.com/q/1#Posts.xml:3", "repeated_key"),
        ("beer.stackexchange.com/a/2#Posts.xml:4", "repeated_key"),
    ]


def test_both_tag_spellings_and_no_tags_are_understood(tmp_path: Path) -> None:
    spellings = ["<c++><.net>", "|c++|.net|", ""]
    rows = [row for n, tags in enumerate(spellings) for row in (question(n, Tags=tags), answer(n + 10, n, 1))]
    assert read(write(tmp_path, rows)).examples["tags"].to_list() == [["c++", ".net"], ["c++", ".net"], []]


def test_the_licence_is_the_rows_own_or_follows_from_its_date(tmp_path: Path) -> None:
    dates = ["2011-04-07T23:59:59.999", "2011-04-08T00:00:00.000", "2018-05-01T23:59:59.999", "2018-05-02T00:00:00.000"]
    rows = [row for n, date in enumerate(dates) for row in (question(n), answer(n + 10, n, 1, CreationDate=date))]
    rows += [question(9), answer(19, 9, 1, ContentLicense="CC BY-SA 4.0")]
    versions = ["2.5", "3.0", "3.0", "4.0", "4.0"]
    assert read(write(tmp_path, rows)).examples["license"].to_list() == [f"CC-BY-SA-{version}" for version in versions]


def test_the_prompt_is_the_part_of_the_question_that_was_asked_for(tmp_path: Path) -> None:
    path = write(tmp_path, [question(1, Title="Is a<b & c?", Body="<p>Well?</p>"), answer(2, 1, 3)])
    expected = {
        "title": ("Is a&lt;b &amp; c?", 5),
        "body": ("<p>Well?</p>", 0),
        "title_and_body": ("<p>Is a&lt;b &amp; c?</p>\n\n<p>Well?</p>", 0),
    }
    for prompt_from, prompt in expected.items():
        examples = read(path, prompt_from=prompt_from).examples
        assert examples.select("prompt", "context_chars").rows() == [prompt]
        assert examples["title"].to_list() == ["Is a<b & c?"]


def test_a_body_without_text_is_no_prompt(tmp_path: Path) -> None:
    path = write(tmp_path, [question(1, Body='<img src="x">'), answer(2, 1, 3)])
    assert read(path, prompt_from="body").examples["prompt"].to_list() == ["Title 1"]


def test_random_prompts_depend_on_the_seed_and_are_the_same_for_all_answers(tmp_path: Path) -> None:
    rows = [row for n in range(40) for row in (question(n), answer(2 * n + 100, n, 1), answer(2 * n + 101, n, 2))]
    path = write(tmp_path, rows)
    titles = {seed: read(path, seed=seed).examples["prompt"].str.starts_with("Title").to_list() for seed in (0, 1)}
    assert 8 < sum(titles[0]) < 32
    assert titles[0] != titles[1]
    every = read(path, answers="all").examples
    assert every.height == 80
    assert every["prompt"].str.starts_with("Title").to_list() == [chosen for chosen in titles[0] for _ in range(2)]


def test_the_site_is_named_by_folder_or_archive_or_setting(tmp_path: Path) -> None:
    names = {
        "beer": "beer.stackexchange.com",
        "stackoverflow.com-Posts": "stackoverflow.com",
        "askubuntu": "askubuntu.com",
        "pt.stackoverflow.com": "pt.stackoverflow.com",
        "beer.meta.stackexchange.com": "beer.meta.stackexchange.com",
        "mathoverflow.net": "mathoverflow.net",
    }
    assert {name: sites.address(name) for name in names} == names
    path = write(tmp_path, [question(1), answer(2, 1, 3)], site="dump")
    assert read(path, site="physics").examples.select("stratum", "group").rows() == [
        ("physics.stackexchange.com", "stem")
    ]


def test_no_site_is_in_both_groups_and_the_groups_have_the_papers_proportion() -> None:
    assert not sites.STEM & sites.OTHER
    assert len(sites.STEM | sites.OTHER) > 170
    groups = {
        name: sites.group(sites.address(name)) for name in ("math", "stackoverflow", "cooking", "math.meta", "nosuch")
    }
    assert groups == {
        "math": "stem",
        "stackoverflow": "stem",
        "cooking": "other",
        "math.meta": "other",
        "nosuch": "other",
    }


def test_a_folder_may_mix_sites_archives_and_stack_overflows_tables(tmp_path: Path) -> None:
    write(tmp_path, [question(1), answer(2, 1, 3)], site="beer")
    for name in ("physics.stackexchange.com", "stackoverflow.com-Posts", "stackoverflow.com-Votes"):
        with py7zr.SevenZipFile(tmp_path / f"{name}.7z", "w") as archive:
            archive.writestr(document([question(1), answer(2, 1, 3)]), "Posts.xml")
    (tmp_path / "readme.txt").write_text("not a dump")
    examples = read(tmp_path).examples
    assert examples.select("key", "file").rows() == [
        ("beer.stackexchange.com/a/2", "beer/Posts.xml"),
        ("physics.stackexchange.com/a/2", "physics.stackexchange.com.7z"),
        ("stackoverflow.com/a/2", "stackoverflow.com-Posts.7z"),
    ]
    assert read(tmp_path / "stackoverflow.com-Posts.7z").examples["file"].to_list() == ["stackoverflow.com-Posts.7z"]


def test_paths_that_hold_no_dump_are_refused(tmp_path: Path) -> None:
    def refusal(path: Path) -> str:
        with pytest.raises(InputError) as caught:
            units(Settings(kind="stackexchange", path=path))
        return str(caught.value)

    assert "no such file or folder" in refusal(tmp_path / "none")
    assert "no Stack Exchange dump in it; expected <site>/Posts.xml or <site>.7z" in refusal(tmp_path)
    votes = tmp_path / "stackoverflow.com-Votes.7z"
    votes.touch()
    assert "the archive of table Votes; expected the one that ends in -Posts.7z" in refusal(votes)
    write(tmp_path, [], site="beer")
    (tmp_path / "beer.7z").touch()
    assert "are both beer.stackexchange.com; a site can be read once" in refusal(tmp_path)


def test_truncated_files_are_errors_in_both_forms(tmp_path: Path) -> None:
    rows = [question(n) for n in range(200)]
    path = write(tmp_path, rows)
    path.write_bytes(document(rows)[:9000])
    with pytest.raises(InputError, match=r"Posts\.xml: the file ends at byte 9000, line \d+ without </posts>"):
        read(path)
    with py7zr.SevenZipFile(tmp_path / "beer.7z", "w") as archive:
        archive.writestr(document(rows)[:9000], "Posts.xml")
    with pytest.raises(InputError, match=r"beer\.7z: the file ends at byte 9000"):
        read(tmp_path / "beer.7z")
    (tmp_path / "beer.7z").write_bytes((tmp_path / "beer.7z").read_bytes()[:300])
    with pytest.raises(InputError, match=r"beer\.7z: truncated: ends at byte 300 of"):
        read(tmp_path / "beer.7z")


def test_stopping_early_leaves_no_thread_and_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stackexchange, "BUCKET_BYTES", 1000)
    with py7zr.SevenZipFile(tmp_path / "beer.7z", "w") as archive:
        archive.writestr(document([{"Id": 0, "PostTypeId": 4}, *(question(n) for n in range(1, 50))]), "Posts.xml")
    settings = Settings(kind="stackexchange", path=tmp_path / "beer.7z")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    before = threading.active_count()
    batches = load("se", (settings.path,), settings, scratch)
    assert next(batches).rejects.height == 1
    assert any(scratch.iterdir())
    batches.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before
    assert list(scratch.iterdir()) == []


def test_a_file_is_recognised_by_its_posts(tmp_path: Path) -> None:
    path = write(tmp_path, [question(1), answer(2, 1, 3), {"Id": 3, "PostTypeId": 5}], site="dump")
    found = sniff(path)
    assert found is not None
    assert found[:4] == ("stackexchange", "Posts.xml", 3, 2)
    assert found.detail == "dump.stackexchange.com (other; no site known here, so name it in `site`)"
    (tmp_path / "Users.xml").write_text('<users><row Id="1" /></users>')
    (tmp_path / "a.csv").write_text("Id,Body\n")
    assert sniff(tmp_path / "Users.xml") is None
    assert sniff(tmp_path / "a.csv") is None
    with py7zr.SevenZipFile(tmp_path / "physics.7z", "w") as archive:
        archive.writestr(path.read_bytes(), "Posts.xml")
    assert sniff(tmp_path / "physics.7z") == (
        *("stackexchange", "Posts.xml in a 7z archive", 3, 2, "physics.stackexchange.com (stem)"),
    )


# Ids are drawn apart for questions (below 20) and answers; the same post never comes twice.
POSTS = st.lists(
    st.one_of(
        st.builds(question, st.integers(1, 19), AcceptedAnswerId=st.integers(20, 60)),
        st.builds(answer, st.integers(20, 60), st.integers(1, 19), st.integers(-2, 3)),
        st.builds(lambda n: {"Id": n, "PostTypeId": 4}, st.integers(61, 70)),
    ),
    unique_by=lambda row: row["Id"],
    max_size=40,
)


@examples_of(deadline=None, max_examples=25)
@given(POSTS, st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_no_fate_and_every_row_has_one(rows: list[Row], order: random.Random) -> None:
    with TemporaryDirectory() as folder:
        before = read(write(Path(folder), rows))
        shuffled = order.sample(rows, len(rows))
        after = read(write(Path(folder), shuffled))
    for first, second in zip(before, after, strict=True):
        assert first.drop("position").sort("id").equals(second.drop("position").sort("id"))
    answered = before.examples.height
    assert before.examples.height + before.rejects.height + answered == len(rows)
    positions = [*before.examples["position"], *before.rejects["position"]]
    assert len(set(positions)) == len(positions)


@examples_of(deadline=None, max_examples=25)
@given(POSTS)
def test_the_number_of_buckets_changes_no_fate(rows: list[Row]) -> None:
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        path = write(Path(folder), rows)
        one = read(path)
        patch.setattr(stackexchange, "BUCKET_BYTES", -(-path.stat().st_size // 7))
        seven = read(path)
    for first, second in zip(one, seven, strict=True):
        assert first.sort("id").equals(second.sort("id"))


@pytest.mark.parametrize("site", ["beer", "quantumcomputing"])
def test_every_post_of_a_real_site_is_accounted_for_once(shared_data: Callable[[str], Path], site: str) -> None:
    path = shared_data(f"raw/stackexchange/{site}/Posts.xml")
    batch = read(path.parent.parent / site)
    rows = [dict(row.attrib) for row in etree.parse(path).getroot()]
    types = Counter(row["PostTypeId"] for row in rows)
    questions = {row["Id"] for row in rows if row["PostTypeId"] == "1"}
    answers = [row for row in rows if row["PostTypeId"] == "2"]
    answered = {row["ParentId"] for row in answers} & questions
    expected = {
        "not_a_post": types.total() - types["1"] - types["2"],
        "no_answer": len(questions) - len(answered),
        "no_question": sum(row["ParentId"] not in questions for row in answers),
        "not_best_answer": sum(row["ParentId"] in questions for row in answers) - len(answered),
    }
    assert batch.examples.height == len(answered)
    assert Counter(batch.rejects["rule"]) == {rule: n for rule, n in expected.items() if n}
    assert batch.examples.height + batch.rejects.height + len(answered) == len(rows)
    best = {key: max(int(row["Score"]) for row in answers if row["ParentId"] == key) for key in answered}
    assert sorted(batch.examples["score"]) == sorted(best.values())
    ids = pl.concat([batch.examples["id"], batch.rejects["id"]])
    assert ids.is_unique().all()


def test_the_reference_answer_of_lima_is_among_the_examples(shared_data: Callable[[str], Path]) -> None:
    path = shared_data("raw/stackexchange/quantumcomputing/Posts.xml")
    assert fates(path)["quantumcomputing.stackexchange.com/a/1810"] == "example"
