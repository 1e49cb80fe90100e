"""What the parts of the trainer hand to one another: token documents, examples, the batch of one forward pass."""

from typing import Any, NamedTuple

# The label of a position that is not trained, as torch's cross-entropy ignores it.
UNTRAINED = -100

# One packed forward pass (plan.collate). Integer tensors of shape (1, tokens) unless said otherwise:
#   input_ids, position_ids (from 0 in each document; absent without packing), shift_labels (the token to be predicted after
#   each position, or UNTRAINED), cu_seq_lens (documents + 1,), max_length (a number: the longest document), groups
#   (documents,): the example of the pass that a document belongs to, -1: none; scores and reference (documents,) float32,
#   where examples have them; step_items (): what the whole optimizer step divides its sum of losses by, over all passes
#   and processes (losses.py).
Batch = dict[str, Any]


class Document(NamedTuple):
    """One conversation as tokens. `labels`: of each token itself (not shifted), UNTRAINED where it is not trained."""

    ids: list[int]
    labels: list[int]

    @property
    def trained(self) -> int:
        """Tokens that are trained. The first token of a document is never one: nothing stands before it."""
        return len(self.labels) - self.labels.count(UNTRAINED)


class Example(NamedTuple):
    """What counts as one in "examples per step": one document, or the rivals that a preference loss compares.

    Of a pair, the preferred document stands first. `scores`: one a document, of ranked answers; else empty.
    `reference`: the log-probability (nats) of each document's trained tokens before training, where the loss needs it.
    """

    id: str
    dataset: str
    documents: tuple[Document, ...]
    scores: tuple[float, ...] = ()
    reference: tuple[float, ...] = ()
    # Bytes (UTF-8) of the trained text of all documents, for bits per byte.
    trained_bytes: int = 0

    @property
    def tokens(self) -> int:
        """Tokens of all documents."""
        return sum(len(document.ids) for document in self.documents)
