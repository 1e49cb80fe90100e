import polars as pl
import pytest

from curate.errors import InputError
from evaluate.loop.ablations import compared


def values(*rows):
    return pl.DataFrame(rows, schema={"prompt_id": pl.String, "value": pl.Float64}, orient="row")


def test_a_set_is_compared_with_the_first_on_the_same_prompts():
    found = compared(
        {
            "filtered": values(("p", 1.0), ("q", 0.5), ("only here", 9.0)),
            "unfiltered": values(("p", 0.5), ("q", 0.0)),
        }
    )
    assert [(row["set"], row["value"], row["difference"], row["prompts"]) for row in found] == [
        ("filtered", 0.75, 0.0, 2),
        ("unfiltered", 0.25, -0.5, 2),
    ]
    # On every prompt it is behind by one half: so it is in every resample.
    assert (found[1]["difference_low"], found[1]["difference_high"]) == (-0.5, -0.5)
    assert found[0]["low"] == 0.5
    assert found[0]["high"] == 1.0


def test_seeds_are_averaged_before_prompts_are_resampled():
    found = compared({"a": values(("p", 0.0), ("p", 1.0), ("q", 0.5))})
    assert (found[0]["value"], found[0]["low"], found[0]["high"]) == (0.5, 0.5, 0.5)


def test_sets_without_a_prompt_in_common_cannot_be_compared():
    with pytest.raises(InputError, match="a, b: not one prompt was judged"):
        compared({"a": values(("p", 0.0)), "b": values(("q", 0.0))})
