"""The cues of sarcasm: what each one looks for, how much it weighs, and where that weight comes from.

Patterns are in the syntax of Rust's regex crate (no look-around, no back-references) and are matched against masked
text (see `curate.rules.sarcasm`): `LOWER` cues against its lower case, `AS_WRITTEN` cues against the text itself. Word
boundaries are ASCII on purpose: the Unicode ones push the matcher off its fast path at the first curly quote or emoji.

Weights marked `fit` are the logistic regression of `benchmarks/sarcasm_quality.py`, which prints this column; its
data and its quality are in `docs/quality-of-rules.md`. Weights marked `set` are chosen by hand, because the
labelled sets cannot teach them: their authors' markers were removed, no set has Korean laughter, none has votes.
"""

from typing import Literal, NamedTuple

_WORD = r"(?-u:\b)"


def _any(*phrases: str) -> str:
    """One pattern that matches any of the phrases as whole words."""
    return _WORD + "(?:" + "|".join(phrases) + ")" + _WORD


class Cue(NamedTuple):
    """One cue: `weight` is added to the log-odds for each unit of its density (or once, where it is a `flag`).

    With `beside`, the cue counts as often as the rarer of its two patterns occurs.
    """

    name: str
    weight: float
    origin: Literal["fit", "set"]
    pattern: str
    text: Literal["lower", "as written"] = "lower"
    flag: bool = False
    beside: str | None = None


_OPENING_AGREEMENT = (
    r"^[^a-z0-9]*(?:ya|yeah|yea|yep|yes|yup|right|sure|of course|obviously|clearly|totally|absolutely|exactly|true"
    r"|good thing|thank god|because)" + _WORD
)
_OPENING_OBJECTION = (
    r"^[^a-z0-9]*(?:nah|no|nope|but|why|hey|wait|how dare|poor|you mean|so (?:you|now|what|he|they|we)|guess|maybe)"
    + _WORD
)
_INTERJECTION = _any(
    "oh|ooh|wow|gee|gosh|geez|jeez|ah|hey|haha|heh|yay|whoa|huh|duh|hmm+|bravo|hooray|hurray|oops|congrats",
    "congratulations|lol|lmao|rofl",
)
_CERTAINTY = _any(
    "obviously|clearly|of course|totally|absolutely|definitely|surely|certainly|everyone knows|we all know|i'm sure",
    "no doubt|must be|literally|truly|undoubtedly|naturally",
)
_FEIGNED_DOUBT = _any(
    "i guess|i suppose|i thought|might as well|apparently|if only|next thing you know|silly me|my bad|you mean|poor",
    "how dare|who needs|who knew|god forbid|heaven forbid|i forgot",
)
_STOCK_PHRASE = _any(
    "yeah,? right|oh,? (?:great|joy|good|sure|right|wait|well|please|yeah|no|goody|wonderful|yes|thank|my|come|really)",
    "gee,? thanks|thanks a lot|just what (?:i|we) (?:need|want)|what could (?:possibly )?go wrong|good luck with",
    "tell me more|(?:big|what a|no) surprise|what a (?:shock|joke)|shocker|color me|must be nice|because nothing says",
    "as if|good to know|nice to know|so much for|(?:said|says) no one|imagine that|who would have thought|come on",
    "give me a break|let me guess|too bad|for sure|i bet|don't you worry",
)
_STOCK_PRAISE = _any(
    "thanks for|great job|good job|well done|good thing|good one|nice try|nice (?:to|of)",
    "love (?:it )?(?:how|when|that|being|having|getting)|can't wait|so glad|genius|congratulations|congrats",
    "how (?:nice|lovely|sweet|convenient|original|cute)|such an? (?:good|great|nice|lovely|wonderful|shame)",
    "so much (?:better|fun)",
)
_POSITIVE = (
    "thanks|thank you|nice|great|good job|well done|lovely|love|brilliant|geniuse?s?|congratulations|congrats|wonderful"
    "|fantastic|marvelous|awesome|perfect|glorious|delightful|fun|impressive|amazing|glad|happy|exciting|best|beautiful"
)
_NEGATIVE = (
    "stupid|ignorant|dumb|hate|kill(?:ed|ing|s)?|murder(?:ed|ers?)?|die|died|dying|dead|fail(?:ed|s|ure)?|lies|lying"
    "|broken?|sick|monday|exams?|homework|rain(?:ing)?|traffic|awful|terrible|horrible|evil|crap|idiots?|morons?|racist"
    "|war|debt|losing|lose|cancell?ed|late|stuck|alone|headache|covid|pandemic|insults?|bigots?|waste|ignor(?:e|ed|ing)"
    "|blame|fired"
)
_EXAGGERATION = _any(
    "such an?|all (?:those|these)|everyone (?:knows|is|else)|millions? of|billions? of",
    "so (?:hard|bad|many|brave|edgy|much)|too busy|nobody|at all",
)
_SCARE_QUOTES = r"""["“][A-Za-z][\w'-]*(?: [\w'-]+)?["”]"""
# Three of one small letter; i (Roman numerals), w (www), x and f (hexadecimal), d and b (masks, binary) are left out.
_ELONGATION = r"aaa|eee|ooo|uuu|yyy|hhh|mmm|rrr|sss|lll|nnn|zzz|OOO"
# Everyday words in capitals: acronyms (HTML, NASA) are not emphasis.
_CAPITALS = _any(
    "ALWAYS|ANY|BEST|EVER|EVERY|EVERYONE|EVERYTHING|GREAT|LOVE|MUST|NEED|NEVER|NOTHING|OBVIOUSLY|ONLY|REALLY|SO|SURE",
    "THAT|THEY|THIS|TOTALLY|VERY|WANT|WHAT|WHO|WHY|WOW|YES|YOU|YOUR|WORST|TOO|OMG",
)
_EXCLAMATION = r"!(?:[^=\w\[(]|$)"
_RUN = r"!!|\?\?|!\?|\?!"
_ELLIPSIS = r"\.\.+(?:[^./\w]|[a-z]|$)|…"
_QUESTION = r"\?(?:\W*$|\s)"
_TAG_QUESTION = _WORD + r"(?:right|huh|eh|correct|amirite|am i right|don't you think)\s?\?"
_FACE = (
    "🙄|😏|🙃|😒|😑|🤡|🤔|😉|😜|😂|🤣|👏|😇|🤦|🤷|😅"
    "|:(?:roll_?eyes|eye_?roll|wink|angel|clown|razz|wow|good|confused|smirk):"
    r"|(?:;\)|;-\)|:\)|:-\)|:p|:-p|;p)(?:\s|$)|\*rolls eyes\*|\*eye ?roll\*|¯\\_\(ツ\)_/¯"
)
# "/s" closes a line and follows a word or the end of a sentence, so that "12 m /s" is not one.
_MARKER = (
    r"(?m)(?:[\p{L}]{3,}|[.!?…)\"'*])\s+/s(?:arcasm)?[.)]*\s*$|#sarcas(?:m|tic)|#not(?:\W|$)|#irony"
    r"|[<\[]/?sarcasm[>\]]|[(*]sarcasm[)*]|(?:\.\.\.|…|[.,;-])\s*not!"
)
_KOREAN_LAUGHTER = r"[ㅋㅎ]{2,}"

CUES: tuple[Cue, ...] = (
    Cue("marker", 5.00, "set", _MARKER, flag=True),
    Cue("stock_phrase", 0.80, "fit", _STOCK_PHRASE),
    Cue("stock_praise", 1.23, "fit", _STOCK_PRAISE),
    Cue("praise", 0.78, "fit", _any(_POSITIVE)),
    Cue("hyperbole", 0.54, "fit", _any(_POSITIVE), beside=_any(_NEGATIVE)),
    Cue("exaggeration", 0.58, "fit", _EXAGGERATION),
    Cue("certainty", 1.11, "fit", _CERTAINTY),
    Cue("feigned_doubt", 1.30, "fit", _FEIGNED_DOUBT),
    Cue("opening_agreement", 1.80, "fit", _OPENING_AGREEMENT),
    Cue("opening_objection", 1.33, "fit", _OPENING_OBJECTION),
    Cue("interjection", 1.51, "fit", _INTERJECTION),
    Cue("question", 1.50, "fit", _QUESTION),
    Cue("tag_question", 0.11, "fit", _TAG_QUESTION),
    Cue("scare_quotes", 0.00, "fit", _SCARE_QUOTES),
    Cue("elongation", 0.85, "fit", _ELONGATION, text="as written"),
    Cue("capitals", 0.51, "fit", _CAPITALS, text="as written"),
    Cue("exclamation", 1.17, "fit", _EXCLAMATION),
    Cue("run", 0.11, "fit", _RUN),
    Cue("ellipsis", 0.99, "fit", _ELLIPSIS),
    Cue("face", 1.75, "fit", _FACE),
    Cue("korean_laughter", 1.00, "set", _KOREAN_LAUGHTER),
)
