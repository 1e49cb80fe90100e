"""The sites of the Stack Exchange network: their addresses, topic groups and licences."""

import re
from pathlib import Path
from typing import Literal

import polars as pl

# Sites with an address of their own; all others are <name>.stackexchange.com.
OWN_DOMAINS = {
    "stackoverflow": "stackoverflow.com",
    "superuser": "superuser.com",
    "serverfault": "serverfault.com",
    "askubuntu": "askubuntu.com",
    "stackapps": "stackapps.com",
    "mathoverflow": "mathoverflow.net",
    "es.stackoverflow": "es.stackoverflow.com",
    "ja.stackoverflow": "ja.stackoverflow.com",
    "pt.stackoverflow": "pt.stackoverflow.com",
    "ru.stackoverflow": "ru.stackoverflow.com",
}

# LIMA (arXiv 2305.11206, section 2.1) balances two sets of exchanges: 75 of science, technology, engineering and
# mathematics ("programming, math, physics, etc.") and 99 others ("English, cooking, travel, and more"). It names no
# members; this division is ours, by the network's own categories (Technology and Science; all the rest).
STEM = frozenset(
    """
    3dprinting ai android apple arduino askubuntu astronomy avp bioacoustics bioinformatics biology bitcoin blender
    cardano chemistry civicrm codegolf codereview cogsci computergraphics craftcms crypto cs cseducators cstheory
    datascience dba devops drones drupal dsp earthscience electronics elementaryos emacs engineering eosio
    es.stackoverflow ethereum expressionengine gamedev genai gis ham hardwarerecs health hsm iot iota ja.stackoverflow
    joomla langdev magento math matheducators mathematica mathoverflow mattermodeling medicalsciences monero
    networkengineering opendata opensource or patents physics programmers proofassistants psychology pt.stackoverflow
    quant quantumcomputing raspberrypi retrocomputing reverseengineering robotics ru.stackoverflow salesforce scicomp
    security serverfault sharepoint sitecore softwareengineering softwarerecs solana sound space sqa stackapps
    stackoverflow stats stellar substrate superuser tex tezos tor tridion unix ux vi webapps webmasters windowsphone
    wordpress
    """.split()  # noqa: SIM905 - a list of 120 strings would be four pages
)
OTHER = frozenset(
    """
    academia alcohol anime aviation beer bicycles boardgames bricks buddhism chess chinese christianity coffee
    communitybuilding conlang cooking crafts diy ebooks economics ell english esperanto expatriates fitness freelancing
    french gaming gardening genealogy german graphicdesign hermeneutics hinduism history homebrew interpersonal islam
    italian japanese judaism korean languagelearning latin law lifehacks linguistics literature martialarts mechanics
    meta moderators money movies music musicfans mythology outdoors parenting pets philosophy photo pm poker politics
    portuguese productivity puzzling rpg rus russian scifi skeptics spanish sports startups sustainability travel
    ukrainian vegetarianism video woodworking workplace worldbuilding writers writing
    """.split()  # noqa: SIM905
)

_TABLE = re.compile(r"-(Badges|Comments|PostHistory|PostLinks|Posts|Tags|Users|Votes)$", re.IGNORECASE)


def table_of(archive: Path) -> str | None:
    """The table that an archive of Stack Overflow's form holds (`Posts` of `stackoverflow.com-Posts.7z`), or None."""
    found = _TABLE.search(archive.stem)
    return found[1] if found else None


def address(name: str) -> str:
    """The host of a site by the name of its folder or archive.

    >>> address("beer"), address("stackoverflow.com-Posts"), address("math.meta"), address("mathoverflow.net")
    ('beer.stackexchange.com', 'stackoverflow.com', 'math.meta.stackexchange.com', 'mathoverflow.net')
    """
    plain = _TABLE.sub("", name).strip().lower().replace(" ", "")
    if plain.endswith((".com", ".net")):
        return plain
    return OWN_DOMAINS.get(plain, f"{plain}.stackexchange.com")


def group(site: str) -> Literal["stem", "other"]:
    """The topic group of a site by its host. Meta sites and unknown ones are `other`.

    >>> group("quantumcomputing.stackexchange.com"), group("beer.stackexchange.com"), group("stackoverflow.com")
    ('stem', 'other', 'stem')
    """
    return "stem" if _name(site) in STEM else "other"


def is_known(site: str) -> bool:
    """Whether a host is a site of the network, or the meta site of one, as of the table above."""
    return _name(site).removesuffix(".meta").removeprefix("meta.") in STEM | OTHER


def _name(site: str) -> str:
    return re.sub(r"(\.stackexchange)?\.(com|net)$", "", site)


def licence(stated: pl.Expr, date: pl.Expr) -> pl.Expr:
    """The licence of a post as an SPDX identifier: as its row states it (`CC BY-SA 4.0`), else by its date (ISO 8601).

    By date (stackoverflow.com/help/licensing): before 2011-04-08 CC BY-SA 2.5, before 2018-05-02 CC BY-SA 3.0, since
    then CC BY-SA 4.0. Null where both are.
    """
    by_date = (
        pl.when(date < "2011-04-08")
        .then(pl.lit("CC-BY-SA-2.5"))
        .when(date < "2018-05-02")
        .then(pl.lit("CC-BY-SA-3.0"))
        .when(date.is_not_null())
        .then(pl.lit("CC-BY-SA-4.0"))
    )
    return pl.coalesce(stated.str.strip_chars().str.replace_all(" ", "-", literal=True), by_date)
