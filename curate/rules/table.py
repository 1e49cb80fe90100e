"""The table of rules: what each compares with what, its limit by default, and where it comes from.

A rule is one comparison of one measured column. Its limit is the setting of the same name (curate.stages.filters).
"""

from typing import Literal, NamedTuple

Comparison = Literal["at least", "at most", "within", "never", "always", "one of"]
Limit = int | float | bool | tuple[float, float] | tuple[str, ...] | None


class Rule(NamedTuple):
    """`column` must be `comparison` the limit, or the row is dropped. A null column is never dropped.

    `never` and `always` speak of flags (limit: true = the rule is on); `within` has a lower and an upper limit.
    """

    name: str
    column: str
    comparison: Comparison
    default: Limit
    sentence: str
    source: str


LIMA = "LIMA, Zhou et al. 2023, section 2.1"
CLEANED = "AlpacaDataCleaned, list of issues"
GOPHER = "Gopher, Rae et al. 2021, appendix A.1"
OURS = "this project"

TABLE = (
    Rule("min_chars", "response_chars", "at least", None, "The answer has fewer characters (Unicode code points) than this.", f"{LIMA}: 1,200 for Stack Exchange"),
    Rule("max_chars", "response_chars", "at most", None, "The answer has more characters than this.", f"{LIMA}: 4,096 for Stack Exchange"),
    Rule("min_words", "response_words", "at least", None, "The answer has fewer words than this.", "Gopher, appendix A.1: 50 for a web page"),
    Rule("max_words", "response_words", "at most", None, "The answer has more words than this.", "Gopher, appendix A.1: 100,000 for a web page"),
    Rule("min_tokens", "response_tokens", "at least", None, "The answer has fewer tokens than this, counted by the tokenizer that the settings name.", OURS),
    Rule("max_tokens", "response_tokens", "at most", None, "The answer has more tokens than this: a tuned model would see it cut off.", OURS),
    Rule("min_prompt_chars", "prompt_chars", "at least", None, "The prompt has fewer characters than this.", OURS),
    Rule("max_prompt_chars", "prompt_chars", "at most", None, "The prompt has more characters than this.", OURS),
    Rule("max_context_chars", "context_chars", "at most", None, "The prompt is a question's title, and the body that it leaves out is longer than this.", f"{LIMA}: questions that need no body"),
    Rule("min_score", "score", "at least", None, "The answer's votes are fewer than this; rows without votes pass.", f"{LIMA}: 10 for Stack Exchange"),
    Rule("self_contained_title", "self_contained_title", "always", None, 'The title cannot be understood without its page: it points at something outside ("this", "the following", "my"), has fewer than four words, is only tags, or is marked closed; rows without a title pass.', LIMA),
    Rule("first_person", "first_person", "at most", None, 'The answer has more first-person words (I, me, my, 나는, 제가 …) than this, outside of quotations, code, dialogue, numerals such as "Part I" and terms such as "I/O".', LIMA),
    Rule("refers_to_others", "refers_to_others", "at most", None, "The answer mentions other answers, their authors, the asker, votes or the site more often than this.", LIMA),
    Rule("sarcasm", "sarcasm", "at most", None, "The answer reads as sarcasm or a joke: a score in [0, 1] from named cues.", "this project, calibrated on labelled sets (quality-of-rules.md)"),
    Rule("language", "language", "one of", ("en",), "The answer's prose is in another language; where none can be told, the row passes.", "langdetect, seeded per text"),
    Rule("refusal", "refusal", "never", True, "The answer declines to answer, or speaks as an AI.", OURS),
    Rule("hallucinated_input", "hallucinated_input", "never", True, "The prompt speaks of a link, an attachment or a text that is not there, so that the answer must have invented it.", CLEANED),
    Rule("merged_instructions", "merged_instructions", "never", True, 'A second record is glued to this one: a number and ". Instruction:" stands in it.', CLEANED),
    Rule("empty_output", "empty_output", "never", True, "The answer is empty or has nothing but white space and punctuation.", CLEANED),
    Rule("empty_code", "empty_code", "never", True, 'The answer is an empty code block, a stub, or "your code here".', CLEANED),
    Rule("asks_for_image", "asks_for_image", "never", True, "The prompt asks for a picture, which an answer in words cannot be.", CLEANED),
    Rule("not_applicable", "not_applicable", "never", True, 'The answer is "N/A", "None", "null", a dash or the like.', CLEANED),
    Rule("no_input_marker", "no_input_marker", "never", True, 'A marker such as "<noinput>" or "No input required" is left after cleaning.', CLEANED),
    Rule("wrong_arithmetic", "wrong_arithmetic", "never", True, "The prompt is nothing but a sum, and no number of the answer is its value.", CLEANED),
    Rule("unclear_prompt", "unclear_prompt", "never", True, "The prompt that opens a conversation has no letters or a single word, and is no sum.", CLEANED),
    Rule("stray_escapes", "stray_escapes", "never", True, 'Escapes such as "\\n", character references escaped twice or control characters are left after cleaning, outside of code and quotations.', CLEANED),
    Rule("deleted", "deleted", "never", True, 'The source marks the post as deleted or removed, or its text is "[deleted]" or "[removed]".', "Pushshift's Reddit dumps"),
    Rule("bot", "bot", "never", True, "The source marks the author as a bot.", "Pushshift's Reddit dumps"),
    Rule("over_18", "over_18", "never", True, "The source marks the post as adult content.", "Pushshift's Reddit dumps"),
    Rule("stickied", "stickied", "never", True, "A moderator pinned the post: announcements, not answers.", "Pushshift's Reddit dumps"),
    Rule("nsfw", "nsfw", "at most", 0, 'Prompt and answer have more words of pornography, or marks such as "[NSFW]", than this.', OURS),
    Rule("duplicate_lines", "duplicate_lines", "at most", 0.5, "A larger share of the answer's lines than this occurred before in it (from 5 lines of 12 characters on; no code, no tables); songs repeat four lines in ten.", f"{GOPHER}: 0.3 for web pages"),
    Rule("duplicate_paragraphs", "duplicate_paragraphs", "at most", 0.5, "A larger share of the answer's paragraphs than this occurred before in it (from 4 paragraphs on).", f"{GOPHER}: 0.3 for web pages"),
    Rule("top_ngrams", "top_ngrams", "at most", 0.35, "The most frequent phrase of 2, 3 or 4 words takes a larger share of the characters than this (from 50 words on).", f"{GOPHER}: 0.20, 0.18 and 0.16 for web pages"),
    Rule("duplicate_ngrams", "duplicate_ngrams", "at most", 0.6, "A larger share of the characters than this stands in phrases of 5 words that occur more than once (from 50 words on).", f"{GOPHER}: 0.15 for web pages; longer phrases cover less, so 5 words decide"),
    Rule("symbol_ratio", "symbol_ratio", "at most", 0.2, "There are more ellipses and loose hash signs for each word than this (headings and hashtags apart; from 20 words and symbols on).", f"{GOPHER}: 0.1 for web pages"),
    Rule("word_length", "word_length", "within", (1.5, 12.0), "The mean length of a word is outside these limits (Han, kana and Hangul apart; from 100 letters on).", f"{GOPHER}: 3 to 10 for web pages"),
    Rule("alpha_words", "alpha_words", "at least", 0.1, "A smaller share of words than this has a letter (from 20 words on).", f"{GOPHER}: 0.8 for web pages"),
    Rule("bullet_lines", "bullet_lines", "at most", None, "A larger share of lines than this begins with a bullet (from 4 lines on); off by default, since a list is a good answer to many prompts.", f"{GOPHER}: 0.9 for web pages"),
    Rule("ellipsis_lines", "ellipsis_lines", "at most", 0.3, "A larger share of lines than this ends with an ellipsis (from 4 lines on).", GOPHER),
)  # fmt: skip

BY_NAME = {rule.name: rule for rule in TABLE}


def markdown() -> str:
    """The table as Markdown, for docs/rules.md."""
    lines = [
        "A limit is the setting of the rule's name, under `filters` or, for one source, under `filters.profiles.<source>`;",
        "null switches the rule off. `language` is set by `languages`.",
        "",
        "| rule | the row is kept while | default | the row is dropped because | source |",
        "| --- | --- | --- | --- | --- |",
    ]
    lines.extend(
        f"| `{rule.name}` | {_condition(rule)} | {_shown(rule.default)} | {rule.sentence} | {rule.source} |"
        for rule in TABLE
    )
    return "\n".join([*lines, ""])


def _condition(rule: Rule) -> str:
    if rule.comparison in ("never", "always"):
        return f"`{rule.column}` is {'false' if rule.comparison == 'never' else 'true'}"
    return f"`{rule.column}` is {rule.comparison} the limit{'s' if rule.comparison == 'within' else ''}"


def _shown(limit: Limit) -> str:
    if limit is None:
        return "off"
    if isinstance(limit, bool):
        return "on" if limit else "off"
    if isinstance(limit, tuple):
        return ", ".join(str(part) for part in limit)
    return str(limit)
