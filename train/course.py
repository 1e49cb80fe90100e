"""What a run goes through, as the passes of each process."""

from collections.abc import Sequence
from hashlib import blake2b
from typing import NamedTuple

import numpy as np
from torch.utils.data import Dataset

from train.losses import Objective, step_items
from train.plan import Plan, collate
from train.record import Batch, Example


class Course(NamedTuple):
    """What a run goes through: its plan, the examples that the plan's positions mean, and what is asked of them.

    `filler`: the token of an empty pass. Without `packing` the passes are of one example each (see plan.py).
    """

    plan: Plan
    examples: Sequence[Example]
    objective: Objective
    filler: int
    packing: bool = True


class Passes(Dataset[Batch]):
    """The passes of one process, in the order of the run, each collated when it is asked for.

    Of P passes in a step and R processes, process r has the passes r, r + R, …: P is a multiple of R, so that none
    is left over and none is repeated.
    """

    def __init__(self, course: Course, rank: int = 0, processes: int = 1) -> None:
        assert course.plan.passes % processes == 0, "the plan was made for another number of processes"
        self.course, self.rank, self.processes = course, rank, processes
        self.per_step = course.plan.passes // processes

    def __len__(self) -> int:
        return len(self.course.plan.steps) * self.per_step

    def __getitem__(self, number: int) -> Batch:
        course = self.course
        step = course.plan.steps[number // self.per_step]
        chosen = step.passes[number % self.per_step * self.processes + self.rank]
        examples = [course.examples[index] for index in chosen]
        return collate(examples, step_items(step, course.objective), course.filler, packing=course.packing)


def fingerprint(course: Course) -> str:
    """A hash of what is trained on, step by step, however the steps are cut into passes."""
    found = blake2b(digest_size=12)
    for step in course.plan.steps:
        found.update(repr(sorted(index for chosen in step.passes for index in chosen)).encode())
    for example in course.examples:
        found.update(repr((example.id, [len(document.ids) for document in example.documents])).encode())
        for document in example.documents:
            found.update(np.array([document.ids, document.labels], dtype=np.int64).tobytes())
    return found.hexdigest()
