"""Language detection: ours beside plain langdetect, on the same texts in the same run.

    python benchmarks/language.py [--texts 1000] [--data ../shared/data] [--agreement]

Prints texts per second of `langdetect.detect` on the whole text and of `curate.rules.language.detect`, and their ratio.
With --agreement also, for every set and for mixed-language texts put together below, how many rows the pre-check
settles and on how many of those langdetect itself says the same: the figures of docs/quality-of-rules.md, Language.
"""

import argparse
import io
import json
import random
import re
from pathlib import Path
from time import perf_counter

import langdetect
import polars as pl
import zstandard
from langdetect.detector_factory import DetectorFactory
from langdetect.lang_detect_exception import LangDetectException
from lxml import etree

from curate.rules import language

# Texts of each set that plain langdetect reads whole; it is slow.
WHOLE_TEXTS = 500

# Written for this benchmark: everyday prose, one sentence an entry.
PASSAGES = {
    "de": [
        "Gestern haben wir den alten Herd in der Küche gegen einen neuen getauscht.",
        "Der Handwerker meinte, dass die Leitung noch gut sei, aber bald erneuert werden müsse.",
        "Wenn das Wasser kocht, gibt man die Nudeln hinein und rührt einmal um.",
        "Ich würde an deiner Stelle zuerst die Anleitung lesen und dann in Ruhe anfangen.",
        "Am Ende war die Arbeit leichter, als wir alle gedacht hatten.",
    ],
    "fr": [
        "Il faut d'abord laisser reposer la pâte pendant une heure à température ambiante.",
        "Mon voisin m'a montré comment réparer la chaîne de mon vélo sans outils particuliers.",
        "Les enfants jouent dans le jardin pendant que nous préparons le repas du soir.",
        "Cette méthode est plus lente, mais elle donne des résultats beaucoup plus réguliers.",
        "Je ne sais pas encore si nous partirons en train ou en voiture.",
    ],
    "es": [
        "Antes de pintar la pared conviene limpiar el polvo con un paño húmedo.",
        "Mi hermana vive en un pueblo pequeño donde todos se conocen desde hace años.",
        "El programa guarda los cambios cada cinco minutos, así que no hace falta preocuparse.",
        "Si llueve mañana, iremos al museo que está al lado de la estación.",
        "Nadie sabía por qué la puerta seguía abierta a esa hora de la noche.",
    ],
    "pt": [
        "Depois do almoço costumamos caminhar até à praia e voltar pelo mesmo caminho.",
        "O livro que você me emprestou é muito melhor do que eu esperava.",
        "Não se esqueça de desligar o computador antes de sair do escritório.",
        "A receita pede dois ovos, mas com três a massa fica mais leve.",
        "Ela aprendeu a tocar violão sozinha quando ainda era criança.",
    ],
    "nl": [
        "We hebben de hele middag gezocht naar de sleutel van het tuinhuis.",
        "Als je de fiets goed onderhoudt, gaat hij jaren langer mee.",
        "Het is verstandig om eerst een kopie te maken voordat je iets verandert.",
        "De trein van half negen was zo vol dat niemand meer kon zitten.",
        "Zij vertelde dat haar grootvader vroeger bakker was in een klein dorp.",
    ],
    "it": [
        "La domenica mattina andiamo sempre al mercato a comprare la frutta fresca.",
        "Prima di montare lo scaffale bisogna controllare che ci siano tutte le viti.",
        "Il gatto dorme sulla sedia vicino alla finestra quando c'è il sole.",
        "Non ho ancora capito perché il motore si spegne dopo pochi minuti.",
        "Questa strada porta al lago, ma quella più stretta è molto più bella.",
    ],
    "sv": [
        "Vi tog båten ut till ön och stannade där hela helgen.",
        "Det är bäst att skruva loss locket innan man byter batteriet.",
        "Min farmor brukade baka bröd varje fredag när jag var liten.",
        "Om det inte fungerar kan du prova att starta om datorn.",
        "Ingen visste riktigt varför lampan fortfarande lyste.",
    ],
    "ko": [
        "어제 저녁에 친구와 함께 새로 생긴 식당에 갔다.",
        "비가 많이 와서 버스를 타는 대신 집까지 걸어가지 않기로 했다.",
        "설명서를 먼저 읽고 나서 천천히 조립하는 것이 좋다.",
        "이 방법은 시간이 조금 더 걸리지만 결과가 훨씬 안정적이다.",
        "아무도 왜 문이 열려 있었는지 알지 못했다.",
    ],
    "ja": [
        "昨日の夜、友だちと新しい店で夕ご飯を食べました。",
        "雨が強かったので、歩かずに電車で帰ることにしました。",
        "まず説明書を読んでから、ゆっくり組み立てるのがいいと思います。",
        "この方法は少し時間がかかりますが、結果はずっと安定しています。",
        "どうしてドアが開いていたのか、だれも知りませんでした。",
    ],
    "zh": [
        "昨天晚上我們去了新開的餐廳，大家都覺得味道很好。",
        "因為下大雨，我決定坐電車回家，沒有走路。",
        "最好先讀說明書，然後慢慢地把它裝起來。",
        "这个方法需要的时间比较长，但是结果稳定得多。",
        "没有人知道为什么门还开着。",
    ],
    "ru": [
        "Вчера вечером мы долго искали ключ от старого сарая.",
        "Сначала нужно прочитать инструкцию, а потом спокойно начать работу.",
        "Этот способ немного медленнее, но результат получается надёжнее.",
        "Если завтра будет дождь, мы поедем в музей рядом с вокзалом.",
        "Никто не знал, почему дверь всё ещё была открыта.",
    ],
}


def real(data: Path) -> dict[str, list[str]]:
    """Texts of each set, as they are."""
    instruction = data / "instruction"
    sets = {
        "LIMA answers": column(instruction / "lima/lima.json", "output"),
        "Alpaca prompts with answers": [
            f"{row['instruction']}\n{row['input']}\n{row['output']}"
            for row in json.loads((instruction / "alpaca_5000.json").read_text("utf-8"))
        ],
        "LIMA prompts": column(instruction / "lima/lima.json", "instruction"),
        "Alpaca answers": column(instruction / "alpaca_5000.json", "output"),
        "Alpaca prompts": column(instruction / "alpaca_5000.json", "instruction"),
        "Dolly answers": column(instruction / "dolly_3k.json", "output"),
        "code (CodeAlpaca)": column(instruction / "code_alpaca_2k.json", "output"),
        "Evol-Instruct (code-heavy)": [
            turn["value"]
            for row in json.loads((instruction / "evol_instruct_1k.json").read_text("utf-8"))
            for turn in row["conversations"][1:2]
        ],
        "Reddit 2005": reddit(data / "raw/reddit/RC_2005-12.zst"),
        "wikiHow": pl.read_csv(data / "raw/wikihow/wikihow_lists.csv", infer_schema=False)["result"].drop_nulls()[
            :3000
        ],
    }
    # Not looked at while the limits were chosen:
    sets["C4 web pages"] = [
        json.loads(line)["text"] for line in (data / "raw/web/c4_demo.jsonl").open(encoding="utf-8")
    ]
    sets["OASST messages"] = [
        json.loads(line)["text"] for line in (instruction / "oasst/en_100_message.jsonl").open(encoding="utf-8")
    ]
    sets["GPTeacher role play"] = [
        row["response"]
        for row in json.loads(
            (instruction / "gpteacher/roleplay-simple-deduped-roleplay-instruct.json").read_text("utf-8")
        )
    ]
    for site in ("beer", "quantumcomputing"):
        sets[f"Stack Exchange {site}"] = answers(data / f"raw/stackexchange/{site}/Posts.xml")
    return {name: list(texts) for name, texts in sets.items()}


def column(path: Path, name: str) -> list[str]:
    return [row[name] for row in json.loads(path.read_text("utf-8")) if row.get(name)]


def reddit(path: Path) -> list[str]:
    with path.open("rb") as file, zstandard.ZstdDecompressor(max_window_size=2**31).stream_reader(file) as stream:
        return [json.loads(line)["body"] for line in io.TextIOWrapper(stream, encoding="utf-8")]


def answers(path: Path) -> list[str]:
    # Code blocks stay in the text, as fences: what our own cleaning makes of them.
    texts = []
    for _, row in etree.iterparse(path, tag="row"):
        if row.get("PostTypeId") == "2":
            body = re.sub(r"<pre>.*?<code>(.*?)</code></pre>", r"\n```\n\1\n```\n", row.get("Body"), flags=re.DOTALL)
            texts.append(re.sub(r"</?code>", "`", body).replace("<p>", "").replace("</p>", "\n"))
    return texts


def mixed(english: list[str], n: int = 150) -> dict[str, list[str]]:
    """Texts of ten sentences, 1 to 9 of them English (from LIMA), the others of one other language; seeded."""
    sentences = [s for text in english for s in re.findall(r"[A-Z][a-z][^.!?\n`]{30,120}[.!?]", text)]
    rng = random.Random(0)
    sets = {}
    for code, passages in PASSAGES.items():
        texts = []
        for number in range(n):
            foreign = 1 + number % 9
            parts = rng.choices(passages, k=foreign) + rng.sample(sentences, 10 - foreign)
            if number % 3 == 0:
                parts.reverse()
            if number % 3 == 1:
                rng.shuffle(parts)
            texts.append(" ".join(parts))
        sets[f"English with {code}"] = texts
        sets[f"only {code}"] = [" ".join(rng.sample(passages, k=1 + k % 5)) for k in range(20)]
    return sets


def plain_langdetect(text: str) -> str:
    try:
        return langdetect.detect(text)[:2]  # zh-cn, zh-tw: zh
    except LangDetectException:
        return language.UNDETERMINED


def agreement(sets: dict[str, list[str]]) -> None:
    """One row a set: how much the pre-check settles and whether langdetect, on the same prose, says the same."""
    head = [
        "texts",
        "n",
        "too short",
        "settled",
        "langdetect differs there",
        "same as plain langdetect",
        "found English",
    ]
    print("| " + " | ".join(head) + " |\n" + "| --- " * len(head) + "|")
    totals = [0, 0, 0]
    for name, texts in sets.items():
        frame = pl.DataFrame({"text": texts}).with_columns(prose=language.prose(pl.Series(texts)))
        frame = frame.join(language.settle(frame["prose"]), on="prose", maintain_order="left")
        frame = frame.with_columns(language.detect(frame["text"]))
        short = (frame["settled"] == language.UNDETERMINED).sum()
        settled = frame.filter(pl.col("settled") != language.UNDETERMINED)
        verdicts = [code for code, _ in language.langdetect(settled["prose"].to_list())]
        differs = settled.filter(settled["settled"] != pl.Series(verdicts, dtype=pl.String))
        sample = frame.filter(pl.col("settled").fill_null("") != language.UNDETERMINED).head(WHOLE_TEXTS)
        whole = pl.Series([plain_langdetect(text) for text in sample["text"]], dtype=pl.String)
        cells = [name, f"{len(texts):,}", f"{short:,}", f"{settled.height:,} ({settled.height / len(texts):.0%})"]
        cells += [f"{differs.height}", f"{(sample['language'] == whole).mean():.1%} of {len(whole):,}"]
        print("| " + " | ".join([*cells, f"{(frame['language'] == 'en').mean():.1%}"]) + " |", flush=True)
        for prose in differs["prose"].head(5):
            print("    settled otherwise than langdetect:", repr(prose[:160]))
        totals = [total + n for total, n in zip(totals, (len(texts), settled.height, differs.height), strict=True)]
    print("\n{:,} texts, {:,} settled without langdetect, {:,} of these otherwise than langdetect\n".format(*totals))


def speed(texts: list[str]) -> None:
    language.detect(pl.Series(["warm up: the profiles are read once"]))
    langdetect.detect("warm up")
    start = perf_counter()
    theirs = [plain_langdetect(text) for text in texts]
    slow = perf_counter() - start
    start = perf_counter()
    ours = language.detect(pl.Series(texts))
    fast = perf_counter() - start
    size = sum(len(text.encode()) for text in texts) / len(texts)
    same = sum(a == b for a, b in zip(theirs, ours["language"], strict=True))
    print(f"{len(texts):,} texts of {size:,.0f} bytes on average")
    print(f"langdetect.detect, whole text   {len(texts) / slow:10,.0f} texts/s")
    print(f"curate.rules.language.detect    {len(texts) / fast:10,.0f} texts/s")
    print(f"ratio {slow / fast:.1f}; same language on {same / len(texts):.2%}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--texts", type=int, default=1000)
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[2] / "shared" / "data")
    parser.add_argument("--agreement", action="store_true")
    arguments = parser.parse_args()
    DetectorFactory.seed = 0
    sets = real(arguments.data)
    if arguments.agreement:
        agreement(sets | mixed(sets["LIMA answers"]))
    pool = [
        text
        for name in ("LIMA answers", "Stack Exchange beer", "Stack Exchange quantumcomputing")
        for text in sets[name]
    ]
    speed(random.Random(0).sample(pool, arguments.texts))


if __name__ == "__main__":
    main()
