"""Contact sheet of a part: tile pairs and a histogram of the rejections."""

import io
from pathlib import Path

from matplotlib.figure import Figure
from PIL import Image

from feature_pipeline import shards, tile_index
from feature_pipeline.manifest import Manifest
from feature_pipeline.shards import Sample
from feature_pipeline.spacing import spread
from feature_pipeline.tiles import SIZE
from upscaler.atomic import atomic_path

COLUMNS, ROWS = 4, 6  # pairs
GAP = 8  # pixels
PAIR = 2 * SIZE + GAP
WIDTH = COLUMNS * (PAIR + 3 * GAP)


def run(folder: Path, out: Path) -> None:
    """Write the contact sheet of a part's folder. Raises FeatureError if it has no shards."""
    entries = tile_index.of([folder])
    chosen = spread(entries, COLUMNS * ROWS)
    pairs = _pairs([shards.load(entry) for entry in chosen])
    bars = _histogram(shards.read_manifest(folder))
    sheet = Image.new("RGB", (WIDTH, pairs.height + bars.height), "white")
    sheet.paste(pairs)
    sheet.paste(bars, (0, pairs.height))
    with atomic_path(out) as temporary:
        sheet.save(temporary)
    print(f"{out}: {len(chosen)} pairs of {len(entries)}")


def _pairs(samples: list[Sample]) -> Image.Image:
    """Draw each pair: the LR tile, upscaled by pixel repetition, next to the HR tile."""
    rows = -(-len(samples) // COLUMNS)
    sheet = Image.new("RGB", (WIDTH, rows * (SIZE + 2 * GAP)), "white")
    for number, sample in enumerate(samples):
        x, y = number % COLUMNS * (PAIR + 3 * GAP) + GAP, number // COLUMNS * (SIZE + 2 * GAP) + GAP
        doubled = Image.fromarray(sample.lr).resize((SIZE, SIZE), Image.Resampling.NEAREST)
        sheet.paste(doubled, (x, y))
        sheet.paste(Image.fromarray(sample.hr), (x + SIZE + GAP, y))
    return sheet


def _histogram(manifest: Manifest) -> Image.Image:
    figure = Figure(figsize=(WIDTH / 100, 4), dpi=100, layout="constrained")
    tiles, pictures = figure.subplots(1, 2)
    tiles.barh(["accepted", *manifest.rejected], [manifest.tiles, *manifest.rejected.values()])
    tiles.set_title(f"{manifest.settings.part}: tiles accepted and rejected")
    pictures.barh(["accepted", *manifest.skipped], [manifest.pictures_taken, *manifest.skipped.values()])
    pictures.set_title("pictures accepted and skipped")
    for axes in (tiles, pictures):
        axes.bar_label(axes.containers[0], padding=3)
        axes.spines[["top", "right"]].set_visible(False)
    content = io.BytesIO()
    figure.savefig(content, format="png")
    return Image.open(content).convert("RGB")
