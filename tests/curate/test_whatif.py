"""What another setting would change: the same answer as a build with it, without a build."""

import json

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from curate import recipe as recipes
from curate.__main__ import main
from curate.build import build
from curate.errors import ConfigError, RunError
from curate.stages import STAGES
from curate.whatif import whatif
from tests.curate.small_runs import built


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return built(tmp_path_factory.mktemp("whatif"), "filters.min_chars=24", "select.size=4")[0]


def kept(folder):
    return set(pl.read_parquet(folder / "dataset.parquet")["id"])


def verdicts(folder):
    return pl.read_parquet(folder / "ledger.parquet").group_by("stage", "rule").len()


@pytest.mark.parametrize(
    "overrides",
    [
        ("filters.min_chars=45",),
        ("filters.min_chars=1", "filters.empty_output=false"),
        ("filters.min_chars=null", "near.threshold=0.3", "select.size=null"),
        ("select.size=2", "select.order=longest"),
        ("exact.best=longest", "filters.profiles.set.max_chars=60"),
    ],
)
def test_the_answer_is_what_a_build_with_these_settings_makes(run, tmp_path, overrides, monkeypatch):
    found = whatif(run, overrides)
    monkeypatch.setattr("curate.report.write", lambda *_: {})  # the dataset and the ledger are all that is compared
    build(recipes.load(str(run / "recipe.yaml"), overrides), tmp_path / "built")
    assert {row["id"] for row in found["added"]} == kept(tmp_path / "built") - kept(run)
    assert {row["id"] for row in found["removed"]} == kept(run) - kept(tmp_path / "built")
    assert found["kept"] == {"before": len(kept(run)), "after": len(kept(tmp_path / "built"))}
    differing = verdicts(run).join(verdicts(tmp_path / "built"), on=["stage", "rule"], how="full", coalesce=True)
    differing = differing.fill_null(0).filter(pl.col("len") != pl.col("len_right"))
    assert {(row["stage"], row["rule"], row["before"], row["after"]) for row in found["rules"]} == set(differing.rows())


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(25, 90))
def test_a_higher_limit_only_takes_away_what_is_below_it(run, limit):
    found = whatif(run, ("select.size=null", f"filters.min_chars={limit}"))
    for row in found["removed"]:
        assert {(verdict["rule"], verdict["limit"]) for verdict in row["why"]} == {("min_chars", limit)}
        assert all(verdict["value"] < limit for verdict in row["why"])


def test_rows_that_come_further_than_before_are_measured_and_counted(run):
    found = whatif(run, ("filters.min_chars=null",))
    # The answer about the carburettor has 22 characters: no later stage had seen it.
    assert found["measured"] == dict.fromkeys([*STAGES][[*STAGES].index("filters") + 1 :], 1)
    assert whatif(run, ("select.size=2",))["measured"] == {}
    assert whatif(run, ("select.size=2",))["decided"] == ["select"]


def test_nothing_is_written(run):
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
    whatif(run, ("filters.min_chars=null",))
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*")} == before


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "near.permutations=64",
            "near.permutations changes what stage near measures of every row, so it takes a build",
        ),
        ("filters.sarcasm=0.5", "filters.sarcasm changes what stage filters measures of every row"),
        ("clean.skip=[links]", "clean.skip changes what stage clean measures"),
        ("sources.set.license=MIT", "sources changes what is read or measured"),
        ("name=other", "nothing to try: name decides about no example"),
        ("filters.min_chars=24", "nothing to try: these are the settings of the run already"),
        ("filters.min_char=3", "Did you mean 'min_chars'?"),
    ],
)
def test_what_cannot_be_tried_is_one_line(run, override, message):
    with pytest.raises(ConfigError) as caught:
        whatif(run, (override,))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_more_rows_than_can_be_embedded_in_seconds_take_a_build_and_what_is_off_does_not(tmp_path, monkeypatch):
    run, _ = built(tmp_path, "filters.min_chars=24", "meaning.threshold=0.99")
    assert whatif(run, ("filters.min_chars=null",))["kept"] == {"before": 5, "after": 6}
    monkeypatch.setattr("curate.whatif.MOST_EMBEDDED", 0)
    with pytest.raises(ConfigError, match="1 more example would reach stage meaning, which would have to be embedded"):
        whatif(run, ("filters.min_chars=null",))
    assert whatif(run, ("filters.min_chars=null", "meaning.threshold=null"))["kept"] == {"before": 5, "after": 6}


def test_the_command_says_it_in_words_and_in_json(run, capsys):
    assert main(["whatif", str(run), "-s", "filters.min_chars=45"]) == 0
    out = capsys.readouterr().out
    assert "filters.min_chars: 24 → 45" in out
    assert "filters/min_chars 41 against 45" in out
    assert main(["whatif", str(run), "-s", "filters.min_chars=45", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["kept"]["before"] == 4
    with pytest.raises(RunError, match="no manifest"):
        whatif(run / "nothing", ())


def test_a_limit_that_a_profile_overrides_is_said_not_to_reach_its_source(run):
    found = whatif(run, ("filters.profiles.set.min_chars=30", "filters.min_chars=80"))
    assert found["notes"] == [
        "filters.min_chars does not reach set, which set their own: try -s filters.profiles.set.min_chars=…"
    ]
    assert not whatif(run, ("filters.min_chars=80",))["notes"]
