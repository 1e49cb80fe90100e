"""What is asked: each row after its examples, the same texts that lm-eval 0.4.13 makes."""

import random
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from curate import cache
from curate.errors import ConfigError, InputError

from .tasks import Item, Row, Task, describe

# lm-eval's fewshot_random_seed: one stream of draws through the rows of a task.
SEED = 1234


class Question(NamedTuple):
    """A row as it is asked, with examples and all. `number`: of the row, from 0; `subject`: MMLU's, else empty."""

    task: Task
    number: int
    subject: str
    shots: int
    item: Item

    @property
    def key(self) -> str:
        """16 hex digits of the texts: equal where the same is asked."""
        right = "".join(str(int(one)) for one in self.item.right)
        return cache.key(*self.item.contexts, *self.item.continuations, right).hex()[:16]


def questions(
    task: Task, rows: Sequence[Row], pool: Sequence[Row], shots: int, limit: int | None = None
) -> Iterator[Question]:
    """The rows of a task as they are asked, in their order; `limit`: the first so many, of MMLU of each subject.

    `pool`: the rows that the examples come from; of MMLU each subject has its own. Raises ConfigError where there are fewer
    than `shots`, InputError where a choice is empty.
    """
    chance = random.Random(SEED)
    shown = {id(row): task.item(row).example for row in pool} if shots else {}
    counts: dict[str, int] = {}
    for number, row in enumerate(rows):
        subject = row.get("subject", "")
        counts[subject] = counts.get(subject, 0) + 1
        if limit is not None and counts[subject] > limit:
            continue
        chosen = _examples(task, row, pool, shots, chance) if shots else []
        lead = (describe(subject) if subject else "") + "".join(shown[id(one)] for one in chosen)
        item = task.item(row)
        if not all(item.choices):
            raise InputError(
                f"{task.name}, row {number + 1}: an empty choice, which has no likelihood; leave the row out"
            )
        # One and the same string for all choices, where they stand after the same.
        leads = {context: lead + context for context in item.contexts}
        contexts = tuple(leads[context] for context in item.contexts)
        yield Question(task, number, subject, shots, item._replace(contexts=contexts))


def _examples(task: Task, row: Row, pool: Sequence[Row], shots: int, chance: random.Random) -> list[Row]:
    own = [one for one in pool if one["subject"] == row["subject"]] if "subject" in row else pool
    needed = shots + (task.examples == "others")
    if len(own) < needed:
        what = f"{task.name}, {row['subject']}" if "subject" in row else task.name
        raise ConfigError(
            f"{what}: {needed} rows for examples are needed and there are {len(own)}; take fewer: --shots"
        )
    if task.examples == "first":
        return list(own[:shots])
    if task.examples == "drawn":
        return chance.sample(own, shots)
    found = [one for one in chance.sample(own, shots + 1) if one != row][:shots]
    # Where the row stands in the pool twice, both may have been drawn.
    return found if len(found) == shots else chance.sample([one for one in own if one != row], shots)
