"""The page notebooks.md, the notebooks with their output: python docs/render_notebooks.py (needs the extra `dev`).

Their training is shortened; a local server with the web UI's sample photos replaces the bucket.
"""

import io
import os
import re
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat
from nbclient import NotebookClient
from nbconvert import MarkdownExporter
from nbformat import NotebookNode
from nbformat.v4 import new_output
from PIL import Image

DOCS = Path(__file__).parent
ROOT = DOCS.parent
SAMPLES = ROOT / "apps" / "ui" / "samples"
IMAGES = "images/notebooks"
WIDEST = 1100  # pixels
LONGEST = 12  # lines of what a cell prints

HEAD = """# The notebooks
The notebooks with their output. Here they ran on the [sample photos](../apps/ui/samples/README.md) of the web UI (CQ100
dataset, CC BY-SA 4.0) instead of a part of Open Images, on two cores without a GPU, with an `8x2` network and 90
steps in place of the form's. Each badge opens a notebook in Colab. This page is written by
`python docs/render_notebooks.py`.

"""


def main() -> None:
    """Run the notebooks in order, in one folder, and write the page."""
    sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
    from support.open_images import serving

    photos = {name: (SAMPLES / f"{name}.jpg").read_bytes() for name in ("butterfly", "ducks", "pagoda")}
    parts = {"train_0": [photos["butterfly"]], "validation": [photos["ducks"]], "test": [photos["pagoda"]]}
    with serving(parts) as address, TemporaryDirectory() as folder:
        os.environ |= {"AWS_ENDPOINT_URL_S3": address, "PYTHONPATH": str(ROOT), "IPYTHONDIR": f"{folder}/ipython"}
        pages = [page(path, folder) for path in sorted((ROOT / "notebooks").glob("*.ipynb"))]
    (DOCS / "notebooks.md").write_text(HEAD + "\n".join(pages), encoding="utf-8")


def page(path: Path, folder: str) -> str:
    """Run a notebook in a folder, write its images and return its Markdown."""
    from support.notebooks import shortened

    original = nbformat.read(path, as_version=4)
    notebook = shortened(original, parts="0")
    NotebookClient(notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": folder}}).execute()
    for run, cell in zip(notebook.cells, original.cells, strict=True):
        run.source = cell.source
    strip_progress(notebook)
    resources = {"unique_key": path.stem, "output_files_dir": IMAGES}
    text, exported = MarkdownExporter().from_notebook_node(notebook, resources)
    for name, content in exported["outputs"].items():
        write_picture(content, (DOCS / name).with_suffix(".webp"))
        text = text.replace(name, str(Path(name).with_suffix(".webp")))
    text = re.sub(r"[ \t]+$", "", text.replace(folder, "/content"), flags=re.MULTILINE)
    return f"<!-- {path.name} -->\n" + re.sub(r"\n{3,}", "\n\n", text)


def strip_progress(notebook: NotebookNode) -> None:
    """Merge the printed output of each cell and shorten it, without progress bars."""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            printed = "".join(output.text for output in cell.outputs if output.get("name") == "stdout")
            displayed = [output for output in cell.outputs if output.output_type != "stream"]
            printed = re.sub(r"[^\n]*\r", "", printed)
            lines = printed.splitlines(keepends=True)
            printed = "".join([*lines[:LONGEST], "…\n"] if len(lines) > LONGEST else lines)
            cell.outputs = [new_output("stream", text=printed)] * bool(printed) + displayed


def write_picture(content: bytes, target: Path) -> None:
    """Write a picture as WebP, reduced to at most `WIDEST` pixels in width."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with Image.open(io.BytesIO(content)) as image:
        image.thumbnail((WIDEST, image.height))
        image.convert("RGB").save(target, quality=82)


if __name__ == "__main__":
    main()
