"""Pace: active time without pauses, items that were looked at, and who did what."""

import pytest

from curate.review import log as review
from curate.review.log import Decision
from curate.review.pace import pace, people
from curate.review.store import opened, transaction
from tests.curate.review_desks import say


@pytest.fixture
def log(tmp_path):
    with opened(tmp_path / "decisions.sqlite") as connection:
        yield connection


def at(log, second, who, row, word="keep", **others):
    """An event that was written at this second of 2026."""
    written = f"2026-01-01T{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}.000Z"
    fields = {"reviewer": who, "session": "s", "token": f"{who} {second} {row}", "content": f"c{row}", "example": "e"}
    with transaction(log):
        return review.insert(log, Decision(**fields | {"decision": word, **others}), written)


def test_a_pause_is_no_time(log):
    # 30 s an item, two of them, then lunch, then 60 s: 3 items in 120 s of active time.
    for second, row in ((0, 0), (30, 1), (60, 2), (3660, 3), (3720, 4)):
        at(log, second, "ada", row, shown_ms=1000 * (row + 1))
    assert pace(log, "ada", remaining=90) == (5, 90.0, 3600.0, 3.0)


def test_two_minutes_are_work_and_a_millisecond_more_is_not(log):
    at(log, 0, "ada", 0)
    at(log, 120, "ada", 1)
    assert pace(log, "ada", 1).per_hour == 30
    at(log, 241, "ada", 2)
    assert pace(log, "ada", 1).per_hour == 30


def test_before_the_second_item_nothing_is_known(log):
    assert pace(log, "ada", 100) == (0, None, None, None)
    at(log, 0, "ada", 0)
    assert pace(log, "ada", 100) == (1, None, None, None)
    assert people(log).row(0, named=True)["per_hour"] is None


def test_bulk_acts_imports_and_what_was_taken_back_are_no_items(log):
    at(log, 0, "ada", 0)
    at(log, 60, "ada", 1)
    at(log, 61, "ada", 9, session="import")
    for row in range(2, 5):
        at(log, 100, "ada", row, act="a", token=f"a{row}")
    at(log, 120, "ada", 5, "skip")
    # Items: the second and the skip, in two minutes.
    assert pace(log, "ada", 60) == (6, 60.0, 3600.0, None)
    with transaction(log):
        log.execute(
            "INSERT INTO events (time, reviewer, session, token, content, example, decision, reasons, previous)"
            " VALUES ('2026-01-01T00:03:00.000Z', 'ada', 's', 'u', 'c5', 'e', 'undo', '[]', (SELECT max(id) FROM events))"
        )
    assert pace(log, "ada", 60).per_hour == 20


def test_each_has_a_pace_of_their_own(log):
    for second in range(0, 100, 10):
        at(log, second, "ada", second)
        at(log, second + 5, "bo", second) if second % 20 == 0 else None
    assert [pace(log, who, 0).per_hour for who in ("ada", "bo")] == [360, 180]
    assert pace(log, "ada", 0).seconds_left == 0


def test_people_says_who_did_what(log):
    messages = [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So."}]
    at(log, 0, "ada", 0, shown_ms=1000)
    at(log, 60, "ada", 1, "reject", shown_ms=5000)
    at(log, 120, "ada", 1, "edit", shown_ms=3000, messages=messages)
    at(log, 130, "ada", 2, "skip")
    for row in range(4):
        at(log, 200 + row, "bo", row, "flag" if row else "reject")
    rows = {row["reviewer"]: row for row in people(log).iter_rows(named=True)}
    assert list(rows) == ["bo", "ada"]
    assert rows["ada"] == {
        "reviewer": "ada",
        "decisions": 2,
        "kept": 1,
        "rejected": 0,
        "edited": 1,
        "flagged": 0,
        "skipped": 1,
        "per_hour": 3 * 3600 / 130,
        "median_seconds": 3.0,
        "first": "2026-01-01T00:00:00.000Z",
        "last": "2026-01-01T00:02:10.000Z",
    }
    assert (rows["bo"]["flagged"], rows["bo"]["rejected"], rows["bo"]["median_seconds"]) == (3, 1, None)


def test_who_took_back_everything_is_still_somebody(log):
    say(log, [("ada", 0, "keep")])
    review.undo(log, "ada", "s", "u")
    (row,) = people(log).iter_rows(named=True)
    assert (row["reviewer"], row["decisions"]) == ("ada", 0)
    assert row["last"] >= row["first"]


def test_nobody_is_an_empty_table(log):
    found = people(log)
    assert found.is_empty()
    assert found.columns[:3] == ["reviewer", "decisions", "kept"]
