"""Facts that the browser needs to show two pictures made of tiles."""

from pydantic import BaseModel, ConfigDict, PositiveInt

Size = tuple[PositiveInt, PositiveInt]
TILE = 512  # pixels a side


class Comparison(BaseModel):
    """A picture before and after upscaling, whose tiles were written.

    size, doubled_size: (width, height) in pixels, upright. suffix: of the tiles' names. transparent: True if one of
    both has an alpha channel. spot: the place where both differ most, as shares of width and height in [0, 1].
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    size: Size
    doubled_size: Size
    suffix: str
    transparent: bool
    spot: tuple[float, float]
