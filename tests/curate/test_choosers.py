"""Choosers against brute force on small sets."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.diversity import choosers, facility
from curate.diversity.facility import facility_location
from curate.diversity.geometry import densities, nearest_chosen
from curate.diversity.places import Places, anywhere


def unit(n, d=4, seed=0):
    vectors = np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def circle(*degrees):
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def coverage(vectors, order):
    return float(nearest_chosen(vectors, vectors[order]).mean(dtype=np.float64))


def plain_greedy(vectors, places, worth):
    """The textbook algorithm: every row is weighed in every step; `worth` of a list of rows is what grows."""
    order, left = [], places.capacity.copy()
    while len(order) < places.total:
        open_ = [row for row in range(len(vectors)) if row not in order and left[places.group[row]] > 0]
        best = max(open_, key=lambda row: (round(worth([*order, row]), 6), -row))
        left[places.group[best]] -= 1
        order.append(best)
    return order


def optimum(vectors, k, worth):
    return max(worth(list(rows)) for rows in combinations(range(len(vectors)), k))


@pytest.mark.parametrize("seed", range(8))
def test_facility_location_is_plain_greedy_and_near_the_optimum(seed):
    vectors = unit(12, seed=seed)
    found = facility_location(vectors, anywhere(12, 3))
    assert found.order.tolist() == plain_greedy(vectors, anywhere(12, 3), lambda rows: coverage(vectors, rows))
    assert found.gain.sum() == pytest.approx(coverage(vectors, found.order), abs=1e-6)
    best = optimum(vectors, 3, lambda rows: coverage(vectors, rows))
    # Coverage counts from -1, the least a cosine can be.
    assert 1 + coverage(vectors, found.order) >= (1 - 1 / np.e) * (1 + best)


@pytest.mark.parametrize("share", [0.0, 0.2, 0.6, 1.0])
def test_sparse_lists_change_nothing(share, monkeypatch):
    vectors, places = unit(300, seed=5), Places(np.arange(300) % 3, np.array([5, 20, 15]))
    monkeypatch.setattr(facility, "KEPT_SHARE", share)
    found = facility_location(vectors, places)
    monkeypatch.setattr(facility, "KEPT_SHARE", -1)
    dense = facility_location(vectors, places)
    assert found.order.tolist() == dense.order.tolist()
    assert found.gain == pytest.approx(dense.gain, abs=1e-7)


def test_a_pool_too_large_for_memory_is_covered_almost_as_well(monkeypatch):
    vectors, places = unit(600, 8, seed=2), anywhere(600, 60)
    exact = facility_location(vectors, places)
    monkeypatch.setattr(facility, "DENSE_ROWS", 100)
    monkeypatch.setattr(facility, "SAMPLE_PAIRS", 600 * 150)
    monkeypatch.setattr(facility, "BLOCK_PAIRS", 600 * 70)
    found = facility_location(vectors, places)
    assert found.gain.sum() == pytest.approx(coverage(vectors, found.order), abs=1e-6)
    assert coverage(vectors, found.order) > 0.995 * coverage(vectors, exact.order)
    monkeypatch.setattr(facility, "MOST_PAIRS", 600 * 300)
    assert coverage(vectors, facility_location(vectors, places).order) > 0.97 * coverage(vectors, exact.order)


def test_the_mix_adds_mean_quality_to_coverage():
    vectors, quality = unit(10, seed=3), np.linspace(0, 1, 10)

    def worth(rows):
        return 0.3 * coverage(vectors, rows) + 0.7 * quality[rows].sum() / 4

    found = facility_location(vectors, anywhere(10, 4), quality=quality, alpha=0.3)
    assert found.order.tolist() == plain_greedy(vectors, anywhere(10, 4), worth)
    assert found.gain.sum() == pytest.approx(worth(found.order), abs=1e-6)
    assert set(facility_location(vectors, anywhere(10, 4), quality=quality, alpha=0).order) == {6, 7, 8, 9}


@pytest.mark.parametrize("seed", range(8))
def test_k_center_is_at_most_twice_the_optimum(seed):
    """Gonzalez 1985, in a metric: the angle."""
    vectors = unit(11, 3, seed=seed)

    def radius(rows):
        return float(np.arccos(np.clip(nearest_chosen(vectors, vectors[rows]), -1, 1)).max())

    found = choosers.k_center(vectors, anywhere(11, 3))
    assert radius(found.order) <= 2 * -optimum(vectors, 3, lambda rows: -radius(rows)) + 1e-6
    assert (np.diff(found.gain[1:]) <= 0).all()


def test_k_center_by_hand():
    """It begins nearest to the mean, then goes to the farthest: 0 lies 80 degrees from 80, 90 lies 10."""
    found = choosers.k_center(circle(0, 80, 90, 100), anywhere(4, 3))
    assert found.order.tolist() == [1, 0, 3]
    assert found.gain[1:] == pytest.approx(1 - np.cos(np.radians([80, 20])), abs=1e-6)


def test_deita_keeps_the_better_of_twins_and_names_it():
    vectors = circle(0, 10, 90, 180)
    found, twin = choosers.deita(vectors, anywhere(4, 4), quality=np.array([1.0, 4.0, 3.0, 2.0]), threshold=0.9)
    assert found.order.tolist() == [1, 2, 3]
    assert twin.tolist() == [1, -1, -1, -1]
    assert found.gain == pytest.approx([1, 1 - np.cos(np.radians(80)), 1 - np.cos(np.radians(90))], abs=1e-6)


def test_deita_compares_with_what_is_selected_and_not_with_the_pool():
    """b is too near to a, c only to b; b is not selected, so c is."""
    found, _ = choosers.deita(circle(0, 20, 40), anywhere(3, 3), quality=np.array([3.0, 2.0, 1.0]), threshold=0.9)
    assert found.order.tolist() == [0, 2]


@given(st.integers(0, 1000), st.floats(-0.5, 0.99), st.integers(1, 9))
def test_deita_in_blocks_is_deita_one_by_one(seed, threshold, block):
    vectors, quality = unit(25, 3, seed), np.random.default_rng(seed).integers(0, 5, 25).astype(float)
    order = []
    for row in sorted(range(25), key=lambda row: (-quality[row], row)):
        if len(order) < 8 and all(float(vectors[row] @ vectors[other]) <= threshold for other in order):
            order.append(row)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(choosers, "BLOCK", block)
        found, _ = choosers.deita(vectors, anywhere(25, 8), quality=quality, threshold=threshold)
    assert found.order.tolist() == order


@pytest.mark.parametrize("power", [0.0, 1.0, 2.0])
def test_novelselect_sorts_all_distances_anew_in_every_step(power):
    """Against the reference's own way: sort, weigh by rank, mean over the selected."""
    vectors = unit(15, 3, seed=4)
    density = densities(vectors, vectors, neighbours=3, power=0.5)
    order = [int(np.argmax(density))]
    for _ in range(4):
        distance = (1 - vectors @ vectors[order].T) * (density[:, None] + density[order])
        novel = (np.sort(distance, axis=1) / np.arange(1, len(order) + 1) ** power).mean(axis=1)
        novel[order] = -np.inf
        order.append(int(np.argmax(novel)))
    found = choosers.novelselect(vectors, anywhere(15, 5), neighbours=3, distance_power=power)
    assert found.order.tolist() == order
    assert found.gain[-1] == pytest.approx(novel[order[-1]], rel=1e-5)


def test_k_means_takes_one_of_each_cluster():
    vectors = circle(0, 2, 4, 90, 91, 180, 182, 184)
    found = choosers.k_means(vectors, anywhere(8, 3))
    assert min(found.order) == 1
    assert {row // 3 if row < 3 else 1 if row < 5 else 2 for row in found.order} == {0, 1, 2}
    assert found.gain.sum() == pytest.approx(coverage(vectors, found.order), abs=1e-6)
    assert found.order.tolist() == choosers.k_means(vectors, anywhere(8, 3)).order.tolist()


@pytest.mark.parametrize("seed", range(5))
def test_dpp_takes_the_row_with_the_largest_determinant(seed):
    vectors = unit(9, 6, seed)
    quality = np.random.default_rng(seed).uniform(0.5, 1, 9)
    kernel = quality[:, None] * (vectors @ vectors.T) * quality

    def volume(rows):
        return float(np.linalg.slogdet(kernel[np.ix_(rows, rows)])[1])

    found = choosers.dpp(vectors, anywhere(9, 4), quality=quality)
    assert found.order.tolist() == plain_greedy(vectors, anywhere(9, 4), volume)
    assert found.gain.sum() == pytest.approx(volume(found.order), abs=1e-4)


def test_dpp_begins_with_the_first_of_equally_good_rows():
    assert choosers.dpp(unit(50, 7, seed=3), anywhere(50, 1)).order.tolist() == [0]


def test_dpp_stops_where_the_kernel_has_no_rank_left():
    assert len(choosers.dpp(circle(0, 30, 60, 90), anywhere(4, 4)).order) == 2


QUALITY = np.linspace(1, 2, 30)
ALL = {
    "facility_location": facility_location,
    "k_center": choosers.k_center,
    "deita": lambda vectors, places: choosers.deita(vectors, places, quality=QUALITY[: len(vectors)], threshold=1.1)[0],
    "novelselect": choosers.novelselect,
    "k_means": choosers.k_means,
    "dpp": choosers.dpp,
    "by_quality": lambda vectors, places: choosers.by_quality(QUALITY[: len(vectors)], places),
}


@pytest.mark.parametrize("name", ALL)
def test_no_group_gives_more_than_its_capacity_and_all_places_are_taken(name):
    places = Places(np.arange(30) % 4, np.array([2, 0, 5, 99]))
    found = ALL[name](unit(30, 20, seed=1), places)
    assert len(set(found.order.tolist())) == len(found.order) == len(found.gain) == places.total == 14
    assert np.bincount(places.group[found.order], minlength=4).tolist() == [2, 0, 5, 7]


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(("n", "k"), [(0, 3), (1, 1), (3, 0), (3, 9)])
def test_nothing_one_row_and_more_places_than_rows(name, n, k):
    assert len(ALL[name](unit(n, 20), anywhere(n, k)).order) == min(n, k)


@pytest.mark.parametrize("name", [name for name in ALL if name not in ("dpp", "by_quality")])
def test_equal_rows_go_by_position(name):
    """dpp takes one of equal rows and stops; quality orders by itself."""
    vectors = np.repeat(circle(30), 4, axis=0)
    quality = np.ones(4)
    choose = ALL[name]
    if name == "deita":
        found = choosers.deita(vectors, anywhere(4, 2), quality=quality, threshold=1.1)[0]
    else:
        found = choose(vectors, anywhere(4, 2))
    assert sorted(found.order.tolist()) == [0, 1]
