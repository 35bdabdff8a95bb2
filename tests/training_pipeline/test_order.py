"""The order of the tiles: every tile once an epoch, and few shards at a time."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from training_pipeline.order import GROUP, Order

SIZES = st.lists(st.integers(0, 3), min_size=1, max_size=2 * GROUP + 9).filter(any)


def epoch(sizes: list[int], seed: int, number: int) -> list[int]:
    order, tiles = Order(np.array(sizes), seed), sum(sizes)
    return [order[place] for place in range(number * tiles, (number + 1) * tiles)]


@settings(deadline=None)
@given(SIZES, st.integers(0, 2**32 - 1), st.integers(0, 3))
def test_an_epoch_has_every_tile_once(sizes: list[int], seed: int, number: int) -> None:
    assert sorted(epoch(sizes, seed, number)) == list(range(sum(sizes)))


@settings(deadline=None)
@given(
    st.lists(st.integers(0, 9), min_size=1, max_size=GROUP).filter(any), st.integers(0, 2**32 - 1), st.integers(0, 3)
)
def test_the_tiles_of_few_shards_are_shuffled_together_as_by_earlier_versions(
    sizes: list[int], seed: int, number: int
) -> None:
    tiles = sum(sizes)
    assert epoch(sizes, seed, number) == np.random.default_rng([seed, number, tiles]).permutation(tiles).tolist()


def test_many_shards_are_read_in_groups_that_differ_between_epochs_and_seeds() -> None:
    size, count = 5, 4 * GROUP
    drawn = [epoch([size] * count, seed, number) for seed, number in ((0, 0), (0, 1), (1, 0))]
    groups = [frozenset(tile // size for tile in order[: size * GROUP]) for order in drawn]
    assert [len(group) for group in groups] == [GROUP] * 3
    assert len(set(groups)) == 3
    assert drawn[0][: size * GROUP] != sorted(drawn[0][: size * GROUP])


def test_a_place_gives_the_same_tile_whenever_it_is_asked_for() -> None:
    sizes = np.full(3 * GROUP, 2)
    order, places = Order(sizes, 7), np.random.default_rng(0).integers(0, 4 * 6 * GROUP, 300).tolist()
    assert [order[place] for place in places] == [Order(sizes, 7)[place] for place in places]
