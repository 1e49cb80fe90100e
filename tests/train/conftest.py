"""What the trainer's tests share: a toy base in a folder, a few conversations in a file, settings around them."""

import json

import pytest

from train.settings import Settings

CONVERSATIONS = [
    ("Name a gem.", "Opal is one."),
    ("Why is glass not a gem?", "It has no crystal lattice, and gems, but for a few like opal and amber, do."),
    ("Count to five.", "1, 2, 3, 4, 5"),
    ("What cuts a diamond?", "Another diamond."),
    ("How hard is quartz?", "Seven on the scale of Mohs."),
    ("Spell agate.", "a g a t e"),
    ("Which gem is red?", "Ruby."),
    ("Who was Mohs?", "A mineralogist, born in Gernrode in 1773, who ordered minerals by which scratches which."),
    ("Is jade soft?", "No, it is tough."),
    ("One word for green?", "Emerald."),
]


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """The models are so small that threads would only wait for one another."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def same_draws():
    """What a test draws does not depend on which tests ran before it."""
    import torch

    torch.manual_seed(1)


@pytest.fixture(scope="session")
def toy_base(tmp_path_factory):
    from train import toy

    folder = tmp_path_factory.mktemp("toy")
    toy.save(folder)
    return folder


def write_rows(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def any_settings(**given):
    """Settings of a run that is never started."""
    return Settings.model_validate(
        {"base": "nowhere", "data": [{"path": "nothing.jsonl"}], "optimizer": {"lr": 1e-3}, **given}
    )


@pytest.fixture(scope="session")
def chat_file(tmp_path_factory):
    turns = [[{"role": "user", "content": q}, {"role": "assistant", "content": a}] for q, a in CONVERSATIONS]
    rows = [{"id": f"gem-{number}", "messages": messages} for number, messages in enumerate(turns)]
    return write_rows(tmp_path_factory.mktemp("data") / "chat.jsonl", rows)


@pytest.fixture(scope="session")
def make_settings(toy_base, chat_file):
    """Settings with the toy, the conversations, four examples a step and two epochs, and what is laid over them."""

    def make(**changes):
        given = {
            "base": str(toy_base),
            "data": [{"path": str(chat_file)}],
            "adapter": {"kind": "lora", "r": 4, "alpha": 8, "dropout": 0.0},
            "optimizer": {"lr": 1e-3, **changes.pop("optimizer", {})},
            "batch_examples": 4,
            "epochs": 2,
        }
        return Settings.model_validate({**given, **changes})

    return make


def course_of(settings, processes=1):
    """What a run with these settings goes through, and its tokenizer."""
    from curate.lm import rendering
    from train import base, data, plan
    from train.course import Course

    words = base.tokenizer(settings)
    prepared = data.read(settings, words, rendering.template(words, settings.template, settings.base))
    planned = plan.plan(prepared.stages, settings, processes=processes)
    return Course(planned, prepared.stages[0], settings.objective, 0), words
