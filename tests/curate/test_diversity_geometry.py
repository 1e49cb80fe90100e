"""Measures on vectors: known answers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.diversity import geometry


def unit(n, d, seed=0):
    vectors = np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def circle(*degrees):
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def test_vendi_counts_orthogonal_rows_and_not_copies():
    assert geometry.vendi(np.eye(7, dtype=np.float32)) == pytest.approx(7)
    assert geometry.vendi(np.repeat(circle(20), 9, axis=0)) == pytest.approx(1, abs=1e-5)
    assert geometry.vendi(np.repeat(np.eye(3, dtype=np.float32), 5, axis=0)) == pytest.approx(3, abs=1e-5)
    assert np.isnan(geometry.vendi(np.empty((0, 3), dtype=np.float32)))


@given(st.integers(1, 30), st.integers(1, 12), st.integers(0, 99))
def test_vendi_by_either_matrix_is_the_same(n, d, seed):
    """The primal form: eigenvalues of the n x n cosines."""
    vectors = unit(n, d, seed)
    values = np.linalg.eigvalsh((vectors @ vectors.T).astype(np.float64) / n)
    values = values[values > 1e-9]
    assert geometry.vendi(vectors) == pytest.approx(np.exp(-(values * np.log(values)).sum()), rel=1e-4)


def test_coverage_is_the_largest_cosine_to_the_chosen(monkeypatch):
    pool, chosen = circle(0, 60, 90), circle(0, 90)
    monkeypatch.setattr(geometry, "BLOCK_PAIRS", 2)
    assert geometry.nearest_chosen(pool, chosen) == pytest.approx([1, np.cos(np.radians(30)), 1], abs=1e-6)
    assert np.isnan(geometry.nearest_chosen(pool, chosen[:0])).all()


def test_the_nearest_neighbour_is_another_row(monkeypatch):
    monkeypatch.setattr(geometry, "BLOCK_PAIRS", 4)
    found = geometry.nearest_neighbour_distances(circle(0, 60, 180))
    assert found == pytest.approx([0.5, 0.5, 1.5], abs=1e-6)
    assert geometry.nearest_neighbour_distances(circle(5, 5)) == pytest.approx([0, 0], abs=1e-6)
    assert np.isnan(geometry.nearest_neighbour_distances(circle(5))).all()


def test_density_is_the_inverse_root_of_the_mean_squared_distance():
    """At 0 degrees, 2 neighbours: squared distances 1 (60 degrees) and 2 (90), mean 1.5; the copy of a row is no neighbour."""
    pool = circle(0, 0, 60, 90, 180)
    found = geometry.densities(circle(0), pool, neighbours=2, power=0.5)
    assert found == pytest.approx([1.5**-0.5], rel=1e-5)
    assert geometry.densities(circle(0), pool, neighbours=2, power=0) == pytest.approx([1])
    assert geometry.densities(circle(0), pool[:2]) == pytest.approx([1])


def test_novelty_by_hand():
    """At 0 degrees the distances are 0, 0.5, 1; with weights 1, 1/2, 1/3: (0.25 + 1/3) / (11/6)."""
    found = geometry.novelty(circle(0, 60, 90))
    assert found[0] == pytest.approx((0.25 + 1 / 3) / (11 / 6), abs=1e-6)
    assert geometry.novelty(circle(0, 60, 90), np.array([2.0, 1, 1]))[0] == pytest.approx(2 * found[0])
    assert geometry.novelty(circle(0, 60, 90), distance_power=0)[0] == pytest.approx(0.5, abs=1e-6)
    assert len(geometry.novelty(circle()[:0])) == 0


def test_novelsum_is_the_references_formula(monkeypatch):
    """`novelsum.py` of UmeanNever/NovelSum, written out: sort density * distance, weigh by 1 / rank, average."""
    vectors, density = unit(20, 5), np.linspace(1, 3, 20)
    expected = []
    for row in range(20):
        distance = np.sort((1 - vectors @ vectors[row]) * density[row])
        expected.append(np.average(distance, weights=1 / np.arange(1, 21)))
    monkeypatch.setattr(geometry, "BLOCK_PAIRS", 60)
    assert geometry.novelty(vectors, density).mean() == pytest.approx(np.mean(expected), rel=1e-5)
