"""The review log: nothing acknowledged is lost, an undo has no limit, and decisions travel as a file."""

import contextlib
import itertools
import multiprocessing
import signal
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from curate import decisions
from curate.errors import InputError, RunError
from curate.quality import reviewer
from curate.review import drafts
from curate.review import log as review
from curate.review.exchange import export_decisions, import_decisions, stale
from curate.review.leases import held, lease, release
from curate.review.log import Decision
from curate.review.reasons import NAMES, REASONS
from curate.review.store import opened

EDITED = [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "Because it is <b>so</b>."}]
NUMBERS = itertools.count()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "decisions.sqlite"


@pytest.fixture
def log(path):
    with opened(path) as connection:
        yield connection


def decided(content, decision="keep", who="ada", **others):
    fields = {
        "reviewer": who,
        "session": "s",
        "token": f"t{next(NUMBERS)}",
        "content": content,
        "example": f"of {content}",
        "decision": decision,
        "messages": EDITED if decision == "edit" else None,
    }
    return Decision(**fields | others)


def standing(log, who=None):
    return [(event.content, event.reviewer, event.decision) for event in review.current(log, who)]


def write_200(path, who):
    with opened(Path(path)) as log:
        for i in range(200):
            review.record(log, [decided(f"c{i % 7}", who=who, session=who, token=str(i))])


def lease_all(path, who):
    found = []
    with opened(Path(path)) as log:
        while batch := lease(log, who, [f"c{i}" for i in range(100) if f"c{i}" not in found], 7):
            found += batch
    return found


REVIEWERS, CONTENTS = st.sampled_from(["ada", "bo"]), st.sampled_from("xyz")


class Machine(RuleBasedStateMachine):
    """The log against a list of standing events for each reviewer."""

    def __init__(self):
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.open = contextlib.ExitStack()
        self.log = self.open.enter_context(opened(Path(self.folder.name) / "log"))
        self.standing, self.sent, self.written = [], [], 0

    def counted(self):
        """Last for each content and reviewer; repeats count only as edits."""
        events = [event for event in self.standing if event.role != "repeat" or event.decision == "edit"]
        return {(event.content, event.reviewer): event for event in events}

    def write(self, decisions):
        before = self.counted()
        events = review.record(self.log, decisions)
        for event, decision in zip(events, decisions, strict=True):
            first = before.get((event.content, event.reviewer))
            assert event.previous == (first.id if first else None)
            assert event.role == (None if decision.role == "repeat" and first is None else decision.role)
        self.standing += events
        self.sent.append((lambda: review.record(self.log, decisions), events))
        self.written += len(events)

    @rule(
        who=REVIEWERS, content=CONTENTS, word=st.sampled_from(review.DECISIONS), role=st.sampled_from([None, "repeat"])
    )
    def decide(self, who, content, word, role):
        self.write([decided(content, word, who, role=role)])

    @rule(who=REVIEWERS, contents=st.sets(CONTENTS, min_size=1), word=st.sampled_from(["keep", "reject", "flag"]))
    def decide_in_bulk(self, who, contents, word):
        act = f"a{next(NUMBERS)}"
        self.write([decided(content, word, who, act=act) for content in sorted(contents)])

    @rule(who=REVIEWERS, content=CONTENTS)
    def settle(self, who, content):
        self.write([decided(content, "reject", who, role="settle")])

    @rule(who=REVIEWERS)
    def undo(self, who):
        token = f"t{next(NUMBERS)}"
        event = review.undo(self.log, who, "s", token)
        theirs = [event for event in self.standing if event.reviewer == who]
        last = theirs[-1] if theirs else None
        assert (event.previous, event.act) == ((last.id, last.act) if last else (None, None))
        taken = [last] if last is None or last.act is None else [other for other in theirs if other.act == last.act]
        self.standing = [other for other in self.standing if other not in taken]
        self.sent.append((lambda: review.undo(self.log, who, "s", token), event))
        self.written += 1

    @rule(data=st.data())
    def send_again(self, data):
        if self.sent:
            act, events = data.draw(st.sampled_from(self.sent))
            assert act() == events

    @rule()
    def reload(self):
        self.open.close()
        self.log = self.open.enter_context(opened(Path(self.folder.name) / "log"))

    @invariant()
    def the_last_standing_event_counts(self):
        counted = sorted(self.counted().values(), key=lambda event: (event.content, event.id))
        assert review.current(self.log) == counted
        assert [event.id for event in review.history(self.log)] == list(range(1, self.written + 1))
        said = {(opinion.content, opinion.reviewer): opinion.id for opinion in review.opinions(self.log)}
        assert {key: said[key] for key in self.counted()} == {key: event.id for key, event in self.counted().items()}
        # Asked of some texts, edited ones among them, the log says of these what it says of all.
        everything = review.opinions(self.log)
        some = {opinion.content for opinion in everything[::2]} | {"nobody's"}
        assert review.opinions(self.log, some) == [one for one in everything if one.content in some]

    def teardown(self):
        self.open.close()
        self.folder.cleanup()


TestMachine = Machine.TestCase
TestMachine.settings = settings(
    max_examples=25, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)


def test_undo_after_undo_after_a_reload_goes_back_to_the_first_word(path):
    with opened(path) as log:
        review.record(log, [decided("x", "keep"), decided("x", "reject", reasons=("too short",)), decided("y", "flag")])
        assert standing(log) == [("x", "ada", "reject"), ("y", "ada", "flag")]
        review.undo(log, "ada", "s", "u1")
    with opened(path) as log:
        review.undo(log, "ada", "after the reload", "u1")
        assert standing(log) == [("x", "ada", "keep")]
        review.undo(log, "ada", "after the reload", "u2")
        assert standing(log) == []
        assert review.undo(log, "ada", "after the reload", "u3").previous is None
        assert [event.decision for event in review.history(log, "x")] == ["keep", "reject", "undo", "undo"]


def test_a_repeated_undo_that_found_nothing_does_not_take_back_what_came_after_it(log):
    review.undo(log, "ada", "s", "early")
    review.record(log, [decided("x")])
    assert review.undo(log, "ada", "s", "early").previous is None
    assert standing(log) == [("x", "ada", "keep")]


def test_a_reviewer_takes_back_only_their_own(log):
    review.record(log, [decided("x", who="ada"), decided("x", "reject", who="bo")])
    review.undo(log, "ada", "s", "u")
    assert standing(log) == [("x", "bo", "reject")]
    assert standing(log, "ada") == []


def test_one_undo_takes_back_a_bulk_act_and_nothing_else(path):
    with opened(path) as log:
        review.record(log, [decided("x", "keep"), decided("w", "reject")])
        act = [decided(content, "reject", act="a") for content in "xyz"]
        review.record(log, [*act, decided("x", "flag", who="bo")])
        assert [event.act for event in review.current(log, "ada")] == [None, "a", "a", "a"]
    with opened(path) as log:
        undone = review.undo(log, "ada", "another session", "u")
        assert (undone.act, undone.content) == ("a", "z")
        assert standing(log) == [("w", "ada", "reject"), ("x", "ada", "keep"), ("x", "bo", "flag")]
        # Each of its texts has the undo in its history, and an undo sent again is the same.
        assert [event.decision for event in review.history(log, "y")] == ["reject", "undo"]
        assert review.undo(log, "ada", "another session", "u") == undone
        # Sent again, the act stays taken back.
        review.record(log, act)
        assert standing(log, "ada") == [("w", "ada", "reject"), ("x", "ada", "keep")]


def test_an_act_is_of_one_reviewer_and_of_one_call(log):
    with pytest.raises(InputError, match="several reviewers"):
        review.record(log, [decided("x", act="a"), decided("y", who="bo", act="a")])
    review.record(log, [decided("x", act="a")])
    review.undo(log, "ada", "s", "u")
    with pytest.raises(InputError, match="written already"):
        review.record(log, [decided("y", act="a")])
    assert [event.content for event in review.history(log)] == ["x", "x"]


def test_a_repeat_is_measured_and_does_not_count_but_for_an_edit(log):
    (first,) = review.record(log, [decided("x", "keep")])
    (again,) = review.record(log, [decided("x", "reject", role="repeat")])
    assert (again.role, again.previous) == ("repeat", first.id)
    assert standing(log) == [("x", "ada", "keep")]
    review.record(log, [decided("x", "edit", role="repeat")])
    assert standing(log) == [("x", "ada", "edit")]
    review.undo(log, "ada", "s", "u1")
    review.undo(log, "ada", "s", "u2")
    review.undo(log, "ada", "s", "u3")
    # There is nothing left that it could repeat.
    (event,) = review.record(log, [decided("x", "reject", role="repeat")])
    assert (event.role, standing(log)) == (None, [("x", "ada", "reject")])


def test_of_several_opinions_the_latest_decision_counts_and_an_edit_keeps_what_it_made(log):
    review.record(log, [decided("x", "keep"), decided("x", "reject", who="bo"), decided("x", "flag", who="cy")])
    review.record(log, [decided("y", "skip"), decided("y", "flag", who="bo"), decided("y", "skip", who="cy")])
    (edit,) = review.record(log, [decided("z", "edit")])
    counting = review.counting(log)
    assert {content: (opinion.reviewer, opinion.decision) for content, opinion in counting.items()} == {
        "x": ("bo", "reject"),
        "y": ("bo", "flag"),
        "z": ("ada", "edit"),
        edit.edited: ("ada", "keep"),
    }
    review.record(log, [decided(edit.edited, "reject")])
    assert review.counting(log)[edit.edited].decision == "reject"
    assert review.counting(log)["z"].decision == "edit"


def test_a_draft_survives_a_reload_until_the_decision_on_that_content(path):
    half = [{"role": "user", "content": "Wh"}]
    with opened(path) as log:
        drafts.save(log, "ada", "x", half)
        drafts.save(log, "ada", "x", EDITED[:1])
        drafts.save(log, "bo", "x", half)
    with opened(path) as log:
        assert drafts.load(log, "ada", "x") == EDITED[:1]
        assert drafts.load(log, "ada", "y") is None
        # Putting it off keeps the draft, and so does a decision that is refused.
        review.record(log, [decided("x", "skip"), decided("x", "flag"), decided("y")])
        with pytest.raises(InputError):
            review.record(log, [decided("x"), decided("x", "discard")])
        assert drafts.load(log, "ada", "x") == EDITED[:1]
        review.record(log, [decided("x", "edit")])
        assert drafts.load(log, "ada", "x") is None
        assert drafts.load(log, "bo", "x") == half
        drafts.discard(log, "bo", "x")
        assert drafts.load(log, "bo", "x") is None
        with pytest.raises(InputError, match="holds what is no text"):
            drafts.save(log, "ada", "x", [{"role": "user", "content": "\ud800"}])


def test_a_draft_outlives_a_killed_writer(path):
    code = (
        "import sys, itertools; from pathlib import Path\n"
        "from curate.review.drafts import save; from curate.review.store import opened\n"
        "with opened(Path(sys.argv[1])) as log:\n"
        "    for i in itertools.count():\n"
        "        save(log, 'ada', 'x', [{'role': 'user', 'content': str(i)}])\n"
        "        print(i, flush=True)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True) as writer:
        acknowledged = [writer.stdout.readline().strip() for _ in range(20)]
        writer.send_signal(signal.SIGKILL)
        acknowledged += writer.stdout.read().split()
    with opened(path) as log:
        (turn,) = drafts.load(log, "ada", "x")
    assert int(turn["content"]) - int(acknowledged[-1]) in (0, 1)


def test_reasons_have_the_keys_1_to_9_and_names_of_their_own():
    assert [reason.key for reason in REASONS] == list(range(1, 10))
    assert len(set(NAMES.values())) == 9
    assert NAMES[6] == "duplicate"


def test_a_token_that_stands_for_something_else_is_refused_and_nothing_of_the_batch_is_written(log):
    review.record(log, [decided("x", token="one")])
    with pytest.raises(InputError, match=r"token one of session s is already 'ada: keep x'"):
        review.record(log, [decided("y"), decided("x", "reject", token="one")])
    with pytest.raises(InputError, match="cannot be 'ada: undo'"):
        review.undo(log, "ada", "s", "one")
    assert len(review.history(log)) == 1


@pytest.mark.parametrize(
    ("decision", "message"),
    [
        (decided("x", "discard"), "expected one of keep, reject"),
        (decided("x", "keep", messages=EDITED), "expected edited messages with an edit"),
        (decided("x", "edit", messages=None), "expected edited messages with an edit"),
        (decided("x", "edit", messages=EDITED[:1]), "no question followed by an answer"),
        (decided("x", "reject", reasons=("\ud800",)), "holds what is no text"),
        (decided("x", who=""), "no reviewer"),
        (decided("x", "flag", role="settle"), "expected repeat, none, or settle"),
        (decided("x", role="chief"), "expected repeat, none, or settle"),
    ],
)
def test_what_is_no_decision_is_one_line(log, decision, message):
    with pytest.raises(InputError, match=message):
        review.record(log, [decision])
    assert review.history(log) == []


def test_rows_are_never_changed_or_deleted(log):
    review.record(log, [decided("x")])
    for statement in ("DELETE FROM events", "UPDATE events SET decision = 'reject'"):
        with pytest.raises(sqlite3.IntegrityError, match="never"):
            log.execute(statement)


def test_two_processes_write_at_once_without_loss(path):
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        pool.starmap(write_200, [(str(path), "ada"), (str(path), "bo")], chunksize=1)
    with opened(path) as log:
        events = review.history(log)
        assert len(events) == 400
        for who in ("ada", "bo"):
            assert [event.token for event in events if event.reviewer == who] == [str(i) for i in range(200)]
        assert len(standing(log)) == 14


def test_a_killed_writer_loses_nothing_that_it_acknowledged(path):
    code = (
        "import sys, itertools; from pathlib import Path\n"
        "from curate.review.log import Decision, record; from curate.review.store import opened\n"
        "with opened(Path(sys.argv[1])) as log:\n"
        "    for i in itertools.count():\n"
        "        record(log, [Decision('ada', 's', str(i), f'c{i}', 'e', 'keep')])\n"
        "        print(i, flush=True)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True) as writer:
        acknowledged = [writer.stdout.readline().strip() for _ in range(50)]
        writer.send_signal(signal.SIGKILL)
        acknowledged += writer.stdout.read().split()
    with opened(path) as log:
        written = [event.token for event in review.history(log)]
        assert written[: len(acknowledged)] == acknowledged
        # At most the one that was on its way is there without an answer.
        assert len(written) - len(acknowledged) in (0, 1)
        assert log.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_every_write_waits_for_the_disk(log):
    assert log.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert log.execute("PRAGMA synchronous").fetchone() == (2,)


def test_two_reviewers_never_hold_one_example(log):
    assert lease(log, "ada", "wxyz", 2, at=0) == ["w", "x"]
    assert lease(log, "bo", "wxyz", 3, at=1) == ["y", "z"]
    assert lease(log, "ada", "zyxw", 4, at=2) == ["x", "w"]
    release(log, "bo", ["w", "y"])
    assert held(log, at=3) == {"w": "ada", "x": "ada", "z": "bo"}
    release(log, "ada")
    assert held(log, at=3) == {"z": "bo"}


def test_a_lease_ends_by_itself(log):
    assert lease(log, "ada", "x", 1, seconds=10, at=0) == ["x"]
    assert lease(log, "bo", "x", 1, at=9.9) == []
    assert held(log, at=10) == {}
    assert lease(log, "bo", "x", 1, at=10) == ["x"]


def test_what_is_decided_is_leased_again_only_when_asked(log):
    review.record(log, [decided("x"), decided("y", "skip")])
    assert lease(log, "bo", "xyz", 3, at=0) == ["y", "z"]
    assert lease(log, "bo", "xyz", 3, again=True, at=0) == ["x", "y", "z"]


def test_two_processes_lease_apart(path):
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        first, second = pool.starmap(lease_all, [(str(path), "ada"), (str(path), "bo")], chunksize=1)
    assert sorted(first + second) == sorted(f"c{i}" for i in range(100))


def test_decisions_travel_as_a_file(log, tmp_path):
    review.record(log, [decided("z", "edit"), decided("x", "reject", reasons=("wrong", "rude")), decided("y", "flag")])
    review.record(log, [decided("w", "skip"), decided("x", "keep", who="bo", example='<"&한')])
    there = tmp_path / "decisions.jsonl"
    assert export_decisions(log, there) == 3
    data = there.read_bytes()
    rows = [orjson.loads(line) for line in data.splitlines()]
    assert [(row["content"], row["decision"], row["reviewer"]) for row in rows] == [
        ("x", "reject", "ada"),
        ("x", "keep", "bo"),
        ("z", "keep", "ada"),
    ]
    assert rows[2]["messages"] == EDITED
    # The learned score reads the same file: of two reviewers the later one counts, and an edit keeps what it made.
    edited = next(event.edited for event in review.current(log) if event.content == "z")
    assert dict(reviewer.decisions(there).iter_rows()) == {"x": True, "z": True, edited: True}

    with opened(tmp_path / "other") as other:
        assert import_decisions(other, there) == 3
        assert import_decisions(other, there) == 0
        assert standing(other) == [("x", "ada", "reject"), ("x", "bo", "keep"), ("z", "ada", "edit")]
        export_decisions(other, tmp_path / "again.jsonl")
    assert (tmp_path / "again.jsonl").read_bytes() == data
    assert import_decisions(log, there) == 0


def test_a_settlement_and_an_undone_act_travel_too(log, tmp_path):
    there = tmp_path / "decisions.jsonl"
    review.record(log, [decided("x", "keep"), decided("x", "reject", who="bo"), decided("y", act="a")])
    review.undo(log, "ada", "s", "u")
    review.record(log, [decided("x", "keep", who="cy", role="settle"), decided("x", "reject", role="repeat")])
    assert export_decisions(log, there) == 3
    rows = [orjson.loads(line) for line in there.read_bytes().splitlines()]
    assert [(row["reviewer"], row.get("role")) for row in rows] == [("ada", None), ("bo", None), ("cy", "settle")]
    with opened(tmp_path / "other") as other:
        assert import_decisions(other, there) == 3
        assert [event.role for event in review.current(other)] == [None, None, "settle"]


def test_an_import_does_not_bring_back_what_was_undone_since(log, tmp_path):
    there = tmp_path / "decisions.jsonl"
    review.record(log, [decided("x")])
    export_decisions(log, there)
    review.undo(log, "ada", "s", "u")
    assert import_decisions(log, there) == 0
    assert standing(log) == []
    there.write_bytes(there.read_bytes().replace(b'"time":"2', b'"time":"3'))
    assert import_decisions(log, there) == 1
    assert standing(log) == [("x", "ada", "keep")]


WORDS = st.sampled_from(["keep", "reject", "edit", "flag", "skip"])


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["zoe", "bo", "ada"]), CONTENTS, WORDS), max_size=12))
def test_what_counts_in_the_log_is_what_a_build_reads_in_its_export(tmp_path_factory, said):
    folder = tmp_path_factory.mktemp("log")
    with opened(folder / "log") as log:
        review.record(log, [decided(content, word, who) for who, content, word in said])
        export_decisions(log, folder / "decisions.jsonl")
        counting = {content: opinion.decision for content, opinion in review.counting(log).items()}
    latest = {content: line.decision for content, line in decisions.read(folder / "decisions.jsonl").latest.items()}
    words = {"edit": "keep", "keep": "keep", "reject": "reject"}
    assert latest == {content: words[word] for content, word in counting.items() if word in words}


def test_nothing_decided_is_an_empty_file(log, tmp_path):
    assert export_decisions(log, tmp_path / "none.jsonl") == 0
    assert (tmp_path / "none.jsonl").read_bytes() == b""
    assert import_decisions(log, tmp_path / "none.jsonl") == 0


LINE = {"content": "x", "decision": "keep", "example": "e", "reviewer": "ada", "time": "2026-01-31T08:05:00.000Z"}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (LINE | {"decision": "skip"}, r"decisions.jsonl:2: decision is 'skip'; expected keep or reject"),
        (LINE | {"content": 7}, "2: content is 7; expected a text"),
        (LINE | {"time": "yesterday"}, "2: time is 'yesterday'; expected UTC"),
        (LINE | {"reasons": "rude"}, "2: reasons are 'rude'; expected a list"),
        (LINE | {"messages": ["hello"]}, "2: messages are no conversation"),
        (LINE | {"messages": EDITED[:1]}, "2: .*no question followed by an answer"),
        (LINE | {"role": "chief"}, "2: role is 'chief'; expected settle"),
        ([LINE], "decisions.jsonl:2: "),
    ],
)
def test_a_line_that_is_no_decision_is_named_and_nothing_is_imported(log, tmp_path, line, message):
    there = tmp_path / "decisions.jsonl"
    there.write_bytes(orjson.dumps(LINE) + b"\n" + orjson.dumps(line) + b"\n")
    with pytest.raises(InputError, match=message):
        import_decisions(log, there)
    assert review.history(log) == []


def test_a_missing_file_of_decisions_is_one_line(log, tmp_path):
    with pytest.raises(InputError, match="no such file"):
        import_decisions(log, tmp_path / "none.jsonl")


def test_a_decision_on_a_text_that_has_changed_is_stale_until_its_reviewer_decides_again(log):
    review.record(log, [decided(content, example=example) for content, example in [("a1", "a"), ("b1", "b")]])
    review.record(log, [decided("c1", "skip", example="c"), decided("d1", "reject", example="d")])
    corpus = {"a": "a2", "b": "b1", "c": "c2", "e": "e1"}  # b is as it was, d is gone, e is new
    (found,) = stale(log, corpus)
    assert (found.event.content, found.event.example, found.content) == ("a1", "a", "a2")
    review.record(log, [decided("a2", "skip", example="a"), decided("a2", "keep", who="bo", example="a")])
    assert [each.event.content for each in stale(log, corpus)] == ["a1"]
    review.record(log, [decided("a2", "reject", example="a")])
    assert stale(log, corpus) == []
    # The text moved to another row: the decision holds there.
    assert stale(log, {"a": "a3", "z": "a1", "y": "a2"}) == []


def test_what_an_edit_made_of_a_text_is_not_stale(log):
    review.record(log, [decided("a1", "keep", who="bo", example="a"), decided("a1", "flag", who="cy", example="a")])
    (edit,) = review.record(log, [decided("a1", "edit", example="a")])
    assert stale(log, {"a": edit.edited}) == []
    assert [found.event.reviewer for found in stale(log, {"a": "a2"})] == ["bo", "cy", "ada"]


def test_a_file_that_is_no_log_is_one_line(path, tmp_path):
    path.write_bytes(b"not a database, but long enough to look at" * 100)
    with pytest.raises(RunError, match="cannot be used"), opened(path):
        pass
    with pytest.raises(RunError, match="cannot be used"), opened(tmp_path / "none" / "decisions.sqlite"):
        pass
    with contextlib.closing(sqlite3.connect(tmp_path / "theirs")) as theirs:
        theirs.execute("CREATE TABLE notes (text)")
    with pytest.raises(RunError, match="not a review log of version 1"), opened(tmp_path / "theirs"):
        pass
    with contextlib.closing(sqlite3.connect(tmp_path / "theirs")) as theirs:
        assert theirs.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    with opened(tmp_path / "newer") as log:
        log.execute("PRAGMA user_version = 2")
    with pytest.raises(RunError, match="it says 2"), opened(tmp_path / "newer"):
        pass
