"""Options of the page and of /double."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from upscaler import Limits, Options
from upscaler.naming import Naming
from upscaler.pictures.formats import STANDARD_QUALITY

AS_ORIGINAL = "as the original"
FORMATS = {"JPEG": "jpg", "PNG": "png", "WebP": "webp", "TIFF": "tif"}


class Choices(BaseModel):
    """Options of one batch. model: its name. quality: of JPEG, WebP, AVIF and HEIC."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: Annotated[str, Field(max_length=200)]
    format: Literal["as the original", "JPEG", "PNG", "WebP", "TIFF"] = "as the original"
    quality: Annotated[int, Field(ge=1, le=100)] = STANDARD_QUALITY
    flips: bool = False
    four_times: bool = False
    remove_location: bool = False

    def options(self, limits: Limits) -> Options:
        """Convert to the upscaler's options."""
        return Options(
            quality=self.quality,
            times=self._times,
            flips=self.flips,
            remove_location=self.remove_location,
            limits=limits,
        )

    def target_name(self, source: Path) -> str:
        """Return the output name, as the command line's: photo.jpg -> photo_2x.jpg."""
        naming = Naming.of(None, FORMATS.get(self.format), self._times)
        return naming.target(source, source.parent).name

    @property
    def _times(self) -> int:
        return 2 if self.four_times else 1
