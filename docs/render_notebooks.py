"""Write notebooks.md, the notebooks with what they show: python docs/render_notebooks.py (needs the extra `dev`)

They run as they stand. In place of the bucket a server on this machine gives the web UI's sample photos.
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

HEAD = """# The notebooks
As they look once they have run as they stand, here on the sample photos of the web UI (CQ100 dataset, CC BY-SA 4.0:
[which](../apps/ui/samples/README.md)) in place of a part of Open Images, and on a busy machine. Each opens in Colab by
its badge. This page is written by `python docs/render_notebooks.py`.

"""


def main() -> None:
    """Run the notebooks, one after the other in one folder, and write the page."""
    sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
    from tiny_bucket import serving

    photos = {name: (SAMPLES / f"{name}.jpg").read_bytes() for name in ("butterfly", "ducks", "pagoda")}
    parts = {"train_0": [photos["butterfly"], photos["ducks"]], "validation": [photos["pagoda"]]}
    with serving(parts) as address, TemporaryDirectory() as folder:
        os.environ |= {"AWS_ENDPOINT_URL_S3": address, "PYTHONPATH": str(ROOT), "IPYTHONDIR": f"{folder}/ipython"}
        pages = [page(path, folder) for path in sorted((ROOT / "notebooks").glob("*.ipynb"))]
    (DOCS / "notebooks.md").write_text(HEAD + "\n".join(pages), encoding="utf-8")


def page(path: Path, folder: str) -> str:
    """Run a notebook in a folder; write its pictures and return its text."""
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": folder}}).execute()
    leave_progress_out(notebook)
    resources = {"unique_key": path.stem, "output_files_dir": IMAGES}
    text, resources = MarkdownExporter().from_notebook_node(notebook, resources)
    for name, content in resources["outputs"].items():
        write_picture(content, (DOCS / name).with_suffix(".webp"))
        text = text.replace(name, str(Path(name).with_suffix(".webp")))
    text = re.sub(r"[ \t]+$", "", text.replace(folder, "/content"), flags=re.MULTILINE)
    return f"<!-- {path.name} -->\n" + re.sub(r"\n{3,}", "\n\n", text)


def leave_progress_out(notebook: NotebookNode) -> None:
    """Keep what each cell said at last, in one piece, without the bars before it."""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            said = "".join(output.text for output in cell.outputs if output.get("name") == "stdout")
            shown = [output for output in cell.outputs if output.output_type != "stream"]
            said = re.sub(r"[^\n]*\r", "", said)
            cell.outputs = [new_output("stream", text=said)] * bool(said) + shown


def write_picture(content: bytes, target: Path) -> None:
    """Write a picture as JPEG, reduced to at most `WIDEST` pixels in width."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with Image.open(io.BytesIO(content)) as image:
        image.thumbnail((WIDEST, image.height))
        image.convert("RGB").save(target, quality=82)


if __name__ == "__main__":
    main()
