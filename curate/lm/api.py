"""Language models behind a chat-completions endpoint of the OpenAI form: a hosted one, vLLM, llama.cpp, `transformers serve`.

Every answer is kept as the server sent it, at once, so that nothing is paid for twice, also after a crash. What is no
answer (a refusal, a text that was cut, an error after all retries) has a status of its own and no text.
"""

import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any, Literal, NamedTuple, Self

import orjson
from pydantic import Field

from curate import cache
from curate.chat import Message
from curate.config import Strict
from curate.errors import ConfigError
from curate.lm.limits import Limits
from curate.lm.retries import Failure, failure
from curate.progress import inside

Status = Literal["ok", "refused", "truncated", "empty", "api_error"]
# Bytes of English text to a token, for limits of tokens a minute; corrected when the server says how many there were.
BYTES_PER_TOKEN = 4


class Settings(Strict):
    """An endpoint and one of its models. The key is read from the environment and is never written anywhere."""

    model: str = Field(description="name of the model, as the endpoint calls it")
    base_url: str = Field("https://api.openai.com/v1", description="address of the endpoint, up to and with /v1")
    key_env: str | None = Field(
        "OPENAI_API_KEY", description="environment variable that holds the key; null: the endpoint wants none"
    )
    max_tokens: int = Field(1024, ge=1, description="longest answer, in tokens; a longer one counts as truncated")
    seed: int = Field(1, description="seed of the request; the temperature is 0")
    extra: dict[str, str | int | float | bool | None] = Field(
        {}, description="further fields of the request; null leaves one of ours out (temperature, seed, max_tokens)"
    )
    concurrency: int = Field(8, ge=1, description="requests at a time")
    retries: int = Field(5, ge=0, description="tries after the first, on 408, 409, 429, 5xx and lost connections")
    timeout_seconds: float = Field(120, gt=0, description="how long one try may take")
    backoff_seconds: float = Field(
        0.5, ge=0, description="wait before the second try, doubled before each further one; Retry-After goes before"
    )
    longest_wait_seconds: float = Field(
        600, ge=0, description="a server that asks for a longer wait is not waited for: the question has failed"
    )
    requests_per_minute: float | None = Field(None, gt=0, description="limit that is kept; null: none")
    tokens_per_minute: float | None = Field(
        None, gt=0, description="limit that is kept, of question and longest answer together; null: none"
    )


class Question(NamedTuple):
    """A conversation to be answered. `nth`: of several answers to it, each with a seed of its own (`seed` + nth).

    `changes`: fields of the request that differ from the settings', such as max_tokens or logprobs; null leaves one out.
    """

    turns: Sequence[Message]
    nth: int = 0
    changes: Mapping[str, Any] = {}


class Answer(NamedTuple):
    """`text` is null unless `status` is `ok`; `detail` says in words why; `attempts` is 0 for an answer from the cache.

    `unanswered`, of an `api_error`: attempts that the server may have worked on and counted, but whose answer never came
    or was no completion. `partial`: what there is of a truncated text. `top`: (token, ln p) of the likeliest first tokens, where
    the question asked for log-probabilities.
    """

    text: str | None
    status: Status
    detail: str
    attempts: int
    prompt_tokens: int | None
    answer_tokens: int | None
    unanswered: int = 0
    partial: str | None = None
    top: tuple[tuple[str, float], ...] = ()


def identity(settings: Settings) -> list[str]:
    """What of the settings an answer depends on, as JSON texts: neither the key, nor how patiently it is asked for."""
    return [settings.base_url.rstrip("/"), orjson.dumps(_fields(settings), option=orjson.OPT_SORT_KEYS).decode()]


def ask(conversations: Sequence[Sequence[Message]], settings: Settings) -> list[Answer]:
    """The model's answer to each conversation, in their order; temperature 0.

    Equal conversations are asked once. The client waits as the server's Retry-After says, else ever longer, and gives up
    after `retries`: that answer then has the status `api_error`, is not kept, and is asked again in the next run. Raises
    ConfigError where the key is missing or refused, the model is unknown, or the endpoint cannot be reached at all.
    """
    keys = [_key(Question(turns), settings) for turns in conversations]
    bodies = cache.get("chat", list(dict.fromkeys(keys)))
    found = {key: _answer(body, 0) for key, body in bodies.items()}
    waiting = {key: Question(turns) for key, turns in zip(keys, conversations, strict=True) if key not in found}
    if waiting:
        found |= _ask_all(waiting, settings)
    return [found[key] for key in keys]


def _ask_all(waiting: dict[bytes, Question], settings: Settings) -> dict[bytes, Answer]:
    found: dict[bytes, Answer] = {}
    pool = ThreadPoolExecutor(settings.concurrency)
    with Endpoint(settings) as endpoint:
        try:
            calls = {pool.submit(endpoint.call, question): key for key, question in waiting.items()}
            for done in as_completed(calls):
                found[calls[done]] = done.result()
                inside(len(found), len(calls))
        finally:
            # After an error or Ctrl-C nobody waits for the questions that are still out.
            pool.shutdown(wait=False, cancel_futures=True)
    return found


def _free(unanswered: int) -> None:
    """Nobody has to be asked before a request."""


class Endpoint:
    """An endpoint that takes questions from any thread, within its limits. To be used as a context."""

    def __init__(self, settings: Settings) -> None:
        import openai

        self.settings = settings
        self._secret = _secret(settings)
        self._limits = Limits(settings.requests_per_minute, settings.tokens_per_minute)
        self._reached = threading.Event()
        # SQLite refuses, and does not wait, where two connections make one new file at once.
        self._cache = threading.Lock()
        self._turns: dict[bytes, threading.Lock] = {}
        self._client = openai.OpenAI(
            base_url=settings.base_url,
            api_key=self._secret or "none",
            max_retries=0,
            timeout=settings.timeout_seconds,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._client.close()

    def ask(self, question: Question, before: Callable[[int], None] = _free) -> Answer:
        """The answer to a question, from the cache if it is there. `before`, retries and errors: as of `call`."""
        key = _key(question, self.settings)
        with self._cache:
            turn = self._turns.setdefault(key, threading.Lock())
        # Who asks what is being asked already waits for that answer.
        with turn:
            with self._cache:
                kept = cache.get("chat", [key])
            return _answer(kept[key], 0) if key in kept else self.call(question, before)

    def call(self, question: Question, before: Callable[[int], None] = _free) -> Answer:
        """The server's answer to a question, kept in the cache at once.

        `before` is called before each request with the attempts so far that may have been counted without an answer;
        what it raises ends the question. Errors: as of the module's `ask`.
        """
        import openai

        fields = _fields(self.settings, question)
        tokens = _size(question.turns) / BYTES_PER_TOKEN + (fields.get("max_tokens") or 0)
        attempt, unanswered, rested = 0, 0, -1.0
        while True:
            attempt += 1
            before(unanswered)
            self._limits.enter(tokens, rested)
            try:
                body = self._send(question.turns, fields)
            except openai.APIError as error:
                met = self._failure(error, attempt)
                unanswered += met.may_count
                if met.wait is None or attempt > self.settings.retries:
                    return Answer(None, "api_error", met.said, attempt, None, None, unanswered)
                if met.everybody:
                    rested = self._limits.rest(met.wait)
                else:
                    time.sleep(met.wait)
                continue
            answer = self._taken(body, question, attempt, tokens)
            return answer._replace(unanswered=unanswered + 1) if answer.status == "api_error" else answer

    def _send(self, turns: Sequence[Message], fields: dict[str, Any]) -> bytes:
        messages: Any = list(turns)
        extra = {name: value for name, value in fields.items() if name != "model"}
        sent = self._client.chat.completions.with_raw_response.create(
            model=fields["model"], messages=messages, extra_body=extra
        )
        self._reached.set()
        return sent.content

    def _taken(self, body: bytes, question: Question, attempt: int, tokens: float) -> Answer:
        answer = _answer(body, attempt)
        if answer.status == "api_error":
            return answer
        with self._cache:
            cache.put("chat", [(_key(question, self.settings), body)])
        if answer.prompt_tokens is not None and answer.answer_tokens is not None:
            self._limits.correct(answer.prompt_tokens + answer.answer_tokens - tokens)
        return answer

    def _failure(self, error: Any, attempt: int) -> Failure:  # noqa: ANN401 - openai's, which loads late
        """What an APIError means here. Raises ConfigError where every question would meet it."""
        settings = self.settings
        found = failure(error, attempt, settings.backoff_seconds, settings.longest_wait_seconds)
        if found.hopeless:
            # The server's own message may quote the key.
            raise ConfigError(f"{settings.base_url}, model {settings.model}: {found.hopeless}") from None
        if not found.unsent:
            self._reached.set()
        elif not self._reached.is_set() and attempt > settings.retries:
            raise ConfigError(f"{settings.base_url}: cannot be reached ({error.__cause__ or error})") from None
        words = " ".join(found.said.split())
        return found._replace(said=(words.replace(self._secret, "***") if self._secret else words)[:400])


def _key(question: Question, settings: Settings) -> bytes:
    fields = orjson.dumps(_fields(settings, question), option=orjson.OPT_SORT_KEYS).decode()
    # An endpoint that takes no seed is asked for an n-th answer all the same.
    nth = [f"nth {question.nth}"] if question.nth else []
    turns = orjson.dumps(list(question.turns)).decode()
    return cache.key("chat-1", settings.base_url.rstrip("/"), fields, turns, *nth)


def _fields(settings: Settings, question: Question | None = None) -> dict[str, Any]:
    seed = settings.seed + (question.nth if question else 0)
    ours = {"model": settings.model, "temperature": 0, "seed": seed, "max_tokens": settings.max_tokens}
    fields = {**ours, **settings.extra, **(question.changes if question else {})}
    return {name: value for name, value in fields.items() if value is not None}


def _size(turns: Sequence[Message]) -> int:
    """Bytes of a conversation's texts."""
    return sum(len(turn["content"].encode("utf-8", "surrogatepass")) for turn in turns)


def _secret(settings: Settings) -> str:
    if settings.key_env is None:
        return ""
    secret = os.environ.get(settings.key_env, "")
    if not secret:
        raise ConfigError(
            f"{settings.base_url}: the environment variable {settings.key_env} is not set; it should hold the endpoint's"
            " key (key_env: null for an endpoint that wants none)"
        )
    return secret


def _answer(body: bytes, attempts: int) -> Answer:
    """What a response of the server says, read with no trust in its form."""
    try:
        response = orjson.loads(body)
        choice = response["choices"][0]
        message, reason = choice["message"], choice.get("finish_reason")
        text, refusal = message.get("content"), message.get("refusal")
        usage = response.get("usage") or {}
        counts = _count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens"))
    except (orjson.JSONDecodeError, LookupError, TypeError, AttributeError) as error:
        return Answer(None, "api_error", f"not a chat completion: {type(error).__name__}", attempts, None, None)
    top = _top(choice.get("logprobs"))
    if refusal or reason == "content_filter":
        return Answer(None, "refused", str(refusal or "content filter")[:300], attempts, *counts)
    if reason == "length":
        partial = text if isinstance(text, str) else None
        return Answer(None, "truncated", "longer than max_tokens", attempts, *counts, partial=partial, top=top)
    if not isinstance(text, str) or not text.strip():
        return Answer(None, "empty", f"no text; finish_reason {reason}", attempts, *counts, top=top)
    return Answer(text, "ok", "", attempts, *counts, top=top)


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _top(logprobs: Any) -> tuple[tuple[str, float], ...]:  # noqa: ANN401 - whatever a server sends
    """(token, ln p) of the first token's alternatives; none where the server sends no such list."""
    try:
        return tuple((str(one["token"]), float(one["logprob"])) for one in logprobs["content"][0]["top_logprobs"])
    except (LookupError, TypeError, ValueError):
        return ()
