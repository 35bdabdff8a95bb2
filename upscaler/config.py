"""Options of an upscaled file, and of the command line."""

from dataclasses import dataclass, replace
from pathlib import Path

from upscaler.engines import devices
from upscaler.engines.precision import Precision
from upscaler.errors import OptionError
from upscaler.limits import DEFAULT_LIMITS, Limits
from upscaler.model import find
from upscaler.naming import Naming
from upscaler.options import check_limits, option, part
from upscaler.pictures.formats import BY_SUFFIX, STANDARD_QUALITY

PIPE = Path("-")  # standard input or output


@dataclass(frozen=True)
class Options:
    """Options of one file. Raises OptionError if one lies outside its limits.

    quality: of JPEG, WebP, AVIF and HEIC; below 95, lossless WebP and AVIF become lossy. times: how often the file is
    upscaled by 2. flips: self-ensemble, the average over the eight flips and rotations. remove_location: remove GPS
    data and fields for places; captions and keywords stay. limits: limits on the file and the work. memory: memory
    budget in bytes (None: half of the available memory).
    """

    quality: int = option("quality of JPEG, WebP, AVIF and HEIC", default=STANDARD_QUALITY, least=1, most=100)
    times: int = option(
        "number of doublings: 2 for 4 times the width and height, 3 for 8 times", default=1, least=1, most=3
    )
    flips: bool = option(
        "average over eight flips and rotations: slower, better", default=False, flags=("--ensemble-flips",)
    )
    remove_location: bool = False
    limits: Limits = DEFAULT_LIMITS
    memory: int | None = None

    def __post_init__(self) -> None:
        check_limits(self)


@dataclass(frozen=True, kw_only=True)
class UpscaleConfig:
    """Pictures to upscale. Raises OptionError if an option lies outside its limits."""

    inputs: tuple[Path, ...] = option(
        "a picture, a folder of pictures, or - for standard input", positional=True, metavar="IN"
    )
    out: str | None = option(
        "a picture's name, a folder, or - for standard output (default: name_2x beside IN)",
        default=None,
        flags=("-o", "--out"),
    )
    recursive: bool = option("include folders inside folders", default=False)
    overwrite: bool = option("replace files that exist", default=False)
    skip_existing: bool = option("pass over a picture whose result exists, as is done in folders", default=False)
    keep_time: bool = option("give results the modification time of their input", default=False)
    format: str | None = option(
        "format of the results (default: that of OUT or IN)",
        default=None,
        choices=tuple(suffix[1:] for suffix in BY_SUFFIX),
    )
    max_pixels: float = option("refuse inputs with more megapixels", default=100, above=0, metavar="MEGAPIXELS")
    model: str = option(find.NAMES, default_factory=find.wanted)
    precision: Precision | None = option(
        "number format of the network; int8 needs a model with weights for it (default: the fastest here, measured "
        "once; int8 if clearly faster than bf16 or f32)",
        default=None,
    )
    device: devices.Device = option(
        "cpu, gpu, gpu:N, or auto: a GPU with a Vulkan driver, if it was measured to be faster here and no "
        "--precision is given, else the CPU",
        default="cpu",
    )
    file: Options = part()

    def __post_init__(self) -> None:
        check_limits(self)
        devices.check(self.device, self.precision)
        if self.overwrite and self.skip_existing:
            raise OptionError("--overwrite and --skip-existing contradict each other; leave out one")
        if self.piped and len(self.inputs) > 1:
            raise OptionError(f"{PIPE} stands for one picture; give one input")
        if self.piped and self.keep_time:
            raise OptionError(f"--keep-time needs files, but {PIPE} is none; leave it out")

    @property
    def piped(self) -> bool:
        """True if the picture comes from standard input or goes to standard output."""
        return PIPE in self.inputs or self.out == str(PIPE)

    @property
    def naming(self) -> Naming:
        """Naming rule of the results."""
        return Naming.of(self.out, self.format, self.file.times)

    @property
    def options(self) -> Options:
        """The options of each file, with its limits."""
        return replace(self.file, limits=Limits.of_megapixels(self.max_pixels))
