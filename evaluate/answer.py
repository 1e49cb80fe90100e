"""Answers of a model to a prompt set, by a local model or an endpoint: row by row into a file that can be gone on with."""

import json
from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing
from importlib import resources
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import Field

from curate import config
from curate.chat import Message
from curate.config import Strict
from curate.errors import ConfigError, InputError, RunError, did_you_mean
from curate.lm import api, generation
from curate.lm.decoding import Decoding, seed_of
from curate.lm.generation import Answerer, Generated
from curate.progress import Progress, Watcher, silent

from . import journal, loading
from .loading import Precision

Row = dict[str, Any]
# prompt_id, sample, turn
Key = tuple[str, int, int]


class Settings(Strict):
    """How prompts are answered. The presets lima and neftune are files of these."""

    decoding: Decoding = Decoding()
    samples: int = Field(1, ge=1, description="answers to each prompt")
    seed: int = Field(1, ge=0, description="of the run; each answer's own follows from it")
    chat_template: str | None = Field(
        None, description="a Jinja file; none: prompts as they are; null: the tokenizer's own"
    )
    precision: Precision = Field("auto", description="of a local model; auto: float32 on a CPU, bfloat16 on a GPU")
    batch: int | None = Field(
        None, ge=1, description="prompts at a time of a local model; null: 8 on a CPU, 32 on a GPU"
    )
    endpoint: api.Settings | None = Field(None, description="the endpoint and model that answer; null: a local model")


class Source:
    """Who answers, a local model or an endpoint, as one function over prompts of one turn."""

    def __init__(self, model: str, adapter: Path | None, settings: Settings) -> None:
        self.settings = settings
        self.local = (
            loading.load(model, adapter, settings.chat_template, settings.precision, settings.batch)
            if settings.endpoint is None
            else None
        )

    def answers(
        self, talks: Sequence[Sequence[Message]], seeds: Sequence[int], samples: Sequence[int]
    ) -> Iterator[Sequence[tuple[int, Generated | None]]]:
        """(position, answer) of some at a time; None where an endpoint failed, which is no answer."""
        if self.local is not None:
            yield from _generated(talks, seeds, self.local, self.settings.decoding)
            return
        assert self.settings.endpoint is not None
        pool = ThreadPoolExecutor(self.settings.endpoint.concurrency)
        with api.Endpoint(self.settings.endpoint) as endpoint:
            try:
                calls = {
                    pool.submit(self._ask, endpoint, *one): i
                    for i, one in enumerate(zip(talks, seeds, samples, strict=True))
                }
                for call in as_completed(calls):
                    yield [(calls[call], call.result())]
            finally:
                # What is under way is waited for: its answer is kept in the cache.
                pool.shutdown(wait=True, cancel_futures=True)

    def _ask(self, endpoint: api.Endpoint, turns: Sequence[Message], seed: int, sample: int) -> Generated | None:
        answer = endpoint.ask(api.Question(turns, sample, {**request(self.settings), "seed": seed}))
        tokens = answer.answer_tokens or 0
        if answer.status == "api_error":
            return None
        if answer.status == "refused":
            return Generated(None, "error", tokens)
        text = answer.text or answer.partial or ""
        return Generated(text, "length" if answer.status == "truncated" else "stop", tokens)


def _generated(
    talks: Sequence[Sequence[Message]], seeds: Sequence[int], model: Answerer, decoding: Decoding
) -> Iterator[Sequence[tuple[int, Generated]]]:
    """The same of a local model. Raises RunError where memory runs out."""
    import torch

    try:
        yield from generation.generate([generation.prompt_ids(turns, model) for turns in talks], seeds, model, decoding)
    except torch.OutOfMemoryError as error:
        raise RunError(
            f"out of memory with {model.rows} prompts at a time: answer fewer: --batch {model.rows // 2 or 1}"
        ) from error


def load(preset: str, overrides: Sequence[str] = ()) -> Settings:
    """A shipped preset by its name, or a YAML file by its path, with overrides. Raises ConfigError."""
    files = {
        Path(str(path)).stem: Path(str(path)) for path in resources.files(__package__).joinpath("presets").iterdir()
    }
    path = files.get(preset, Path(preset))
    if not path.is_file():
        raise ConfigError(f"--decoding {preset}: neither a preset nor a file. {did_you_mean(preset, files)}")
    return config.load(path, Settings, list(overrides))


def request(settings: Settings) -> dict[str, Any]:
    """The fields of an endpoint's request that say how to decode; the OpenAI form has none for a repetition penalty."""
    decoding = settings.decoding
    return {
        "temperature": decoding.temperature,
        "top_p": decoding.top_p,
        "max_tokens": decoding.max_new_tokens or decoding.max_length,
    }


def answer(
    prompts: pl.DataFrame,
    model: str,
    settings: Settings,
    out: Path,
    *,
    adapter: Path | None = None,
    name: str | None = None,
    watch: Watcher = silent,
) -> Row:
    """Answer what `out` lacks, and say what it then holds. One row a prompt, sample and turn (schema ANSWER).

    Of a prompt with follow-ups each turn is answered after the model's own answers to those before. Raises InputError
    where `out` holds answers of another model or decoding, RunError where another process writes to it, ConfigError
    where the model cannot be loaded or reached.
    """
    generator = name or (
        adapter.resolve().name if adapter else Path(model).name if settings.endpoint is None else model
    )
    with journal.held(out):
        done = {
            _key(row): row
            for row in journal.rows(out, ("prompt_id", "sample", "turn", "output", "generator", "decoding"))
        }
        waiting = _waiting(prompts, settings, done)
        _check(done, "generator", generator, out)
        failed = answered = 0
        watch(Progress("answer", 0, len(waiting), 0))
        if waiting:
            source = Source(model, adapter, settings)
            _check(done, "decoding", _decoding(settings, source), out)
            # Closed here and now, so that what an interrupted endpoint has been asked is waited for.
            with journal.appending(out) as append, closing(_made(prompts, waiting, done, source, generator)) as made:
                for new, lost in made:
                    append(new)
                    failed += lost
                    answered += len(new)
                    watch(Progress("answer", answered + failed, len(waiting), 0))
    return _summary(done, prompts, settings, generator, failed)


def _made(
    prompts: pl.DataFrame, waiting: Sequence[Key], done: dict[Key, Row], source: Source, generator: str
) -> Generator[tuple[list[Row], int]]:
    """(answers, how many failed) of some at a time, all first turns before the second; the answers are put into `done`."""
    rows = {row["prompt_id"]: row for row in prompts.iter_rows(named=True)}
    decoding = _decoding(source.settings, source)
    for turn in sorted({turn for _, _, turn in waiting}):
        asked = [one for one in waiting if one[2] == turn and (turn == 1 or _before(done, one) is not None)]
        talks = [_talk(rows[prompt], done, sample, turn) for prompt, sample, _ in asked]
        seeds = [seed_of(source.settings.seed, *one) for one in asked]
        for found in source.answers(talks, seeds, [sample for _, sample, _ in asked]):
            new = [
                _row(rows[asked[i][0]], asked[i], talks[i], seeds[i], one, generator, decoding)
                for i, one in found
                if one is not None
            ]
            done |= {_key(row): row for row in new}
            yield new, len(found) - len(new)


def _waiting(prompts: pl.DataFrame, settings: Settings, done: Mapping[Key, Row]) -> list[Key]:
    """What is to be answered yet; a turn after one that has no answer (refused, too long) is not."""
    wanted = [
        (prompt, sample, turn)
        for prompt, follow_ups in prompts.select("prompt_id", "follow_ups").iter_rows()
        for sample in range(settings.samples)
        for turn in range(1, len(follow_ups) + 2)
    ]
    hopeless = {key for key, row in done.items() if row["output"] is None}
    return [
        one for one in wanted if one not in done and not any((*one[:2], turn) in hopeless for turn in range(1, one[2]))
    ]


def _before(done: Mapping[Key, Row], one: Key) -> str | None:
    """The answer to the turn before: without it, there is nothing to follow up on."""
    prompt, sample, turn = one
    row = done.get((prompt, sample, turn - 1))
    output: str | None = None if row is None else row["output"]
    return output


def _talk(prompt: Row, done: Mapping[Key, Row], sample: int, turn: int) -> list[Message]:
    if turn == 1:
        return list(prompt["messages"])
    before = done[(prompt["prompt_id"], sample, turn - 1)]
    answered: Message = {"role": "assistant", "content": before["output"]}
    return [*before["messages"], answered, {"role": "user", "content": prompt["follow_ups"][turn - 2]}]


def _decoding(settings: Settings, source: Source) -> Row:
    if settings.endpoint is not None:
        sent = {**request(settings), **settings.endpoint.extra}
        return {name: value for name, value in sent.items() if value is not None}
    assert source.local is not None
    return generation.described(settings.decoding, source.local)


def _check(done: Mapping[Key, Row], field: str, wanted: object, out: Path) -> None:
    """Raise InputError where a row of the file has another model or decoding."""
    other = next((row[field] for row in done.values() if row[field] != wanted), None)
    if other is not None:
        raise InputError(
            f"{out}: holds answers whose {field} is {json.dumps(other)}; these would have {json.dumps(wanted)}. Write to"
            " another --out"
        )


def _row(
    prompt: Row,
    one: Key,
    talk: list[Message],
    seed: int,
    answer: Generated,
    generator: str,
    decoding: Row,
) -> Row:
    prompt_id, sample, turn = one
    return {
        "prompt_id": prompt_id,
        "instruction": prompt["instruction"],
        "messages": talk,
        "output": answer.text,
        "generator": generator,
        "dataset": prompt["dataset"],
        "category": prompt["category"],
        "sample": sample,
        "turn": turn,
        "seed": seed,
        "finish": answer.finish,
        "tokens": answer.tokens,
        "decoding": decoding,
    }


def _key(row: Row) -> Key:
    return row["prompt_id"], row["sample"], row["turn"]


def _summary(done: Mapping[Any, Row], prompts: pl.DataFrame, settings: Settings, generator: str, failed: int) -> Row:
    finish: dict[str, int] = {}
    for row in done.values():
        finish[row["finish"]] = finish.get(row["finish"], 0) + 1
    notes = []
    penalty = settings.decoding.repetition_penalty
    if settings.endpoint is not None and penalty != 1 and "repetition_penalty" not in settings.endpoint.extra:
        notes.append(
            f"a repetition penalty of {penalty} was not sent: the OpenAI form has none. Where the endpoint knows one:"
            f" -s endpoint.extra.repetition_penalty={penalty}"
        )
    return {
        "generator": generator,
        "prompts": prompts.height,
        "answers": len(done),
        "left": len(_waiting(prompts, settings, done)),
        "finish": finish,
        "failed": failed,
        "notes": notes,
    }
