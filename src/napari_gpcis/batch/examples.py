"""Examples of another image, from its saved annotation."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_gpcis.engine.document.label_store import LabelStore
from napari_gpcis.engine.image import ImageSource
from napari_gpcis.engine.options import Options
from napari_gpcis.engine.proposals.examples import labelled_objects, learn
from napari_gpcis.engine.segmenter import ImageSegmenter
from napari_gpcis.io.annotations.gpcis_file import AnnotationFileError, read_annotation
from napari_gpcis.io.images.open import may_be_image, open_image

if TYPE_CHECKING:
    from napari_gpcis.batch.job import SegmentOptions
    from napari_gpcis.engine.predictor import Predictor
    from napari_gpcis.engine.proposals.examples import Examples
    from napari_gpcis.io.annotations.saved_annotation import SavedAnnotation

__all__ = ["image_of", "read_examples"]

# The file's name in an identity comes before the shape, the type and a digest.
_IDENTITY = re.compile(r"(.+) \d+(?:×\d+)* \S+ [0-9a-f]+$")


def read_examples(path: Path, options: SegmentOptions, predictor: Predictor) -> Examples:
    """Learn from the objects of a saved annotation; once for all jobs of a process.

    Raises
    ------
    AnnotationFileError
        If it cannot be read, holds no object, or its image is not found.
    ImageFileError
        If its image cannot be read.
    """
    return _learned(path, path.stat().st_mtime_ns, options, predictor)


def image_of(path: Path, saved: SavedAnnotation) -> Path:
    """Image of a saved annotation: a file beside it, of the name that it remembers or of its own.

    Raises
    ------
    AnnotationFileError
        If there is none.
    """
    remembered = _IDENTITY.match(saved.image_identity)
    names = [remembered.group(1)] if remembered else []
    beside = sorted(each for each in path.parent.iterdir() if each.is_file() or each.is_dir())
    for name in names:
        if (path.parent / name).exists():
            return path.parent / name
    for stem in (saved.image, path.stem):
        for each in beside:
            if stem and each.name.split(".")[0] == stem.split(".")[0] and may_be_image(each):
                return each
    wanted = names[0] if names else f"{saved.image or path.stem}.tif"
    raise AnnotationFileError(
        f"the image of {path} is not beside it; put {wanted} into {path.parent.resolve()}"
    )


@lru_cache(maxsize=1)
def _learned(path: Path, _: int, options: SegmentOptions, predictor: Predictor) -> Examples:
    saved = read_annotation(path)
    if saved.mode != "object":
        raise AnnotationFileError(
            f"{path} holds classes, not objects; give an annotation made in object mode"
        )
    labels = np.asarray(saved.labels)
    if saved.plane_axes is not None:
        labels = np.moveaxis(labels, saved.plane_axes, (-2, -1))
    store = LabelStore(saved.shape, labels.reshape(saved.shape))
    objects = labelled_objects(store, range(saved.shape[0]))
    if not objects:
        raise AnnotationFileError(
            f"{path} holds no labelled object; commit one or more, and save it again"
        )
    found = image_of(path, saved)
    # the axes that are given are those of the images to be searched, and may be its own, too
    for axes in dict.fromkeys((None, options.axes)):
        with open_image(found, options.channels, axes=axes, series=options.series) as image:
            if (image.slices, image.rows, image.columns) == saved.shape:
                axis = image.channel_axis(3 if image.slice_axes else 2)
                source = ImageSource(image, channel_axis=axis)
                ours = Options("object", options.object_diameter)
                segmenter = ImageSegmenter(source, predictor, ours)
                return learn(objects, (), segmenter, options.object_diameter)
    raise AnnotationFileError(
        f"{found} differs in size from {path}; put the image that was annotated beside it"
    )
