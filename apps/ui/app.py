"""Page, API endpoint and server of the web UI."""

import time
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from starlette.types import ASGIApp

from apps.serving import admission, loading, quota
from apps.serving.draining import Draining
from apps.serving.gradio_api import gr
from apps.serving.job_limits import JobLimits
from apps.serving.refusal import RequestRefusedError
from apps.serving.serve import guarded
from apps.serving.temporary import is_inside
from apps.serving.worker import Worker
from apps.ui import page
from apps.ui.api import Api
from apps.ui.batch import State
from apps.ui.batches import Batches
from apps.ui.choices import AS_ORIGINAL, FORMATS, Choices
from apps.ui.comparisons import Comparisons
from apps.ui.runner import Runner
from apps.ui.settings import Settings
from upscaler.model import find
from upscaler.pictures.formats import STANDARD_QUALITY

HERE = Path(__file__).parent
SAMPLES = {path.stem: path for path in sorted((HERE / "samples").glob("*.jpg"))}
GREETING = "butterfly"
WORKER = "apps.ui.worker"
VIEWING_LIMITS = JobLimits(memory=2_000_000_000, cpu_seconds=120, seconds=60)
ONE_AT_A_TIME: dict[str, Any] = {"concurrency_limit": 1, "concurrency_id": admission.JOBS}
POLL_INTERVAL = 0.1  # seconds between two looks at a program's picture


class App:
    """The page, the models that it offers, and the workers that run them."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        """Find the models and start the workers. `folder`: folder of temporary files.

        Raises ModelError or WorkerError.
        """
        self.settings, self.folder = settings, folder
        self.started = time.monotonic()
        found = [find.model_or_fast(model) for model in settings.models]
        self.models = {model.name: model for model in found}
        self.default = found[0].name
        serving = settings.serving
        self.worker = Worker(WORKER, {"models": [loading.place_of(model) for model in found]}, serving.job_limits)
        self.worker.start()
        viewing = Worker(WORKER, {"models": []}, VIEWING_LIMITS)  # comparisons must not wait for upscaling
        self.comparisons = Comparisons(viewing)
        self.batches = Batches(
            folder / "work", serving.queue_size, serving.jobs_each, serving.delete_after_seconds, settings.replica
        )
        self.greeting = self.batches.greet(Choices(model=self.default), SAMPLES[GREETING])
        check_space = partial(quota.check_space, folder, serving.temporary_bytes, serving.delete_after_seconds)
        self.runner = Runner(self.worker, self.batches, check_space)
        self.runner.start()

    def close(self) -> None:
        """End the workers."""
        self.runner.stop()
        self.worker.close()
        self.comparisons.close()

    @property
    def draining(self) -> Draining:
        """End of the app as one of several replicas."""
        return Draining(self.settings.drain_seconds, self.batches.drain, self.batches.is_done)

    def server(self) -> ASGIApp:
        """Return the server: the page at /, its interface, the API and /health, behind the guard."""
        api = Api(self.batches, self.runner, self.comparisons, self.models, SAMPLES)
        server, self._admission = guarded(
            self.page(),
            page.DESCRIPTION,
            self.settings.serving,
            self.folder,
            self.serves,
            self.health,
            HERE,
            list(api.routes()),
        )
        return server

    def serves(self, path: Path) -> bool:
        """Return True if Gradio may send a file: an upload, or a program's result."""
        return is_inside(path, self.folder)

    def health(self) -> dict[str, str | int]:
        """Return the health report for monitoring by the host, with the load.

        running, waiting: pictures. capacity: jobs that may wait.
        """
        model = self.models[self.default]
        return {
            "status": "draining" if self.batches.is_draining else "ok",
            "model": model.name,
            "revision": model.revision,
            "uptime_seconds": int(time.monotonic() - self.started),
            "running": len(self.batches.working()),
            "waiting": len(list(self.batches.queue())),
            "capacity": self.settings.serving.queue_size,
        }

    def page(self) -> Any:  # gr.Blocks, which comes without types
        """Build the page. Its only public endpoint is /double."""
        facts = {name: f"{model.revision}, {self.worker.facts[name]}" for name, model in self.models.items()}
        serving = self.settings.serving
        html = page.markup(facts, SAMPLES, self.greeting.id, serving.max_file_mb, serving.delete_after_seconds)
        with gr.Blocks(title="Double Resolution", analytics_enabled=False, fill_width=False) as blocks:
            gr.HTML(html, padding=False, elem_id="desk-frame")
            self._for_programs()
        return blocks

    def _for_programs(self) -> None:
        """Build the endpoint /double: a file and options with defaults in, one file out."""
        file = gr.File(label="file", visible=False)
        # The example on the API page, which otherwise is a PDF; a subclass would make Gradio write a stub file
        example = {"path": "photo.jpg", "meta": {"_type": "gradio.FileData"}}
        for name, value in (("example_payload", example), ("example_value", "photo.jpg")):
            setattr(file, name, lambda value=value: value)
        flips = gr.Checkbox(False, label="flips", visible=False)
        four_times = gr.Checkbox(False, label="four_times", visible=False)
        format = gr.Dropdown([AS_ORIGINAL, *FORMATS], value=AS_ORIGINAL, label="format", visible=False)
        quality = gr.Number(STANDARD_QUALITY, label="quality", minimum=1, maximum=100, precision=0, visible=False)
        remove_location = gr.Checkbox(False, label="remove_location", visible=False)
        model = gr.Dropdown(list(self.models), value=self.default, label="model", visible=False)
        inputs = [file, flips, four_times, format, quality, remove_location, model]
        result = gr.File(label="doubled", visible=False)
        gr.Button(visible=False).click(self.double, inputs, result, api_name="double", **ONE_AT_A_TIME)

    def double(
        self,
        file: str | None,
        flips: bool,
        four_times: bool,
        format: str,
        quality: int,
        remove_location: bool,
        model: str,
        request: gr.Request,
    ) -> str:
        """Upscale a picture file. format: as the original, JPEG, PNG, WebP or TIFF; quality: 1 to 100."""
        if file is None:
            raise gr.Error("There is no file; give a picture.", print_exception=False)
        options = {"model": model, "format": format, "quality": quality}
        flags = {"flips": flips, "four_times": four_times, "remove_location": remove_location}
        choices = _choices(options | flags)
        try:
            batch = self.batches.create(request.client.host, choices, [Path(file)], for_page=False)
        except RequestRefusedError as refusal:
            raise gr.Error(f"{refusal.sentence}.", print_exception=False) from None
        (picture,) = batch.pictures
        while picture.is_pending:
            batch.touch()
            if not self._admission.is_waited_for(request.session_hash):
                self.batches.cancel(batch)
                raise gr.Error("Nobody waits for this any more.", print_exception=False)
            time.sleep(POLL_INTERVAL)
        if picture.state is not State.DONE:
            raise gr.Error(picture.sentence, print_exception=False)
        return str(picture.target)


def _choices(options: dict[str, Any]) -> Choices:
    """Validate a program's options. Raises gr.Error with a sentence that names the first invalid one."""
    try:
        return Choices.model_validate(options)
    except ValidationError as error:
        name, *_ = error.errors()[0]["loc"]
        raise gr.Error(f"The option {name} has no such value; see the API page.", print_exception=False) from None
