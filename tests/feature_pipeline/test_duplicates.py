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
from feature_pipeline.duplicates import Looks, Taken
from feature_pipeline.manifest import PictureRecord
from feature_pipeline.samples import perceptual_hashes

SAMPLES = sorted((Path(__file__).parents[2] / "apps/ui/samples").glob("*.jpg"))
HASH = st.integers(0, 2**64 - 1)


def looks_of(image: Image.Image) -> Looks:
    return perceptual_hashes(np.asarray(image))


@pytest.fixture(scope="module")
def photos() -> list[Image.Image]:
    return [Image.open(path).convert("RGB") for path in SAMPLES]


def test_a_mirrored_photo_is_a_duplicate_and_another_is_not(photos: Sequence[Image.Image]) -> None:
    assert len(photos) == 3
    for photo in photos:
        known, smaller = duplicates.numbers({"photo": looks_of(photo)}), photo.reduce(2)
        for copy in (photo, smaller, ImageOps.mirror(photo), ImageOps.mirror(smaller)):
            assert duplicates.alike({"copy": looks_of(copy)}, known) == ["copy"]
    for one, other in combinations(photos, 2):
        assert duplicates.alike({"other": looks_of(other)}, duplicates.numbers({"one": looks_of(one)})) == []


def test_a_mirrored_photo_in_the_same_part_is_skipped(photos: Sequence[Image.Image]) -> None:
    taken = Taken()
    records = [
        PictureRecord(name=str(n), perceptual_hash=f"{own:016x}", mirrored_hash=f"{mirrored:016x}")
        for n, (own, mirrored) in enumerate(map(looks_of, (photos[0], ImageOps.mirror(photos[0]), photos[1])))
    ]
    taken.add(records[0])
    assert [taken.repeats(record) for record in records[1:]] == ["same picture", None]


@given(st.lists(st.tuples(HASH, HASH), max_size=6), st.lists(st.integers(0, 63), max_size=4), st.booleans())
def test_each_picture_is_in_one_group_with_its_copies(values: list[Looks], bits: list[int], mirrored: bool) -> None:
    changed = sum(1 << bit for bit in set(bits))
    pictures = {str(n): look for n, look in enumerate(values)}
    turned = {n: look[::-1] if mirrored else look for n, look in pictures.items()}
    copies = {f"copy of {n}": (look[0] ^ changed, look[1]) for n, look in turned.items()}
    found = duplicates.groups(copies | pictures)
    assert found.keys() == pictures.keys() | copies.keys()
    assert all(found[n] == found[f"copy of {n}"] for n in pictures)
    assert all(found[group] == group for group in found.values())


def test_a_group_spans_pictures_that_are_alike_only_through_others() -> None:
    assert duplicates.groups({"a": (0,), "c": (0xFF,)}) == {"a": "a", "c": "c"}
    assert len(set(duplicates.groups({"a": (0,), "c": (0xFF,), "b": (0xF,)}).values())) == 1


def test_pictures_without_a_hash_are_alone() -> None:
    assert duplicates.groups({"a": (), "b": ()}) == {"a": "a", "b": "b"}
    assert duplicates.alike({"a": ()}, np.array([0], np.uint64)) == []
