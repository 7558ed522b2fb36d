"""Labels, clicks, or all of an annotation, into a file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from napari_gpcis.io.errors import OutputFileError

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_gpcis.widget.tool.class_list import ClassList
    from napari_gpcis.widget.tool.image_document import ImageDocument

SUFFIXES = (".gpcis", ".tif", ".tiff", ".csv")


def export(path: Path, document: ImageDocument, classes: ClassList, diameter: float | None) -> None:
    """Write a file of the kind that its suffix names, whole or not at all.

    Parameters
    ----------
    path : Path
        `.gpcis`: labels, all clicks and classes, to go on from later; `.tif`: labels;
        `.csv`: the clicks that are not committed.
    document : ImageDocument
        What is saved.
    classes : ClassList
        Names and colours, in class mode.
    diameter : float or None
        Object diameter in pixels.

    Raises
    ------
    OutputFileError
        If it cannot be written, or has another suffix.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise OutputFileError(
            f"expected a name that ends in {', '.join(SUFFIXES)}, got {path.name}; add one"
        )
    if suffix == ".csv":
        from napari_gpcis.io.annotations.clicks import write_clicks

        clicks, frame = document.annotation.state.clicks, document.frame
        # As napari saves points, where there are more axes than slices, rows and columns.
        places = [frame.to_data(*click.place) for click in clicks] if frame.ndim > 3 else None
        write_clicks(path, clicks, frame.ndim, places=places)
    elif suffix == ".gpcis":
        from napari_gpcis.io.annotations.gpcis_file import save_annotation

        save_annotation(path, document.saved_annotation(classes, diameter))
    else:
        document.labels.save(str(path))


def left_out_of(path: Path, document: ImageDocument) -> str:
    """Note for after "Saved …" on what an export leaves out; empty if nothing."""
    drafts = len(document.annotation.state.objects())
    if path.suffix.lower() in (".gpcis", ".csv") or document.mode == "class" or not drafts:
        return ""
    noun = "1 draft" if drafts == 1 else f"{drafts} drafts"
    return f" without {noun}: commit them to have them in it, or export the annotation (.gpcis)"


def suggested_path(image: Image | None) -> str:
    """Where an export is suggested to go: beside the image, under its name."""
    if image is None:
        return ""
    source = image.source.path
    folder = Path(source).parent if source else Path.home()
    name = re.sub(r"[^\w.-]+", "_", Path(str(image.name)).stem)
    return str(folder / f"{name}_labels.tif")
