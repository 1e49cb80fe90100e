"""Each kind of judge on a few pairs; the endpoint's judge against a server that fails in every way there is."""

import json
import math
import threading

import polars as pl
import pytest

from curate.errors import ConfigError
from evaluate import record, spending, templates
from evaluate.judges import Item, Outcome, api, asking, catalogue, controls, human, local, reward, similarity
from evaluate.spending import Price, Purse, Spent
from tests import faults
from tests.curate import language_models
from tests.faults import completion, failure, said


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.setenv("LAPIDARY_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def serve():
    with faults.serving() as start:
        yield start


def item(a="It scatters.", b="Because.", first="a", question="Why?", nth=0, turn=1, reference=None):
    def talk(answer):
        return ({"role": "user", "content": question}, {"role": "assistant", "content": answer})

    return Item(
        ("p", "x", "y", "0", "1"), question, talk(a), None if b is None else talk(b), first, turn, reference, nth
    )


def settings(endpoint, **changes):
    given = {"model": "m", "base_url": endpoint.url, "key_env": None, "backoff_seconds": 0.001, **changes}
    return api.Settings(**given)


def judged(endpoint, items, template="pairwise", purse=None, **changes):
    wording = templates.load(template)
    found = api.verdicts(items, settings(endpoint, **changes), wording, purse or Purse(None))
    return {id(one): outcome for one, outcome in found}


def one(endpoint, template="pairwise", of=None, **changes):
    (outcome,) = judged(endpoint, [of or item()], template, **changes).values()
    return outcome


A, B = '{"verdict": "A"}', '{"verdict": "B"}'


def test_a_verdict_by_place_becomes_one_on_the_models(serve):
    endpoint = serve(lambda *_: completion(A))
    assert one(endpoint) == Outcome("ok", "a", raw=A, attempts=1, tokens_in=7, tokens_out=2)
    assert one(endpoint, of=item(first="b")).verdict == "b"
    assert one(serve(lambda *_: completion('{"verdict": "tie"}'))).verdict == "tie"


def test_the_answers_are_shown_in_the_order_of_the_item(serve):
    endpoint = serve(lambda *_: completion(A))
    judged(endpoint, [item(first="a"), item(first="b")], concurrency=1)
    texts = [said(request) for request in endpoint.requests]
    assert [text.index("It scatters.") < text.index("Because.") for text in texts] == [True, False]


def test_a_cut_reply_is_asked_for_again_with_more_tokens(serve):
    endpoint = serve(lambda request, n: completion(B, "length" if request["max_tokens"] < 4096 else "stop"))
    outcome = one(endpoint)
    assert (outcome.status, outcome.verdict, outcome.attempts) == ("ok", "b", 2)
    assert [request["max_tokens"] for request in endpoint.requests] == [1024, 4096]


def test_a_reply_that_stays_cut_is_no_verdict_even_if_it_holds_one(serve):
    outcome = one(serve(lambda *_: completion(A, "length")))
    assert (outcome.status, outcome.verdict, outcome.tokens_out) == ("truncated", None, 4)


def test_a_reply_that_cannot_be_read_is_answered_with_a_reminder(serve):
    endpoint = serve(lambda request, n: completion(B if "could not read" in said(request) else "B, I think"))
    outcome = one(endpoint)
    assert (outcome.status, outcome.verdict, outcome.attempts) == ("ok", "b", 2)
    assert outcome.raw == f"B, I think\n\n[asked again]\n\n{B}"
    assert [turn["role"] for turn in endpoint.requests[1]["messages"]] == ["system", "user", "assistant", "user"]


def test_then_the_verdicts_log_probabilities_are_asked_for(serve):
    def script(request, _):
        top = {"A": math.log(0.2), "B": math.log(0.6), "I": math.log(0.2)} if request.get("logprobs") else None
        return completion("Well", top=top)

    endpoint = serve(script)
    outcome = one(endpoint)
    assert (outcome.status, outcome.verdict, outcome.attempts) == ("ok", "b", 3)
    assert outcome.probability == pytest.approx(0.25)
    assert (endpoint.requests[2]["max_tokens"], endpoint.requests[2]["top_logprobs"]) == (1, 20)


@pytest.mark.parametrize("logprobs", [True, False])
def test_what_says_nothing_to_the_end_is_parse_failed_and_never_a_score(serve, logprobs):
    endpoint = serve(lambda *_: completion("I would rather not say."))
    outcome = one(endpoint, logprobs=logprobs)
    assert (outcome.status, outcome.verdict, outcome.probability, outcome.score) == ("parse_failed", None, None, None)
    assert len(endpoint.requests) == (3 if logprobs else 2)
    single = one(endpoint, "helpfulness", of=item(b=None, first=None))
    assert (single.status, single.score) == ("parse_failed", None)


def test_a_server_without_log_probabilities_is_no_obstacle(serve):
    assert one(serve(lambda *_: completion("B", "length")), "choice") == Outcome("ok", "b", None, None, "B", 1, 7, 2)
    refuses = serve(lambda request, n: failure(400, "no logprobs") if "logprobs" in request else completion("hm"))
    assert one(refuses).status == "parse_failed"


def test_the_letters_probability_is_the_verdict_of_the_choice_template(serve):
    endpoint = serve(lambda *_: completion("A", "length", top={"A": math.log(0.3), "B": math.log(0.1)}))
    assert one(endpoint, "choice").probability == pytest.approx(0.75)
    assert one(endpoint, "choice", of=item(first="b")).probability == pytest.approx(0.25)
    assert one(endpoint, "choice", of=item(first="b")).verdict == "b"


@pytest.mark.parametrize(
    ("response", "status"),
    [
        (completion(None, refusal="I will not."), "refused"),
        (completion("", finish="content_filter"), "refused"),
        (completion("  "), "parse_failed"),
        (completion(None), "parse_failed"),
        (failure(400, "no such field"), "api_error"),
        ((200, {}, b'{"choices": []}'), "api_error"),
        ((200, {}, b'{"choices": [{"mess'), "api_error"),
        ((200, {"Content-Type": "text/html"}, b"<html>busy</html>"), "api_error"),
        ((200, {"Content-Length": 500}, b'{"choices": [{"mess'), "api_error"),
        ((200, {}, b'{"choices": [{"message": {"content": 5}}], "usage": {"prompt_tokens": "many"}}'), "parse_failed"),
        (failure(500), "api_error"),
        ((None, {}, b""), "api_error"),
    ],
)
def test_what_is_no_verdict_has_a_status_of_its_own(serve, response, status):
    outcome = one(serve(lambda *_: response), retries=1)
    assert (outcome.status, outcome.verdict, outcome.score) == (status, None, None)
    assert outcome.raw


def test_a_server_that_answers_too_late_is_asked_again(serve):
    free = threading.Event()

    def script(_, number):
        if number == 0:
            free.wait(5)
        return completion(A)

    outcome = one(serve(script), timeout_seconds=0.15)
    free.set()
    assert (outcome.verdict, outcome.attempts) == ("a", 2)


def test_a_busy_server_is_waited_for_as_it_says_and_by_everybody(serve, monkeypatch):
    slept, lock = [], threading.Lock()

    def sleep(seconds):
        with lock:
            slept.append(seconds)

    monkeypatch.setattr("time.sleep", sleep)
    endpoint = serve(lambda _, n: failure(429, Retry_After="17") if n == 0 else completion(A))
    found = judged(endpoint, [item(question=str(n)) for n in range(3)], concurrency=1)
    assert [outcome.verdict for outcome in found.values()] == ["a"] * 3
    assert slept[0] == 17.0
    assert all(16 < seconds <= 17 for seconds in slept[1:])
    assert len(slept) == 3


@pytest.mark.parametrize(
    ("headers", "wait"), [({"Retry_After": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0), ({"retry_after_ms": "20"}, 0.02)]
)
def test_a_wait_may_be_a_date_or_milliseconds(serve, monkeypatch, headers, wait):
    slept = []
    monkeypatch.setattr("time.sleep", slept.append)
    endpoint = serve(lambda _, n: failure(429, **headers) if n == 0 else completion(A))
    assert one(endpoint).verdict == "a"
    assert slept == [pytest.approx(wait)]


def test_a_wait_longer_than_is_allowed_ends_the_question(serve, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: pytest.fail(f"slept {seconds} s"))
    endpoint = serve(lambda *_: failure(429, Retry_After="86400"))
    outcome = one(endpoint)
    assert (outcome.status, len(endpoint.requests)) == ("api_error", 1)
    assert "asks to wait 86,400 s" in outcome.raw


def test_no_credit_left_ends_the_work(serve):
    body = json.dumps({"error": {"message": "quota", "code": "insufficient_quota"}}).encode()
    with pytest.raises(ConfigError, match="no credit left"):
        one(serve(lambda *_: (429, {}, body)))


def test_samples_are_asked_with_seeds_of_their_own_and_equal_questions_once(serve):
    endpoint = serve(lambda *_: completion("Fine.\n5"))
    items = [item(b=None, first=None, nth=n) for n in (0, 1, 1)]
    found = judged(endpoint, items, "helpfulness", seed=7, concurrency=3)
    assert [outcome.score for outcome in found.values()] == [5.0] * 3
    assert sorted(request["seed"] for request in endpoint.requests) == [7, 8]
    assert sorted(outcome.attempts for outcome in found.values()) == [0, 1, 1]


def test_later_turns_have_the_template_that_the_first_one_names(serve):
    endpoint = serve(lambda *_: completion("[[8]]"))
    assert one(endpoint, "mt_bench_single", of=item(b=None, first=None, turn=2)).score == 8
    assert "last answer alone" in said(endpoint.requests[0])
    assert "User: Why?\n\nAssistant: It scatters." in said(endpoint.requests[0])


def test_a_reference_answer_is_shown(serve):
    endpoint = serve(lambda *_: completion(A))
    one(endpoint, of=item(reference="Rayleigh."))
    assert "Rayleigh." in said(endpoint.requests[0])


def test_newer_models_are_given_their_own_field_for_the_length(serve):
    endpoint = serve(lambda request, n: completion(A, "stop" if n else "length"))
    one(endpoint, extra={"max_tokens": None, "max_completion_tokens": 300})
    assert [request["max_completion_tokens"] for request in endpoint.requests] == [300, 1200]
    assert not any("max_tokens" in request for request in endpoint.requests)


PRICE = Price(input=1e6, output=1e6)  # one a token


def test_the_cost_is_of_all_that_was_said_on_the_way(serve):
    endpoint = serve(lambda request, n: completion(B if n else "B, I think", usage=(100, 10)))
    purse = Purse(PRICE)
    assert one(endpoint, purse=purse).cost == 220
    assert purse.spent == 220


def test_a_budget_is_never_passed_whatever_the_server_charges(serve):
    endpoint = serve(lambda request, n: completion(A, usage=(len(said(request).encode()), 500)))
    items = [item(question=str(n)) for n in range(8)]
    purse = Purse(PRICE, budget=9_000)
    made = []
    with pytest.raises(Spent):
        made += [outcome for _, outcome in api.verdicts(items, settings(endpoint), templates.load("pairwise"), purse)]
    assert 0 < len(endpoint.answered) < 8
    assert sum(len(said(request).encode()) + 500 for request in endpoint.answered) <= 9_000
    assert purse.spent <= 9_000


def test_an_attempt_without_an_answer_counts_at_the_most_it_can_have_cost(serve):
    purse = Purse(PRICE)
    outcome = one(serve(lambda *_: (None, {}, b"")), purse=purse, retries=2)
    wording = templates.load("pairwise")
    turns = asking.question(item(), wording)
    most = spending.most_tokens(turns) + wording.head.max_tokens
    assert outcome.cost == pytest.approx(3 * most)
    assert purse.spent == pytest.approx(3 * most)


def test_an_answer_without_usage_counts_at_the_most_too(serve):
    assert one(serve(lambda *_: completion(A, usage=None)), purse=Purse(PRICE)).cost > 1024


def test_refused_tries_cost_nothing(serve):
    endpoint = serve(lambda _, n: failure(429) if n < 2 else completion(A, usage=(100, 10)))
    purse = Purse(PRICE)
    outcome = one(endpoint, purse=purse)
    assert (outcome.attempts, outcome.cost, purse.spent) == (3, 110, 110)


def test_a_price_that_is_not_in_the_file_is_one_line(tmp_path):
    path = tmp_path / "prices.yaml"
    path.write_text("currency: EUR\nmodels:\n  gpt-4o: {input: 2.5, output: 10}\n")
    assert spending.load(path, "gpt-4o") == Price(input=2.5, output=10)
    assert spending.cost(Price(input=2.5, output=10), 1_000_000, 100_000) == 3.5
    with pytest.raises(ConfigError, match=r"no price of gpt-4. Did you mean 'gpt-4o'"):
        spending.load(path, "gpt-4")
    with pytest.raises(ConfigError, match="--budget needs the model's price"):
        Purse(None, budget=1)


def test_controls_know_only_chance_place_and_length():
    def said_by(kind, *items):
        return [outcome.verdict for _, outcome in controls.verdicts(items, controls.Settings(kind=kind))]

    assert said_by("first", item(first="a"), item(first="b")) == ["a", "b"]
    assert said_by("longer", item("long", "no"), item("no", "long"), item("same", "even")) == ["a", "b", "tie"]
    coins = [item()._replace(key=(str(n),)) for n in range(400)]
    thrown = said_by("random", *coins)
    assert said_by("random", *reversed(coins)) == thrown[::-1]
    # Four standard deviations of a fair coin: 40.
    assert abs(thrown.count("a") - 200) < 40


def test_a_reward_model_prefers_the_greater_reward(tmp_path_factory):
    folder = language_models.reward(tmp_path_factory.mktemp("reward"))
    model = reward.Settings(model=folder)
    pair, alone = item("the cat .", "a mat !", first=None), item("the cat .", None, first=None)
    other, long = item("a mat !", None, first=None), item("cat " * 80, "a mat !", first=None)
    found = [outcome for _, outcome in reward.verdicts([pair, alone, other, long], model)]
    a, b = found[1].score, found[2].score
    assert found[0].verdict == ("a" if a > b else "b")
    assert found[0].probability == pytest.approx(1 / (1 + math.exp(b - a)))
    assert (found[3].status, found[3].verdict) == ("truncated", None)


@pytest.fixture(scope="module")
def causal(tmp_path_factory):
    """A causal model whose window holds a whole question."""
    from transformers import LlamaConfig, LlamaForCausalLM

    folder = tmp_path_factory.mktemp("judge")
    sizes = language_models.sizes() | {"max_position_embeddings": 4096}
    with language_models.seeded():
        network = LlamaForCausalLM(LlamaConfig(**sizes, initializer_range=0.5))
    language_models.quietly(network, folder)
    language_models.tokenizer(folder, bos_token="<s>", eos_token="</s>")
    return folder


def test_a_local_judge_says_which_letter_it_holds_likelier(causal):
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    wording = templates.load("choice")
    outcomes = [one for _, one in local.verdicts([item(), item(first="b")], local.Settings(model=causal), wording)]
    prompt = "\n\n".join(turn["content"] for turn in asking.question(item(), wording)) + "\n\nVerdict:"
    tokenizer, model = AutoTokenizer.from_pretrained(causal), AutoModelForCausalLM.from_pretrained(causal)
    before = [0, *tokenizer(prompt, add_special_tokens=False).input_ids]
    sums = []
    for letter in (" A", " B"):
        ids = tokenizer(letter, add_special_tokens=False).input_ids
        with torch.inference_mode():
            logits = model(torch.tensor([before + ids])).logits[0, len(before) - 1 : -1].log_softmax(-1)
        sums.append(sum(float(row[token]) for row, token in zip(logits, ids, strict=True)))
    expected = 1 / (1 + math.exp(sums[1] - sums[0]))
    assert outcomes[0].probability == pytest.approx(expected, abs=1e-4)
    assert outcomes[0].status == outcomes[1].status == "ok"
    assert outcomes[0].raw.startswith("A -")


def test_a_local_judge_that_cannot_see_the_whole_question_says_nothing(causal):
    long = item("word " * 6000)
    ((_, outcome),) = local.verdicts([long], local.Settings(model=causal), templates.load("choice"))
    assert (outcome.status, outcome.verdict) == ("truncated", None)


def test_the_answer_nearer_to_the_reference_is_better(shared_data):
    encoder = {"model": str(shared_data("models/potion_base_4m_int8"))}
    model = similarity.Settings(encoder=encoder)
    reference = "Small molecules scatter blue light more than red light."
    near, far = "Blue light is scattered by molecules more than red.", "My favourite soup is made of leeks."
    items = [item(near, far, None, reference=reference), item(far, near, None, reference=reference)]
    single = item(near, None, None, reference=reference)
    found = [outcome for _, outcome in similarity.verdicts([*items, single], model)]
    assert [outcome.verdict for outcome in found] == ["a", "b", None]
    assert 0.4 < found[2].score <= 1


def test_people_see_each_pair_once_in_an_order_of_their_own():
    items = [item(first=first)._replace(key=(str(n), "x", "y", "0", "1")) for n in range(40) for first in ("a", "b")]
    shown = human.blind(items, "kim")
    assert sorted(one.key[0] for one in shown) == sorted(str(n) for n in range(40))
    assert {one.first for one in shown} == {"a", "b"}
    assert shown == human.blind(items, "kim")
    assert shown != human.blind(items, "lee")
    row = human.decided(shown[0], "first", "kim")
    assert human.waiting(shown, [row], "kim") == shown[1:]
    assert human.waiting(shown, [row], "lee") == shown
    assert row["verdict"] == row["first"] == shown[0].first
    assert human.decided(item(first="b"), "second", "kim")["verdict"] == "a"
    assert human.decided(item(first="b"), "neither", "kim")["verdict"] == "tie"
    record.judgements(pl.DataFrame([row]), "a person's row")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("apy",), "no such judge and no such file. Did you mean 'api'"),
        (("human",), "people judge in the app"),
        (("api",), "model"),
        (("longer", [], "lima"), "is given no words"),
        (("api", ["model=m"], "choise"), "Did you mean 'choice'"),
        (("local", ["model=m"], "helpfulness"), "a local judge reads a verdict's first token"),
    ],
)
def test_a_judge_that_cannot_be_is_one_line(arguments, message):
    with pytest.raises(ConfigError, match=message):
        catalogue.load(*arguments)


def test_a_changed_wording_or_model_is_another_fingerprint(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("kind: api\nmodel: m\nbase_url: http://x/v1\nkey_env: null\n")
    mine = catalogue.load(str(path))
    assert mine.name == "mine"
    others = [
        catalogue.load(str(path), ["model=n"]),
        catalogue.load(str(path), ["seed=2"]),
        catalogue.load(str(path), (), "lima"),
    ]
    patient = catalogue.load(str(path), ["concurrency=1", "retries=0"])
    assert len({mine.fingerprint, *(other.fingerprint for other in others)}) == 4
    assert patient.fingerprint == mine.fingerprint
