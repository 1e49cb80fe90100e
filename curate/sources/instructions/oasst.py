"""OpenAssistant conversations: trees of messages, one tree a row or one message a row.

A tree branches where several people answered the same message, and readers ranked the answers (0 is best). With
`paths: best` a tree gives one example, the path of best-ranked messages; with `paths: all`, one example for every last
answer. A message on a path is part of its example; every other message is a reject of its own, so none goes missing.

Format: the published `*.trees.jsonl.gz` and `*.messages.jsonl.gz` of github.com/LAION-AI/Open-Assistant.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from curate.chat import Message, from_messages
from curate.errors import InputError
from curate.files import Numbered, Unreadable
from curate.sources.instructions.forms import Form, Located, Options, Rows, each_row, unreadable
from curate.turns import ROLES, Reading, Row, blank, is_number, kind

# Labels are shares of raters in [0, 1]: from one half on, most of them said so. These are marks that rules look at.
MARKS = {"spam": "spam", "not_appropriate": "not_appropriate", "pii": "pii", "sexual_content": "over_18"}


class Node(NamedTuple):
    """A message and whom it answers ("" for the first of a tree); `row` is all that its file says of it."""

    name: str
    parent: str
    role: str
    text: str
    row: Row
    number: int

    def rank(self) -> float:
        """The rank its readers gave it, 0 the best; infinite where nobody ranked it."""
        rank = self.row.get("rank")
        return float(rank) if rank is not None and is_number(rank) else math.inf


Replies = dict[str, list[Node]]
Said = tuple[Node, Reading, Node | None]


def tree(row: Row, key: str, options: Options) -> Iterator[Reading]:
    """The readings of one row that holds a whole tree, or a first message with the replies inside it."""
    number = int(key.rpartition(":")[2])
    replies: Replies = defaultdict(list)
    names: set[str] = set()
    todo: list[tuple[object, str]] = [(row["prompt"] if isinstance(row.get("prompt"), dict) else row, "")]
    while todo:
        message, parent = todo.pop()
        node = _node(message, parent, number)
        if node.name in names:
            raise InputError(f"message {node.name} stands twice in its tree")
        names.add(node.name)
        replies[parent].append(node)
        below = node.row.get("replies") or []
        if not isinstance(below, list):
            raise InputError(f"replies of message {node.name} is {kind(below)}; expected a list of messages")
        todo += [(reply, node.name) for reply in reversed(below)]
    root = replies[""][0]
    for node, reading, kept in _walk(root, replies, options):
        # The row is the tree: its best path, or its unanswered question, has the row's own key.
        whole = node is root or (options.paths == "best" and not reading.rule)
        yield reading._replace(part="" if whole else f"#{node.name}", other=f":{number}" if kept else "")


def flat(open_rows: Rows, options: Options) -> Located:
    """The readings of a file with one message a row, in any order.

    Reads the file twice: first only the ids, to learn where each tree ends, then the texts. In memory are the ids and
    the trees not yet complete, so one tree at a time where the file keeps trees together, as the published ones do.
    """
    roots, last, faults = _outline(open_rows())
    waiting: dict[str, list[Node]] = defaultdict(list)
    for number, row in open_rows():
        if number in faults or isinstance(row, Unreadable):
            yield number, faults[number]
            continue
        root = roots[row["message_id"]]
        try:
            waiting[root].append(_node(row, _parent(row), number))
        except InputError as error:
            yield number, unreadable(str(error))
        if last[root] == number:
            yield from _complete(waiting.pop(root, []), options)


def _outline(rows: Iterator[Numbered]) -> tuple[dict[str, str], dict[str, int], dict[int, Reading]]:
    """Of each message its tree (named after the topmost message that is there), of each tree its last row, and bad rows."""
    parents: dict[str, str] = {}
    numbers: dict[str, int] = {}
    faults: dict[int, Reading] = {}
    for number, row in rows:
        if isinstance(row, Unreadable):
            faults[number] = unreadable(row.reason)
        elif not isinstance(row.get("message_id"), str):
            faults[number] = unreadable(f"the row has no message_id; found {', '.join(sorted(row)) or 'no columns'}")
        elif row["message_id"] in numbers:
            faults[number] = unreadable(
                f"message {row['message_id']} was read before, in row {numbers[row['message_id']]}"
            )
        else:
            parents[row["message_id"]] = _parent(row)
            numbers[row["message_id"]] = number
    roots: dict[str, str] = {}
    last: dict[str, int] = {}
    for name, number in numbers.items():
        path = {name: None}
        top = name
        while top not in roots and parents[top] in numbers and parents[top] not in path:
            top = parents[top]
            path[top] = None
        root = roots.get(top, top)
        roots.update(dict.fromkeys(path, root))
        last[root] = max(number, last.get(root, 0))
    return roots, last, faults


def _parent(row: Row) -> str:
    return row["parent_id"] if isinstance(row.get("parent_id"), str) else ""


def _complete(nodes: list[Node], options: Options) -> Located:
    """The readings of one tree of a flat file, in the order of its rows."""
    replies: Replies = defaultdict(list)
    for node in nodes:
        replies[node.parent].append(node)
    roots = replies[""]
    said = {node.name: (reading, kept) for root in roots for node, reading, kept in _walk(root, replies, options)}
    reached = {node.name for root in roots for node in _below(root, replies)}
    for node in nodes:
        if node.name in said:
            reading, kept = said[node.name]
            yield node.number, reading._replace(other=f":{kept.number}" if kept else "")
        elif node.name not in reached:
            detail = f"no first question leads to it: message {node.parent} is missing, unreadable or itself below it"
            yield node.number, Reading({"detail": detail}, "no_question")


def _node(message: object, parent: str, number: int) -> Node:
    if not isinstance(message, dict):
        raise InputError(f"a reply is {kind(message)}; expected a message")
    name, role = message.get("message_id"), ROLES.get(str(message.get("role")).lower())
    if not isinstance(name, str) or role not in ("user", "assistant"):
        raise InputError(
            f"message {name!r} has role {message.get('role')!r}; expected a message_id, and role prompter or assistant"
        )
    if not isinstance(message.get("text"), str):
        raise InputError(f"message {name} has no text")
    return Node(name, parent, role, message["text"], message, number)


def _walk(root: Node, replies: Replies, options: Options) -> Iterator[Said]:
    """The examples of a tree, each with its last message, and the rejects of the messages on no path.

    The third of each is the last message of the example that was preferred, where there is one.
    """
    nodes = list(_below(root, replies))
    above = {reply.name: node for node in nodes for reply in replies.get(node.name, [])}
    answered: set[str] = set()  # messages with an answer somewhere below them
    for node in nodes:
        at = above.get(node.name) if node.role == "assistant" else None
        while at and at.name not in answered:
            answered.add(at.name)
            at = above.get(at.name)
    if options.paths == "best":
        ends = _best_end(root, replies, answered)
    else:
        ends = [node for node in nodes if node.role == "assistant" and node.name not in answered and node is not root]
    used: set[str] = set()
    for end in ends:
        path = [end]
        while path[-1].name in above:
            path.append(above[path[-1].name])
        used |= {node.name for node in path}
        yield end, _example(path[::-1]), None
    for node in nodes:
        if node.name in used:
            continue
        if node.name not in answered and (node.role == "user" or not ends):
            yield node, Reading({"detail": "nobody answered"}, "no_answer"), None
        else:
            rival = next((reply for reply in replies[node.parent] if reply.name in used), None)
            columns = {"value": _rank(node), "limit": _rank(rival) if rival else None}
            yield node, Reading(columns, "not_best_path"), ends[0] if ends else None


def _below(root: Node, replies: Replies) -> Iterator[Node]:
    """The tree's messages, each before its replies."""
    todo = [root]
    while todo:
        node = todo.pop()
        yield node
        todo += reversed(replies.get(node.name, []))


def _best_end(root: Node, replies: Replies, answered: set[str]) -> list[Node]:
    """The last answer on the path of best-ranked messages, or nothing.

    At each step: not deleted before deleted, questions that were answered before dead ends, then rank, then message id.
    """
    ends: list[Node] = []
    node = root
    while below := replies.get(node.name):
        node = min(
            below,
            key=lambda reply: (
                bool(reply.row.get("deleted")),
                reply.role == "user" and reply.name not in answered,
                reply.rank(),
                reply.name,
            ),
        )
        ends = [node] if node.role == "assistant" else ends
    return ends


def _example(path: list[Node]) -> Reading:
    """A path as a reading; its flags say whether a message on it was deleted, written by a machine, or marked by raters."""
    end = path[-1].row
    messages: list[Message] = [{"role": node.role, "content": node.text} for node in path]
    try:
        columns: dict[str, Any] = from_messages(messages)
    except InputError as error:
        return unreadable(str(error))
    labels = {name for name, share in _labels(end) if share >= 0.5}
    flags = [flag for flag in ("deleted", "synthetic") if any(node.row.get(flag) is True for node in path)]
    return Reading(
        {
            **columns,
            "stratum": end["lang"] if isinstance(end.get("lang"), str) else None,
            "score": _votes(end.get("emojis")),
            "date": end["created_date"] if isinstance(end.get("created_date"), str) else None,
            "tags": sorted(labels - set(MARKS)),
            "flags": flags + [MARKS[name] for name in sorted(labels & set(MARKS))],
        }
    )


def _labels(row: Row) -> Iterable[tuple[str, float]]:
    """Name and share of each label: {name: {value}} in the published files, parallel lists in their tables."""
    labels = row.get("labels")
    if not isinstance(labels, dict):
        return []
    if isinstance(labels.get("name"), list):
        pairs = list(zip(labels["name"], labels.get("value") or [], strict=False))
    else:
        pairs = [(name, label.get("value")) for name, label in labels.items() if isinstance(label, dict)]
    return [(name, share) for name, share in pairs if isinstance(name, str) and is_number(share)]


def _votes(emojis: object) -> int | None:
    """Thumbs up less thumbs down, where anybody gave one; in tables {name: [...], count: [...]}."""
    if not isinstance(emojis, dict):
        return None
    pairs = list(emojis.items())
    if isinstance(emojis.get("name"), list):
        pairs = list(zip(emojis["name"], emojis.get("count") or [], strict=False))
    return sum({"+1": n, "-1": -n}.get(name, 0) for name, n in pairs if isinstance(n, int) and is_number(n))


def _rank(node: Node) -> float | None:
    return None if math.isinf(node.rank()) else node.rank()


def _is_tree(row: Row) -> bool:
    root = row["prompt"] if isinstance(row.get("prompt"), dict) else row
    return (
        "message_id" in root
        and "role" in root
        and isinstance(root.get("replies"), list)
        and blank(root.get("parent_id"))
    )


TREES = Form("oasst_trees", (("prompt", "replies"), ("message_tree_id", "message_id")), each_row(tree), _is_tree)
MESSAGES = Form(
    "oasst_messages",
    (("message_id",), ("parent_id",), ("text",), ("role",)),
    flat,
    lambda row: blank(row.get("replies")),
)
FORMS = (TREES, MESSAGES)
