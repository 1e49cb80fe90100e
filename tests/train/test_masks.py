"""Rendered conversations as documents with labels."""

from curate.lm import rendering
from tests.curate import tokens
from train import masks
from train.record import UNTRAINED

SOURCE = "{% for m in messages %}{{ m.content }}</s>{% endfor %}"


def rendered(tmp_path, *turns, **options):
    tokenizer, path = tokens.byte_level(), tmp_path / "own.jinja"
    path.write_text(SOURCE)
    messages = [{"role": role, "content": content} for role, content in turns]
    return tokenizer, masks.render(messages, tokenizer, rendering.template(tokenizer, str(path), "nowhere"), **options)


def trained(document):
    return [number for number, label in zip(document.ids, document.labels, strict=True) if label != UNTRAINED]


def test_labels_are_the_ids_of_the_answers_and_their_end_tokens(tmp_path):
    turns = [("user", "abc"), ("assistant", "xyz"), ("user", "d"), ("assistant", "q")]
    tokenizer, found = rendered(tmp_path, *turns)
    assert tokenizer.decode(found.ids) == "abc</s>xyz</s>d</s>q</s>"
    assert tokenizer.decode(trained(found)) == "xyz</s>q</s>"
    tokenizer, last = rendered(tmp_path, *turns, only_last=True)
    assert (last.ids, tokenizer.decode(trained(last))) == (found.ids, "q</s>")


def test_the_first_token_of_a_document_is_never_trained(tmp_path):
    tokenizer, found = rendered(tmp_path, ("assistant", "xyz"))
    assert tokenizer.decode(trained(found)) == "yz</s>"
