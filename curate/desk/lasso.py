"""Which points of the map lie inside a polygon that was drawn around them.

Places are whole numbers from 0 to SIDE, as the map draws them: what is counted is what was seen, and no rounding decides.
A polygon's text, for an address, is its corners as 16-bit pairs in base64url.
"""

import base64
import binascii
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from curate.errors import InputError

# The map's places: 16 bits a side.
SIDE = 65535
# A drawn line has far fewer corners once those that change nothing are left out.
MOST_CORNERS = 512

Corner = tuple[int, int]


def places(values: npt.ArrayLike) -> npt.NDArray[np.uint16]:
    """Coordinates in [0, 1] as places of the map; what is not finite must be left out before."""
    return np.rint(np.clip(np.asarray(values, np.float64), 0, 1) * SIDE).astype(np.uint16)


def inside(x: npt.ArrayLike, y: npt.ArrayLike, polygon: Sequence[Corner]) -> npt.NDArray[np.bool_]:
    """Which of the points (x, y), whole numbers of equal count, the polygon goes around at least once: shape of `x`.

    That is the rule of the winding number, by which a canvas fills too: where the end of a drawn line overlaps its
    beginning there is no hole. An edge has its lower end and not its upper one, so a point is in one only of two polygons
    that share an edge. Fewer than three corners hold nothing.
    """
    xs, ys = np.asarray(x, np.int64), np.asarray(y, np.int64)
    found = np.zeros(xs.shape, np.bool_)
    if len(polygon) < 3 or not xs.size:
        return found
    corners = np.asarray(polygon, np.int64)
    (left, low), (right, high) = corners.min(axis=0), corners.max(axis=0)
    near = np.flatnonzero((xs >= left) & (xs <= right) & (ys >= low) & (ys <= high))
    # In the order of y, each edge meets one run of points only.
    near = near[np.argsort(ys[near], kind="stable")]
    xs, ys = xs[near], ys[near]
    turns = np.zeros(near.size, np.int16)
    for (x1, y1), (x2, y2) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        begin, end = np.searchsorted(ys, (min(y1, y2), max(y1, y2)))
        if begin < end:
            up = 1 if y2 > y1 else -1
            left_of = up * (xs[begin:end] - x1) * (y2 - y1) < up * (ys[begin:end] - y1) * (x2 - x1)
            turns[begin:end] += np.where(left_of, up, 0).astype(np.int16)
    found[near] = turns != 0
    return found


def to_text(polygon: Sequence[Corner]) -> str:
    """The polygon for an address, five to six characters a corner."""
    return base64.urlsafe_b64encode(np.asarray(polygon, "<u2").tobytes()).decode().rstrip("=")


def from_text(text: str) -> list[Corner]:
    """The polygon that `to_text` wrote. Raises InputError where the text is none."""
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        corners = np.frombuffer(data, "<u2").reshape(-1, 2)
    except (binascii.Error, ValueError) as error:
        raise InputError(f"the selection in the address cannot be read ({error}); draw it again") from error
    return _bounded([(int(a), int(b)) for a, b in corners])


def from_numbers(value: object) -> list[Corner]:
    """The polygon of a browser: a list of pairs of numbers, rounded and moved onto the map. Raises InputError for all else."""
    if not isinstance(value, list):
        raise InputError(f"the selection is {type(value).__name__}; expected a list of corners")
    try:
        corners = [(int(np.rint(float(a))), int(np.rint(float(b)))) for a, b in value]
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(f"the selection has a corner that is no pair of numbers ({error}); draw it again") from error
    return _bounded([(min(max(a, 0), SIDE), min(max(b, 0), SIDE)) for a, b in corners])


def _bounded(corners: list[Corner]) -> list[Corner]:
    if len(corners) > MOST_CORNERS:
        raise InputError(f"the selection has {len(corners):,} corners; expected at most {MOST_CORNERS}: draw it again")
    return corners
