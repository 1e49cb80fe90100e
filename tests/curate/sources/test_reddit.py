"""Reddit dumps: which files belong together, which answer is best, what becomes of every post."""

import json

import polars as pl
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from curate import record
from curate.errors import InputError
from curate.record import example_id
from curate.sources import reddit
from tests.curate.sources.reading import read

QUESTION = {
    "id": "q1", "title": "[WP] A dragon opens a bakery.", "selftext": "Make it warm.", "subreddit": "WritingPrompts",
    "created_utc": 1300000000, "score": 50, "is_self": True, "permalink": "/r/WritingPrompts/comments/q1/a_dragon/",
}  # fmt: skip


def answer(name, score=1, parent="t3_q1", **fields):
    given = {
        "id": name, "link_id": "t3_q1", "parent_id": parent, "body": f"Answer {name}", "score": score,
        "subreddit": "WritingPrompts", "author": "someone", "created_utc": "1300000060",
    }  # fmt: skip
    return given | fields


def dump(folder, **files):
    folder.mkdir(exist_ok=True)
    for name, posts in files.items():
        (folder / name).write_text("".join(json.dumps(post) + "\n" for post in posts))
    return folder


def load(folder, **options):
    """Examples and rejects of all units, by key."""
    examples, rejects = read("r", kind="reddit", path=folder, **options)
    ids = pl.concat([examples["id"], rejects["id"]])
    assert ids.n_unique() == len(ids), "no input twice"
    return {row["key"]: row for row in examples.to_dicts()}, {row["key"]: row for row in rejects.to_dicts()}


def test_the_best_direct_comment_answers_a_submission(tmp_path):
    comments = [answer("a", 5), answer("b", "9"), answer("c", 9), answer("d", 99, "t1_a")]
    kept, dropped = load(dump(tmp_path / "raw", RC_1=comments, RS_1=[QUESTION]))
    assert kept == {
        "t1_b": {
            "id": example_id("r", "t1_b"),
            "source": "r",
            "key": "t1_b",
            "file": "RC_1",
            "position": 2,
            "license": None,
            "url": "https://www.reddit.com/r/WritingPrompts/comments/q1/_/b/",
            "group": "WritingPrompts",
            "stratum": "WritingPrompts",
            "system": None,
            "history": [],
            "prompt": "A dragon opens a bakery.\n\nMake it warm.",
            "response": "Answer b",
            "prompt_role": None,
            "markup": "markdown",
            "title": "A dragon opens a bakery.",
            "context_chars": 0,
            "score": 9,
            "date": "2011-03-13T07:07:40Z",
            "tags": ["WP"],
            "flags": [],
        }
    }
    found = {key: (row["rule"], row["value"], row["limit"], row["other"]) for key, row in dropped.items()}
    assert found == {
        "t1_a": ("not_best_answer", 5.0, 9.0, example_id("r", "t1_b")),
        "t1_c": ("not_best_answer", 9.0, 9.0, example_id("r", "t1_b")),
        "t1_d": ("nested_reply", None, None, None),
    }


def test_an_id_with_fewer_digits_is_smaller(tmp_path):
    kept, _ = load(dump(tmp_path / "raw", RC_1=[answer("10"), answer("z")], RS_1=[QUESTION]))
    assert list(kept) == ["t1_z"]


def test_posts_without_their_counterpart_are_named(tmp_path):
    lonely = QUESTION | {"id": "q2"}
    stray = answer("s", link_id="t3_gone", parent="t3_gone")
    kept, dropped = load(dump(tmp_path / "raw", RC_1=[stray, answer("a")], RS_1=[lonely, QUESTION]))
    assert list(kept) == ["t1_a"]
    assert dropped["t3_q2"]["rule"] == "no_answer"
    assert dropped["t1_s"]["rule"] == "no_question"
    assert dropped["t1_s"]["detail"] == "answers t3_gone"


def test_a_deleted_or_stickied_answer_or_a_bot_is_chosen_only_where_there_is_nothing_else(tmp_path):
    poor = [
        answer("a", 900, body="[deleted]"),
        answer("b", 800, author="AutoModerator"),
        answer("c", 700, body="[ Removed by Reddit ]"),
        answer("d", 600, stickied=True, distinguished="moderator"),
        answer("e", 500, author="RemindMeBot"),
        answer("f", 400, body="Fetched. ^(I am a bot)"),
    ]
    kept, dropped = load(dump(tmp_path / "with", RC_1=[*poor, answer("g", 1)], RS_1=[QUESTION]))
    assert list(kept) == ["t1_g"]
    assert dropped["t1_d"]["detail"] == "stickied, distinguished"
    kept, _ = load(dump(tmp_path / "without", RC_1=poor, RS_1=[QUESTION]))
    assert {key: row["flags"] for key, row in kept.items()} == {"t1_a": ["deleted"]}


def test_marks_of_question_and_answer_become_flags(tmp_path):
    question = QUESTION | {"over_18": True, "locked": True, "is_self": False, "removed_by_category": "moderator"}
    comments = [answer("a", score_hidden=True, distinguished="admin", stickied=True)]
    kept, _ = load(dump(tmp_path / "raw", RC_1=comments, RS_1=[question]))
    flags = ["distinguished", "link", "locked", "over_18", "removed", "score_hidden", "stickied"]
    assert kept["t1_a"]["flags"] == flags


@pytest.mark.parametrize(
    ("selftext", "prompt_from", "prompt", "context_chars", "flags"),
    [
        ("Make it warm.", "title", "A dragon opens a bakery.", 13, []),
        ("Make it warm.", "body", "Make it warm.", 0, []),
        ("", "body", "A dragon opens a bakery.", 0, []),
        ("[removed]", "title_and_body", "A dragon opens a bakery.", 0, ["removed"]),
        ("[deleted]", "title", "A dragon opens a bakery.", 0, []),
    ],
)
def test_the_prompt_is_title_or_body_or_both(tmp_path, selftext, prompt_from, prompt, context_chars, flags):
    folder = dump(tmp_path / "raw", RC_1=[answer("a")], RS_1=[QUESTION | {"selftext": selftext}])
    row = load(folder, prompt_from=prompt_from)[0]["t1_a"]
    assert (row["prompt"], row["context_chars"], row["flags"]) == (prompt, context_chars, flags)


@pytest.mark.parametrize(
    ("title", "shown", "tags"),
    [
        ("[WP][EU] - You wake up.", "You wake up.", ["WP", "EU", "Tale"]),
        ("Why is the sky blue? [Serious]", "Why is the sky blue?", ["Serious", "Tale"]),
        ("Is [0, 1] compact?", "Is [0, 1] compact?", ["Tale"]),
        ("[OT]", "[OT]", ["OT", "Tale"]),
    ],
)
def test_tags_leave_the_title(tmp_path, title, shown, tags):
    question = QUESTION | {"title": title, "selftext": "", "link_flair_text": "Tale"}
    row = load(dump(tmp_path / "raw", RC_1=[answer("a")], RS_1=[question]))[0]["t1_a"]
    assert (row["prompt"], row["title"], row["tags"]) == (shown, shown, tags)


def test_without_submissions_replies_answer_comments(tmp_path):
    comments = [answer("a"), answer("b", 2, "t1_a"), answer("c", 3, "t1_a"), answer("d", 1, "t1_c")]
    folder = dump(tmp_path / "raw", RC_1=comments)
    kept, dropped = load(folder)
    assert {key: row["prompt"] for key, row in kept.items()} == {"t1_c": "Answer a", "t1_d": "Answer c"}
    assert {key: row["rule"] for key, row in dropped.items()} == {"t1_a": "no_question", "t1_b": "not_best_answer"}
    kept, _ = load(dump(tmp_path / "both", RC_1=comments, RS_1=[QUESTION]), replies=True)
    assert list(kept) == ["t1_a", "t1_c", "t1_d"]


def test_other_subreddits_are_left_out_by_name(tmp_path):
    comments = [answer("a"), answer("b", subreddit="funny")]
    kept, dropped = load(dump(tmp_path / "raw", RC_1=comments, RS_1=[QUESTION]), subreddits=("r/writingprompts",))
    assert list(kept) == ["t1_a"]
    assert {key: row["rule"] for key, row in dropped.items()} == {"t1_b": "other_subreddit"}


def test_lines_that_cannot_be_read_are_rejects_with_their_place(tmp_path):
    folder = dump(tmp_path / "raw", RC_1=[answer("a")], RS_1=[QUESTION])
    with (folder / "RC_1").open("a") as file:
        file.write('{"id": "x"\n{"id": "y", "link_id": "t3_q1", "parent_id": "t3_q1"}\n' + json.dumps(answer("b", 2)))
    kept, dropped = load(folder)
    assert list(kept) == ["t1_b"]
    found = {key: (row["rule"], row["position"], row["detail"]) for key, row in dropped.items() if key != "t1_a"}
    assert found == {
        "RC_1:2": ("unreadable", 2, "not JSON: Expecting ',' delimiter at character 11"),
        "RC_1:3": ("unreadable", 3, "no body"),
    }


def test_the_first_copy_of_a_post_counts(tmp_path):
    folder = dump(tmp_path / "raw", RC_1=[answer("a", 1)], RC_2=[answer("a", 9)], RS_1=[QUESTION, QUESTION])
    kept, dropped = load(folder)
    assert kept["t1_a"]["score"] == 1
    found = {key: (row["rule"], row["detail"]) for key, row in dropped.items()}
    assert found == {"RC_2:1": ("repeated_key", "t1_a"), "RS_1:2": ("repeated_key", "t3_q1")}


def test_files_are_joined_over_all_or_by_month_and_subreddit(tmp_path):
    names = ["RC_2011-03", "RS_2011-03", "RS_2011-02", "cooking_comments.ndjson", "cooking_submissions.ndjson"]
    folder = dump(tmp_path / "raw", **{name: [QUESTION] for name in names}, **{"README.txt": []})
    chosen = reddit.Settings(kind="reddit", path=folder)
    (together,) = reddit.units(chosen)
    in_order = ["RC_2011-03", "cooking_comments.ndjson", "RS_2011-02", "RS_2011-03", "cooking_submissions.ndjson"]
    assert [file.name for file in together] == in_order
    by_month = reddit.units(chosen.model_copy(update={"join": "month"}))
    assert [[file.name for file in unit] for unit in by_month] == [
        ["RS_2011-02"],
        ["RC_2011-03", "RS_2011-03"],
        ["cooking_comments.ndjson", "cooking_submissions.ndjson"],
    ]


def test_a_file_of_another_name_is_known_by_its_fields(tmp_path):
    folder = dump(tmp_path / "raw", **{"mine.jsonl": [answer("a")], "yours.jsonl": [QUESTION]})
    assert list(load(folder)[0]) == ["t1_a"]
    assert reddit.sniff(folder / "mine.jsonl")[:4] == ("reddit", "comments", 1, 1)
    assert reddit.sniff(folder / "yours.jsonl")[:4] == ("reddit", "submissions", 1, 1)


def test_what_is_no_reddit_dump_is_refused(tmp_path):
    folder = dump(tmp_path / "raw", **{"x.jsonl": [{"instruction": "a"}]})
    assert reddit.sniff(folder / "x.jsonl") is None
    with pytest.raises(InputError, match=r"x\.jsonl: neither comments .* nor submissions"):
        reddit.units(reddit.Settings(kind="reddit", path=folder))
    (folder / "x.jsonl").rename(folder / "x.txt")
    with pytest.raises(InputError, match="no Reddit dump in this folder"):
        reddit.units(reddit.Settings(kind="reddit", path=folder))


def test_a_truncated_dump_is_an_error_not_a_part(tmp_path):
    whole = zstandard.ZstdCompressor().compress(
        "".join(json.dumps(answer(f"a{n}")) + "\n" for n in range(999)).encode()
    )
    path = tmp_path / "RC_1.zst"
    path.write_bytes(whole[:-20])
    chosen = reddit.Settings(kind="reddit", path=path)
    with pytest.raises(InputError, match=r"RC_1\.zst: truncated"):
        list(reddit.load("r", (path,), chosen, tmp_path))


def test_times_and_scores_of_any_type_are_tolerated(tmp_path):
    odd = [
        answer("a", None, created_utc="1300000000.0"),
        answer("b", "many", "t1_a", created_utc=None),
        answer("c", 3.0, "t1_b", created_utc=10**15),
    ]
    kept, _ = load(dump(tmp_path / "raw", RC_1=odd, RS_1=[QUESTION]), replies=True)
    found = {key: (row["score"], row["date"]) for key, row in kept.items()}
    assert found == {"t1_a": (None, "2011-03-13T07:06:40Z"), "t1_b": (None, None), "t1_c": (3, None)}


COMMENTS = [
    answer("a", 1),
    answer("b", 2),
    answer("c", 2),
    answer("d", 2, "t1_b"),
    answer("e", 7, "t1_d", body="[deleted]"),
    answer("f", 3, "t3_q2", link_id="t3_q2"),
    answer("g", 3, "t3_q3", link_id="t3_q3"),
    answer("h", 4, "t1_f", link_id="t3_q2"),
]
QUESTIONS = [QUESTION, QUESTION | {"id": "q2"}, QUESTION | {"id": "q4"}]


@settings(max_examples=20, deadline=None)
@given(st.permutations(COMMENTS), st.permutations(QUESTIONS), st.booleans(), st.sampled_from([1, 7]))
def test_neither_the_order_of_lines_nor_the_number_of_parts_changes_the_result(
    tmp_path_factory, comments, questions, replies, how_many
):
    def outcome(folder, comments, questions):
        kept, dropped = load(dump(folder, RC_1=comments, RS_1=questions), replies=replies)
        return [{key: row | {"position": 0} for key, row in part.items()} for part in (kept, dropped)]

    with pytest.MonkeyPatch.context() as patch:
        expected = outcome(tmp_path_factory.mktemp("ordered"), COMMENTS, QUESTIONS)
        patch.setattr(reddit, "n_parts", lambda _: how_many)
        assert outcome(tmp_path_factory.mktemp("shuffled"), comments, questions) == expected
    answered = {"q1", "q2"}
    n_submissions_used = sum(question["id"] in answered for question in QUESTIONS)
    assert len(expected[0]) + len(expected[1]) == len(COMMENTS) + len(QUESTIONS) - n_submissions_used


def test_a_reader_that_stops_early_leaves_no_open_files(tmp_path, monkeypatch):
    monkeypatch.setattr(reddit, "n_parts", lambda _: 4)
    monkeypatch.setattr(record, "BATCH_ROWS", 1)
    folder = dump(tmp_path / "raw", RC_1=COMMENTS, RS_1=QUESTIONS)
    chosen = reddit.Settings(kind="reddit", path=folder)
    batches = reddit.load("r", reddit.units(chosen)[0], chosen, tmp_path)
    assert next(batches).examples.height <= 1
    batches.close()


def test_a_real_month_of_comments_balances(shared_data, tmp_path):
    path = shared_data("raw/reddit/RC_2005-12.zst")
    chosen = reddit.Settings(kind="reddit", path=path)
    batches = list(reddit.load("r", (path,), chosen, tmp_path))
    examples = pl.concat([batch.examples for batch in batches])
    rejects = pl.concat([batch.rejects for batch in batches])
    assert pl.concat([examples["position"], rejects["position"]]).sort().to_list() == list(range(1, 1076))
    assert dict(rejects["rule"].value_counts().iter_rows()) == {"no_question": 761, "not_best_answer": 50}
