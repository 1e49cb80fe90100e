"""People as judges: a plan without names, sides in exact balance, votes that last, and names only at the end."""

import itertools
import json
from collections import Counter

import orjson
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.errors import InputError
from evaluate import blinding, formats, journal, people, verdicts
from evaluate.__main__ import main
from evaluate.judges import Item, human

NAMES = ("alpaca-7b", "vicuna-7b")


def write(path, rows):
    path.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))


def pair(prompt, a="x", b="y"):
    turns = [
        ({"role": "user", "content": prompt}, {"role": "assistant", "content": f"{model} of {prompt}"})
        for model in (a, b)
    ]
    return Item((prompt, a, b, "0", "1"), prompt, *turns, None, 1, None)


@pytest.fixture
def answers(tmp_path):
    """Files of two models' answers to 40 prompts; their texts say nothing of the models."""
    for name, word in zip(NAMES, ("short", "a longer answer"), strict=True):
        rows = [
            {"prompt_id": f"p{n}", "instruction": f"question {n}", "output": f"{word} {n}", "generator": name}
            | {"messages": [{"role": "user", "content": f"question {n}"}], "category": "writing"}
            for n in range(40)
        ]
        write(tmp_path / f"{name}.jsonl", rows)
    return [str(tmp_path / f"{name}.jsonl") for name in NAMES]


@pytest.fixture
def blind(answers, tmp_path):
    """The plan of these answers."""
    assert main(["blind", "--answers", *answers, "--out", str(tmp_path / "blind")]) == 0
    return blinding.read(tmp_path / "blind")


def vote(showing, choice="first", **others):
    event = {"act": "vote", "id": showing.id, "choice": choice, "reasons": [], "both_bad": False, "shown_ms": 2000}
    return event | {"token": f"t{showing.id}"} | others


def cast(plan, *events, person="kim"):
    return people.cast(plan, person, people.schedule(plan, person), events)


def standing(plan, person="kim"):
    return people.ballot(plan, person, people.schedule(plan, person))


def judge_all(plan, person, choose):
    """Everything on a person's schedule; `choose` says of an item which is better: a, b or tie."""
    shown = people.schedule(plan, person)
    for start in range(0, len(shown), people.AHEAD):
        events = []
        for showing in shown[start : start + people.AHEAD]:
            wanted = choose(showing.item)
            choice = "neither" if wanted == "tie" else "first" if wanted == showing.item.first else "second"
            events.append(vote(showing, choice))
        assert people.cast(plan, person, shown, events) == []


# --- Sides and order ---


@given(counts=st.tuples(st.integers(0, 30), st.integers(0, 30)), person=st.text(max_size=5), seed=st.integers(0, 9))
def test_sides_are_balanced_exactly_for_every_two_models_and_over_all(counts, person, seed):
    items = [pair(str(n), "x", other) for other, count in zip("yz", counts, strict=True) for n in range(count)]
    shown = human.blind(items, person, seed)
    assert sorted(one.key for one in shown) == sorted(one.key for one in items)
    sides = Counter((one.key[2], one.first) for one in shown)
    for other in "yz":
        assert abs(sides[other, "a"] - sides[other, "b"]) <= 1
    total = Counter(one.first for one in shown)
    assert abs(total["a"] - total["b"]) <= 1
    # Who stops early is balanced too: blocks of eight.
    for other in "yz":
        firsts = [one.first for one in shown if one.key[2] == other]
        for stop in range(len(firsts)):
            assert abs(firsts[:stop].count("a") - firsts[:stop].count("b")) <= 4


def test_each_person_has_an_order_and_sides_of_their_own_and_the_next_side_cannot_be_told():
    items = [pair(str(n)) for n in range(200)]
    kim, lee = human.blind(items, "kim"), human.blind(items, "lee")
    assert kim == human.blind(items, "kim")
    assert [one.key for one in kim] != [one.key for one in lee]
    side = {one.key: one.first for one in lee}
    assert 60 < sum(one.first == side[one.key] for one in kim) < 140
    # Not left, right, left, right: whoever guesses the other side than before is not right much more than half the time.
    changes = sum(one.first != other.first for one, other in itertools.pairwise(kim))
    assert 90 < changes < 140


def test_one_pair_in_twenty_comes_again_swapped_and_late():
    shown = human.blind([pair(str(n)) for n in range(200)], "kim")
    schedule = human.with_repeats(shown, "kim")
    assert len(schedule) == 210
    places = {}
    for place, one in enumerate(schedule):
        places.setdefault(one.key, []).append((place, one.first))
    twice = [found for found in places.values() if len(found) == 2]
    assert len(twice) == 10
    assert all(late - early > human.APART and {one, other} == {"a", "b"} for (early, one), (late, other) in twice)
    assert Counter(first for (_, first), _ in twice) == {"a": 5, "b": 5}
    assert [one for one in schedule if one in shown] == shown
    assert human.with_repeats(shown[:19], "kim") == shown[:19]


# --- The plan ---


def test_nothing_in_the_plan_says_a_name_or_a_file(blind, tmp_path):
    cast(blind, vote(people.schedule(blind, "kim")[0]))
    content = b"".join(path.read_bytes() for path in blind.folder.rglob("*") if path.is_file())
    for name in (*NAMES, "alpaca", "vicuna", str(tmp_path)):
        assert name.encode() not in content
    key = json.loads((tmp_path / "blind.key.json").read_text())
    assert sorted(key["models"].values()) == sorted(NAMES)
    assert {item.key[1:3] for item in blind.items} == {tuple(sorted(key["models"]))}


def test_the_answers_stay_with_their_models(blind, tmp_path):
    names = blinding.models(blind, tmp_path / "blind.key.json")
    for item in blind.items:
        for slot, talk in zip(item.key[1:3], (item.a, item.b), strict=True):
            assert talk[-1]["content"].startswith("short" if names[slot] == "alpaca-7b" else "a longer")


def test_a_plan_is_never_written_over_and_its_key_never_in_it(answers, blind, tmp_path, capsys):
    def refused(*more):
        assert main(["blind", "--answers", *answers, *more]) == 2
        return capsys.readouterr().err

    assert "there is a plan already" in refused("--out", str(blind.folder))
    inside = ("--out", str(tmp_path / "new"), "--key", str(tmp_path / "new/key.json"))
    assert "lies in the plan's own folder" in refused(*inside)
    assert "says vicuna-7b" in refused("--out", str(tmp_path / "new"), "--title", "Base against Vicuna-7B")
    assert not (tmp_path / "new").exists()


def test_a_limit_draws_prompts_and_what_cannot_be_hidden_is_said(answers, tmp_path, capsys):
    more = tmp_path / "more.jsonl"
    rows = [
        {"instruction": f"question {n}", "prompt_id": f"p{n}", "output": "I am Vicuna-7B" if n else "short 0"}
        | {"messages": [{"role": "user", "content": f"question {n}"}]}
        for n in range(40)
    ]
    write(more, [{**row, "generator": "other"} for row in rows])
    found = ["blind", "--answers", *answers, str(more), "--out", str(tmp_path / "b"), "--json"]
    assert main([*found, "--baseline", "other"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["models"], told["pairs"], told["prompts"]) == (3, 80, 40)
    assert told["notes"] == [
        "39 answers say the name of a model themselves, which no plan can hide",
        "1 pairs hold the same answer twice; people are shown them like any other",
    ]
    assert main(["blind", "--answers", *answers, "--out", str(tmp_path / "c"), "--limit", "7", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["prompts"] == 7


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("blind.json", "{", "not JSON"),
        ("blind.json", "[]", "evaluate blind writes such files"),
        ("blind.json", '{"plan": "1"}', "no title, salt"),
        ("pairs.jsonl", '{"prompt_id": "p0"}\n', "is not what the plan was made with"),
    ],
)
def test_a_broken_plan_is_one_line(blind, file, content, message):
    (blind.folder / file).write_text(content)
    with pytest.raises(InputError, match=message):
        blinding.read(blind.folder)
    assert list(blinding.find([blind.folder.parent]).values()) == [blind.folder]


def test_an_empty_folder_holds_no_plan(tmp_path):
    assert blinding.find([tmp_path, tmp_path / "absent"]) == {}
    with pytest.raises(InputError, match="cannot be read"):
        blinding.read(tmp_path)


# --- Votes ---


def test_a_vote_is_a_judgement_that_evaluate_reads(blind):
    showing = people.schedule(blind, "kim")[0]
    assert cast(blind, vote(showing, "second", reasons=["style", "correctness", "none"], both_bad=True)) == []
    frame = formats.read([people.votes_of(blind, "kim")])
    row = frame.row(0, named=True)
    assert (row["first"], row["verdict"]) == (showing.item.first, "b" if showing.item.first == "a" else "a")
    assert (row["judge"], row["status"], row["fingerprint"], row["category"]) == ("kim", "ok", "human", "writing")
    said = json.loads(row["extra"])["set"]
    assert (said["reasons"], said["both_bad"], said["shown_ms"]) == (["correctness", "style"], True, 2000)


def test_a_vote_sent_twice_counts_once_and_the_first_one_stands(blind):
    first, second = people.schedule(blind, "kim")[:2]
    cast(blind, vote(first))
    assert cast(blind, vote(first), vote(first, "second", token="other"), vote(second)) == []
    assert [row["shown"] for row in standing(blind).votes] == [first.id, second.id]
    assert standing(blind).votes[0]["token"] == f"t{first.id}"


def test_only_a_pair_that_was_on_the_screen_can_be_voted_on(blind):
    shown = people.schedule(blind, "kim")
    lees = people.schedule(blind, "lee")[0]
    far = shown[people.AHEAD]
    quick, odd = shown[0], shown[1]
    events = [vote(far), vote(quick, shown_ms=299), vote(lees), vote(odd, "both"), {"act": "vote", "id": odd.id}, {}]
    assert cast(blind, *events) == [far.id, quick.id, lees.id, odd.id, odd.id, "None"]
    assert cast(blind, {"act": "undo", "id": far.id}, vote(far), {"act": "undo", "id": lees.id}) == [far.id]
    assert standing(blind).votes == []
    assert cast(blind, vote(shown[people.AHEAD - 1])) == []


def test_an_undo_gives_back_the_pair_and_a_late_copy_of_the_vote_does_not_count(blind):
    first, second = people.schedule(blind, "kim")[:2]
    cast(blind, vote(first), vote(second))
    cast(blind, {"act": "undo", "id": second.id}, {"act": "undo", "id": first.id})
    assert standing(blind).open[:2] == [first, second]
    assert cast(blind, vote(first)) == []
    assert standing(blind).votes == []
    cast(blind, vote(first, "neither", token="again"))
    assert [row["verdict"] for row in standing(blind).votes] == ["tie"]
    # In one message, the vote and its undo.
    cast(blind, vote(second, token="new"), {"act": "undo", "id": second.id})
    assert [row["shown"] for row in standing(blind).votes] == [first.id]


def test_a_kill_at_any_byte_loses_no_acknowledged_vote(blind):
    shown = people.schedule(blind, "kim")
    cast(blind, vote(shown[0]), vote(shown[1]))
    path = people.votes_of(blind, "kim")
    whole = path.read_bytes()
    for cut in (1, 20, 150):
        path.write_bytes(whole + orjson.dumps({"prompt_id": "p" * 200})[:cut])
        assert standing(blind).done == 2
        cast(blind, vote(shown[2], token=f"c{cut}"))
        assert [row["shown"] for row in standing(blind).votes] == [one.id for one in shown[:3]]
    # Killed between the note that a vote was taken back and the file without it: it was taken back.
    with journal.appending(path.with_suffix(".undone.jsonl")) as append:
        append([standing(blind).votes[2]])
    assert standing(blind).done == 2
    assert [formats.read([path]).height for path in people.reveal_all(blind, blinding.key_of(blind.folder))] == [2]
    cast(blind)
    assert len(journal.rows(path)) == 2


def test_two_people_write_files_of_their_own_whatever_they_are_called(blind):
    for person in ("kim", "../../kim", "김", "kim ", ""):
        cast(blind, vote(people.schedule(blind, person)[0]), person=person)
        assert standing(blind, person).done == 1
    votes = [path for path in (blind.folder / "votes").iterdir() if not path.name.startswith(".")]
    assert len(votes) == 5
    assert len({showing.id for person in ("kim", "lee") for showing in people.schedule(blind, person)}) == 84


def test_votes_on_another_plan_are_not_taken_for_these(answers, blind, tmp_path):
    cast(blind, vote(people.schedule(blind, "kim")[0]))
    main(["blind", "--answers", *answers, "--out", str(tmp_path / "other")])
    other = blinding.read(tmp_path / "other")
    people.votes_of(other, "kim").parent.mkdir()
    people.votes_of(blind, "kim").rename(people.votes_of(other, "kim"))
    with pytest.raises(InputError, match="holds votes on another plan"):
        standing(other)


def test_the_pace_is_that_of_the_time_on_the_screen():
    assert people.pace([], 3) == (None, None, None)
    rows = [{"shown_ms": ms} for ms in (10_000, 20_000, 900_000)]
    # 10, 20 and, away, 300 seconds: 110 on average.
    assert people.pace(rows, 3) == (pytest.approx(3600 / 110), 330, 20)


# --- The reveal ---


def test_the_reveal_closes_the_ballot_and_names_the_models(blind, tmp_path):
    def better(item):
        return "a" if item.a[-1]["content"].startswith("a longer") else "b"

    judge_all(blind, "kim", better)
    assert standing(blind).open == []
    path = people.reveal(blind, "kim", tmp_path / "blind.key.json")
    assert path == tmp_path / "blind.judgements" / people.votes_of(blind, "kim").name
    assert people.revealed(blind) == [path]
    judged = formats.read([path])
    # In the order of the files, however the slots fell.
    assert judged.select("model_a", "model_b").unique().rows() == [NAMES]
    assert abs((judged["first"] == "a").sum() - 21) <= 1
    longer = pl.when(pl.col("verdict") == "a").then("output_a").otherwise("output_b")
    assert judged.select(longer.str.starts_with("a longer").all()).item()
    found = verdicts.pairwise(judged).row(0, named=True)
    assert (found["model_a"], found["n"], found["a_wins"], found["b_wins"]) == ("alpaca-7b", 40, 0, 40)
    assert found["win_rate"] == 0 < found["high"] < 0.1
    last = people.schedule(blind, "kim")[-1]
    assert cast(blind, vote(last, token="late"), {"act": "undo", "id": last.id}) == [last.id]
    assert len(standing(blind).votes) == 42


def test_repeats_say_how_far_a_person_agrees_with_themselves(blind, tmp_path):
    judge_all(blind, "left", lambda item: item.first)
    judge_all(blind, "sure", lambda item: "a")
    judge_all(blind, "torn", lambda item: "tie" if item.first == "a" else "a")
    key = tmp_path / "blind.key.json"
    judged = formats.read([people.reveal(blind, person, key) for person in ("left", "sure", "torn")])
    rows = {row["judge"]: row for row in verdicts.reliability(judged).to_dicts()}
    assert {name: (row["votes"], row["repeats"]) for name, row in rows.items()} == dict.fromkeys(rows, (42, 2))
    figures = {name: (row["same"], row["tie_discounted"], row["flipped"]) for name, row in rows.items()}
    assert figures == {"left": (0, 0, 1), "sure": (1, 1, 0), "torn": (0, 0.5, 0)}
    assert rows["left"]["first"] == 1
    assert 0.4 < rows["sure"]["first"] < 0.6
    assert rows["sure"]["same_low"] < 1 == rows["sure"]["same_high"]
    # A flip counts for neither.
    left = verdicts.pairwise(judged).filter(judge="left").row(0, named=True)
    assert (left["n"], left["neither"]) == (40, 2)
    together = verdicts.pairwise(judged).filter(pl.col("judge").is_null()).row(0, named=True)
    assert (together["n"], together["judge"]) == (120, None)
    assert together["win_rate"] == pytest.approx(verdicts.pairwise(judged).drop_nulls("judge")["win_rate"].mean())


def test_marks_and_reasons_are_counted_for_pairs_and_winners(blind, tmp_path):
    shown = people.schedule(blind, "kim")
    cast(blind, vote(shown[0], both_bad=True, reasons=["style"]), vote(shown[1], "neither", reasons=["safety"]))
    judged = formats.read([people.reveal(blind, "kim", tmp_path / "blind.key.json")])
    assert verdicts.pairwise(judged).select("n", "neither", "both_bad").row(0) == (2, 1, 1)
    name = judged["model_a" if judged["verdict"][0] == "a" else "model_b"][0]
    assert verdicts.reasons(judged).rows() == [(name, "style", 1)]


def test_a_wrong_key_shows_nothing_and_closes_nothing(blind, answers, tmp_path):
    main(["blind", "--answers", *answers, "--out", str(tmp_path / "other")])
    with pytest.raises(InputError, match="is the key of plan"):
        people.reveal(blind, "kim", tmp_path / "other.key.json")
    with pytest.raises(InputError, match="nothing to reveal"):
        people.reveal(blind, "kim", tmp_path / "blind.key.json")
    assert not standing(blind).is_revealed
    assert people.revealed(blind) == []


def test_the_board_and_agreement_read_people_beside_a_model(answers, blind, tmp_path, capsys):
    judge_all(blind, "kim", lambda item: "a" if item.a[-1]["content"].startswith("a longer") else "b")
    judge_all(blind, "lee", lambda item: "tie")
    assert main(["reveal", str(blind.folder), "--json"]) == 0
    files = json.loads(capsys.readouterr().out)["files"]
    assert len(files) == 2
    assert not standing(blind).is_revealed
    model = tmp_path / "model.jsonl"
    assert main(["judge", "--answers", *answers, "--judge", "longer", "--out", str(model)]) == 0
    capsys.readouterr()
    assert main(["agreement", *files, str(model), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    shares = {(row["a"], row["b"]): (row["n"], row["tie_discounted"]) for row in found["pairs"]}
    assert shares == {("kim", "lee"): (40, 0.5), ("kim", "longer"): (40, 1.0), ("lee", "longer"): (40, 0.5)}
    assert main(["leaderboard", *files, str(model), "--rounds", "10", "--out", str(tmp_path / "board"), "--json"]) == 0
    board = json.loads(capsys.readouterr().out)
    assert sorted(board["judges"]) == ["kim", "lee"]
    assert {row["model"]: row["n_total"] for row in board["models"]}[
        "vicuna-7b"
    ] == 80  # the first model is the baseline


def test_nobody_having_judged_is_said(blind, capsys):
    assert main(["reveal", str(blind.folder)]) == 3
    assert "nobody has judged a pair yet" in capsys.readouterr().err
