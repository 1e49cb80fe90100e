"""What the queues say, in both languages."""

import re
import tomllib
from pathlib import Path
from string import Formatter

import polars as pl
import pytest

from curate.desk import phrases as module
from curate.desk.phrases import LANGUAGES, filled, number, phrases
from curate.desk.queues import QUEUES, queue
from curate.errors import InputError
from curate.review.log import DECISIONS
from curate.review.store import opened
from tests.curate.review_desks import desk, dropped, say

TABLE = tomllib.loads(Path(module.__file__).with_suffix(".toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("key", TABLE)
def test_every_phrase_is_there_in_every_language_with_the_same_fields(key):
    assert set(TABLE[key]) == set(LANGUAGES)
    fields = [{name for _, name, _, _ in Formatter().parse(text) if name} for text in TABLE[key].values()]
    assert fields[0] == fields[1]


def test_every_decision_has_its_word():
    assert set(DECISIONS) <= set(phrases("ko"))
    assert [phrases("en")[decision] for decision in DECISIONS] == list(DECISIONS)


def test_fields_go_where_the_phrase_names_them_and_a_missing_value_leaves_nothing():
    rows = pl.DataFrame({"a": ["x", None], "b": [1190.0, 2.0]})
    told = filled("{second} of {first}!", first=pl.col("a"), second=number(pl.col("b")))
    assert rows.select(told).to_series().to_list() == ["1190 of x!", None]
    assert rows.select(filled("plain")).to_series().to_list() == ["plain"]
    with pytest.raises(KeyError, match="third"):
        filled("{third}", first=pl.col("a"))


def test_numbers_are_written_with_four_figures():
    values = pl.DataFrame({"n": [4.0, 0.12345, 1234567.0, 0.0, None]})
    assert values.select(number(pl.col("n"))).to_series().to_list() == ["4", "0.1235", "1235000", "0", None]


def test_every_queue_says_it_in_korean_in_the_same_order(tmp_path):
    near = {"nearest": "min_chars", "nearest_value": 1190.0, "nearest_limit": 1200.0, "margin": -0.01}
    table = desk(
        {"rank": 3} | near,
        {"content": "new", "rank": 1},
        dropped("min_chars", value=1190.0, limit=1200.0) | near,
        dropped("bot"),
        *[{"rank": 4}] * 2,
        *[{"vector_row": None}] * 2,
        select={"quotas": {"s": 9}},
        vectors=[[1, 0], [0, 1], [1, 1], [1, 2], [3, 1], [2, 1], [1, 1], [1, 1]],
    )
    with opened(tmp_path / "decisions.sqlite") as log:
        say(log, [("ada", 4, "keep"), ("bo", 4, "reject"), ("bo", 5, "flag"), ("bo", 6, "keep"), ("bo", 1, "keep")])
        found = {name: [queue(table, log, name, "cy", language=one) for one in LANGUAGES] for name in QUEUES}
    for english, korean in found.values():
        assert english.drop("why").equals(korean.drop("why"))
    told = {name: [dict(one.select("row", "why").iter_rows()) for one in both] for name, both in found.items()}
    expected = {
        ("undecided", 0): "유지됨, 3위",
        ("undecided", 7): "유지됨",
        ("undecided", 2): "제외됨: min_chars 1190, 기준 1200",
        ("audit", 3): "제외됨: bot",
        ("near_threshold", 0): "min_chars 1190 < 1200, 10 차이로 통과",
        ("near_threshold", 2): "min_chars 1190 < 1200, 10 차이로 벗어남",
        ("quota_gaps", 0): "s 채우기 0/4",
        ("quota_gaps", 2): "선택 대상에 들지 못한 예시로 s 채우기 1/5",
        ("most_valuable", 7): "품질 0.5",
        ("disagreements", 4): "ada: 유지 · bo: 거부",
        ("second_look", 6): "다른 검토자 한 명이 결정함",
        ("stale", 1): "bo: 유지 이후 텍스트가 바뀜",
        ("flagged", 5): "bo 님이 표시함",
    }
    assert {key: told[key[0]][1][key[1]] for key in expected} == expected
    assert re.fullmatch(r"기여 [0-9.]+ × 품질 0\.5", told["most_valuable"][1][0])
    assert told["undecided"][0][0] == "kept, rank 3"


def test_a_language_that_there_is_none_of_is_named(tmp_path):
    with (
        opened(tmp_path / "decisions.sqlite") as log,
        pytest.raises(InputError, match=r"no language 'kr'\. Known: en, ko"),
    ):
        queue(desk({}), log, "undecided", "ada", language="kr")
