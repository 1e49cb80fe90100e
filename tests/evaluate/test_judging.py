"""The plan of judgements, and a file of them that survives whatever ends the process."""

import json
import math
import os
import signal
import subprocess
import sys
import time

import pytest

from curate.errors import ConfigError, InputError, RunError
from evaluate import formats, journal, judging, plan, record
from evaluate.__main__ import main
from evaluate.judges import catalogue
from evaluate.spending import Price, Purse
from tests import faults
from tests.faults import completion, failure, said

QUESTIONS = ["Why?", "How?", "When?", "Where?", "Who?"]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.setenv("LAPIDARY_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def serve():
    with faults.serving() as start:
        yield start


def answers(tmp_path, model, **outputs):
    """A file of a model's answers to the questions: its own name and the question, unless said otherwise."""
    rows = []
    for place, question in enumerate(QUESTIONS):
        output = outputs.get(f"q{place}", f"{model} says to {question}")
        messages = [{"role": "user", "content": question}]
        row = {"prompt_id": f"p{place}", "instruction": question, "messages": messages, "output": output}
        rows.append({**row, "generator": model, "category": "w"})
    path = tmp_path / f"{model}.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def planned(tmp_path, order="both", samples=1, **kinds):
    given = plan.read([str(answers(tmp_path, "x")), str(answers(tmp_path, "y"))])
    return plan.pairs(given, order, samples, **kinds)


def api_judge(endpoint, *overrides, template=None):
    fast = ["model=m", f"base_url={endpoint.url}", "key_env=null", "backoff_seconds=0.001", "retries=1"]
    return catalogue.load("api", [*fast, *overrides], template)


A, B = '{"verdict": "A"}', '{"verdict": "B"}'


def test_every_pair_is_planned_in_both_orders_and_samples(tmp_path):
    given = plan.read([str(answers(tmp_path, name)) for name in ("x", "y", "z")])
    both = plan.pairs(given, "both", 2)
    assert len(both.items) == 3 * 5 * 2 * 2
    assert {item.key[1:3] for item in both.items} == {("x", "y"), ("x", "z"), ("y", "z")}
    assert {(item.key[3], item.nth, item.first) for item in both.items} == {
        ("0", 0, "a"), ("0", 0, "b"), ("1", 1, "a"), ("1", 1, "b"),
    }  # fmt: skip
    against = plan.pairs(given, "fixed", 1, "z")
    assert {item.key[1:3] for item in against.items} == {("z", "x"), ("z", "y")}
    assert {item.first for item in against.items} == {"a"}
    assert {item.first for item in plan.pairs(given, "both", 1, shown=False).items} == {None}
    with pytest.raises(ConfigError, match=r"there are no answers of it. Did you mean"):
        plan.pairs(given, "both", 1, "zz")


def test_the_order_of_alpaca_eval_is_its_own(tmp_path, shared_data):
    folder = "evaluation/alpaca_eval/{}/model_outputs.json"
    given = plan.read([str(shared_data(folder.format(name))) for name in ("gpt4_1106_preview", "NullModel")])
    found = plan.pairs(given, "alpaca_eval", 1)
    annotations = "evaluation/alpaca_eval/NullModel/weighted_alpaca_eval_gpt4_turbo/annotations.json"
    published = formats.alpaca_eval.annotations(shared_data(annotations))
    known = {row["prompt_id"]: row["first"] for row in published.to_dicts() if row["first"] is not None}
    ours = {item.key[0]: item.first for item in found.items}
    assert len(known) > 500
    assert {prompt: ours[prompt] for prompt in known} == known


def test_what_is_left_out_is_said(tmp_path):
    paths = [answers(tmp_path, "x", q1=None), answers(tmp_path, "y")]
    lines = paths[1].read_text().split("\n")
    paths[1].write_text("\n".join(lines[1:]))
    found = plan.pairs(plan.read([str(path) for path in paths]), "both", 1)
    assert sorted({item.key[0] for item in found.items}) == ["p2", "p3", "p4"]
    assert found.notes == [
        "x, y: 4 answers in common; 1 only one of them has",
        "x, y: 1 not judged, for an answer is missing (null)",
    ]


def test_two_files_of_one_model_need_names(tmp_path):
    path = str(answers(tmp_path, "x"))
    with pytest.raises(InputError, match=r"answers of x were given before. Name one of them: NAME="):
        plan.read([path, path])
    assert list(plan.read([path, f"other={path}"]).models) == ["x", "other"]


def test_a_later_turn_is_judged_after_what_was_said_before_it(tmp_path):
    turns = {"question_id": 81, "turns": ["Write.", "Shorter."], "category": "writing", "reference": ["r1", "r2"]}
    choice = {"index": 0, "turns": ["Long text.", "Text."]}
    (tmp_path / "q.jsonl").write_text(json.dumps(turns) + "\n")
    (tmp_path / "m.jsonl").write_text(json.dumps({"question_id": 81, "model_id": "m", "choices": [choice]}) + "\n")
    found = plan.singles(plan.read([str(tmp_path / "m.jsonl")], tmp_path / "q.jsonl"), 1)
    assert [(item.turn, item.reference) for item in found.items] == [(1, "r1"), (2, "r2")]
    assert [turn["content"] for turn in found.items[1].a] == ["Write.", "Long text.", "Shorter.", "Text."]
    with pytest.raises(InputError, match="do not hold the text of prompt 81, turn 1: give the questions: --prompts"):
        plan.singles(plan.read([str(tmp_path / "m.jsonl")]), 1)


def test_judgements_are_rows_of_the_record(tmp_path, serve):
    endpoint = serve(lambda request, n: completion(A if "x says" in said(request).split("Answer B")[0] else B))
    out = tmp_path / "r.jsonl"
    found = judging.judge(planned(tmp_path), api_judge(endpoint), out, Purse(Price(input=1, output=1)))
    assert (found["made"], found["left"], found["status"]) == (10, 0, {"ok": 10})
    assert found["cost"] == pytest.approx(10 * 9 / 1e6)
    rows = formats.read([out])
    assert rows["verdict"].to_list() == ["a"] * 10
    assert sorted(rows["first"].to_list()) == ["a"] * 5 + ["b"] * 5
    assert set(rows["output_a"]) == {f"x says to {question}" for question in QUESTIONS}
    assert rows["template"][0].startswith("pairwise@")
    assert rows.unique(record.JUDGEMENT_KEY).height == 10


def test_equal_answers_are_a_tie_without_asking(tmp_path, serve):
    endpoint = serve(lambda *_: completion(A))
    given = plan.read([str(answers(tmp_path, "x", q0="same")), str(answers(tmp_path, "y", q0="same"))])
    out = tmp_path / "r.jsonl"
    judging.judge(plan.pairs(given, "both", 1), api_judge(endpoint), out, Purse(None))
    ties = [row for row in journal.rows(out) if row["prompt_id"] == "p0"]
    assert [(row["verdict"], row["probability"], row["attempts"]) for row in ties] == [("tie", 0.5, 0)] * 2
    assert len(endpoint.requests) == 8


def test_a_run_goes_on_where_it_stopped_and_mends_a_broken_line(tmp_path, serve, monkeypatch):
    endpoint = serve(lambda *_: completion(A))
    out = tmp_path / "r.jsonl"
    judge = api_judge(endpoint)
    judging.judge(planned(tmp_path), judge, out, Purse(None))
    whole = out.read_bytes()
    lines = whole.split(b"\n")
    out.write_bytes(b"\n".join(lines[:4]) + b"\n" + lines[4][:30])
    # Without the cache, what is not in the file has to be asked.
    monkeypatch.setenv("LAPIDARY_CACHE", str(tmp_path / "empty"))
    found = judging.judge(planned(tmp_path), judge, out, Purse(None))
    assert (found["made"], len(endpoint.requests)) == (10, 16)
    rows = journal.rows(out)
    assert len({judging._key_of(row) for row in rows}) == len(rows) == 10
    judging.judge(planned(tmp_path), judge, out, Purse(None))
    assert len(endpoint.requests) == 16


def test_judgements_of_other_answers_are_not_taken_for_these(tmp_path, serve):
    endpoint = serve(lambda *_: completion(A))
    out = tmp_path / "r.jsonl"
    judging.judge(planned(tmp_path), api_judge(endpoint), out, Purse(None))
    given = plan.read([str(answers(tmp_path, "x", q2="New.")), str(answers(tmp_path, "y"))])
    with pytest.raises(InputError, match="a judgement of another answer to prompt p2 by x or y"):
        judging.judge(plan.pairs(given, "both", 1), api_judge(endpoint), out, Purse(None))


def test_a_file_that_is_no_judgements_is_left_alone(tmp_path):
    out = answers(tmp_path, "x")
    before = out.read_bytes()
    with pytest.raises(InputError, match=r"x\.jsonl:1: no model_a, .*: this file was not written here"):
        judging.judge(planned(tmp_path), catalogue.load("longer"), out, Purse(None))
    assert out.read_bytes() == before


def test_another_process_at_the_same_file_is_refused(tmp_path):
    out = tmp_path / "r.jsonl"
    with journal.held(out), pytest.raises(RunError, match="another process is writing to it"), journal.held(out):
        pass


def test_failed_judgements_stay_failed_until_they_are_run_again(tmp_path, serve):
    is_good = False

    def script(request, n):
        if "Who?" in said(request) and not is_good:
            return failure(503)
        if ("Why?" in said(request) or "could not read" in said(request)) and not is_good:
            return completion("Hm.")
        return completion(A)

    endpoint = serve(script)
    out = tmp_path / "r.jsonl"
    judge = api_judge(endpoint, "logprobs=false", "concurrency=1")
    price = Price(input=1e6, output=1e6)
    found = judging.judge(planned(tmp_path), judge, out, Purse(price))
    assert found["status"] == {"ok": 6, "parse_failed": 2, "api_error": 2}
    asked = len(endpoint.requests)
    assert judging.judge(planned(tmp_path), judge, out, Purse(price))["status"] == found["status"]
    assert len(endpoint.requests) == asked
    order = [row["prompt_id"] for row in journal.rows(out)]
    is_good = True
    again = judging.judge(planned(tmp_path), judge, out, Purse(price), rerun=True)
    assert again["status"] == {"ok": 10}
    assert len(endpoint.requests) == asked + 4
    rows = journal.rows(out)
    assert [row["prompt_id"] for row in rows] == order
    # Two replies of 9 tokens that said nothing, then one with a verdict.
    assert {row["cost"] for row in rows if row["prompt_id"] == "p0"} == {27.0}
    assert {(row["round"], row["attempts"]) for row in rows if row["prompt_id"] == "p4"} == {(1, 3)}
    assert {request["seed"] for request in endpoint.requests[asked:]} == {1 + judging.ROUND}


def test_a_rerun_that_is_broken_off_loses_nothing(tmp_path, serve):
    good = {"n": 0}

    def script(request, n):
        return completion(A) if good["n"] and n < good["n"] else failure(503)

    endpoint = serve(script)
    out = tmp_path / "r.jsonl"
    judge = api_judge(endpoint, "concurrency=1", "retries=0")
    judging.judge(planned(tmp_path), judge, out, Purse(None))
    good["n"] = len(endpoint.requests) + 4

    def stop(progress):
        if progress.done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        judging.judge(planned(tmp_path), judge, out, Purse(None), rerun=True, watch=stop)
    found = judging.judge(planned(tmp_path), judge, out, Purse(None))
    assert found["status"] == {"ok": 3, "api_error": 7}
    assert len(journal.rows(out)) == 10


def test_the_budget_spans_runs_and_never_breaks(tmp_path, serve):
    endpoint = serve(lambda *_: completion(A, usage=(1000, 100)))
    out = tmp_path / "r.jsonl"
    judge = api_judge(endpoint, "concurrency=2")
    price = Price(input=1e6, output=1e6)
    found = judging.judge(planned(tmp_path), judge, out, Purse(price, 6_000))
    assert found["stopped"] == "budget"
    assert 0 < found["made"] < 10
    assert found["cost"] == 1100 * found["made"] <= 6_000
    again = judging.judge(planned(tmp_path), judge, out, Purse(price, 6_000))
    assert again["made"] == found["made"] == len(endpoint.answered)
    assert judging.judge(planned(tmp_path), judge, out, Purse(price, 60_000))["made"] == 10


def test_an_estimate_asks_nobody_and_says_what_it_rests_on(tmp_path, serve, capsys):
    endpoint = serve(lambda *_: completion(A, usage=(1000, 100)))
    prices = tmp_path / "prices.yaml"
    prices.write_text("models:\n  m: {input: 1, output: 10}\n")
    out = tmp_path / "r.jsonl"
    command = ["judge", "--answers", str(answers(tmp_path, "x", q0="same")), str(answers(tmp_path, "y", q0="same"))]
    command += ["--judge", "api", "-s", "model=m", "-s", f"base_url={endpoint.url}", "-s", "key_env=null"]
    command += ["--out", str(out), "--prices", str(prices), "--json"]
    assert main([*command, "--dry-run"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["judgements"], found["calls"], found["without_asking"]) == (10, 8, 2)
    assert found["tokens_out_at_most"] == 8 * 1024
    assert found["price"] == pytest.approx((found["tokens_in"] + 10 * found["tokens_out"]) / 1e6, rel=1e-3)
    assert found["price"] < found["price_at_most"]
    assert found["rests_on"].startswith("assumptions")
    assert not endpoint.requests
    assert not out.exists()
    assert main(command) == 0
    capsys.readouterr()
    assert main([*command, "--samples", "2", "--dry-run"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["already_made"], found["calls"]) == (10, 8)
    assert (found["tokens_out"], found["rests_on"]) == (800, "8 judgements in the file")


def test_limits_make_the_time(tmp_path, serve):
    judge = api_judge(serve(lambda *_: completion(A)), "requests_per_minute=2")
    work = judging.todo(planned(tmp_path), judge, [], rerun=False, where=tmp_path)
    assert judging.estimate(planned(tmp_path), judge, [], work, Purse(None))["seconds"] == 300


def test_a_reached_budget_is_exit_code_1(tmp_path, serve, capsys):
    endpoint = serve(lambda *_: completion(A, usage=(1000, 100)))
    (tmp_path / "prices.yaml").write_text("models:\n  m: {input: 1000000, output: 1000000}\n")
    command = ["judge", "--answers", str(answers(tmp_path, "x")), str(answers(tmp_path, "y")), "--judge", "api"]
    command += [
        "-s",
        "model=m",
        "-s",
        f"base_url={endpoint.url}",
        "-s",
        "key_env=null",
        "--out",
        str(tmp_path / "r.jsonl"),
    ]
    assert main([*command, "--prices", str(tmp_path / "prices.yaml"), "--budget", "5000"]) == 1
    assert "stopped" in capsys.readouterr().out
    assert main([*command, "--budget", "5000"]) == 2
    assert "--budget needs the model's price" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("judge", "samples", "message"),
    [("longer", 2, "longer says the same each time"), ("similarity", 1, "5 prompts have no reference answer")],
)
def test_what_would_be_wrong_is_said_before(tmp_path, judge, samples, message):
    who = catalogue.load(judge)
    with pytest.raises((ConfigError, InputError), match=message):
        catalogue.check(planned(tmp_path, samples=samples, shown=False).items, who, samples)


def test_two_turns_need_a_template_for_two(tmp_path):
    who = catalogue.load("api", ["model=m"])
    items = [item._replace(turn=2) for item in planned(tmp_path).items]
    with pytest.raises(ConfigError, match="is for one turn"):
        catalogue.check(items, who, 1)
    catalogue.check(items, catalogue.load("api", ["model=m"], "mt_bench_pair"), 1)


def test_nothing_is_lost_invented_or_paid_twice_when_the_process_is_killed(tmp_path, serve):
    """A server that answers nine questions in ways good and bad and holds all others; then kill -9; then again."""
    held, first = 9, {}

    def script(request, n):
        question = request["messages"][1]["content"]
        if "free" not in first and len(first) >= held and question not in first:
            while "free" not in first:
                time.sleep(0.01)
            return None, {}, b""
        kind = first.setdefault(question, len(first)) if "free" not in first else 0
        is_reminded = "could not read" in said(request)
        if kind % 3 == 1 and not is_reminded:
            return completion("Let me think about it.")
        if kind % 3 == 2 and request["max_tokens"] < 4096 and not is_reminded:
            return completion('{"verd', "length")
        return completion(A)

    endpoint = serve(script)
    out = tmp_path / "r.jsonl"
    questions = [f"Question {n}?" for n in range(10)]
    for model in ("x", "y"):
        rows = [{"instruction": text, "output": f"{model} on {text}", "generator": model} for text in questions]
        (tmp_path / f"{model}.json").write_text(json.dumps(rows))
    command = [
        sys.executable,
        "-m",
        "evaluate",
        "judge",
        "--answers",
        str(tmp_path / "x.json"),
        str(tmp_path / "y.json"),
    ]
    command += ["--judge", "api", "--out", str(out), "--json"]
    for setting in ("model=m", f"base_url={endpoint.url}", "key_env=null", "backoff_seconds=0.01", "concurrency=4"):
        command += ["-s", setting]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while len(journal.rows(out)) < held and time.monotonic() < deadline:
        assert process.poll() is None
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    before = journal.rows(out)
    assert len(before) == held
    paid = len(endpoint.answered)
    first["free"] = 1
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["status"] == {"ok": 20}
    rows = journal.rows(out)
    assert rows[:held] == before
    assert len({judging._key_of(row) for row in rows}) == len(rows) == 20
    # The eleven that were left, each once; no question that had been answered was put again.
    assert len(endpoint.answered) == paid + 11
    put = [json.dumps([request["messages"], request["max_tokens"]]) for request in endpoint.answered]
    assert len(set(put)) == len(put)


def test_an_answer_that_was_paid_for_and_not_yet_written_is_not_paid_for_again(tmp_path, serve):
    endpoint = serve(lambda *_: completion(A, usage=(100, 10)))
    out, judge, price = tmp_path / "r.jsonl", api_judge(endpoint), Price(input=1e6, output=1e6)
    judging.judge(planned(tmp_path), judge, out, Purse(price))
    kept = out.read_bytes().split(b"\n")
    out.write_bytes(b"\n".join(kept[:6]) + b"\n")
    purse = Purse(price, 1100)
    found = judging.judge(planned(tmp_path), judge, out, purse)
    assert (found["made"], found["cost"], len(endpoint.requests)) == (10, 1100, 10)
    assert math.isclose(purse.spent, 1100)
