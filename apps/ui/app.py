"""Page, API endpoint and server of the web UI."""

import html
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
from starlette.types import ASGIApp

from apps.serving import admission, loading
from apps.serving.job_limits import JobLimits
from apps.serving.look import bar, note
from apps.serving.serve import guarded
from apps.serving.temporary import is_inside
from apps.serving.worker import JobRefusedError, Worker, WorkerError
from apps.ui.doubling import AS_ORIGINAL, FORMATS, BatchProgress, Choices, Doubled, double_all, look_at, zip_of
from apps.ui.settings import Settings
from upscaler.engines.cores import cores
from upscaler.model import find
from upscaler.model.artifact import Artifact
from upscaler.pictures.formats import BY_SUFFIX

HERE = Path(__file__).parent
SAMPLES = sorted((HERE / "samples").glob("*.jpg"))
ACCEPTED = list(BY_SUFFIX)
WORKER = "apps.ui.worker"
DETAIL_LIMITS = JobLimits(memory=2_000_000_000, cpu_seconds=60, seconds=60)
ONE_AT_A_TIME: dict[str, Any] = {"concurrency_limit": 1, "concurrency_id": admission.JOBS}  # a job uses all cores

CANCELLED = "Cancelled. Nothing is kept of it; the photos are still chosen."

INTRODUCTION = """
# Double Resolution
Makes a photo twice as wide and twice as high, and sharper than interpolation does. It invents nothing that the pixels
do not suggest.
"""

EXPLANATION = """
**What happens to my photo?** It is doubled on this server, and it and the result are deleted {kept} later. Nobody is
told, nothing is counted.

**What is kept?** The format, the colour profile, the EXIF data (where it was taken among it, unless you tick
*remove the location*), transparency, 16 bits a channel. A photo that lies on its side by EXIF comes out upright.

**What does it not do?** It does not make up faces, text or texture that cannot be seen, or take noise away. It leaves
the blocks of a JPEG out; in another format made of a JPEG they are doubled too.

**Limits.** Files of {megabytes} MB and 100 megapixels; one picture is in work at a time.

Model: {models}. Apache-2.0. Sample pictures: CQ100 dataset, CC BY-SA 4.0.
"""


class App:
    """The page, the models that it offers, and the workers that run them."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        """Find the models and start the worker. `folder`: folder of temporary files.

        Raises ModelError or WorkerError.
        """
        self.settings, self.folder = settings, folder
        self.started = time.monotonic()
        found = [find.model_or_fast(model) for model in settings.models]
        self.models = {model.name: model for model in found}
        self.default = found[0].name
        self._cancelled: set[str | None] = set()  # cancelled sessions, whose events Gradio reports as failed
        configuration = {"models": [loading.place_of(model) for model in found]}
        self.worker = Worker(WORKER, configuration, settings.serving.job_limits)
        self.worker.start()
        self.detail_worker = Worker(WORKER, {"models": []}, DETAIL_LIMITS)  # details must not wait for upscaling jobs

    def close(self) -> None:
        """End the workers."""
        self.worker.close()
        self.detail_worker.close()

    def server(self) -> ASGIApp:
        """Return the server: the page at /, its API, and /health, behind the guard."""
        server, self._admission = guarded(
            self.page(),
            self.settings.serving,
            self.folder,
            self.serves,
            self.health,
            HERE,
        )
        return server

    def serves(self, path: Path) -> bool:
        """Return True if a file may be downloaded: an upload, a result or a sample."""
        return path in SAMPLES or is_inside(path, self.folder)

    def health(self) -> dict[str, str | int]:
        """Return the health report for monitoring by the host."""
        model = self.models[self.default]
        seconds = int(time.monotonic() - self.started)
        return {"status": "ok", "model": model.name, "revision": model.revision, "uptime_seconds": seconds}

    def page(self) -> Any:  # gr.Blocks, which comes without types
        """Build the page. Its only public endpoint is /double."""
        gr.set_static_paths([HERE / "samples"])  # otherwise Gradio would copy samples to the folder of uploads
        with gr.Blocks(title="Double Resolution", analytics_enabled=False, fill_width=False) as page:
            gr.Markdown(INTRODUCTION)
            files = gr.File(
                label="Photos: drop, choose or paste",
                file_count="multiple",
                file_types=ACCEPTED,
                height=150,
                elem_id="photos",
            )
            samples = gr.Dataset(
                label="Or double one of these",
                components=[gr.Image(type="filepath", visible=False, label="A sample picture")],
                samples=[[str(path)] for path in SAMPLES],
                type="index",
                elem_id="samples",
            )
            choices = self._choices()
            with gr.Row():
                start = gr.Button("Double it", variant="primary", elem_id="double")
                cancel = gr.Button("Cancel", variant="stop", visible=False, elem_id="cancel")
            status = gr.HTML(elem_id="status")
            slider = gr.ImageSlider(
                label="Before (bicubic) and after",
                type="filepath",
                visible=False,
                elem_id="slider",
                max_height=640,
                buttons=["fullscreen"],
            )
            gallery = gr.Gallery(label="Doubled", visible=False, elem_id="gallery", buttons=["fullscreen"])
            download = gr.DownloadButton("Download", visible=False, variant="primary", elem_id="download")
            compared = self._loupe()
            with gr.Accordion("What this does, and what it does not", open=False):
                gr.Markdown(self._explanation())
            outputs = [status, slider, gallery, download, cancel, compared]
            work: dict[str, Any] = {"inputs": [files, *choices], "outputs": outputs, "show_progress_on": [status]}
            work |= ONE_AT_A_TIME
            at_once: dict[str, Any] = {
                "concurrency_limit": None,
                "show_progress": "hidden",
                "api_visibility": "private",
            }
            begun = start.click(self.begin, None, cancel, **at_once)  # visible while waiting, too
            chosen = samples.click(self.sample, samples, [files, cancel], **at_once)
            first, second = (asked.then(self.serve, **work, api_visibility="private") for asked in (begun, chosen))
            for asked in (first, second):  # the queue is full, or the connection failed
                asked.failure(self.not_served, None, outputs, **at_once)
            cancel.click(self.cancelled, None, outputs, cancels=[first, second], **at_once)
            self._for_programs()
        return page

    def begin(self, request: gr.Request) -> dict[str, Any]:
        """Handle the start button: show Cancel, and forget an earlier cancellation."""
        self._cancelled.discard(request.session_hash)
        return gr.update(visible=True)

    def sample(self, number: int, request: gr.Request) -> list[Any]:
        """Handle a click on a sample: choose its file and show Cancel."""
        return [[str(SAMPLES[number])], self.begin(request)]

    def serve(
        self,
        files: list[str] | None,
        flips: bool,
        four_times: bool,
        format: str,
        quality: float,
        remove_location: bool,
        model: str,
    ) -> Iterator[list[Any]]:
        """Upscale the chosen files, yielding values of all outputs."""
        if not files:
            yield shown(failure(["Choose a photo first, or click one of the samples."]))
            return
        choices = Choices(flips, four_times, format, int(quality), remove_location)
        last = BatchProgress()
        for last in double_all(self.worker, model, [Path(file) for file in files], choices, self.folder):
            yield shown(bar(last.sentence, last.share), busy=True)
        yield self.result(last, self.models[model])

    def cancelled(self, request: gr.Request) -> list[Any]:
        """Handle Cancel; Gradio closes the generator of the job."""
        self._cancelled.add(request.session_hash)
        return shown(note(CANCELLED))

    def not_served(self, request: gr.Request) -> list[Any]:
        """Handle an event that was refused or failed."""
        if request.session_hash in self._cancelled:
            self._cancelled.discard(request.session_hash)
            return shown(note(CANCELLED))  # again, because progress may have overwritten it
        sentence = "This did not work: too many people are waiting, or the connection broke. Try again in a minute."
        return shown(failure([sentence]))

    def result(self, batch: BatchProgress, model: Artifact) -> list[Any]:
        """Return values of all outputs for a finished request."""
        messages = failure(batch.failed) if batch.failed else ""
        if not batch.done:
            return shown(messages)
        lines = "".join(note(line(doubled, model, self.worker.facts[model.name])) for doubled in batch.done)
        if len(batch.done) == 1:
            doubled = batch.done[0]
            pair = (str(doubled.before), str(doubled.after))
            return shown(lines + messages, slider=pair, download=doubled.file, compared=doubled)
        pictures = [(str(doubled.after), doubled.file.name) for doubled in batch.done]
        label = f"Download all {len(batch.done)} as a zip"
        return shown(lines + messages, gallery=pictures, download=zip_of(batch.done), label=label)

    def look(self, compared: Doubled | None, across: float, down: float) -> list[Any]:
        """Return values of the loupe's column and slider for a detail of the upscaled picture."""
        if compared is None:
            return [gr.update(visible=False), None]
        try:
            pair = look_at(self.detail_worker, compared, across, down)
        except FileNotFoundError:
            raise gr.Error("The pictures are deleted by now; double the photo again.", print_exception=False) from None
        except (JobRefusedError, WorkerError) as error:
            raise gr.Error(f"{compared.file.name}: {error}.", print_exception=False) from None
        return [gr.update(visible=True), tuple(map(str, pair))]

    def _loupe(self) -> Any:  # gr.State, which comes without types
        """Build the loupe; return the state that holds its picture."""
        compared = gr.State(None)
        with gr.Column(visible=False, elem_id="loupe") as column:
            gr.Markdown("**Look closer:** click a place in the picture above, or move these.")
            with gr.Row():
                across = gr.Slider(0, 100, 50, step=1, label="Across, %", elem_id="across")
                down = gr.Slider(0, 100, 50, step=1, label="Down, %", elem_id="down")
            place = gr.ImageSlider(
                label="Full resolution: before and after",
                type="filepath",
                elem_id="place",
                max_height=640,
                buttons=["fullscreen"],
            )
        clicked = gr.Button(visible="hidden", elem_id="clicked")
        moved = clicked.click(None, None, [across, down], js="() => window.clickedPlace")
        for asked in (compared.change, across.release, down.release, moved.then):
            asked(
                self.look,
                [compared, across, down],
                [column, place],
                show_progress="hidden",
                api_visibility="private",
                concurrency_id="loupe",  # one detail at a time
            )
        return compared

    def _choices(self) -> list[gr.components.Component]:
        with gr.Accordion("Choices", open=False):
            model = self._model()
            with gr.Row():
                format = gr.Dropdown([AS_ORIGINAL, *FORMATS], value=AS_ORIGINAL, label="Format of the result")
                quality = gr.Slider(50, 100, 95, step=1, label="Quality of JPEG and WebP")
            flips = gr.Checkbox(False, label="Finest: the average over eight flips and turns (eight times slower)")
            four_times = gr.Checkbox(False, label="Four times as wide and high: doubled twice")
            remove_location = gr.Checkbox(
                False, label="Remove the location from the metadata (GPS data stays unless this is ticked)"
            )
        return [flips, four_times, format, quality, remove_location, model]

    def _model(self) -> gr.components.Component:
        """Build the choice of a model, visible if there are several."""
        names = list(self.models)
        return gr.Radio(names, value=self.default, label="Model", visible=len(names) > 1, elem_id="model")

    def _explanation(self) -> str:
        settings = self.settings.serving
        minutes = settings.delete_after_seconds / 60
        return EXPLANATION.format(
            kept=f"{minutes:g} minutes" if minutes != 60 else "an hour",
            megabytes=settings.max_file_mb,
            models="; ".join(
                f"{name}, revision {model.revision}, {self.worker.facts[name]}" for name, model in self.models.items()
            ),
        )

    def _for_programs(self) -> None:
        """Build the endpoint /double: a file and options with defaults in, one file out."""
        file = gr.File(label="file", visible=False)
        flips = gr.Checkbox(False, label="flips", visible=False)
        four_times = gr.Checkbox(False, label="four_times", visible=False)
        format = gr.Dropdown([AS_ORIGINAL, *FORMATS], value=AS_ORIGINAL, label="format", visible=False)
        quality = gr.Number(95, label="quality", minimum=1, maximum=100, visible=False)
        remove_location = gr.Checkbox(False, label="remove_location", visible=False)
        model = gr.Dropdown(list(self.models), value=self.default, label="model", visible=False)
        inputs = [file, flips, four_times, format, quality, remove_location, model]
        result = gr.File(label="doubled", visible=False)
        gr.Button(visible=False).click(self.double, inputs, result, api_name="double", **ONE_AT_A_TIME)

    def double(
        self,
        file: str,
        flips: bool,
        four_times: bool,
        format: str,
        quality: float,
        remove_location: bool,
        model: str,
        request: gr.Request,
    ) -> str:
        """Upscale a picture file. format: as the original, JPEG, PNG, WebP or TIFF; quality: 1 to 100."""
        choices = Choices(flips, four_times, format, int(quality), remove_location)
        last = BatchProgress()
        for last in double_all(self.worker, model, [Path(file)], choices, self.folder):  # noqa: B007
            if not self._admission.is_waited_for(request.session_hash):
                raise gr.Error("Nobody waits for this any more.", print_exception=False)
        if last.failed:
            raise gr.Error(last.failed[0], print_exception=False)
        return str(last.done[0].file)


def line(doubled: Doubled, model: Artifact, precision: str) -> str:
    """Summarise an upscaled picture in one line."""
    (width, height), (wide, high) = doubled.size, doubled.doubled_size
    return (
        f"{doubled.file.name}: {width}x{height} to {wide}x{high}, {doubled.seconds:.1f} s, "
        f"{doubled.megapixels_per_second:.1f} megapixels a second, model {model.name} ({model.revision}), "
        f"{precision} on {cores()} cores"
    )


def shown(
    status: str,
    *,
    busy: bool = False,
    slider: tuple[str, str] | None = None,
    gallery: list[tuple[str, str]] | None = None,
    download: Path | None = None,
    label: str = "Download",
    compared: Doubled | None = None,
) -> list[Any]:
    """Return values of status, slider, gallery, download, cancel and loupe; outputs not given are hidden."""
    return [
        status,
        gr.update(value=slider, visible=slider is not None),
        gr.update(value=gallery, visible=gallery is not None),
        gr.update(value=str(download) if download else None, label=label, visible=download is not None),
        gr.update(visible=busy),
        compared,
    ]


def failure(sentences: list[str]) -> str:
    """Render error sentences as HTML."""
    return "".join(f'<p role="alert" class="failure">{html.escape(sentence)}</p>' for sentence in sentences)
