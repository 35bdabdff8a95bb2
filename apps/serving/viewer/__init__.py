"""Viewer of a picture before and after upscaling, for the pages of both apps.

In the worker process, which may open untrusted pictures, `tiles.write(source, doubled, folder)` writes both pictures
as tiles into a new folder and returns a `Comparison`, a pydantic model: send its `model_dump()` to the page's process.
There, `markup.markup(comparison, address)` returns the HTML of the viewer for a `gr.HTML`; `address` is where the
browser finds the folder, such as `/gradio_api/file=/tmp/…/photo_2x`. `look.look` brings the script to both pages.

The HTML is one custom element, `<photo-comparison>`: the browser starts and ends it with its presence in the page, and
it starts again when its address changes, so that a page only sets or clears the value of a `gr.HTML`. Its height is
that of its style, 60 % of the window. Its canvas is `aria-busy` while it moves or loads.

The folder holds about 5 files a megapixel of both pictures together, two levels deep. A viewer whose tiles are deleted
says so.
"""
