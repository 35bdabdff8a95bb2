"""Tile pairs: alignment, rejection and augmentation."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from feature_pipeline import augment, tiles
from feature_pipeline.duplicates import Taken
from feature_pipeline.manifest import Draw, PictureRecord, Settings
from feature_pipeline.samples import make
from feature_pipeline.tar import File
from support.parts import photo
from support.pictures import photo_like
from upscaler.bicubic import halve
from upscaler.pixels import Pixels

TECHNIQUES = ("scale", "shift", "noise", "quality")
BARELY_SHARP = 0.9  # pixels of blur: 1.3 levels are lost by halving, 0.76 once it is scaled by 1.5


@given(st.integers(1, 1100), st.integers(1, 1100), st.integers(0, 2**32))
@settings(max_examples=30)
def test_places_are_even_inside_and_apart(width: int, height: int, seed: int) -> None:
    boxes = tiles.places(width, height, np.random.default_rng(seed))
    assert len(boxes) == (width // 256) * (height // 256)
    covered = np.zeros((height, width), int)
    for left, top, right, bottom in boxes:
        assert left % 2 == top % 2 == 0
        assert (right - left, bottom - top) == (256, 256)
        covered[top:bottom, left:right] += 1
    assert covered.sum() == len(boxes) * 256 * 256
    assert covered.max(initial=0) <= 1


@given(st.integers(256, 700), st.integers(256, 700))
@settings(max_examples=8)
def test_the_lr_tile_is_cut_from_the_downscaled_picture(width: int, height: int) -> None:
    picture = photo_like(height, width)
    pairs, _ = tiles.cut(picture, 12, seed="a")
    assert pairs
    for pair in pairs:
        left, top, right, bottom = pair.box
        assert (pair.hr == picture[top:bottom, left:right]).all()
        assert (pair.lr == halve(picture)[top // 2 : bottom // 2, left // 2 : right // 2]).all()


def _gray(level: float, spread: float = 0) -> Pixels:
    noise = np.random.default_rng(0).normal(level, spread, (256, 256, 1)) if spread else np.full((256, 256, 1), level)
    return np.repeat(noise.clip(0, 255).astype(np.uint8), 3, 2)


@pytest.mark.parametrize(
    ("tile", "reason"),
    [
        (_gray(2, 2), "black"),
        (_gray(254, 1), "saturated"),
        (_gray(128, 1), "flat"),
        (np.asarray(Image.fromarray(photo_like(256, 256)).filter(ImageFilter.GaussianBlur(9))), "blurred"),
        (photo_like(256, 256), None),
    ],
    ids=["black", "saturated", "flat", "blurred", "good"],
)
def test_uninformative_tiles_are_rejected(tile: Pixels, reason: str | None) -> None:
    assert tiles.rejection(tile, halve(tile)) == reason


def _record(content: bytes, name: str) -> PictureRecord:
    clean = Settings(part="train_0", images=None, tiles_per_image=1, pictures_per_shard=1)
    return make(File(name, len(content), content), clean)[0]


def test_the_same_picture_saved_again_is_seen_and_another_is_not() -> None:
    taken = Taken()
    taken.add(_record(photo(1), "a.jpg"))
    again = io.BytesIO()
    Image.open(io.BytesIO(photo(1))).save(again, "JPEG", quality=70)
    assert taken.repeats(_record(again.getvalue(), "b.jpg")) == "same picture"
    assert taken.repeats(_record(photo(2), "c.jpg")) is None
    assert taken.repeats(_record(photo(2), "a.jpg")) == "same name"


def test_thousands_of_pictures_are_remembered() -> None:
    taken = Taken()
    rng = np.random.default_rng(0)
    records = [PictureRecord(name=str(n), perceptual_hash=f"{rng.integers(1 << 63):016x}") for n in range(3000)]
    for record in records:
        assert taken.repeats(record) is None
        taken.add(record)
    for record in records[::100]:
        near = f"{int(record.perceptual_hash or '', 16) ^ 0b1011:016x}"
        assert taken.repeats(PictureRecord(name="new", perceptual_hash=near)) == "same picture"


def test_each_technique_is_drawn_half_of_the_time_over_its_whole_range() -> None:
    rng = np.random.default_rng(0)
    draws = [augment.draw(rng) for _ in range(2000)]
    ranges = {"scale": augment.SCALE, "shift": augment.SHIFT, "noise": augment.NOISE, "quality": augment.QUALITY}
    for name, (low, high) in ranges.items():
        drawn = [abs(value) for draw in draws if (value := getattr(draw, name)) is not None]
        assert 0.47 <= len(drawn) / len(draws) <= 0.53
        assert low <= min(drawn) <= low + 0.02 * (high - low)
        assert high - 0.02 * (high - low) <= max(drawn) <= high
        quarters, _ = np.histogram(drawn, 4, (low, high))
        assert quarters.min() > 0.2 * len(drawn)


def test_augmented_samples_say_what_was_done_and_do_not_change() -> None:
    wanted = Settings(part="train_0", images=None, tiles_per_image=2, pictures_per_shard=1, augment=True)
    clean = wanted.model_copy(update={"augment": False})
    file = File("a.jpg", len(photo(1)), photo(1))
    samples = make(file, wanted)[1]
    assert samples == make(file, wanted)[1]
    assert len(samples) == len(make(file, clean)[1])
    for sample, plain in zip(samples, make(file, clean)[1], strict=True):
        assert plain.info.augmented is None
        assert sample.info.augmented is not None
        assert (sample.lr == plain.lr) == (sample.info.augmented == Draw())


@pytest.mark.parametrize("technique", TECHNIQUES)
def test_a_technique_changes_what_it_should(technique: str) -> None:
    picture = photo_like(400, 500)
    pair = tiles.cut(picture, 1, "a")[0][0]
    strength = {"scale": 0.8, "shift": 0.1, "noise": 0.1, "quality": 60}[technique]
    drawn = Draw.model_validate({technique: strength})
    done, applied = augment.apply(drawn, picture, pair.box, noise_seed=1)
    assert applied == drawn
    assert (done.hr != pair.hr).any() == (technique in ("scale", "shift"))
    assert (done.lr != pair.lr).any()
    assert done.lr.shape == (128, 128, 3)
    if technique == "noise":
        assert 20 < (done.lr.astype(float) - pair.lr)[(pair.lr > 60) & (pair.lr < 190)].std() < 28
    if technique == "scale":
        left, top, right, bottom = done.box
        scaled = np.asarray(Image.fromarray(picture).resize((400, 320), Image.Resampling.BICUBIC))
        assert (done.hr == scaled[top:bottom, left:right]).all()


def test_nothing_drawn_changes_nothing() -> None:
    picture = photo_like(300, 300)
    pair = tiles.cut(picture, 1, "a")[0][0]
    done, _ = augment.apply(Draw(), picture, pair.box, noise_seed=1)
    assert (done.hr == pair.hr).all()
    assert (done.lr == pair.lr).all()


@given(st.one_of(st.none(), st.floats(0.84, 1.2)), st.sampled_from([-0.1, -0.03, 0.07, 0.1]), st.integers(0, 99))
@settings(max_examples=10)
def test_hue_and_tone_change_before_downscaling(scale: float | None, shift: float, seed: int) -> None:
    picture = colourful(seed)
    boxes = tiles.places(picture.shape[1], picture.shape[0], np.random.default_rng(seed))
    done, drawn = augment.apply(Draw(scale=scale, shift=shift), picture, boxes[0], noise_seed=1)
    if drawn.scale is not None:
        size = [round(side * drawn.scale) for side in (picture.shape[1], picture.shape[0])]
        picture = np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC))
    changed = augment._shifted(picture, shift)
    whole = tiles.cut_pair(changed, halve(changed), done.box)
    assert (done.hr == whole.hr).all()
    assert (done.lr == whole.lr).all()


def colourful(seed: int) -> Pixels:
    """A picture of strong colours with sharp edges, at which the order of a shift and of downscaling matters."""
    rng = np.random.default_rng(seed)
    blocks = rng.integers(0, 256, (62, 75, 3), np.uint8)
    return np.ascontiguousarray(blocks.repeat(5, axis=0).repeat(5, axis=1)[:307, :371])


def test_a_tile_that_scaling_blurs_stays_at_its_size() -> None:
    picture = photo_like(500, 600)
    soft = np.asarray(Image.fromarray(picture).filter(ImageFilter.GaussianBlur(BARELY_SHARP)))
    pair = tiles.cut(soft, 1, "a")[0][0]
    done, drawn = augment.apply(Draw(scale=1.5, shift=0.1), soft, pair.box, noise_seed=1)
    assert drawn == Draw(shift=0.1)
    assert done.box == pair.box
    kept, drawn = augment.apply(Draw(scale=0.8), soft, pair.box, noise_seed=1)
    assert drawn == Draw(scale=0.8)
    assert tiles.rejection(kept.hr, kept.lr) is None


def test_small_pictures_are_not_made_smaller_than_a_tile() -> None:
    picture = photo_like(256, 300)
    pair = tiles.cut(picture, 1, "a")[0][0]
    for number in range(20):
        done, _ = augment.augmented(picture, pair, seed=str(number))
        assert done.hr.shape == (256, 256, 3)
