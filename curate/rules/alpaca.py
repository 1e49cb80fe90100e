"""The ten kinds of broken record that AlpacaDataCleaned names (github.com/gururise/AlpacaDataCleaned, README).

Two of them, input markers and stray escapes, are repaired by cleaning; here they fire only on what it left.
"""

import re
from fractions import Fraction

import polars as pl

_PROMPT, _RESPONSE = pl.col("prompt"), pl.col("response")
_FIRST_TURN = pl.col("history").list.len().fill_null(0) == 0
_GIVEN_NOTHING = _FIRST_TURN & (pl.col("system").fill_null("") == "")

# --- 1 hallucinated inputs -------------------------------------------------------------------------------------------

_THING = r"(?:web ?)?(?:article|passage|paragraph|document|essay|poem|story|email|e-mail|letter|review|sentences?|quote|tweet|image|picture|photo|chart|graph|table|video|audio|clip|recording|url|link|web ?site|web ?page|page|post|dialogue|conversation|report|speech|headline|lyrics|transcript|file|dataset|data set|spreadsheet|pdf)s?"
# A link in the prompt that must be opened to answer: nothing behind it was given.
OPENS_LINK = rf"(?is)\b(?:summari[sz]e|read|analy[sz]e|review|describe|extract|identify|proofread|edit|rewrite|translate|classify|what (?:is|does|are)|find|list)\b.{{0,80}}\b{_THING}\b.{{0,60}}(?:https?://|www\.)\S+\s*[.?!)]*\s*$"
# Work on the letters of a link, which needs no page.
LINK_AS_TEXT = r"(?i)\b(?:regex|regular expression|code|html|function|command|parse|encode|decode|shorten|python|java\w*|scrap\w+|script|request)\b"
ATTACHED = rf"(?i)\b(?:attached|uploaded|enclosed) {_THING}\b|\b{_THING} (?:(?:that )?(?:I(?:['’]ve| have)? |is |are )?(?:attached|uploaded|enclosed))\b|\bsee (?:the )?attach"
# "the following article" with nothing following: one line, no colon, quotation, digit or code in it.
POINTS_AT_INPUT = rf"(?i)\b(?:the|this) (?:following|given|provided|below|above|attached)(?: \w+)? {_THING}\b|\b(?:following|given|provided) {_THING}[.?!]?\s*$|\b{_THING} (?:given|provided|shown)? ?(?:below|above)\b|\bthis {_THING}[.?!]?\s*$"
CARRIES_INPUT = r"""[:\n"“”«`{}\[\]|<>]|[.?!]\s+\S|'\S[^']*\S'|‘[^’]*’"""
# Programs are asked about "the given string" in general; "create a sentence using the following words" has its own rule.
ABSTRACT = r"(?i)\b(?:function|program|code|regex|script|algorithm|method|class|sql|query|formula|expression|template|command|html|css|python|java\w*|api|request|classifier|machine learning|model|explain how|how (?:to|do|can|would)|what (?:is|are) an?)\b"
MAX_POINTING_CHARS = 160

# --- 2 to 6, 9 -------------------------------------------------------------------------------------------------------

MERGED = r"(?m)^[ \t]*\d+\.[ \t]*(?:Instruction|Input|Output)[ \t]*:|^#{2,}[ \t]*(?:Instruction|Input|Response)[ \t]*:"
EMPTY_FENCE = r"(?s)^\s*(?:[^\n`]{0,120}\n+)?```[\w+#-]*\s*```\s*$"
PLACEHOLDER = (
    r"(?is)^\s*(?:[^\n`]{0,120}\n+)?(?:```[\w+#-]*\s*)?(?:(?:def|function|class|void|int|public)\b[^\n]{0,80}[:{]\s*)?"
    r"(?:#|//|/\*|<!--|--|;)\s*(?:todo\b|your (?:code|solution)|(?:write|add|insert|put|enter|place) (?:your |the |some )?code|code (?:goes )?here|"
    r"implementation (?:goes )?here|empty)[^\n]{0,60}\s*(?:pass|\.\.\.)?\s*(?:\}|\*/|-->)?\s*(?:```)?\s*$"
)
STUB = r"^\s*(?:```\w*\s*)?(?:def \w+\([^\n)]*\)(?:\s*->[^\n:]+)?|class \w+(?:\([^\n)]*\))?):\s*(?:#[^\n]*\s*)?(?:pass|\.\.\.)\s*(?:```)?\s*$"
_PICTURE = r"(?:image|picture|photo(?:graph)?|drawing|painting|illustration|sketch|gif|meme|logo|poster|icon|wallpaper|cartoon|comic strip|caricature|doodle|infographic|video|animation|collage|portrait|(?:bar|pie|line|scatter) (?:graph|chart|plot)|histogram|flow ?chart)"
WANTS_PICTURE = (
    rf"(?i)^\W*(?:(?:please|can you|could you|i want you to|i need you to) )*(?:generate|create|make|design|produce|show|find|take|paint|sketch|illustrate|edit|upload|draw)\b(?: (?:me|us))?(?: \w+){{0,4}}? {_PICTURE}s?\b"
    r"|^\W*(?:(?:please|can you|could you) )*(?:draw|sketch|paint|doodle|illustrate) (?:me |us )?(?:an? |the |some |two |three )"
)
# Work in words about a picture, or a picture made of text.
PICTURE_IN_WORDS = r"(?i)\b(?:(?:character|biographical) sketch|photo album|caption|descri\w+|titles?|lists?|alt text|story|poem|code|html|css|svg|ascii|function|program|script|tweet|slogan|ideas?|concepts?|names?|instructions|steps|tutorial|conclusions?|comparisons?|parallels?|inferences?|distinctions?|plan|outline|table|tag ?line|word|words|metaphor|mental|vivid|essay|paragraph|sentences?|using only|text|characters|emojis?|prompt|markdown|python|java\w*|latex|matplotlib|game|site|page|ad|advert\w*|campaign|content|quiz|question|brand|explan\w+|review|link|url|source|website|attention|proposal|brief|strateg\w+|summary|script|topics?|examples?|criteria|survey|playlist|channel|scenario|app|application|database)\b"
NOTHING = r"(?i)^\W*(?:n\s?/\s?a|none|null|nil|nan|undefined|not applicable|no (?:output|response|answer|input)|empty|noinput)\W*$|^[-–—_.·•*#?]+$"
# "None" is an answer where the prompt offers it.
WORD_OF_PROMPT = r"(?i)^(?:none|null|nil|nan|undefined|empty)$"
# An optional bracket, "no", an optional space, "input".
NO_INPUT = r"(?i)[<\[(]\s*no\s?input[^>\])\n]{0,30}[>\])]|(?m)^\s*no\s?input(?: (?:required|needed|necessary|provided|given))?\s*[.:]?\s*$"
# --- 10 stray escapes ------------------------------------------------------------------------------------------------

# A character reference escaped twice is one, too; escaped once it reads as what it is. `\n` before a small letter is LaTeX (\nabla) or a path; in quotation marks, or beside tags, it is code.
ESCAPES = r"\\[nrt](?:\\[nrt]|[^a-z\\]|$)|\\u[0-9a-fA-F]{4}|&amp;(?:amp|lt|gt|quot|nbsp|#\d{2,5});|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x{FFFD}]"
CODE_BESIDE = r"""</?[a-zA-Z][^>\n]*>|[;{}]\s*(?:\n|$)|(?:print|printf|println|echo|split|join|replace|strip|write|puts|cout|f?open|re\.\w+|regex|grep|sed)\b|\\[nt](?:["'/]|\])|["'/\[]\\[nt]|\\(?:frac|sum|int|begin|sqrt|left|cdot)"""

# --- the expressions -------------------------------------------------------------------------------------------------

_points_at_nothing = (
    _PROMPT.str.contains(POINTS_AT_INPUT)
    & (_PROMPT.str.len_chars() <= MAX_POINTING_CHARS)
    & ~_PROMPT.str.contains(CARRIES_INPUT)
    & ~_PROMPT.str.contains(r"\d.*\d|,.*,")
)
_said = _RESPONSE.str.strip_chars()
_letters = _PROMPT.str.contains(r"\p{L}")
_one_word = ~_PROMPT.str.contains(
    r"[\p{L}\p{N}][^\p{L}\p{N}]+[\p{L}\p{N}]|[\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}]{2}"
)
_sum = _PROMPT.str.contains(r"\d\s*[-+*/^×÷−=<>]\s*\d")

# A literal that each of the patterns of a missing input needs.
MAY_POINT_AT_INPUT = (
    "http",
    "www.",
    "attach",
    "upload",
    "enclosed",
    "following",
    "given",
    "provided",
    "shown",
    "above",
    "below",
    "this ",
)
hallucinated_input = (
    _GIVEN_NOTHING
    & (
        (_PROMPT.str.contains(OPENS_LINK) & ~_PROMPT.str.contains(LINK_AS_TEXT))
        | ((_PROMPT.str.contains(ATTACHED) | _points_at_nothing) & ~_PROMPT.str.contains(ABSTRACT))
    )
).fill_null(value=False)  # fmt: skip
may_hallucinate_input = _PROMPT.str.contains_any(list(MAY_POINT_AT_INPUT), ascii_case_insensitive=True)

EXPRESSIONS: dict[str, pl.Expr] = {
    "merged_instructions": _PROMPT.str.contains(MERGED) | _RESPONSE.str.contains(MERGED),
    "empty_output": ~_RESPONSE.str.contains(r"[^\s\p{P}\p{Cf}]") & ~_RESPONSE.str.contains(r"[-.?#*…]"),
    "empty_code": _RESPONSE.str.contains(EMPTY_FENCE)
    | _RESPONSE.str.contains(PLACEHOLDER)
    | _RESPONSE.str.contains(STUB),
    "asks_for_image": _PROMPT.str.contains(WANTS_PICTURE) & ~_PROMPT.str.contains(PICTURE_IN_WORDS),
    "not_applicable": _said.str.contains(NOTHING)
    & ~(_said.str.contains(WORD_OF_PROMPT) & _PROMPT.str.contains(_said, literal=True)),
    "no_input_marker": _PROMPT.str.contains(NO_INPUT) | _RESPONSE.str.contains(NO_INPUT),
    "unclear_prompt": _FIRST_TURN & ~_sum & (~_letters | _one_word),
}


def stray_escapes(voice: pl.Expr) -> pl.Expr:
    """Whether `voice` (curate.rules.masks) has escapes, entities or control characters outside of code, Boolean."""
    return voice.str.contains(ESCAPES) & ~_RESPONSE.str.contains(CODE_BESIDE)


# --- 8 wrong answers: only where a prompt is nothing but a sum --------------------------------------------------------

# Selected by the regular expression, a few rows in ten thousand; each is then parsed in Python.
SUM = (
    r"(?is)^\W*(?:(?:please )?(?:what(?:['’]s| is| does)|how much is|calculate|compute|evaluate|solve|simplify|find|determine|add up|work out|answer)\s*)?"
    r"(?:(?:the |this )?(?:following |given |simple )?(?:value|result|answer|sum|product|quotient|difference|expression|equation|problem|math problem|arithmetic problem|calculation|operation)(?: of)?(?: the)?(?: following)?(?: expression| equation| problem| calculation)?\s*)?"
    r"[:.]?\s*([\d(−-][\d\s.,()+*/^×÷x−–-]*\d\)*)\s*(?:equal(?: to)?\s*)?=?\s*\??\s*[.?!]?\s*$"
)
NUMBER = re.compile(r"\d+(?:,\d{3})+(?:\.\d+)?|\d*\.?\d+")
MAX_EXPONENT, MAX_SUM_CHARS = 64, 120


def wrong_arithmetic(prompts: pl.Series, responses: pl.Series) -> pl.Series:
    """Whether a prompt is just a sum whose value no number of the answer has, Boolean.

    Numbers are compared at the precision the answer writes them with. What cannot be parsed, or an answer without any
    digit, is not called wrong.
    """
    asked = prompts.to_frame("prompt").select(
        sum=pl.when(pl.col("prompt").str.len_chars() <= MAX_SUM_CHARS).then(pl.col("prompt").str.extract(SUM))
    )["sum"]
    wrong = [False] * len(prompts)
    for row in asked.is_not_null().arg_true():
        value = evaluate(asked[row])
        wrong[row] = value is not None and not _mentions(responses[row] or "", value)
    return pl.Series("wrong_arithmetic", wrong, dtype=pl.Boolean)


def evaluate(text: str) -> Fraction | None:
    """The exact value of a sum of numbers, + - * / ^ × ÷ and parentheses; None where it is not one or has no value.

    >>> evaluate("2 + 3 × (4 - 1)")
    Fraction(11, 1)
    """
    plain = text.translate(str.maketrans("×xX÷−–", "***/--")).replace("**", "^")
    parts = re.findall(r"\d+(?:,\d{3})+(?:\.\d+)?|\d+\.?\d*|\.\d+|[-+*/^()]|\S", plain)
    if not any(part in "+-*/^" for part in parts[1:]):
        return None
    try:
        value, rest = _sum_of(parts, 0)
    except (ValueError, ZeroDivisionError):
        return None
    return value if rest == len(parts) else None


def _sum_of(parts: list[str], at: int) -> tuple[Fraction, int]:
    value, at = _product_of(parts, at)
    while at < len(parts) and parts[at] in "+-":
        term, after = _product_of(parts, at + 1)
        value, at = (value + term if parts[at] == "+" else value - term), after
    return value, at


def _product_of(parts: list[str], at: int) -> tuple[Fraction, int]:
    value, at = _power_of(parts, at)
    while at < len(parts) and parts[at] in "*/":
        factor, after = _power_of(parts, at + 1)
        value, at = (value * factor if parts[at] == "*" else value / factor), after
    return value, at


def _power_of(parts: list[str], at: int) -> tuple[Fraction, int]:
    if at < len(parts) and parts[at] == "-":
        value, at = _power_of(parts, at + 1)
        return -value, at
    base, at = _atom_of(parts, at)
    if at < len(parts) and parts[at] == "^":
        exponent, at = _power_of(parts, at + 1)
        if (
            exponent.denominator != 1
            or abs(exponent) > MAX_EXPONENT
            or max(abs(base.numerator), base.denominator) > 10**9
        ):
            raise ValueError("a power too large, or a root")
        base = base ** int(exponent)
    return base, at


def _atom_of(parts: list[str], at: int) -> tuple[Fraction, int]:
    if at >= len(parts):
        raise ValueError("a number is missing")
    if parts[at] == "(":
        value, at = _sum_of(parts, at + 1)
        if at >= len(parts) or parts[at] != ")":
            raise ValueError("an open parenthesis")
        return value, at + 1
    return Fraction(parts[at].replace(",", "")), at + 1


def _mentions(answer: str, value: Fraction) -> bool:
    """Whether a number or fraction in `answer` equals `value` at its own precision, signs aside."""
    target = abs(value)
    written = NUMBER.findall(answer)
    if not written:
        return True
    for number in written:
        digits = number.replace(",", "")
        decimals = len(digits.partition(".")[2])
        # One unit of the last place written: 0.66 and 0.67 both stand for 2/3.
        tolerance = Fraction(1, 10**decimals) if decimals else Fraction(0)
        if abs(Fraction(digits) - target) <= tolerance:
            return True
    fractions = re.findall(r"(\d+)\s*/\s*(\d+)", answer)
    return any(int(below) and Fraction(int(above), int(below)) == target for above, below in fractions)
