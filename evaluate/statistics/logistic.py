"""Logistic regression by Newton's method, many at once: the rounds of a bootstrap share features and labels."""

import numpy as np

from .intervals import Floats

# Keeps a coefficient finite where the data do not, and is far below what the data say where they do.
RIDGE = 1e-6
_STEPS = 200
_HALVINGS = 40
# Twice what a further step could still gain. Not the step's own length: where labels separate, that is all rounding.
_CLOSE = 1e-20
# A step is not halved for what may be rounding: that close, Newton's steps need no guard.
_ROUNDING = 1e-10


def fit(x: Floats, y: Floats, weight: Floats, beta: Floats) -> Floats:
    """Coefficients (rounds, features) of logistic regressions that share features (rows, features) and labels (rows,).

    Each round has its own `weight` (rounds, rows); `beta` (rounds, features) is where the search starts. Labels may lie
    anywhere in [0, 1]. Newton's method with halved steps on the negative log-likelihood plus RIDGE / 2 times the
    squared coefficients, which is strictly convex: there is one answer, whatever the start.
    """
    n = x.shape[1]
    products = (x[:, :, None] * x[:, None, :]).reshape(len(x), n * n)
    p, q, loss = _at(beta, x, y, weight)
    for _ in range(_STEPS):
        gradient = (weight * ((1 - y) * p - y * q)) @ x + RIDGE * beta
        hessian = ((weight * p * q) @ products).reshape(-1, n, n) + RIDGE * np.eye(n)
        step = np.linalg.solve(hessian, gradient[:, :, None])[:, :, 0]
        if (gradient * step).sum(axis=1).max() < _CLOSE:
            return beta
        size = np.ones((len(beta), 1))
        for _ in range(_HALVINGS):
            p, q, reached = _at(beta - size * step, x, y, weight)
            worse = reached > loss + _ROUNDING * (1 + loss)
            if not worse.any():
                break
            size[worse] /= 2
        beta, loss = beta - size * step, reached
    raise AssertionError("Newton's method did not converge on a strictly convex function")


def _at(beta: Floats, x: Floats, y: Floats, weight: Floats) -> tuple[Floats, Floats, Floats]:
    """The fitted probabilities and 1 less them (rounds, rows), and the function to be minimised (rounds,)."""
    z = beta @ x.T
    # One exponential serves both, and never of a positive number.
    small = np.exp(-np.abs(z))
    p = np.where(z >= 0, 1.0, small) / (1 + small)
    q = np.where(z >= 0, small, 1.0) / (1 + small)
    # In this order nothing is lost where a label of 0 or 1 is met almost exactly; nor, for that, by q.
    loss = (weight * (np.maximum(z, 0) - y * z + np.log1p(small))).sum(axis=1)
    return p, q, np.asarray(loss + RIDGE / 2 * (beta**2).sum(axis=1))


def sigmoid(z: Floats) -> Floats:
    """1 / (1 + exp(-z)), without overflow."""
    return np.asarray(np.exp(-np.logaddexp(0, -z)))
