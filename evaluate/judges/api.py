"""A language model behind an OpenAI-compatible endpoint as a judge: any base URL, any template.

A reply that was cut is asked for again with more tokens; one that cannot be read is answered with a reminder of the form,
then, of a pair, with a question for the log-probabilities of the verdicts. What still says nothing is `parse_failed`.
"""

from collections.abc import Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import islice
from typing import Any, Literal

from pydantic import Field

from curate.chat import Message
from curate.lm import api
from curate.lm.api import Answer, Endpoint, Question

from ..parsing import Reading, of_tokens, read
from ..spending import Purse, Spent
from ..templates import Template
from . import Item, Judged, Outcome, resolved
from .asking import of_turn, question

# A reply that was cut is asked for again with so many times the tokens: reasoning judges spend them before they decide.
LONGER = 4
# What OpenAI's endpoint allows at most.
TOP_LOGPROBS = 20
_AGAIN = "\n\n[asked again]\n\n"


class Settings(api.Settings):
    """The endpoint. `max_tokens` is the template's unless it is set here; `seed` + n is the seed of the n-th sample."""

    kind: Literal["api"] = "api"
    logprobs: bool = Field(
        default=True, description="ask for the verdicts' log-probabilities where a reply cannot be read"
    )


def identity(settings: Settings) -> list[str]:
    """What the verdicts depend on, beside the template."""
    return [*api.identity(settings), str(settings.logprobs)]


def verdicts(items: Iterable[Item], settings: Settings, template: Template, purse: Purse) -> Judged:
    """Ask about each item, `concurrency` at a time. Raises Spent, once what was under way is done, where the budget ends.

    ConfigError: see `curate.lm.api.ask`.
    """
    waiting = iter(items)
    pool = ThreadPoolExecutor(settings.concurrency)
    ended: Spent | None = None
    with Endpoint(settings) as endpoint:

        def start(many: int) -> dict[Future[Outcome], Item]:
            return {pool.submit(_judge, item, endpoint, template, purse): item for item in islice(waiting, many)}

        try:
            out = start(settings.concurrency)
            while out:
                for done in wait(out, return_when=FIRST_COMPLETED).done:
                    item = out.pop(done)
                    try:
                        yield item, done.result()
                    except Spent as error:
                        ended = error
                    if ended is None:
                        out |= start(1)
        finally:
            # What is under way has been asked and will be paid for: its answer is waited for, and kept in the cache.
            purse.close()
            pool.shutdown(wait=True, cancel_futures=True)
    if ended is not None:
        raise ended


class _Talk:
    """One item's conversation with the judge, and what it has cost so far."""

    def __init__(self, endpoint: Endpoint, purse: Purse, nth: int) -> None:
        self.endpoint, self.purse, self.nth = endpoint, purse, nth
        self.answers: list[Answer] = []
        self.cost: float | None = None

    def ask(self, turns: list[Message], max_tokens: int, *, logprobs: bool = False) -> Answer:
        changes: dict[str, Any] = {length_field(self.endpoint.settings): max_tokens}
        if logprobs:
            changes |= {"logprobs": True, "top_logprobs": TOP_LOGPROBS}
        put = Question(turns, self.nth, changes)
        with self.purse.paying(turns, max_tokens) as payment:
            try:
                answer = self.endpoint.ask(put, payment.before)
            except Spent:
                lost = payment.unanswered
                if not lost:
                    raise
                # Attempts that may have cost something are on record, if only as a failure.
                answer = Answer(None, "api_error", "no budget for another attempt", lost, None, None, lost)
            cost = payment.settle(answer)
        self.cost = cost if self.cost is None or cost is None else self.cost + cost
        self.answers.append(answer)
        return answer

    def outcome(self, outcome: Outcome) -> Outcome:
        """`outcome` with all that was said and paid on the way to it."""
        said = [answer.text or answer.partial or answer.detail for answer in self.answers]
        return outcome._replace(
            raw=_AGAIN.join(said),
            attempts=sum(answer.attempts for answer in self.answers),
            tokens_in=_sum([answer.prompt_tokens for answer in self.answers]),
            tokens_out=_sum([answer.answer_tokens for answer in self.answers]),
            cost=self.cost,
        )


def length_field(settings: api.Settings) -> str:
    """The field of a request that bounds the answer: newer models of OpenAI want `max_completion_tokens` (in `extra`)."""
    return "max_completion_tokens" if settings.extra.get("max_completion_tokens") else "max_tokens"


def reply_tokens(settings: api.Settings, template: Template) -> int:
    """The longest reply that is asked for at first."""
    given = settings.extra.get("max_completion_tokens")
    if given:
        return int(given)
    return settings.max_tokens if "max_tokens" in settings.model_fields_set else template.head.max_tokens


def _judge(item: Item, endpoint: Endpoint, template: Template, purse: Purse) -> Outcome:
    head = of_turn(template, item.turn).head
    talk = _Talk(endpoint, purse, item.nth)
    turns = question(item, template)
    tokens = reply_tokens(endpoint.settings, of_turn(template, item.turn))
    by_token = head.reads == "token"
    answer = talk.ask(turns, tokens, logprobs=by_token)
    reading = _reading(answer, template, item)
    if answer.status == "truncated" and reading is None and not by_token:
        tokens *= LONGER
        answer = talk.ask(turns, tokens)
        reading = _reading(answer, template, item)
    if reading is None and (answer.status in ("ok", "empty") or (by_token and answer.status == "truncated")):
        said = answer.text or answer.partial
        reply: list[Message] = [{"role": "assistant", "content": said}] if said else []
        turns = [*turns, *reply, {"role": "user", "content": head.reminder}]
        answer = talk.ask(turns, max(tokens, 16), logprobs=by_token)
        reading = _reading(answer, template, item)
        asks_tokens = isinstance(endpoint.settings, Settings) and endpoint.settings.logprobs and head.kind == "pair"
        if reading is None and answer.status in ("ok", "empty", "truncated") and asks_tokens:
            reading = of_tokens(talk.ask(turns, 1, logprobs=True).top, head)
            if reading is None:
                return talk.outcome(Outcome("parse_failed"))
    if reading is not None:
        return talk.outcome(resolved(item, reading))
    failed: dict[str, Literal["refused", "truncated", "api_error"]] = {
        "refused": "refused",
        "truncated": "truncated",
        "api_error": "api_error",
    }
    return talk.outcome(Outcome(failed.get(answer.status, "parse_failed")))


def _reading(answer: Answer, template: Template, item: Item) -> Reading | None:
    head = of_turn(template, item.turn).head
    if head.reads == "token":
        by_token = of_tokens(answer.top, head)
        text = answer.text or answer.partial
        return by_token or (read(text, head) if text else None)
    # A reply that was cut may hold a verdict that it was about to take back.
    return read(answer.text, head) if answer.text is not None else None


def _sum(counts: list[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None
