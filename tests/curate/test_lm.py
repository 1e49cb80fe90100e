"""Log-probabilities and rewards by local models, against plain loops of transformers; answers from endpoints: test_lm_api."""

import os
import shutil
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate import cache
from curate.errors import ConfigError
from curate.lm import local, models, reward
from curate.lm.models import Settings
from curate.progress import listening
from tests.curate import language_models

PAIRS = [
    ("", "the cat sat on the mat ."),
    ("what is a cat ? ", "a cat is an animal ."),
    ("what is a cat ? ", "it is !"),
    ("what is a mat ? what is a cat ? ", "고양이 🐈"),
    ("", "x"),
]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.setenv("LAPIDARY_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    return language_models.causal(tmp_path_factory.mktemp("causal"))


@pytest.fixture(scope="session")
def judge(tmp_path_factory):
    return language_models.reward(tmp_path_factory.mktemp("reward"))


def measured(pairs, folder, **settings):
    return local.logprobs(*zip(*pairs, strict=True), Settings(model=folder, **settings))


def one_by_one(pairs, folder):
    """The papers' way: one text a pass, the mean loss that transformers computes where the labels are not -100."""
    import torch

    model = models.load(Settings(model=folder), "causal")
    for context, text in pairs:
        before = model.prefix + model.tokenizer(context, add_special_tokens=False).input_ids
        ids = model.tokenizer(text, add_special_tokens=False).input_ids
        labels = torch.tensor([[-100] * len(before) + ids])
        with torch.inference_mode():
            output = model.network(input_ids=torch.tensor([before + ids]), labels=labels)
        likeliest = output.logits[0, len(before) - 1 : -1].argmax(-1).tolist()
        yield -output.loss.item() * len(ids), len(ids), likeliest == ids


@pytest.mark.parametrize("which", ["tiny", "models/stories260K/hf", "models/babyllama_tok105/hf"])
def test_a_batch_gives_what_one_text_a_pass_gives(which, request):
    folder = request.getfixturevalue("tiny") if which == "tiny" else request.getfixturevalue("shared_data")(which)
    found = measured(PAIRS, folder)
    expected = list(one_by_one(PAIRS, folder))
    assert found["logprob"].to_list() == pytest.approx([logprob for logprob, _, _ in expected], abs=1e-4, rel=1e-5)
    assert found["tokens"].to_list() == [tokens for _, tokens, _ in expected]
    assert found["greedy"].to_list() == [greedy for _, _, greedy in expected]
    assert set(found["status"]) == {"ok"}


def test_a_story_is_likelier_than_its_words_out_of_order(shared_data):
    story, shuffled = "Once upon a time, there was a little girl named Lily.", "girl a upon, named was Lily time Once."
    found = measured([("", story), ("", shuffled)], shared_data("models/stories260K/hf"))
    per_token = (-found["logprob"] / found["tokens"]).exp().to_list()
    assert per_token[0] < 2
    assert per_token[1] > 5


def test_neither_order_nor_company_nor_padding_changes_a_bit(tiny, monkeypatch):
    alone = [measured([pair], tiny).row(0) for pair in PAIRS]
    monkeypatch.setenv("LAPIDARY_CACHE", str(cache.folder()) + "-2")
    many = [*PAIRS, *[("a cat " * n, "on the mat " * (7 - n)) for n in range(7)]]
    assert measured(many[::-1], tiny).reverse().rows()[: len(PAIRS)] == alone


@given(st.lists(st.integers(1, 700), max_size=60))
def test_a_text_goes_through_a_pass_of_one_shape_whatever_its_company(lengths):
    model = models.Model(None, None, [0], 700, "cpu")
    seen = []
    for rows, (height, width) in models.passes(lengths, model):
        assert len(rows) <= height == max(1, models.PASS_TOKENS["cpu"] // width)
        for position in rows:
            seen.append(position)
            assert lengths[position] <= width <= 700
            assert [shape for _, shape in models.passes([lengths[position]], model)] == [(height, width)]
    assert sorted(seen) == list(range(len(lengths)))


def test_a_gpu_is_given_no_empty_rows_and_without_padding_each_text_has_its_own_pass():
    gpu, cpu = (models.Model(None, None, [0], 700, device) for device in ("cuda", "cpu"))
    assert list(models.passes([16, 15, 3], gpu)) == [([0, 1, 2], (3, 16))]
    assert list(models.passes([3, 15], cpu, single=True)) == [([1], (1, 15)), ([0], (1, 3))]


def test_equal_pairs_are_measured_once_and_kept(tiny, monkeypatch):
    heard = []
    with listening(heard.append):
        found = measured([PAIRS[1]] * 3 + [PAIRS[2]], tiny)
    assert found.rows()[0] == found.rows()[1] == found.rows()[2] != found.rows()[3]
    assert heard[-1] == 1.0

    def refuse(*_):
        raise AssertionError("loaded although all is there")

    monkeypatch.setattr(models, "load", refuse)
    assert measured([PAIRS[2], PAIRS[1]], tiny).rows() == [found.rows()[3], found.rows()[0]]


def test_no_pairs_load_nothing(tiny, monkeypatch):
    monkeypatch.setattr(models, "load", None)
    empty = local.logprobs([], [], Settings(model=tiny))
    assert empty.schema.names() == ["logprob", "tokens", "greedy", "status"]


def test_what_is_cut_or_empty_says_so_and_has_no_default_number(tiny):
    long = " cat" * 100
    found = measured([("what", ""), ("what", long), (long, " sat"), ("", " cat" * 64), ("", " cat" * 65)], tiny)
    assert found["status"].to_list() == ["empty", "too_long", "context_cut", "ok", "too_long"]
    assert found["logprob"].is_null().to_list() == [True, True, False, False, True]
    assert found["tokens"].to_list() == [0, 100, 1, 64, 65]


def test_a_context_that_is_cut_loses_its_beginning(tiny):
    kept, cut = measured([("what" + " cat" * 63, " sat"), (" cat" * 63, " sat")], tiny).rows()
    assert cut[3] == "ok"
    assert kept[3] == "context_cut"
    assert kept[0] == cut[0]


def test_a_smaller_window_cuts_earlier(tiny):
    pairs = [("", " cat" * 8), ("", " cat" * 9)]
    assert measured(pairs, tiny, window=8)["status"].to_list() == ["ok", "too_long"]
    assert measured(pairs, tiny, window=9)["status"].to_list() == ["ok", "ok"]


def test_the_precision_of_the_weights_shows(tiny):
    exact, coarse = (measured(PAIRS, tiny, precision=name)["logprob"].to_list() for name in ("float32", "bfloat16"))
    assert exact != coarse
    assert exact == pytest.approx(coarse, rel=0.1)


def test_a_tokenizer_without_bos_begins_with_eos_and_one_with_neither_is_refused(tiny, tmp_path):
    for name, special in (("eos", {"eos_token": "</s>"}), ("neither", {})):
        shutil.copytree(tiny, tmp_path / name)
        language_models.tokenizer(tmp_path / name, **special)
    assert models.load(Settings(model=tmp_path / "eos"), "causal").prefix == [1]
    with pytest.raises(ConfigError, match="neither a BOS nor an EOS"):
        measured(PAIRS, tmp_path / "neither")


def test_a_context_that_brings_its_bos_does_not_get_a_second(tiny):
    one, two = measured([("what ", "a cat"), ("<s>what ", "a cat")], tiny).rows()
    assert one == two


def test_the_fingerprint_follows_the_files_and_not_the_folder(tiny, tmp_path):
    shutil.copytree(tiny, tmp_path / "copy")
    assert models.fingerprint(tmp_path / "copy") == models.fingerprint(tiny)
    weights = tmp_path / "copy" / "model.safetensors"
    changed = bytearray(weights.read_bytes())
    changed[-1] ^= 1
    before = weights.stat()
    weights.write_bytes(changed)
    os.utime(weights, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    assert models.fingerprint(tmp_path / "copy") != models.fingerprint(tiny)


def test_asking_what_a_model_is_loads_no_library_for_models(tiny):
    code = f"import sys; from pathlib import Path; from curate.lm import models, local, reward, api; models.fingerprint(Path({str(tiny)!r})); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "transformers", "openai"} & set(loaded)


def test_a_folder_that_is_no_model_is_one_line(tmp_path, judge):
    with pytest.raises(ConfigError, match=r"no language model here: expected a folder with config\.json"):
        measured(PAIRS, tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "nonsense"}')
    with pytest.raises(ConfigError, match="cannot be loaded as a causal model"):
        measured(PAIRS, tmp_path)
    with pytest.raises(ConfigError, match=r"is no trained causal model: the weights of lm_head\.weight"):
        measured(PAIRS, judge)


def talk(*contents):
    roles = ["user", "assistant"] * len(contents)
    return [{"role": role, "content": content} for role, content in zip(roles, contents, strict=False)]


TALKS = [
    talk("what is a cat ?", "an animal"),
    talk("why ?", "it sits on a mat , by and by ."),
    talk("a", "b", "c", "d"),
]


def test_rewards_are_what_one_conversation_a_pass_gives(judge, tmp_path):
    import torch

    unpadded = language_models.reward(tmp_path, pad=False)
    for folder in (judge, unpadded):
        found = reward.rewards([*TALKS, TALKS[0]], Settings(model=folder))
        model = models.load(Settings(model=folder), "reward")
        for turns, value in zip(TALKS, found["reward"], strict=False):
            before = "\n\n".join(turn["content"] for turn in turns[:-1])
            ids = model.tokenizer(before, turns[-1]["content"]).input_ids
            with torch.inference_mode():
                assert value == pytest.approx(model.network(torch.tensor([ids])).logits.item(), abs=1e-5)
        assert found["reward"][3] == found["reward"][0] != found["reward"][1]


def test_a_reward_model_sees_the_conversation_in_its_own_chat_template(judge, tmp_path):
    shutil.copytree(judge, tmp_path / "chat")
    (tmp_path / "chat" / "chat_template.jinja").write_text(
        "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system') }}{% endif %}"
        "{{ m.role }}: {{ m.content }}\n{% endfor %}"
    )
    system = [{"role": "system", "content": "be brief"}, *TALKS[0]]
    found = reward.rewards([TALKS[0], system], Settings(model=tmp_path / "chat"))
    assert found["status"].to_list() == ["ok", "not_rendered"]
    assert found["reward"][0] != reward.rewards(TALKS[:1], Settings(model=judge))["reward"][0]
    assert found["reward"][1] is None


def test_a_conversation_that_is_longer_than_the_window_has_no_reward(judge):
    found = reward.rewards([talk("cat " * 80, "yes"), TALKS[0]], Settings(model=judge))
    assert found["status"].to_list() == ["too_long", "ok"]
    assert found["reward"].is_null().to_list() == [True, False]


def test_a_model_without_a_trained_score_is_refused(tiny, tmp_path):
    with pytest.raises(ConfigError, match=r"is no trained reward model: the weights of score\.weight"):
        reward.rewards(TALKS, Settings(model=tiny))
    with pytest.raises(ConfigError, match="has 3 outputs; a reward model has one"):
        reward.rewards(TALKS, Settings(model=language_models.reward(tmp_path, outputs=3)))
