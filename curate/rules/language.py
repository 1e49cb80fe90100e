"""In which language a text is written: langdetect's verdict, mostly without running langdetect.

The first PROSE_CHARS characters of a text that are not code, address, mark-up or formula decide. Most texts show at once
what they are: English by many different English function words and hardly a foreign one, other languages by a script
that only they use. Whatever is not that plain goes to a detector, each distinct text once. The limits below were set so
that the plain cases are those where langdetect says the same; `docs/quality-of-rules.md` has the agreement, and
`benchmarks/language.py --agreement` measures it again.
"""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import polars as pl

if TYPE_CHECKING:
    from langdetect.detector_factory import DetectorFactory

UNDETERMINED = "und"  # ISO 639-2's code for it
PROSE_CHARS = 400

# Below this many letters (letters beyond ASCII count twice) langdetect is wrong on one English text in four.
MIN_LETTERS = 20

# Plain English: enough letters, five different function words that make up a fifth of all words, at most three foreign
# function words in a hundred words and one letter beyond ASCII in a hundred, and few of the signs that code is made of.
MIN_ENGLISH_LETTERS = 40
MIN_DISTINCT = 5
MIN_ENGLISH_SHARE = 0.2
MAX_FOREIGN_SHARE = 0.03
MAX_CODE_SHARE = 0.03
MAX_OTHER_LETTER_SHARE = 0.01

# A script settles the language where seven letters in ten are of it; langdetect itself then ignores the Latin ones.
MIN_SCRIPT_SHARE = 0.7
# The scripts of one language each among those langdetect knows. Cyrillic, Arabic and Devanagari are shared.
SCRIPTS = {
    "ko": r"\p{Hangul}",
    "th": r"\p{Thai}",
    "he": r"\p{Hebrew}",
    "el": r"\p{Greek}",
    "bn": r"\p{Bengali}",
    "gu": r"\p{Gujarati}",
    "pa": r"\p{Gurmukhi}",
    "ta": r"\p{Tamil}",
    "te": r"\p{Telugu}",
    "kn": r"\p{Kannada}",
    "ml": r"\p{Malayalam}",
}
# Japanese is the only language with kana; a fifth of kana among Han is Japanese, Han alone is Chinese. The latter is the
# one place where langdetect is overruled: it takes much Traditional Chinese for Korean.
MIN_KANA_SHARE = 0.2

_NOT_PROSE = (
    r"(?s)```.*?(?:```|\z)|~~~.*?(?:~~~|\z)|`[^`\n]+`"
    r"|\$\$.*?\$\$|\$[^\s$](?:[^$\n]{0,300}[^\s$])?\$|\\\(.*?\\\)|\\\[.*?\\\]"
    r"|https?://\S+|www\.\S+|<[A-Za-z/!][^<>\n]*>"
)

_ENGLISH = """
    a about after again all also an and any are as at be because been before being between both but by can could did do
    does during each even for from get had has have he help helps her his how if in into is it its just like made make
    many may me more most much my new no not of off on one only or other our out over own people same she should so some
    such than that the their them then there these they this those through time to two up use used using very was way we
    well were what when where which while who why will with would you your
"""
# Frequent words of the other Latin-script languages that langdetect knows, without those that English texts have too.
_FOREIGN = """
    adalah af ako alla amb anche ang ao aquest ar att au auch auf aux av avec ay az bei bir blir bu ce cette che
    como con cu của da daha dans dari das dat del della dels dem den dengan der des det deze dhe di din dit dla
    dos du een egy ei ein eine einen einer el elle els em er es est esta este et ett foi fra för für gli haben
    har heeft het hogy hulle ich ikke il ile ili ini inte ir isang ist itu iyo için ja jag jak je jeg jest jsem
    jsou ka kad kan kao kas katika không ki ku kwa la las le les lo los maar mae mais med mga mit mutta muy myös
    más một naar nach ne nel nem ng ni nicht nie niet nog nous nu não och oder og olan oli oo ook oraz ovat
    pada para pas pentru pero por për que questo qui sa sau se ser sich sie sind som sono sont su sunt sur
    sus são tidak til uma una und une untuk ved vir volt von voor vous waa wat wel werden wir wird worden wordt
    ya yang yn yr za zijn zu
"""


class Detector(Protocol):
    """Another way to tell the language of texts: (ISO 639-1 code or `und`, confidence in [0, 1]) of each, in order.

    The answer to one text must not depend on the others, or builds would differ with the size of a shard.
    """

    def __call__(self, texts: list[str], /) -> list[tuple[str, float]]: ...


def langdetect(texts: list[str]) -> list[tuple[str, float]]:
    """The verdicts of langdetect 1.0.9; `und` with 0 where it finds nothing to go by. Chinese of either script is `zh`.

    langdetect draws n-grams at random. Every text gets a fresh generator of the same seed, so a verdict is a function
    of its text alone.
    """
    from langdetect.lang_detect_exception import LangDetectException

    factory = _profiles()
    verdicts = []
    for text in texts:
        detector = factory.create()
        detector.append(text)
        try:
            likely = detector.get_probabilities()
        except LangDetectException:  # it has one reason at this point: no n-gram that any profile knows
            likely = []
        verdicts.append((likely[0].lang[:2], float(likely[0].prob)) if likely else (UNDETERMINED, 0.0))
    return verdicts


def detect(texts: pl.Series, detector: Detector = langdetect) -> pl.DataFrame:
    """`language` (String: ISO 639-1 or `und`) and `language_confidence` (Float64 in [0, 1]) of each text, in order.

    `und` with confidence 0 where there is too little prose to tell, or null. Confidence is the detector's own, and 1
    where script or function words settle the language without it.
    """
    frame = pl.DataFrame({"prose": prose(texts)})
    settled = settle(frame["prose"])
    unclear = settled.filter(pl.col("settled").is_null())["prose"]
    verdicts = detector(unclear.to_list()) if unclear.len() else []
    if len(verdicts) != unclear.len():
        raise ValueError(
            f"the detector answered {len(verdicts)} of {unclear.len()} texts; expected one answer for each"
        )
    answered = pl.DataFrame(
        {"prose": unclear, "code": [code for code, _ in verdicts], "confidence": [share for _, share in verdicts]},
        schema={"prose": pl.String, "code": pl.String, "confidence": pl.Float64},
    )
    found = frame.join(settled, on="prose", how="left", maintain_order="left").join(
        answered, on="prose", how="left", maintain_order="left"
    )
    sure = pl.when(pl.col("settled") == UNDETERMINED).then(0.0).otherwise(1.0)
    return found.select(
        language=pl.coalesce("settled", "code"),
        language_confidence=pl.coalesce("confidence", sure),
    )


def prose(texts: pl.Series) -> pl.Series:
    """The first PROSE_CHARS characters of each text outside code, addresses, mark-up and formulas; null gives ''."""
    text = pl.col("text").fill_null("").str.replace_all(_NOT_PROSE, " ").str.slice(0, 3 * PROSE_CHARS)
    folded = text.str.replace_all(r"\s{2,}|[^\S ]", " ").str.strip_chars().str.slice(0, PROSE_CHARS)
    return pl.DataFrame({"text": texts}, schema={"text": pl.String}).select(prose=folded).to_series()


def settle(proses: pl.Series) -> pl.DataFrame:
    """Each distinct prose, in no particular order, with the language that is plain without a detector, else null.

    Columns `prose` and `settled` (String). Too little prose is settled as `und`.
    """
    lower = pl.col("prose").str.to_lowercase()
    english = pl.col("prose").str.extract_all(_words(_ENGLISH))  # as written: SQL shouts FROM, AND, BY
    measured = (
        pl.DataFrame({"prose": proses}, schema={"prose": pl.String})
        .unique(maintain_order=True)
        .with_columns(
            latin=pl.col("prose").str.replace_all(r"[^A-Za-z]+", "").str.len_bytes(),
            other=pl.col("prose").str.count_matches(r"[[:^ascii:]&&\p{L}]"),
            words=pl.col("prose").str.count_matches(r"[A-Za-z]+").clip(lower_bound=1),
            english=english.list.len(),
            distinct=english.list.n_unique(),
            foreign=lower.str.count_matches(_words(_FOREIGN)),
            code=pl.col("prose").str.count_matches(r"[{}\[\];=<>_\\|#$&^~]"),
        )
    )
    plain_english = (
        (pl.col("latin") >= MIN_ENGLISH_LETTERS)
        & (pl.col("distinct") >= MIN_DISTINCT)
        & (pl.col("english") >= MIN_ENGLISH_SHARE * pl.col("words"))
        & (pl.col("foreign") <= MAX_FOREIGN_SHARE * pl.col("words"))
        & (pl.col("other") <= MAX_OTHER_LETTER_SHARE * pl.col("latin"))
        & (pl.col("code") <= MAX_CODE_SHARE * pl.col("prose").str.len_chars())
    )
    too_short = pl.col("latin") + 2 * pl.col("other") < MIN_LETTERS
    not_latin = pl.col("other") >= MIN_SCRIPT_SHARE * (pl.col("latin") + pl.col("other"))
    cases = pl.when(too_short).then(pl.lit(UNDETERMINED)).when(plain_english).then(pl.lit("en"))
    # Apart, so that the many Latin texts are not searched for a dozen scripts.
    other = measured.filter(not_latin).select("prose", settled=cases.otherwise(_by_script()))
    latin = measured.filter(~not_latin).select("prose", settled=cases.otherwise(pl.lit(None, pl.String)))
    return pl.concat([latin, other])


def _by_script() -> pl.Expr:
    def share(pattern: str) -> pl.Expr:
        return pl.col("prose").str.count_matches(pattern) / (pl.col("latin") + pl.col("other"))

    kana, han, hangul = share(r"[\p{Hiragana}\p{Katakana}]"), share(r"\p{Han}"), share(r"\p{Hangul}")
    east = kana + han >= MIN_SCRIPT_SHARE
    cases = {
        "ja": east & (kana >= MIN_KANA_SHARE * (kana + han)),
        "zh": east & (kana == 0) & (hangul == 0),
        **{code: share(pattern) >= MIN_SCRIPT_SHARE for code, pattern in SCRIPTS.items()},
    }
    return pl.coalesce(pl.when(holds).then(pl.lit(code)) for code, holds in cases.items())


def _words(listed: str) -> str:
    return r"(?-u:\b)(?:" + "|".join(listed.split()) + r")(?-u:\b)"


@cache
def _profiles() -> "DetectorFactory":
    # Our own factory, not langdetect's global one: nobody else's seed can reach it, and the profiles are added in
    # order of name. langdetect takes them in the folder's order, which differs between machines, and sums differ with it.
    from langdetect.detector_factory import PROFILES_DIRECTORY, DetectorFactory

    factory = DetectorFactory()
    factory.load_json_profile([path.read_text("utf-8") for path in sorted(Path(PROFILES_DIRECTORY).iterdir())])
    factory.set_seed(0)
    return factory
