"""The page's own interface: batches of pictures, their state and their files, by unguessable ids."""

import os
import shutil
from collections.abc import Container, Generator, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from apps.serving.refusal import RequestRefusedError
from apps.serving.routes import Body
from apps.serving.routes import Route as Rule
from apps.serving.temporary import is_inside
from apps.ui import archive
from apps.ui.batch import COMPARISON, DELETED, PARTIAL, THUMBNAIL, Batch, Picture, State
from apps.ui.batches import Batches
from apps.ui.choices import Choices
from apps.ui.comparisons import Comparisons
from apps.ui.description import described
from apps.ui.runner import Runner
from apps.ui.uploading import received

_LONGEST_KEY = 64  # characters
_UNKNOWN_OPTION = "an option is none that this page offers; reload the page"
_FRESH = {"Cache-Control": "no-store"}  # a state, or a result, which is not kept longer than here
_CHECKED = {"Cache-Control": "private, no-cache"}  # a file for the page, until it is deleted
_KEPT = {"Cache-Control": "private, max-age=3600"}  # a file that everybody gets


class NewBatch(BaseModel):
    """Request for a batch. sample: name of a sample, which it gets. instead_of: id of a batch that it replaces."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    choices: Choices
    sample: Annotated[str, Field(max_length=100)] = ""
    instead_of: Annotated[str, Field(max_length=100)] = ""


class Api:
    """Handlers of the page's requests."""

    def __init__(
        self,
        batches: Batches,
        runner: Runner,
        comparisons: Comparisons,
        models: Container[str],
        samples: Mapping[str, Path],
    ) -> None:
        """Set the names of models, and the samples by name, beside what the handlers use."""
        self._batches, self._runner, self._comparisons = batches, runner, comparisons
        self._models, self._samples = models, samples

    def routes(self) -> Iterator[tuple[Route, Rule]]:
        """Yield the routes, each with the guard's rule for it."""
        post: dict[str, Any] = {"methods": ("POST",), "changes": True}
        batch, picture = "/work/{id}", "/work/{id}/{number:int}"
        for handler, rule in (
            (self.create, Rule("/work", **post, body=Body.JSON)),
            (self.state, Rule(batch)),
            (self.upload, Rule(batch, ("PUT",), Body.FILE, changes=True)),
            (self.delete, Rule(batch, ("DELETE",), changes=True)),
            (self.create, Rule(f"{batch}/again", **post, body=Body.JSON)),
            (self.cancel, Rule(f"{batch}/cancel", **post)),
            (self.archive, Rule(f"{batch}/all.zip")),
            (self.comparison, Rule(f"{picture}/comparison", **post)),
            (self.file, Rule(f"{picture}/{{file:path}}")),
            (self.sample, Rule("/samples/{name}")),
            (self.ready, Rule("/ready")),
        ):
            yield Route(rule.template, handler, methods=list(rule.methods)), rule

    async def create(self, request: Request) -> Response:
        """Create a batch, of a sample, of the pictures of the batch in the path, or empty; answer with its id."""
        try:
            wanted = NewBatch.model_validate(await request.json())
        except ValidationError as error:
            raise RequestRefusedError(400, _UNKNOWN_OPTION) from error
        if wanted.choices.model not in self._models:
            raise RequestRefusedError(400, _UNKNOWN_OPTION)
        sources = [self._sample(wanted.sample)] if wanted.sample else []
        if "id" in request.path_params:
            sources = [picture.source for picture in self._found(request).kept]
            if not sources:
                raise RequestRefusedError(404, DELETED)
        batch = await run_in_threadpool(
            self._batches.create, _visitor(request), wanted.choices, sources, instead_of=wanted.instead_of
        )
        return JSONResponse({"id": batch.id}, 201, _FRESH)

    async def state(self, request: Request) -> Response:
        """Describe a batch, whose page is thereby known to be there."""
        batch = self._found(request)
        await run_in_threadpool(batch.touch)
        return JSONResponse(described(batch, self._batches, self._runner.pace), headers=_FRESH)

    async def upload(self, request: Request) -> Response:
        """Receive a picture, and queue it; answer with its number, or that of the first with the same key."""
        batch, key = self._own(request), request.query_params.get("key", "")
        if len(key) > _LONGEST_KEY:
            raise RequestRefusedError(400, f"the key is longer than {_LONGEST_KEY} characters; reload the page")
        picture = self._batches.admit(batch, key) or await self._received(request, batch, key)
        return JSONResponse({"number": batch.pictures.index(picture)}, 201, _FRESH)

    def cancel(self, request: Request) -> Response:
        """Cancel what is not finished; take nothing more."""
        batch = self._own(request)
        self._batches.cancel(batch)
        return JSONResponse(described(batch, self._batches, self._runner.pace), headers=_FRESH)

    def delete(self, request: Request) -> Response:
        """Delete a batch with all its files."""
        self._batches.delete(self._own(request))
        return Response(status_code=204)

    def archive(self, request: Request) -> Response:
        """Send all results in a zip file."""
        batch = self._found(request)
        done, files = batch.done, list(batch.downloads())
        is_wanted = request.method == "GET"
        try:
            length = archive.length(files)
            parts = archive.surviving(files, self._batches.folder) if is_wanted else iter(())
        except OSError as error:
            raise RequestRefusedError(404, DELETED) from error
        headers = _FRESH | {"Content-Disposition": 'attachment; filename="upscaled.zip"'}
        if length is not None:
            headers["Content-Length"] = str(length)
        return ClosingResponse(noting(parts, done if is_wanted else ()), headers=headers, media_type="application/zip")

    async def comparison(self, request: Request) -> Response:
        """Return the markup of a picture's comparison, made when it is asked for first."""
        picture = self._picture(request)
        if picture.state is not State.DONE:
            raise RequestRefusedError(404, "this picture is not finished; wait until it is")
        address = f"work/{request.path_params['id']}/{request.path_params['number']}/{COMPARISON}"
        markup = await self._comparisons.of(picture, address, _visitor(request))
        return JSONResponse({"markup": markup}, headers=_FRESH)

    def file(self, request: Request) -> Response:
        """Send a result, or a file for the page."""
        picture, name = self._picture(request), request.path_params["file"]
        if name == "result" and picture.state is State.DONE and picture.target.is_file():
            return download(request, picture)
        path = picture.folder / name
        is_known = name in (PARTIAL, THUMBNAIL) or is_inside(path, picture.folder / COMPARISON)
        if not (is_known and path.is_file()):
            raise RequestRefusedError(404, "the file does not exist or was deleted; upscale the picture again")
        return _checked(request, path)

    def sample(self, request: Request) -> Response:
        """Send a sample's thumbnail; the whole pictures would be a third of a first visit."""
        sample = self._sample(request.path_params["name"])
        return FileResponse(sample.parent / "thumbnails" / f"{sample.stem}.webp", headers=_KEPT)

    async def ready(self, _request: Request) -> Response:
        """Tell a proxy whether new work may come."""
        self._batches.check_open()
        return JSONResponse({"status": "ok"}, headers=_FRESH)

    async def _received(self, request: Request, batch: Batch, key: str) -> Picture:
        """Receive and queue a picture; its file is deleted if it is refused, or a repeat came first."""
        with self._batches.uploading(batch):
            source, picture = await received(request, batch.folder), None
            try:
                picture = self._batches.add(batch, source, key)
                return picture
            finally:
                if not (picture and picture.source == source):
                    shutil.rmtree(source.parent, ignore_errors=True)

    def _found(self, request: Request) -> Batch:
        return self._batches.find(request.path_params["id"])

    def _own(self, request: Request) -> Batch:
        """Return a batch that its visitor may change: not the greeting, which all see."""
        batch = self._found(request)
        if batch.is_greeting:
            raise RequestRefusedError(403, "this example belongs to the page; choose a photo of your own")
        return batch

    def _picture(self, request: Request) -> Picture:
        pictures, number = self._found(request).pictures, int(request.path_params["number"])
        if number >= len(pictures):
            raise RequestRefusedError(404, "this picture does not exist; reload the page")
        return pictures[number]

    def _sample(self, name: str) -> Path:
        if path := self._samples.get(name):
            return path
        raise RequestRefusedError(404, "this sample does not exist; reload the page")


def _visitor(request: Request) -> str:
    """Return the visitor's address, as the guard has set it."""
    return request.client.host if request.client else ""


def download(request: Request, picture: Picture) -> Response:
    """Send a result; note it as downloaded once all of it was sent, which a FileResponse does not tell."""
    path = picture.target
    try:
        status = path.stat()
    except OSError as error:
        raise RequestRefusedError(404, DELETED) from error
    response = FileResponse(path, headers=_FRESH | _tag(status), filename=path.name, stat_result=status)
    if request.method != "GET" or "range" in request.headers:
        return response
    return ClosingResponse(noting(archive.parts(path), [picture]), headers=response.headers)


def _checked(request: Request, path: Path) -> Response:
    """Send a file, or 304 if the browser has it: tiles are asked for again while a person zooms."""
    try:
        status = path.stat()
    except OSError as error:
        raise RequestRefusedError(404, DELETED) from error
    headers = _CHECKED | _tag(status)
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    return FileResponse(path, headers=headers, stat_result=status)


def _tag(status: os.stat_result) -> dict[str, str]:
    """Return the header that identifies a file's content: not by its time, which each visit resets."""
    return {"ETag": f'"{status.st_ino:x}-{status.st_size:x}"'}


class ClosingResponse(StreamingResponse):
    """A response that ends the generator of its parts, also if the client goes; a cycle would keep its files open."""

    def __init__(self, parts: Generator[bytes], **options: Any) -> None:
        super().__init__(parts, **options)
        self._parts = parts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._parts.close()


def noting(parts: Iterable[bytes], pictures: Iterable[Picture]) -> Generator[bytes]:
    """Yield the parts of a response, and note pictures as downloaded after the last one was sent."""
    yield from parts
    for picture in pictures:
        picture.is_fetched = True
