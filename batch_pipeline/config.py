"""Options of a batch."""

from dataclasses import dataclass, replace
from pathlib import Path

from batch_pipeline.errors import BatchError
from cluster.addresses import is_in_bucket
from cluster.engine import Engine
from upscaler.config import Options, UpscaleConfig
from upscaler.engines import devices
from upscaler.engines.precision import Choice, Precision
from upscaler.errors import OptionError
from upscaler.limits import Limits
from upscaler.links import followed
from upscaler.naming import Naming
from upscaler.options import check_limits, option, part, same


@dataclass(frozen=True, kw_only=True)
class BatchConfig:
    """Pictures to upscale, and where they go. Raises OptionError or BatchError if the options contradict each other."""

    source: str = option(
        "a folder, s3://bucket/prefix, or a file with a name on each line", positional=True, metavar="IN"
    )
    out: str = option("a folder, or s3://bucket/prefix", positional=True, metavar="OUT")
    format: str | None = same(UpscaleConfig, "format")
    max_pixels: float = same(UpscaleConfig, "max_pixels")
    model: str = same(UpscaleConfig, "model")
    precision: Precision | None = same(UpscaleConfig, "precision")
    device: devices.Device = same(UpscaleConfig, "device")
    workers: int | None = option(
        "worker processes of this machine, or actors of the cluster (default: as cores and memory allow)",
        default=None,
        least=1,
        most=1024,
    )
    retry_failed: bool = option("upscale again what the report says has failed", default=False)
    dry_run: bool = option("read a sample of the pictures, and print what the batch would cost", default=False)
    file: Options = part(default_factory=Options)
    engine: Engine = part("name", "address", "storage", title="where, see docs/scaling.md", default_factory=Engine)
    choice: Choice | None = None  # for all workers, made once when the batch starts

    def __post_init__(self) -> None:
        check_limits(self)
        devices.check(self.device, self.precision)
        if self.device == "auto" and self.engine.name == "ray":
            raise OptionError("--device auto measures one machine, and a cluster has several; give --device cpu or gpu")
        if self.resolved(self.source) == self.resolved(self.out):
            raise BatchError(f"{self.out} is both IN and OUT; give another OUT")

    def place(self, given: str) -> str:
        """Return an address as it is in the storage, if there is one."""
        if is_in_bucket(given) or self.engine.storage is None or Path(given).is_absolute():
            return given
        return f"{self.engine.storage.rstrip('/')}/{given}"

    def resolved(self, given: str) -> str:
        """Return the only spelling of a place: without links, dots, and a slash at the end."""
        place = self.place(given)
        return place.rstrip("/") if is_in_bucket(place) else followed(Path(place)).as_posix()

    @property
    def naming(self) -> Naming:
        """Naming rule of the results, relative to OUT."""
        return Naming.of("./", self.format, self.file.times)

    def options(self, memory: int | None = None) -> Options:
        """Return the options of each file, with its limits."""
        return replace(self.file, limits=Limits.of_megapixels(self.max_pixels), memory=memory)
