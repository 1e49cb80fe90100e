"""Twins by cosine: against brute force, across the borders of blocks and tiles."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from curate.duplicates import cells, cosine, greedy, products


def units(rows):
    rows = np.asarray(rows, dtype=np.float32)
    length = np.linalg.norm(rows.astype(np.float64), axis=1, keepdims=True)
    return (rows / np.where(length > 0, length, 1)).astype(np.float32)


def at_degrees(*degrees):
    angles = np.radians(degrees)
    return np.column_stack([np.cos(angles), np.sin(angles)]).astype(np.float32)


def clustered(n, d, groups, noise, seed=0):
    random = np.random.default_rng(seed)
    centres = units(random.standard_normal((groups, d)))
    scatter = noise * random.uniform(0.5, 1.5, (n, 1)) * random.standard_normal((n, d)) / np.sqrt(d)
    return units(centres[random.integers(0, groups, n)] + scatter)


def all_cosines(a, b):
    return np.round(a.astype(np.float64) @ b.astype(np.float64).T, 6)


def brute_representatives(vectors, threshold, held=0):
    table = all_cosines(vectors, vectors)
    kept, twin, found = [], np.full(len(vectors), -1), np.full(len(vectors), np.nan)
    for row in range(len(vectors)):
        # argmax names the first of equal ones.
        best = kept[np.argmax(table[row, kept])] if kept else row
        if best != row and table[row, best] >= threshold:
            twin[row], found[row] = best, table[row, best]
        if twin[row] < 0 or row < held:
            kept.append(row)
    return twin, found


small = arrays(np.float32, st.tuples(st.integers(0, 12), st.just(3)), elements=st.integers(-3, 3).map(float)).map(units)
thresholds = st.sampled_from([0.3, 0.77, 0.95, 1.0])


@given(small, thresholds)
def test_pairs_are_exactly_those_at_or_above_the_threshold(vectors, threshold):
    found = cosine.pairs(vectors, threshold)
    table = all_cosines(vectors, vectors)
    left, right = np.nonzero(np.triu(table >= threshold, 1))
    assert found.left.tolist() == left.tolist()
    assert found.right.tolist() == right.tolist()
    assert found.cosine.tolist() == table[left, right].tolist()


@given(small, small, thresholds)
def test_matches_are_every_pair_across_not_the_nearest(a, b, threshold):
    found = cosine.matches(a, b, threshold)
    table = all_cosines(a, b)
    assert np.column_stack(found[:2]).tolist() == np.argwhere(table >= threshold).tolist()
    assert found.cosine.tolist() == table[table >= threshold].tolist()


@given(small, thresholds, st.integers(1, 5), st.integers(0, 7))
def test_who_stays_is_the_same_with_blocks_of_any_size(vectors, threshold, block, held):
    twin, found = brute_representatives(vectors, threshold, held)
    with products.threads() as pool:
        got = greedy.representatives(products.encode(vectors, pool), threshold, pool, block=block, held=held)
    assert got[0].tolist() == twin.tolist()
    assert np.array_equal(got[1], found, equal_nan=True)


@pytest.mark.parametrize("fast_bytes", [False, True])
def test_nothing_is_lost_at_the_borders_of_strips_and_tiles(fast_bytes):
    # More rows than a tile has columns, and one more than whole strips.
    vectors = clustered(2 * products.TILE_COLUMNS + 1, 24, groups=40, noise=0.7)
    left, right = np.nonzero(np.triu(all_cosines(vectors, vectors) >= 0.8, 1))
    with products.threads() as pool:
        found = products.pairs(products.encode(vectors, pool, fast_bytes=fast_bytes), 0.8, pool)
    assert len(left) > 10_000
    assert np.array_equal(found.left, left)
    assert np.array_equal(found.right, right)


@pytest.mark.parametrize("fast_bytes", [False, True])
def test_nothing_is_lost_where_8_bits_are_coarse(fast_bytes):
    # One large number a row, so that most others are rounded to 0, and half of all pairs just at the threshold.
    random = np.random.default_rng(0)
    vectors = units(np.column_stack([np.full(500, 40.0), random.standard_normal((500, 300))]))
    table = all_cosines(vectors, vectors)
    threshold = float(np.median(table))
    with products.threads() as pool:
        found = products.pairs(products.encode(vectors, pool, fast_bytes=fast_bytes), threshold, pool)
    assert np.column_stack(found[:2]).tolist() == np.argwhere(np.triu(table >= threshold, 1)).tolist()


def test_who_stays_is_right_over_many_blocks():
    vectors = clustered(2 * greedy.BLOCK + 5, 24, groups=300, noise=0.6)
    twin, found = brute_representatives(vectors, 0.8)
    got = cosine.representatives(vectors, 0.8)
    assert np.array_equal(got.twin, twin)
    assert np.array_equal(got.cosine, found, equal_nan=True)
    assert got.recall == 1.0


def test_there_is_no_chain_and_nobody_goes_because_of_one_who_goes():
    # cos 30° = 0.866, cos 60° = 0.5: each is near its neighbours only.
    got = cosine.representatives(at_degrees(0, 30, 60, 90), 0.8)
    assert got.twin.tolist() == [-1, 0, -1, 2]
    assert got.cosine[[1, 3]].tolist() == [0.866025, 0.866025]


def test_the_twin_is_the_most_similar_of_those_kept_before():
    assert cosine.representatives(at_degrees(0, 40, 25), 0.8).twin.tolist() == [-1, -1, 1]
    # 40 is nearer to 25 than 0 is, but ranks after it.
    assert cosine.representatives(at_degrees(0, 25, 40, 75), 0.8).twin.tolist() == [-1, 0, -1, 2]


def test_of_equally_similar_ones_the_earlier_is_the_twin():
    assert cosine.representatives(at_degrees(0, 60, 30), 0.8).twin.tolist() == [-1, -1, 0]


def test_a_pair_exactly_at_the_threshold_counts_and_equal_rows_have_cosine_1():
    vectors = units([[3, 4], [4, 3], [0.1, 0.7], [0.1, 0.7]])
    found = cosine.pairs(vectors, 0.96)
    assert list(zip(*found, strict=True)) == [(0, 1, 0.96), (2, 3, 1.0)]
    assert cosine.pairs(vectors, 1.0).left.tolist() == [2]


def test_a_row_of_zeros_is_nobodys_twin():
    zeros = np.zeros((2, 3), dtype=np.float32)
    assert len(cosine.pairs(zeros, 0.1).left) == 0
    assert cosine.representatives(zeros, 0.1).twin.tolist() == [-1, -1]


def test_one_row_and_none_have_no_twins():
    for vectors in (np.empty((0, 4), dtype=np.float32), units([[1, 0, 0, 0]])):
        assert len(cosine.pairs(vectors, 0.5).left) == 0
        assert cosine.representatives(vectors, 0.5).twin.tolist() == [-1] * len(vectors)


def test_ten_thousand_equal_rows_leave_one():
    got = cosine.representatives(np.tile(units([[1, 2, 3]]), (10_000, 1)), 0.9)
    assert got.twin.tolist() == [-1] + [0] * 9_999


def test_with_cells_equal_rows_leave_one_and_take_their_likes_with_them():
    vectors = clustered(6_000, 16, groups=400, noise=0.5)
    vectors[::2] = vectors[0]
    exact, rough = (cosine.representatives(vectors, 0.8, exact_rows=n) for n in (6_000, 0))
    assert np.mean(rough.twin[exact.twin >= 0] >= 0) > 0.99
    assert (rough.twin[2::2] == 0).all()


def test_held_rows_stay_and_take_their_likes_with_them_with_cells_too():
    vectors = clustered(3_000, 16, groups=200, noise=0.5)
    vectors[:9] = vectors[0]
    found = cosine.representatives(vectors, 0.8, exact_rows=0, held=9)
    assert found.twin[:9].tolist() == [-1] + [0] * 8
    gone = np.flatnonzero(found.twin[9:] >= 0) + 9
    assert ((found.twin[found.twin[gone]] == -1) | (found.twin[gone] < 9)).all()


def test_a_threshold_that_a_row_of_zeros_would_reach_is_refused():
    zeros = np.zeros((1, 2), dtype=np.float32)
    for search in (cosine.pairs, cosine.representatives):
        with pytest.raises(ValueError, match="threshold 0: a cosine above 0"):
            search(zeros, 0)
    with pytest.raises(ValueError, match="threshold -1: a cosine above 0"):
        cosine.matches(zeros, zeros, -1)


def test_rows_that_are_not_of_length_1_are_refused():
    with pytest.raises(ValueError, match="row 1 has length 2"):
        cosine.pairs(np.array([[1, 0], [2, 0]], dtype=np.float32), 0.8)
    with pytest.raises(ValueError, match="row 0 has length nan"):
        cosine.pairs(np.array([[np.nan, 0]], dtype=np.float32), 0.8)


def test_the_nearest_row_is_the_first_of_the_most_similar():
    row, found = cosine.nearest(at_degrees(10, 80), at_degrees(90, 0, 0))
    assert row.tolist() == [1, 0]
    assert found.tolist() == [round(np.cos(np.radians(10)), 6)] * 2
    row, found = cosine.nearest(at_degrees(10), np.empty((0, 2), dtype=np.float32))
    assert row.tolist() == [-1]
    assert np.isnan(found).all()


@pytest.mark.parametrize("fast_bytes", [False, True])
def test_vectors_that_may_not_be_written_to_are_read_all_the_same(fast_bytes):
    vectors = at_degrees(0, 10)
    vectors.flags.writeable = False
    with products.threads() as pool:
        codes = products.encode(vectors, pool, fast_bytes=fast_bytes)
        assert products.pairs(codes, 0.9, pool).left.tolist() == [0]
    assert cosine.nearest(vectors, vectors)[0].tolist() == [0, 1]
    assert cosine.representatives(vectors, 0.9, exact_rows=0).twin.tolist() == [-1, 0]


def test_the_nearest_row_is_found_beyond_the_first_tile():
    a, b = clustered(300, 16, 50, 0.5), clustered(products.TILE_COLUMNS + 7, 16, 50, 0.5, seed=1)
    row, found = cosine.nearest(a, b)
    table = all_cosines(a, b)
    assert np.array_equal(row, table.argmax(axis=1))
    assert np.array_equal(found, table.max(axis=1))


def test_with_cells_nobody_goes_without_a_reason_and_the_recall_is_what_was_missed():
    vectors = clustered(3_000, 24, groups=500, noise=0.75)
    exact, _ = brute_representatives(vectors, 0.8)
    with products.threads() as pool:
        codes = products.encode(vectors, pool)
        searched, recall = cells.searched(codes, 0.8, pool)
        twin, found = greedy.representatives(codes, 0.8, pool, searched, block=512)
    gone = np.flatnonzero(twin >= 0)
    assert (twin[twin[gone]] == -1).all()
    assert np.array_equal(found[gone], all_cosines(vectors, vectors)[gone, twin[gone]])
    assert 0.95 < recall < 1
    assert np.mean(twin[exact >= 0] >= 0) > recall - 0.02
    # Fewer cells than there are, or it would be the exact search.
    assert searched.shape[1] < searched.max() / 2


def test_above_exact_rows_the_recall_is_measured_and_runs_agree():
    vectors = clustered(3_000, 16, groups=300, noise=0.5)
    one, two = (cosine.representatives(vectors, 0.8, exact_rows=2_999) for _ in range(2))
    assert 0.9 < one.recall <= 1
    assert np.array_equal(one.twin, two.twin)
    assert one.recall == two.recall


def test_without_twins_in_the_sample_the_recall_is_unknown():
    assert np.isnan(cosine.representatives(np.eye(20, dtype=np.float32), 0.5, exact_rows=0).recall)
