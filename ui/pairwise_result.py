"""What people's votes come to, under the models' names: shown only to those whose ballot is closed."""

import logging
import shlex
from collections.abc import Callable
from typing import Any

import polars as pl
import streamlit as st

from curate.errors import CurateError
from evaluate import formats, people, verdicts
from evaluate.blinding import Plan
from evaluate.statistics import agreement

Row = dict[str, Any]
_log = logging.getLogger(__name__)


def show(plan: Plan, t: Callable[..., str]) -> None:
    """Win rates of every two models, people's agreement with themselves and each other, and the command for a board."""
    files = people.revealed(plan)
    try:
        judged = formats.read(files)
    except (CurateError, OSError):
        _log.exception("the judgements of plan %s cannot be read", plan.id)
        st.error(t("no_reveal"))
        return
    st.info(t("closed"))
    st.markdown(f"#### {t('result')}")
    st.table(
        [
            {
                t("judge"): row["judge"] or t("everyone"),
                t("model_a"): row["model_a"],
                t("model_b"): row["model_b"],
                t("pairs"): f"{row['n']:,}",
                t("wins"): f"{row['a_wins']:,}",
                t("neither"): f"{row['neither']:,}",
                t("losses"): f"{row['b_wins']:,}",
                t("both_bad"): f"{row['both_bad']:,}",
                t("win_rate"): _percent(row["win_rate"], row["low"], row["high"]),
            }
            for row in verdicts.pairwise(judged).to_dicts()
        ]
    )
    st.caption(t("result_about"))
    _reasons(verdicts.reasons(judged), t)
    st.markdown(f"#### {t('reliable')}")
    st.table(
        [
            {
                t("judge"): row["judge"],
                t("repeats"): f"{row['repeats']:,}",
                t("same"): _of(row, "same"),
                t("tie_discounted"): _of(row, "tie_discounted"),
                t("flipped"): _of(row, "flipped"),
                t("left_first"): _of(row, "first"),
            }
            for row in verdicts.reliability(judged).to_dicts()
        ]
    )
    st.caption(t("reliable_about"))
    labels = agreement.by_judge(judged)
    judges = sorted(set(judged["judge"]))
    if len(judges) > 1:
        st.markdown(f"#### {t('between')}")
        found = agreement.agreement(labels, "prompt_id", judges)
        st.table(
            [
                {
                    t("judge"): f"{row['a']}, {row['b']}",
                    t("pairs"): f"{row['n']:,}",
                    t("agreement"): _of(row, "tie_discounted"),
                    t("kappa"): _number(row["cohen_kappa"], row["cohen_kappa_low"], row["cohen_kappa_high"]),
                }
                for row in found["pairs"]
            ]
        )
    st.write(t("files"))
    given = shlex.join(map(str, files))
    commands = [f"python -m evaluate leaderboard {given} --out boards/people"]
    commands.append(f"python -m evaluate agreement {given} JUDGED_BY_A_MODEL.jsonl")
    st.code("\n".join(commands), language="console", wrap_lines=True)


def _reasons(counts: pl.DataFrame, t: Callable[..., str]) -> None:
    """How often each reason was given for each model, where any was."""
    if counts.is_empty():
        return
    st.markdown(f"#### {t('reasons_given')}")
    times = {(model, reason): n for model, reason, n in counts.iter_rows()}
    models = sorted(set(counts["model"]))
    said = [reason for reason in people.REASONS.values() if reason in set(counts["reason"])]
    st.table([{t("model_a"): model} | {t(one): f"{times.get((model, one), 0):,}" for one in said} for model in models])
    st.caption(t("reasons_about"))


def _of(row: Row, name: str) -> str:
    return _percent(row[name], row[f"{name}_low"], row[f"{name}_high"])


def _percent(value: float | None, low: float | None, high: float | None) -> str:
    if value is None:
        return "—"
    return f"{100 * value:.1f}" + ("" if low is None or high is None else f" [{100 * low:.1f}, {100 * high:.1f}]")


def _number(value: float | None, low: float | None, high: float | None) -> str:
    if value is None:
        return "—"
    return f"{value:.2f}" + ("" if low is None or high is None else f" [{low:.2f}, {high:.2f}]")
