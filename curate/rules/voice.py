"""Who speaks and to whom: the first person, other answers and the site, titles that need their page, refusals.

A tuned model imitates the voice it reads. It has no past of its own to tell of ("when I was in Rome"), no thread around
it ("as the other answer says"), and should not learn to refuse. Counts are taken on `voice` (curate.rules.masks).
"""

import polars as pl

from curate.rules import masks

# --- the first person ------------------------------------------------------------------------------------------------

# Capital I that is no pronoun. Titles stand before it ("Part I"), so do names of rulers; numerals and formulas beside it.
_BEFORE_NUMERAL = (
    "Part|Type|Class|Phase|Stage|Book|Volume|Vol\\.|Act|Scene|Chapter|Section|Level|War|WW|Article|Schedule|Category|Grade|"
    "Group|Tier|Appendix|Figure|Fig\\.|Table|Theorem|Lemma|Division|Calculus|Algebra|Photosystem|Complex|Factor|Collagen|"
    "MHC|Region|Zone|Mark|Mk|Episode|Bowl|Apollo|Saturn|Population|Pop|Bipolar|Title|Rome|Reich|Empire|Republic|Dynasty|Gen|Grades"
)
_RULERS = (
    "Elizabeth|Charles|James|George|William|Henry|Edward|Richard|Mary|Napoleon|Francis|François|Frederick|Friedrich|"
    "Ferdinand|Alexander|Nicholas|Peter|Pyotr|Catherine|Louis|Philip|Otto|Leopold|Wilhelm|Justinian|Constantine|Darius|"
    "Xerxes|Artaxerxes|Ramesses|Rameses|Seti|Amenhotep|Umberto|Manuel|Pedro|Sigismund|Rudolf|Maximilian|Theodosius|Leo|"
    "Paul|Gregory|Innocent|Pius|Clement|Antiochus|Ptolemy|Seleucus|Shapur|Khosrow|Selim|Suleiman|Mehmed|Osman|Murad|"
    "Bayezid|Ahmed|Abbas|Harald|Haakon|Olaf|Cnut|Valdemar|Stephen|Casimir|Joseph|Baldwin|Basil|Juan Carlos|Faisal"
)
# Several patterns, each with literals to search by: as one they are three hundred times slower.
NOT_I = (
    rf"(?:{_BEFORE_NUMERAL}|{_RULERS})[ -]I\b",
    r"(?:King|Queen|Pope|Emperor|Empress|Tsar|Czar|Kaiser|Sultan|Prince|Pharaoh|Shah) [A-Z][a-z]+ I\b",
    r"[Tt]ype[ -]I (?:error|supercond|supernov|diabet|collagen|civili|interferon)|(?:part|type|class|phase|stage|book|volume|act|level|war|category|group) I(?:[.,;:!?)]|$)|(?:identity|inertia|[Cc]lass|[Pp]ronoun|vowels?|letters?|capital) I\b",
    r"I[/(]|[%/_-]I\b|\(I\)|I_|I[-–—](?:[IVXivx]+\b|[0-9]|[Bb]eam|[Ff]rame)",
    r"\bI(?:, ?II\b| (?:and|or|&|to|through|vs\.?) (?:II|III|IV|V)\b| chord)",
    r"\bI(?: ?[=<>+*^≈≡∝·×]|[₀-₉⁺⁻⁰-⁹²³])|[=<>+^≈×·] ?I\b",
    r"\.I\.|\bI\.[A-Za-z]|, I, [A-Z]\b",
    r"(?:\bH|Cu|Ag|Au|Na|K|Li|Tl|Hg) I\b|Br,? (?:and |or )?I\b",
    r"(?m)^[ \t#*]*I[.)](?:\s|\*|$)",
    # Names of things on a screen.
    r"(?:Find|About|Contact|Follow|Call|Remember|Love) M[ey]\b|My (?:Computer|Documents|Pictures|Music|Videos|Network|Drive|Cloud|Lai\b)",
    r"[가이] ?나는|우리 ?(?:나라|말\b)",
)
# "mine" alone is as often a hole in the ground. Small "i" counts where only the pronoun can stand.
FIRST_PERSON = (
    r"\bI\b|\b[Mm]e\b|\b[Mm]y\b|\bMY\b|\b[Mm]yself\b|\bof mine\b|\bi['’](?:m|ve|d|ll)\b|"
    r"\bi (?:am|was|have|had|think|thought|would|do|don|did|can|could|know|guess|believe|like|love|got|will|just|never|really)\b"
)
# Korean pronouns at the beginning of a word: 하나는 (one) and 문제가 (problem) end like 나는 and 제가.
FIRST_PERSON_KO = r"(?:^|[^\p{Hangul}])(?:나는|내가|나도|나를|나의|나에게|나한테|저는|제가|저도|저를|저의|저에게|저한테|제 (?:생각|경험|경우|의견)|내 (?:생각|경험|경우)|우리)"

# --- other answers and the site --------------------------------------------------------------------------------------

# Each pattern begins with a literal and has few alternatives: the engine then searches by the literals, a hundred times
# faster than with a word boundary in front.
REFERENCES = (
    r"(?i:other answers?\b)",
    r"[Aa]s (?:already |previously |others? |(?:has|have) been |was )*(?:mentioned|pointed out)",
    r"(?:mentioned|noted|stated|pointed out|suggested|explained|answered|said|described) by (?:others|another|@|the OP|the (?:original|asker))",
    r"(?i:(?:accepted|top[- ]voted|highest[- ]voted|upvoted|above|previous|earlier) answers?\b)",
    r"(?i:answers? (?:above|below|already given|posted|on this (?:page|site))\b)",
    r"(?:already been|already|been) answered|answered (?:here|elsewhere|above|below|already)\b|['’]s (?:excellent |great |good |fine |nice |own )*answers?\b",
    r"\b[Mm]y (?:other |previous |earlier |original |own )*answers?\b|(?: in|see|per) (?:his|her|their) (?:other |own |excellent |great )*answers?\b",
    r"[Ii]n (?:the|a|your|his|her|my) comments?(?: section| thread| to | of (?:the|your|this) (?:question|answer|post)| above| below| by | of @|[.,;:)]|$)",
    r"(?i:comments? (?:above|below)\b|above comments?\b|leave a comment|commenters?\b)",
    r"[Tt]his (?:question|thread|forum|subreddit)\b|[Tt]his (?:Q&A|answer|post) |[Ll]inked question|[Oo]riginal (?:question|poster)",
    r"(?i:possible duplicate|duplicate of (?:this|another|the) (?:question|post))|(?:to|been) close(?:d)? (?:this|the|as|your) (?:question|post|dup|off)",
    r"(?:[Uu]p|[Dd]own)-?vot(?:e|ed|es|ing)\b",
    r"[Ss]tack ?[Ee]xchange|Stack ?Overflow|stackoverflow",
    r"(?i:math ?overflow|ask ?ubuntu|serverfault|superuser\.com)",
    r"다른 답변|위의? 답변|윗분|채택된 답변|댓글에",
    # OP is the original poster, an op an operation.
    r"\bOP(?:['’]s)?\b",
    r"@[A-Za-z][\w.-]{2,}",
    r"(?: |\()/?[ru]/[A-Za-z]\w{2,}",
)
# A handle is neither an address nor a decorator nor a rule of a style sheet. Textbooks answer "this question", too.
NOT_A_REFERENCE = (
    r"[\w.]@\S+",
    r"@(?:media|import|override|Override|property|staticmethod|classmethod|param|return|throws|see|author|interface|Autowired|Test|app|end|synthesize|font-face|keyframes|charset|gmail|hotmail|yahoo|example|decorator)\b",
    r"\bOP (?:code|amp)",
    r"(?:answer|answering|ask|asking|asked|address|consider|explore) this question",
)

# --- titles ----------------------------------------------------------------------------------------------------------

# Words that point at something outside the title; "mine" and "my" at the asker's own case.
DEICTIC = r"(?i)\b(?:this|these|following|above|below|aforementioned|attached|my|mine|here)\b|\bI['’]?m\b|\[(?:closed|duplicate|on hold|migrated|solved|locked)\]|^(?:please )?(?:help|question|problem|need help)[.!?]*$"
MIN_TITLE_WORDS = 4

# --- refusals --------------------------------------------------------------------------------------------------------

_CANNOT = r"(?:can(?:not|['’]?t| not)|am (?:not able|unable) to|am not capable of|(?:will not|won['’]t) be able to|do(?: not|n['’]t) have (?:the (?:ability|capability|capacity)|access|any (?:personal|information about)))"
# Said anywhere, in the author's own voice.
# A machine that speaks of itself; "trained as a language model" speaks of another.
AS_AN_AI = (
    r"(?:As|, as|but as|sorry as) an? (?:large |helpful )?(?:AI|A\.I\.|artificial intelligence|language model|LLM)(?:[- ]\w+){0,3},? (?:I\b|my\b|it(?:['’]s| is) (?:not|against)|there (?:is|are) no)"
    r"|\bI(?:['’]m| am) (?:just |only |simply |merely )?an? (?:AI\b|artificial intelligence|(?:large )?language model|LLM\b)"
    r"|(?:violates?|against) (?:OpenAI|my (?:programming|guidelines|(?:use|content)[- ](?:case )?polic))|OpenAI['’]?s? (?:use[- ]case|content|usage) polic"
    r"|[Mm]y (?:knowledge cut-?off|training data (?:only|goes|includes|was))"
    r"|(?:AI 언어 ?모델|인공지능 (?:언어 ?)?모델)(?:로서|이기 때문|이므로|입니다)"
)
# Said in the first sentences, with a verb of helping: "I cannot stress enough" is advice.
OPENING_CHARS = 240
DECLINES = (
    rf"(?i)\bI {_CANNOT} (?:to )?(?:\w+ly )?(?:help (?:you )?(?:with|to)\b|assist\b|provide\b|fulfil|comply\b|generate\b|create\b|complete (?:this|that|the|your)\b|answer\b|do (?:that|this)\b|engage in|support\b|access\b|browse\b|open\b|view\b|see (?:the|any|your) (?:image|picture|file|link|attach)|draw\b|edit (?:the|an?|your) (?:image|photo|picture)|predict\b|offer\b|give (?:you )?(?:any |specific |personal )*(?:advice|information|instructions))"
    r"|\b(?:sorry|apologi[sz]e),? (?:but )?(?:I|this|that|as) (?:can(?:not|['’]t)|am (?:not able|unable)|do(?: not|n['’]t) (?:have|understand)|won['’]t)"
    r"|\bI(?:['’]m| am) not (?:comfortable|allowed|permitted) |\bI must (?:decline|refuse)\b|\bI refuse to\b"
    r"|죄송(?:하지만|합니다)[^\n]{0,40}(?:수 없|어렵)"
)

# Columns over `voice`, `title`, `tags`, `response`. A title is judged only where the source has one.
_TITLE = pl.col("title").str.replace_all(masks.DOUBLE_QUOTES, "x")
_ALL_TAGS = pl.col("tags").list.join("-").str.split("-")
_TITLE_WORDS = _TITLE.str.to_lowercase().str.extract_all(r"[\p{L}\p{N}+#]+")

EXPRESSIONS: dict[str, pl.Expr] = {
    "self_contained_title": ~_TITLE.str.contains(DEICTIC)
    & (_TITLE_WORDS.list.len() >= MIN_TITLE_WORDS)
    & (_TITLE_WORDS.list.set_difference(_ALL_TAGS).list.len() > 0),
}


# A letter, syllable or word that every first-person word has.
may_be_first_person = pl.col("voice").str.contains(r"I\b|[Mm]e\b|[Mm][yY]|of mine\b|\bi['’ ]|[나내저제]|우리")


def first_person(text: pl.Expr) -> pl.Expr:
    """First-person words in `text`, UInt32; see NOT_I for what is not one."""
    own = text
    for pattern in NOT_I:
        own = own.str.replace_all(pattern, " ")
    return own.str.count_matches(FIRST_PERSON) + own.str.count_matches(FIRST_PERSON_KO)


def refers_to_others(text: pl.Expr) -> pl.Expr:
    """Mentions in `text` of other answers, their authors, the asker or the site, UInt32."""
    own = text
    for pattern in NOT_A_REFERENCE:
        own = own.str.replace_all(pattern, " ")
    return pl.sum_horizontal(own.str.count_matches(pattern) for pattern in REFERENCES)


def refusal(text: pl.Expr) -> pl.Expr:
    """Whether `text` declines to answer or speaks as an AI, Boolean."""
    return text.str.contains(AS_AN_AI) | text.str.slice(0, OPENING_CHARS).str.contains(DECLINES)
