"""Strengths of models from counts of votes: Bradley–Terry, and Davidson's model with ties, many rounds at once.

P(i beats j) = a / D and P(tie) = ν / D, with a = exp((θi - θj) / 2) and D = a + 1/a + ν (Davidson 1970, JASA 65, eq. 2.3,
with π = exp θ). Where ties are given as half a win each, ν is 0 and this is Bradley–Terry (1952). The log-likelihood is concave in
(θ, ln ν); Newton's method with the step ln(1 + s) / s, s the largest change of a linear predictor, converges from anywhere
(Sun & Tran-Dinh 2019, Mathematical Programming 178, for functions with |f'''| <= f'').
"""

from typing import NamedTuple

import numpy as np

from .intervals import Floats, Ints

# A model that won, or lost, every vote has no finite strength of greatest likelihood. Then every model of its group gets one
# drawn vote against an opponent of average strength; nowhere else is anything added.
PRIOR_VOTES = 1.0

# Of a change of strength; convergence is quadratic, so what is left is its square.
_TOLERANCE = 1e-7
_ITERATIONS = 200
_BLOCK = 4_000_000


class Strengths(NamedTuple):
    """`theta` (rounds, models): natural logarithms of strength, of mean 0 in every group. `nu` (rounds,): Davidson's tie
    parameter. `with_prior` (rounds,): whether a group needed the prior votes.
    """

    theta: Floats
    nu: Floats
    with_prior: np.ndarray


def groups(wins: Floats) -> Ints:
    """Which models can be compared: the number, from 0, of each model's group, shape (models,).

    Models are in one group where votes connect them, directly or through others. The largest group has number 0.
    """
    from scipy.sparse import csgraph, csr_array

    _, labels = csgraph.connected_components(csr_array(wins > 0), directed=False)
    order = np.argsort(-np.bincount(labels), kind="stable")
    return np.asarray(np.argsort(order)[labels], np.intp)


def unbeaten_chain(wins: Floats) -> Ints:
    """Strongly connected parts, shape (models,): two models of one part have each gained on the other, through others too."""
    from scipy.sparse import csgraph, csr_array

    _, labels = csgraph.connected_components(csr_array(wins > 0), connection="strong")
    return np.asarray(labels, np.intp)


def fit(wins: Floats, ties: Floats, group: Ints, start: Strengths | None = None) -> Strengths:
    """The strengths of greatest likelihood in every round.

    `wins` (rounds, models, models): how much of the votes between i and j went to i, a tie half to each. `ties` of the same
    shape, symmetric: the tied votes of each pair, all zero for Bradley–Terry. `group` (models,): see `groups`; in a
    round where votes do not bind a group together, or give it no finite strengths, its models get the prior votes.
    `start`: strengths of one round to start from, which saves steps and changes nothing else.
    """
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    size = max(1, _BLOCK // (wins.shape[1] + 1) ** 2)
    first = start or Strengths(np.zeros((1, len(group))), np.ones(1), np.zeros(1, bool))
    # Many small systems: threads of BLAS spend more time meeting than solving, ten times as much on a busy machine.
    with threadpool_limits(1, user_api="blas"):
        blocks = [_fit(wins[i : i + size], ties[i : i + size], group, first) for i in range(0, len(wins), size)]
    return Strengths(*(np.concatenate(parts) for parts in zip(*blocks, strict=True)))


def _fit(wins: Floats, ties: Floats, group: Ints, start: Strengths) -> Strengths:
    rounds, models = wins.shape[:2]
    tied = ties.sum(axis=(1, 2)) > 0
    loose = np.stack([loose_groups(*pair, group) for pair in zip(wins, ties, strict=True)])
    # The opponent of the prior votes is one more model, the last; it joins the groups that need it.
    extended = np.zeros((rounds, models + 1, models + 1))
    extended[:, :-1, :-1] = wins
    extended[:, :-1, -1] = extended[:, -1, :-1] = loose[:, group] * PRIOR_VOTES / 2
    labels = np.concatenate([np.where(loose[:, group], -1, group), np.full((rounds, 1), -1)], axis=1)
    joined = (labels[:, :, None] == labels[:, None, :]).astype(np.float64)
    theta = np.repeat(np.append(start.theta, [[0.0]], axis=1), rounds, axis=0)
    log_nu = np.full(rounds, np.log(start.nu[0]) if start.nu[0] > 0 else 0.0)
    theta, log_nu = _newton(extended, ties, joined, tied, theta, log_nu)
    members = (group[:, None] == np.arange(group.max() + 1)).astype(np.float64)
    means = theta[:, :-1] @ members / members.sum(axis=0)
    nu = np.where(tied, np.exp(log_nu), 0.0)
    return Strengths(theta[:, :-1] - means[:, group], nu, np.asarray(loose.any(axis=1)))


def loose_groups(wins: Floats, ties: Floats, group: Ints) -> np.ndarray:
    """Which groups have no finite strengths of greatest likelihood in one round, shape (groups,).

    Without ties: those with two parts of which one never gained on the other (Ford 1957). With ties: all groups, too, where
    ν and the differences can grow together, a win taking more than a tie spans; that is so unless some cycle of votes
    has more wins than ties.
    """
    parts = unbeaten_chain(wins)
    lowest, highest = np.full(group.max() + 1, len(parts)), np.full(group.max() + 1, -1)
    np.minimum.at(lowest, group, parts)
    np.maximum.at(highest, group, parts)
    loose = lowest != highest
    if ties.any() and not _has_winning_cycle(wins > ties * (0.5 + 1e-9), ties > 0):
        loose[:] = True
    return np.asarray(loose)


def _has_winning_cycle(won: np.ndarray, tied: np.ndarray) -> bool:
    """Whether a cycle of votes has more wins than ties: Bellman–Ford's search for a cycle of negative length."""
    if (won & won.T).any():
        return True
    length = np.where(won, -1.0, np.where(tied, 1.0, np.inf))
    distance = np.zeros(len(won))
    for _ in range(len(won)):
        shorter = np.minimum(distance, (distance[:, None] + length).min(axis=0))
        if (shorter == distance).all():
            return False
        distance = shorter
    return True


def _newton(
    wins: Floats, ties: Floats, joined: Floats, tied: np.ndarray, theta: Floats, log_nu: Floats
) -> tuple[Floats, Floats]:
    """θ (rounds, models) and ln ν (rounds,) from where they start.

    `joined`: which models share a sum of changes that is held at 0; `tied`: the rounds in which ν is fitted.
    """
    rounds, models = wins.shape[:2]
    votes = wins + wins.transpose(0, 2, 1)
    gained, tied_votes = wins.sum(axis=2), ties.sum(axis=(1, 2)) / 2
    diagonal = np.arange(models)
    for _ in range(_ITERATIONS):
        advantage = np.exp((theta[:, :, None] - theta[:, None, :]) / 2)
        nu = np.where(tied, np.exp(log_nu), 0.0)[:, None, None]
        total = advantage + 1 / advantage + nu
        p_tie = nu / total
        expected = (advantage + nu / 2) / total
        gradient = np.empty((rounds, models + 1))
        gradient[:, :-1] = gained - (votes * expected).sum(axis=2)
        gradient[:, -1] = tied_votes - (votes * p_tie).sum(axis=(1, 2)) / 2
        curvature = np.empty((rounds, models + 1, models + 1))
        # The variance of what i gains from a vote, which is 1, ½ or 0.
        off = votes * (expected * (1 - expected) - p_tie / 4)
        curvature[:, :-1, :-1] = joined - off
        curvature[:, diagonal, diagonal] += off.sum(axis=2)
        curvature[:, :-1, -1] = curvature[:, -1, :-1] = (votes * p_tie * (0.5 - expected)).sum(axis=2)
        curvature[:, -1, -1] = np.where(tied, (votes * p_tie * (1 - p_tie)).sum(axis=(1, 2)) / 2, 1.0)
        change = np.linalg.solve(curvature, gradient[:, :, None])[:, :, 0]
        size = np.ptp(change[:, :-1], axis=1) + np.abs(change[:, -1])
        step = np.log1p(size) / np.maximum(size, 1e-300)
        theta = theta + step[:, None] * change[:, :-1]
        log_nu = log_nu + step * change[:, -1]
        if size.max() < _TOLERANCE:
            return theta, log_nu
    raise AssertionError(f"no convergence after {_ITERATIONS} steps; the last changed a strength by {size.max():.2g}")
