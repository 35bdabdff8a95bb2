"""JPEG compression as a degradation."""

import numpy as np

from feature_pipeline.compression import compressed


def test_only_full_chroma_keeps_colours_of_single_pixels() -> None:
    red, green = (200, 60, 60), (60, 131, 60)  # of nearly the same luma
    stripes = np.tile(np.array([red, green], np.uint8), (32, 16, 1))
    full, half = (compressed(stripes, 95, full_chroma).astype(int) for full_chroma in (True, False))
    assert np.abs(full - stripes).mean() < 5
    assert np.abs(half - stripes).mean() > 20


def test_a_lower_quality_changes_more() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    fine, coarse = (np.abs(compressed(noise, quality).astype(int) - noise).mean() for quality in (95, 30))
    assert 0 < fine < coarse
