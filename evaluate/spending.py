"""What judging costs: prices from a file, an estimate before, a budget that holds while it is spent."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pydantic import Field

from curate import config
from curate.chat import Message
from curate.config import Strict
from curate.errors import ConfigError, did_you_mean
from curate.lm.api import Answer

# What a server adds around a turn, in tokens; the models in use add three to seven.
TURN_TOKENS = 16


class Spent(Exception):  # noqa: N818 - no error: a limit that was set has been reached
    """The budget does not allow another request."""


class Price(Strict):
    """Of one model, for a million tokens."""

    input: float = Field(ge=0)
    output: float = Field(ge=0)


class Prices(Strict):
    """A price file: `currency`, and under `models` each model's `input` and `output` for a million tokens."""

    currency: str = "USD"
    models: dict[str, Price] = Field(min_length=1)


def load(path: Path | None, model: str) -> Price | None:
    """The price of a model in a price file; None without a file. Raises ConfigError where the file lacks the model."""
    if path is None:
        return None
    prices = config.load(path, Prices)
    if model not in prices.models:
        raise ConfigError(f"{path}: models: no price of {model}. {did_you_mean(model, prices.models)}")
    return prices.models[model]


def cost(price: Price, tokens_in: float, tokens_out: float) -> float:
    """What so many tokens cost, in the price file's currency."""
    return (tokens_in * price.input + tokens_out * price.output) / 1e6


def most_tokens(turns: Sequence[Message]) -> int:
    """More tokens than a conversation can have: one for each byte (no byte-level tokenizer has more), and its frame."""
    return sum(len(turn["content"].encode("utf-8", "surrogatepass")) + TURN_TOKENS for turn in turns)


class Purse:
    """Money that threads spend. Each request is paid for in advance at the most it can cost, so that the sum of what was
    paid never passes the budget, and settled when the answer says how many tokens it took.
    """

    def __init__(self, price: Price | None, budget: float | None = None, spent: float = 0.0) -> None:
        if budget is not None and price is None:
            raise ConfigError("--budget needs the model's price: give --prices FILE (models: NAME: {input, output})")
        self.price, self.budget, self.spent = price, budget, spent
        self._held = 0.0
        self._changed = threading.Condition()
        self._is_closed = False

    def close(self) -> None:
        """Allow no further request: the work is being ended."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def add(self, amount: float) -> None:
        """Spend without asking."""
        with self._changed:
            self.spent += amount

    def hold(self, amount: float, *, wait: bool) -> None:
        """Set aside, or raise Spent where the budget does not hold so much.

        `wait` for what others have set aside and may not need; those who have set something aside must not wait.
        """
        with self._changed:
            while self.budget is not None and self.spent + self._held + amount > self.budget:
                if self._is_closed or not wait or self._held == 0:
                    raise Spent
                self._changed.wait()
            if self._is_closed:
                raise Spent
            self._held += amount

    def settle(self, held: float, paid: float) -> None:
        """What was set aside comes back, and what was paid is spent."""
        with self._changed:
            self._held -= held
            self.spent += paid
            self._changed.notify_all()

    @contextmanager
    def paying(self, turns: Sequence[Message], max_tokens: int) -> "Iterator[Payment]":
        """Inside, a question is put. What was held for it and not settled comes back, whatever happens."""
        most = 0.0 if self.price is None else cost(self.price, most_tokens(turns), max_tokens)
        payment = Payment(self, most)
        try:
            yield payment
        finally:
            payment.end(0.0)


class Payment:
    """What one question costs, while its answer is waited for."""

    def __init__(self, purse: Purse, most: float) -> None:
        self.purse, self.most, self.held, self.unanswered = purse, most, 0.0, 0

    def before(self, unanswered: int) -> None:
        """Another attempt: with those that may have been counted without an answer, it must fit the budget."""
        self.unanswered = unanswered
        more = max(0.0, (unanswered + 1) * self.most - self.held)
        self.purse.hold(more, wait=self.held == 0)
        self.held += more

    def settle(self, answer: Answer) -> float | None:
        """What the question has cost, None without prices; at the most it can be, where the server does not say."""
        price = self.purse.price
        if price is None:
            return None
        paid = self.most * max(answer.unanswered, self.unanswered)
        if answer.prompt_tokens is not None and answer.answer_tokens is not None:
            paid += cost(price, answer.prompt_tokens, answer.answer_tokens)
        elif answer.status != "api_error":
            paid += self.most
        # An answer from the cache was paid for when it came: it counts, so that a budget spans interrupted runs.
        self.end(paid)
        return paid

    def end(self, paid: float) -> None:
        """Give back what is held, spend what was paid."""
        self.purse.settle(self.held, paid)
        self.held = 0.0
