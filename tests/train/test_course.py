"""The passes of each process, and what a course is told apart by."""

from tests.train.conftest import course_of
from train.course import Passes, fingerprint


def test_the_processes_share_out_each_steps_passes_and_none_comes_twice(make_settings):
    course, _ = course_of(make_settings(pass_tokens=70), processes=2)
    shares = [Passes(course, rank, 2) for rank in (0, 1)]
    assert len(shares[0]) == len(shares[1]) == len(course.plan.steps) * course.plan.passes // 2
    per_step = course.plan.passes // 2
    for number, step in enumerate(course.plan.steps):
        batches = [own[number * per_step + place] for own in shares for place in range(per_step)]
        tokens = sum(batch["input_ids"].numel() for batch in batches if int(batch["groups"][0]) >= 0)
        assert tokens == step.tokens
        assert {int(batch["step_items"]) for batch in batches} == {step.trained}


def test_a_finished_step_is_hashed_by_what_is_in_it_and_not_by_how_it_is_cut(make_settings):
    one, other = course_of(make_settings(pass_tokens=70))[0], course_of(make_settings(pass_tokens=4096))[0]
    assert fingerprint(one) == fingerprint(other)
    shorter = one._replace(examples=[example._replace(documents=()) for example in one.examples])
    assert fingerprint(shorter) != fingerprint(one)
