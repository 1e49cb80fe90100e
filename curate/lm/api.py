"""Language models behind a chat-completions endpoint of the OpenAI form: a hosted one, vLLM, llama.cpp, `transformers serve`.

Every answer is kept as the server sent it, at once, so that nothing is paid for twice, also after a crash. What is no
answer (a refusal, a text that was cut, an error after all retries) has a status of its own and no text.
"""

import os
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from typing import Any, Literal, NamedTuple

import orjson
from pydantic import Field

from curate import cache
from curate.chat import Message
from curate.config import Strict
from curate.errors import ConfigError
from curate.progress import inside

Status = Literal["ok", "refused", "truncated", "empty", "api_error"]
# Errors that every further call would meet as well: they end the work.
_HOPELESS = {
    "AuthenticationError": "the key is not accepted",
    "PermissionDeniedError": "the key may not use this model",
    "NotFoundError": "there is no such model or path (base_url usually ends in /v1)",
}


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


class Answer(NamedTuple):
    """`text` is null unless `status` is `ok`; `detail` says in words why; `attempts` is 0 for an answer from the cache."""

    text: str | None
    status: Status
    detail: str
    attempts: int
    prompt_tokens: int | None
    answer_tokens: int | None


def identity(settings: Settings) -> list[str]:
    """What of the settings an answer depends on, as JSON texts: neither the key, nor how patiently it is asked for."""
    return [settings.base_url.rstrip("/"), orjson.dumps(_fields(settings), option=orjson.OPT_SORT_KEYS).decode()]


def ask(conversations: Sequence[Sequence[Message]], settings: Settings) -> list[Answer]:
    """The model's answer to each conversation, in their order; temperature 0.

    Equal conversations are asked once. The client waits as the server's Retry-After says, else ever longer, and gives up
    after `retries`: that answer then has the status `api_error`, is not kept, and is asked again in the next run. Raises
    ConfigError where the key is missing or refused, the model is unknown, or the endpoint cannot be reached at all.
    """
    keys = [cache.key("chat-1", *identity(settings), orjson.dumps(list(turns)).decode()) for turns in conversations]
    bodies = cache.get("chat", list(dict.fromkeys(keys)))
    found = {key: _answer(body, 0) for key, body in bodies.items()}
    waiting = {key: turns for key, turns in zip(keys, conversations, strict=True) if key not in found}
    if waiting:
        found |= _ask_all(waiting, settings)
    return [found[key] for key in keys]


def _fields(settings: Settings) -> dict[str, Any]:
    ours = {"model": settings.model, "temperature": 0, "seed": settings.seed, "max_tokens": settings.max_tokens}
    return {name: value for name, value in {**ours, **settings.extra}.items() if value is not None}


def _ask_all(waiting: dict[bytes, Sequence[Message]], settings: Settings) -> dict[bytes, Answer]:
    import openai

    secret = _secret(settings)
    client = openai.OpenAI(
        base_url=settings.base_url,
        api_key=secret or "none",
        max_retries=settings.retries,
        timeout=settings.timeout_seconds,
    )
    fields = _fields(settings)

    def call(turns: Sequence[Message]) -> tuple[bytes, int]:
        extra = {name: value for name, value in fields.items() if name != "model"}
        messages: Any = list(turns)
        sent = client.chat.completions.with_raw_response.create(
            model=fields["model"], messages=messages, extra_body=extra
        )
        return sent.content, sent.retries_taken + 1

    found: dict[bytes, Answer] = {}
    pool = ThreadPoolExecutor(settings.concurrency)
    try:
        calls = {pool.submit(call, turns): key for key, turns in waiting.items()}
        for done in as_completed(calls):
            found[calls[done]] = _taken(done, calls[done], settings, secret, anyone=bool(found))
            inside(len(found), len(calls))
    finally:
        # After an error or Ctrl-C nobody waits for the questions that are still out.
        pool.shutdown(wait=False, cancel_futures=True)
        client.close()
    return found


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


def _taken(call: "Future[tuple[bytes, int]]", key: bytes, settings: Settings, secret: str, *, anyone: bool) -> Answer:
    """The answer of a call that has ended; kept, if the server gave one. `anyone`: an earlier call came through."""
    import openai

    try:
        body, attempts = call.result()
    except openai.APIError as error:
        kind = type(error).__name__
        if kind in _HOPELESS:
            # The server's own message may quote the key.
            raise ConfigError(f"{settings.base_url}, model {settings.model}: {_HOPELESS[kind]}") from None
        if kind == "APIConnectionError" and not anyone:
            raise ConfigError(f"{settings.base_url}: cannot be reached ({error.__cause__ or error})") from None
        said = error.response.text if isinstance(error, openai.APIStatusError) else str(error)
        said = _without(secret, " ".join(said.split()))[:300]
        attempts = int(error.request.headers.get("x-stainless-retry-count", 0)) + 1
        return Answer(None, "api_error", f"{kind}: {said}", attempts, None, None)
    answer = _answer(body, attempts)
    if answer.status != "api_error":
        cache.put("chat", [(key, body)])
    return answer


def _without(secret: str, text: str) -> str:
    return text.replace(secret, "***") if secret else text


def _answer(body: bytes, attempts: int) -> Answer:
    """What a response of the server says, read with no trust in its form."""
    try:
        response = orjson.loads(body)
        choice = response["choices"][0]
        message, reason = choice["message"], choice.get("finish_reason")
        text, refusal = message.get("content"), message.get("refusal")
        usage = response.get("usage") or {}
        counts = usage.get("prompt_tokens"), usage.get("completion_tokens")
    except (orjson.JSONDecodeError, LookupError, TypeError, AttributeError) as error:
        return Answer(None, "api_error", f"not a chat completion: {type(error).__name__}", attempts, None, None)
    if refusal or reason == "content_filter":
        return Answer(None, "refused", str(refusal or "content filter")[:300], attempts, *counts)
    if reason == "length":
        return Answer(None, "truncated", "longer than max_tokens", attempts, *counts)
    if not isinstance(text, str) or not text.strip():
        return Answer(None, "empty", f"no text; finish_reason {reason}", attempts, *counts)
    return Answer(text, "ok", "", attempts, *counts)
