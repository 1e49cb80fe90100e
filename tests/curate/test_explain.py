"""One example's path: margins, twins, leaks, rank. The command itself is in test_cli.py."""

import json

import pytest

from curate.__main__ import main
from curate.explain import explain
from tests.curate.small_runs import built


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("explain")
    (folder / "tests.jsonl").write_text(json.dumps({"q": "How does one sharpen a chisel?"}) + "\n")
    tests = f"decontaminate.tests={{mine: {{path: {folder}/tests.jsonl, question: q}}}}"
    settings = ("filters.min_chars=24", "filters.max_chars=100", "decontaminate.encoder=null", "select.size=3")
    return built(folder, tests, *settings)[0]


def verdicts(found):
    return {verdict["rule"]: verdict for stage in found["stages"] for verdict in stage["verdicts"]}


def rules(found):
    return {rule["rule"]: rule for stage in found["stages"] for rule in stage.get("rules", [])}


def test_a_margin_says_how_far_a_value_may_move_and_how_far_it_is_beyond(run):
    dropped = explain(run, "set.json:8")  # 22 characters
    assert verdicts(dropped)["min_chars"]["margin"] == 2
    assert (rules(dropped)["min_chars"]["margin"], rules(dropped)["max_chars"]["margin"]) == (-2, 78)
    kept = explain(run, "set.json:4")  # 44 characters
    assert (rules(kept)["min_chars"]["margin"], rules(kept)["max_chars"]["margin"]) == (20, 56)
    assert rules(kept)["refusal"]["margin"] is None


def test_twins_are_named_from_both_sides(run):
    one, two = (explain(run, f"set.json:{number}") for number in (1, 2))
    sides = {found["twins"][0]["kept"]: found for found in (one, two)}
    assert set(sides) == {"this", "other"}
    gone = sides["other"]
    assert gone["twins"] == [
        {
            "id": sides["this"]["input"]["id"],
            "key": sides["this"]["input"]["key"],
            "kept": "other",
            "stage": "exact",
            "rule": "exact_duplicate",
            "value": 2.0,
            "limit": 1.0,
        }
    ]
    assert sides["this"]["twins"][0]["id"] == gone["input"]["id"]


def test_leaks_are_listed_with_item_category_and_evidence(run):
    (leak,) = explain(run, "set.json:5")["leaks"]
    assert (leak["item"], leak["category"], leak["coverage"]) == ("mine/1", "duplicate", 1.0)
    assert explain(run, "set.json:4")["leaks"] == []


def test_rank_says_where_the_set_ends_and_is_none_for_what_never_got_there(run):
    ranked = [explain(run, f"set.json:{number}")["rank"] for number in range(1, 9)]
    places = sorted(rank["rank"] for rank in ranked if rank)
    # Eight rows, less a twin, an empty one, a short one and a leak.
    assert places == [1, 2, 3, 4]
    assert {(rank["of"], rank["size"], rank["gain"]) for rank in ranked if rank} == {(4, 3, None)}
    assert ranked[2] is None


def test_the_command_shows_margin_rank_twin_and_leak(run, capsys):
    shown = ""
    for number in range(1, 9):
        assert main(["explain", str(run), f"set.json:{number}"]) == 0
        shown += capsys.readouterr().out
    for line in (
        "dropped by min_chars: 22 against 24, beyond it by 2",
        "at least 24 (margin 20)",
        "gave way to this one: exact/exact_duplicate",
        "leak of mine/1: duplicate",
        "rank 4 of 4, the first 3 are the set",
    ):
        assert line in shown
