"""Answers from an endpoint, against a real server on this machine that answers as each test says."""

import json
import threading

import pytest

from curate import cache
from curate.errors import ConfigError
from curate.lm import api
from curate.lm.api import Settings
from curate.progress import listening
from tests import faults
from tests.faults import completion, failure

SECRET = "sk-never-write-this"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.setenv("LAPIDARY_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("LAPIDARY_TEST_KEY", SECRET)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def waits(monkeypatch):
    """How long the client would have slept, each time; nobody sleeps."""
    slept = []
    monkeypatch.setattr("openai._base_client.time.sleep", slept.append)
    return slept


@pytest.fixture
def serve():
    with faults.serving() as start:
        yield start


def settings_of(endpoint, **changes):
    return Settings(model="m", base_url=endpoint.url, key_env="LAPIDARY_TEST_KEY", **changes)


def echo(request, _):
    return completion(request["messages"][-1]["content"].upper())


def say(text):
    return [{"role": "user", "content": text}]


def test_answers_come_in_the_order_of_the_questions_and_equal_ones_are_asked_once(serve):
    endpoint = serve(echo)
    found = api.ask([say("b"), say("a"), say("b")], settings_of(endpoint))
    assert [answer.text for answer in found] == ["B", "A", "B"]
    assert found[0] == api.Answer("B", "ok", "", 1, 7, 2)
    assert len(endpoint.requests) == 2


def test_the_request_says_what_the_settings_say_and_the_key_goes_in_the_header_alone(serve):
    endpoint = serve(echo)
    api.ask([say("a")], settings_of(endpoint, max_tokens=5, seed=3, extra={"top_p": 0.5, "temperature": None}))
    assert endpoint.requests == [{"messages": say("a"), "model": "m", "seed": 3, "max_tokens": 5, "top_p": 0.5}]
    assert endpoint.keys == [f"Bearer {SECRET}"]
    api.ask([say("b")], settings_of(endpoint))
    assert endpoint.requests[1]["temperature"] == 0
    written = b"".join(path.read_bytes() for path in cache.folder().rglob("*") if path.is_file())
    assert SECRET.encode() not in written


def test_an_answer_is_kept_until_something_it_depends_on_changes(serve):
    endpoint = serve(echo)
    for settings in (
        settings_of(endpoint),
        settings_of(endpoint, concurrency=1, retries=0, timeout_seconds=9),
        settings_of(endpoint, seed=2),
        settings_of(endpoint, max_tokens=9),
        settings_of(endpoint, extra={"top_p": 0.5}),
    ):
        api.ask([say("a")], settings)
    assert len(endpoint.requests) == 4
    assert api.ask([say("a")], settings_of(endpoint))[0].attempts == 0


def test_a_busy_server_is_waited_for_as_long_as_it_says(serve, waits):
    endpoint = serve(lambda request, n: failure(429, Retry_After="17") if n < 2 else echo(request, n))
    found = api.ask([say("a")], settings_of(endpoint))
    assert found == [api.Answer("A", "ok", "", 3, 7, 2)]
    assert waits == [17.0, 17.0]


def test_without_a_word_from_the_server_the_waits_grow(serve, waits):
    endpoint = serve(lambda request, n: failure(500) if n < 3 else echo(request, n))
    assert api.ask([say("a")], settings_of(endpoint))[0].text == "A"
    assert len(waits) == 3
    assert waits[0] < waits[1] < waits[2]


def test_an_error_after_all_tries_is_a_status_and_is_asked_again_next_time(serve, waits):
    down = True

    def script(request, number):
        return failure(503, "down") if down and request["messages"] == say("bad") else echo(request, number)

    endpoint = serve(script)
    good, bad = api.ask([say("good"), say("bad")], settings_of(endpoint, retries=2))
    assert (good.status, bad.status, bad.text, bad.attempts) == ("ok", "api_error", None, 3)
    assert "InternalServerError" in bad.detail
    down = False
    assert api.ask([say("bad")], settings_of(endpoint))[0].text == "BAD"


def test_a_question_that_the_server_will_not_take_is_not_asked_twice(serve, waits):
    endpoint = serve(lambda *_: failure(400, f"too long for {SECRET}"))
    (answer,) = api.ask([say("a")], settings_of(endpoint))
    assert (answer.status, answer.attempts, len(endpoint.requests), waits) == ("api_error", 1, 1, [])
    assert SECRET not in answer.detail
    assert "too long for ***" in answer.detail


@pytest.mark.parametrize(
    ("response", "status"),
    [
        (completion(None, refusal="I will not."), "refused"),
        (completion("", finish="content_filter"), "refused"),
        (completion("one, two, th", finish="length"), "truncated"),
        (completion("  "), "empty"),
        (completion(None), "empty"),
        ((200, {}, b'{"choices": []}'), "api_error"),
        ((200, {}, b'{"choices": [{"mess'), "api_error"),
        ((200, {"Content-Type": "text/html"}, b"<html>hello</html>"), "api_error"),
        ((200, {}, b"null"), "api_error"),
    ],
)
def test_what_is_no_answer_has_a_status_and_no_text(serve, response, status):
    (answer,) = api.ask([say("a")], settings_of(serve(lambda *_: response)))
    assert (answer.status, answer.text) == (status, None)
    assert answer.detail


def test_a_lost_connection_is_tried_again(serve, waits):
    endpoint = serve(lambda request, n: (None, {}, b"") if n == 0 else echo(request, n))
    assert api.ask([say("a")], settings_of(endpoint))[0] == api.Answer("A", "ok", "", 2, 7, 2)


def test_a_server_that_does_not_answer_in_time_is_an_error_of_that_question(serve, waits):
    hold = threading.Event()

    def script(request, number):
        if request["messages"] == say("slow"):
            hold.wait(5)
        return echo(request, number)

    slow, quick = api.ask([say("slow"), say("quick")], settings_of(serve(script), timeout_seconds=0.2, retries=0))
    hold.set()
    assert (slow.status, quick.status) == ("api_error", "ok")
    assert "APITimeoutError" in slow.detail


def test_no_more_questions_are_out_than_the_settings_allow(serve):
    together = threading.Barrier(3, timeout=5)

    def script(request, number):
        together.wait()
        return echo(request, number)

    endpoint = serve(script)
    heard = []
    with listening(heard.append):
        api.ask([say(str(n)) for n in range(6)], settings_of(endpoint, concurrency=3))
    assert endpoint.most == 3
    assert heard[-1] == 1.0


@pytest.mark.parametrize(
    ("status", "message"),
    [(401, "the key is not accepted"), (403, "may not use this model"), (404, "no such model or path")],
)
def test_what_every_question_would_meet_is_one_line_without_the_key(serve, status, message):
    endpoint = serve(lambda *_: failure(status, f"Incorrect API key provided: {SECRET}"))
    with pytest.raises(ConfigError, match=message) as caught:
        api.ask([say(str(n)) for n in range(50)], settings_of(endpoint, concurrency=1))
    assert SECRET not in str(caught.value)
    assert len(endpoint.requests) < 50


def test_an_endpoint_that_is_not_there_is_one_line(serve, waits):
    endpoint = serve(echo)
    endpoint.server.server_close()
    with pytest.raises(ConfigError, match=r"127\.0\.0\.1.* cannot be reached"):
        api.ask([say("a")], settings_of(endpoint, retries=0))


def test_a_key_that_is_not_set_is_one_line_and_null_sends_none_of_ours(serve, monkeypatch):
    endpoint = serve(echo)
    monkeypatch.delenv("LAPIDARY_TEST_KEY")
    with pytest.raises(ConfigError, match="LAPIDARY_TEST_KEY is not set"):
        api.ask([say("a")], settings_of(endpoint))
    open_ = settings_of(endpoint).model_copy(update={"key_env": None})
    assert api.ask([say("a")], open_)[0].text == "A"


def test_an_nth_answer_is_another_question_also_where_no_seed_is_sent(serve):
    endpoint = serve(echo)
    for changes in ({}, {"extra": {"seed": None}}):
        with api.Endpoint(settings_of(endpoint, **changes)) as asked:
            for nth in (0, 1, 1, 2):
                asked.ask(api.Question(say("a"), nth))
    assert [request.get("seed") for request in endpoint.requests] == [1, 2, 3, None, None, None]
    assert api.ask([say("a")], settings_of(endpoint))[0].attempts == 0


def test_a_question_may_change_fields_of_its_request(serve):
    alternatives = [{"token": "A", "logprob": -0.25}, {"token": "B", "logprob": -1.5}]

    def script(request, _):
        status, headers, body = completion("A", finish="length")
        full = json.loads(body)
        full["choices"][0]["logprobs"] = {"content": [{"token": "A", "top_logprobs": alternatives}]}
        return status, headers, json.dumps(full).encode()

    endpoint = serve(script)
    with api.Endpoint(settings_of(endpoint)) as asked:
        answer = asked.ask(api.Question(say("a"), changes={"max_tokens": 1, "logprobs": True}))
    assert (answer.status, answer.text, answer.partial) == ("truncated", None, "A")
    assert answer.top == (("A", -0.25), ("B", -1.5))
    assert (endpoint.requests[0]["max_tokens"], endpoint.requests[0]["logprobs"]) == (1, True)


def test_what_may_have_been_worked_on_without_an_answer_is_counted(serve):
    endpoint = serve(lambda _, n: (None, {}, b"") if n < 2 else failure(400))
    heard = []
    with api.Endpoint(settings_of(endpoint, backoff_seconds=0)) as asked:
        answer = asked.ask(api.Question(say("a")), heard.append)
    assert (answer.status, answer.attempts, answer.unanswered) == ("api_error", 3, 2)
    assert heard == [0, 1, 2]


def test_a_wait_that_is_too_long_is_not_waited_for(serve, waits):
    endpoint = serve(lambda *_: failure(429, Retry_After="3600"))
    (answer,) = api.ask([say("a")], settings_of(endpoint))
    assert (answer.status, answer.attempts, waits) == ("api_error", 1, [])
    assert "asks to wait 3,600 s" in answer.detail


def test_an_account_without_credit_ends_the_work(serve):
    body = json.dumps({"error": {"message": "quota", "code": "insufficient_quota"}}).encode()
    with pytest.raises(ConfigError, match="no credit left"):
        api.ask([say("a")], settings_of(serve(lambda *_: (429, {}, body))))
