"""Near-duplicates by perceptual hash."""

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from feature_pipeline import duplicates
from feature_pipeline.samples import perceptual_hash

SAMPLES = sorted((Path(__file__).parents[2] / "apps/ui/samples").glob("*.jpg"))


def hashed(image: Image.Image) -> int:
    return perceptual_hash(np.asarray(image))


@pytest.fixture(scope="module")
def photos() -> list[Image.Image]:
    return [Image.open(path).convert("RGB") for path in SAMPLES]


def test_a_mirrored_photo_is_a_duplicate_and_another_is_not(photos: Sequence[Image.Image]) -> None:
    assert len(photos) == 3
    for photo in photos:
        smaller = photo.reduce(2)
        for copy in (photo, smaller, ImageOps.mirror(photo), ImageOps.mirror(smaller)):
            assert duplicates.alike({"copy": hashed(copy)}, np.array([hashed(photo)], np.uint64)) == ["copy"]
    for one, other in combinations(photos, 2):
        assert duplicates.alike({"other": hashed(other)}, np.array([hashed(one)], np.uint64)) == []


@given(st.lists(st.integers(0, 2**64 - 1), max_size=6), st.lists(st.integers(0, 63), max_size=3), st.booleans())
def test_each_picture_is_in_one_group_with_its_copies(values: list[int], bits: list[int], mirrored: bool) -> None:
    changed = sum(1 << bit for bit in set(bits)) ^ (int(duplicates.ODD_COLUMNS) if mirrored else 0)
    pictures = {str(n): value for n, value in enumerate(values)}
    copies = {f"copy of {n}": value ^ changed for n, value in pictures.items()}
    found = duplicates.groups(pictures | copies)
    assert found.keys() == pictures.keys() | copies.keys()
    assert all(found[n] == found[f"copy of {n}"] for n in pictures)
    assert all(found[group] == group for group in found.values())


def test_a_group_spans_pictures_that_are_alike_only_through_others() -> None:
    chain = {"a": 0, "c": 0b1111_1111, "b": 0b1111}
    assert duplicates.groups({"a": 0, "c": 0b1111_1111}) == {"a": "a", "c": "c"}
    assert len(set(duplicates.groups(chain).values())) == 1


def test_pictures_without_a_hash_are_alone() -> None:
    assert duplicates.groups({"a": None, "b": None}) == {"a": "a", "b": "b"}
    assert duplicates.alike({"a": None}, np.array([0], np.uint64)) == []
