"""Near-duplicates by perceptual hash."""

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from feature_pipeline import duplicates
from feature_pipeline.duplicates import Hashes, Looks, Taken
from feature_pipeline.manifest import PictureRecord
from feature_pipeline.samples import perceptual_hashes

SAMPLES = sorted((Path(__file__).parents[2] / "apps/ui/samples").glob("*.jpg"))
HASH = st.integers(0, 2**64 - 1)


def looks_of(image: Image.Image) -> Looks:
    return perceptual_hashes(np.asarray(image))


def hashes(*values: int) -> Hashes:
    return np.array(values, np.uint64)


def groups(values: Sequence[Looks], known: bool = True) -> list[int]:
    own, mirrored = (hashes(*(look[side] for look in values)) for side in (0, 1))
    found: list[int] = duplicates.groups(own, mirrored, np.full(len(values), known)).tolist()
    return found


@pytest.fixture(scope="module")
def photos() -> list[Image.Image]:
    return [Image.open(path).convert("RGB") for path in SAMPLES]


def test_a_mirrored_photo_is_a_duplicate_and_another_is_not(photos: Sequence[Image.Image]) -> None:
    assert len(photos) == 3
    for photo in photos:
        known, smaller = hashes(looks_of(photo)[0]), photo.reduce(2)
        for copy in (photo, smaller, ImageOps.mirror(photo), ImageOps.mirror(smaller)):
            assert duplicates.alike({"copy": looks_of(copy)}, known) == ["copy"]
    for one, other in combinations(photos, 2):
        assert duplicates.alike({"other": looks_of(other)}, hashes(looks_of(one)[0])) == []


def test_a_mirrored_photo_in_the_same_part_is_skipped(photos: Sequence[Image.Image]) -> None:
    taken = Taken()
    records = [
        PictureRecord(name=str(n), perceptual_hash=f"{own:016x}", mirrored_hash=f"{mirrored:016x}")
        for n, (own, mirrored) in enumerate(map(looks_of, (photos[0], ImageOps.mirror(photos[0]), photos[1])))
    ]
    taken.add(records[0])
    assert [taken.repeats(record) for record in records[1:]] == ["same picture", None]


@settings(deadline=None)
@given(st.lists(st.tuples(HASH, HASH), max_size=6), st.lists(st.integers(0, 63), max_size=4), st.booleans())
def test_each_picture_is_in_one_group_with_its_copies(values: list[Looks], bits: list[int], mirrored: bool) -> None:
    changed = sum(1 << bit for bit in set(bits))
    turned = [look[::-1] if mirrored else look for look in values]
    found = groups([*values, *((own ^ changed, other) for own, other in turned)])
    assert found[: len(values)] == found[len(values) :]
    assert all(found[first] == first <= place for place, first in enumerate(found))


def test_a_group_spans_pictures_that_are_alike_only_through_others() -> None:
    assert groups([(0, 0), (0xFF, 0xFF)]) == [0, 1]
    assert groups([(0, 0), (0xFF, 0xFF), (0xF, 0xF)]) == [0, 0, 0]


@settings(deadline=None)
@given(st.lists(HASH, max_size=9), st.lists(HASH, max_size=9), HASH, st.sets(st.integers(0, 63), max_size=8))
def test_near_hashes_are_found_as_if_each_were_compared_with_each(
    ours: list[int], theirs: list[int], one: int, bits: set[int]
) -> None:
    ours, theirs = [*ours, one], [*theirs, one ^ sum(1 << bit for bit in bits)]
    expected = [any((one ^ other).bit_count() <= duplicates.DISTANCE for other in theirs) for one in ours]
    assert duplicates.near(hashes(*ours), hashes(*theirs)).tolist() == expected


def test_pictures_without_a_hash_are_alone() -> None:
    assert groups([(0, 0), (0, 0)], known=False) == [0, 1]
    assert duplicates.alike({"a": ()}, np.array([0], np.uint64)) == []
