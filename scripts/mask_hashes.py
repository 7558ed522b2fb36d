"""Hashes of masks and labels for fixed clicks: whether a change of the code changed a bit of them.

    python scripts/mask_hashes.py --write before.json
    python scripts/mask_hashes.py --compare before.json    # exits with 1 and names what differs

The pictures come with scikit-image, all computing is on one thread of the CPU, and only what the
package `napari_gpcis` itself exports is used. Hashes are those of one machine and one
version of torch.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import skimage.data
import tifffile
import torch

from napari_gpcis import Session, load_model, segment_stack

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from napari_gpcis import Result

    Hashes = dict[str, str]
    Named = Iterator[tuple[str, NDArray[Any]]]

COINS = ((53, 45, 1), (55, 101, 2), (50, 155, 3), (186, 347, 4))
"""Row, column, object."""
FOLLOWED = ((53, 45, 1, 0), (55, 101, 2, 2), (50, 155, 3, 1), (50, 155, 3, 3))
"""Row and column in the first slice, object, slice."""
TISSUE = (
    (120, 60, True, 1),
    (400, 340, True, 1),
    (280, 230, True, 2),
    (350, 20, True, 3),
    (110, 335, False, 1),
)
"""Row, column, sign, class."""


def main() -> int:
    """Write or compare; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    ways = parser.add_mutually_exclusive_group(required=True)
    ways.add_argument("--write", type=Path, metavar="FILE", help="where to write the hashes")
    ways.add_argument("--compare", type=Path, metavar="FILE", help="hashes to compare with")
    given = parser.parse_args()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    found = measured()
    if given.write is not None:
        given.write.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        print(f"{len(found)} hashes written to {given.write}")
        return 0
    kept: Hashes = json.loads(given.compare.read_text(encoding="utf-8"))
    differing = [name for name in {**kept, **found} if kept.get(name) != found.get(name)]
    for name in differing:
        print(f"differs: {name}")
    print(f"{len(found) - len(differing)} of {len(found)} hashes are equal")
    return 1 if differing else 0


def measured() -> Hashes:
    """Hashes of all scenes, by their names."""
    scenes = {
        "cell": one_object(),
        "coins": many_objects(),
        "tissue": classes(),
        "retina": large_picture(),
        "stack": propagation(),
        "batch": many_propagated(),
        "class stack": class_stack(),
    }
    return {
        f"{scene}: {name}": hash_of(array)
        for scene, arrays in scenes.items()
        for name, array in arrays
    }


def hash_of(array: NDArray[Any]) -> str:
    """SHA-256 of an array's type, shape and values."""
    digest = hashlib.sha256(f"{array.dtype.str} {array.shape}".encode())
    digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def parts(name: str, result: Result) -> Named:
    """Arrays of an answer, each with its name."""
    for part in ("mask", "classes", "probability", "variance", "prior", "update"):
        yield f"{name}, {part}", getattr(result, part)


def session_on(image: NDArray[Any], **options: Any) -> Session:
    """Session on an image, with the default model on the CPU."""
    session = Session(load_model("default"), device="cpu", **options)
    session.set_image(image)
    return session


def one_object() -> Named:
    """Clicks of one object, one moved and one removed, undo and redo, commit, and taking up."""
    session = session_on(skimage.data.cell(), object_diameter=125)
    yield from parts("first click", session.add_click(372, 427))
    yield from parts("negative click", session.add_click(303, 400, positive=False))
    yield from parts("third click", session.add_click(420, 380))
    yield from parts("moved", session.move_click(1, 300, 410))
    yield from parts("removed", session.remove_click(2))
    yield from parts("undone", session.undo())
    yield from parts("undone twice", session.undo())
    yield from parts("redone", session.redo())
    label = session.commit()
    yield "labels", session.labels
    session.take_up(label)
    yield from parts("taken up", session.result)
    yield from parts("taken up, clicked", session.add_click(340, 450, positive=False))
    session.commit()
    yield "labels, committed again", session.labels
    session.undo()
    yield "labels, undone", session.labels


def many_objects() -> Named:
    """Objects whose diameter is estimated from the first; overlaps; a label that was given."""
    session = session_on(skimage.data.coins())
    for row, col, number in COINS:
        yield from parts(f"coin {number}", session.add_click(row, col, object_id=number))
        session.commit(label=10 * number if number == 4 else None)
        yield f"labels {number}", session.labels
    session.take_up(2)
    yield from parts("larger", session.add_click(55, 130))
    session.commit(overlap="overwrite")
    yield "labels, overwritten", session.labels
    given = session_on(skimage.data.coins(), object_diameter=48)
    given.set_image(skimage.data.coins(), labels=session.labels)
    given.take_up(10 * COINS[3][2], z=0)
    yield from parts("from labels alone", given.result)
    yield from parts("from labels, clicked", given.add_click(186, 330, positive=False))


def classes() -> Named:
    """Class mode on colours, with a click of the background, undo and commit."""
    session = session_on(skimage.data.immunohistochemistry(), mode="class", object_diameter=64)
    for turn, (row, col, positive, number) in enumerate(TISSUE, 1):
        result = session.add_click(row, col, positive=positive, object_id=number)
        yield from parts(f"click {turn}", result)
    yield from parts("undone", session.undo())
    session.commit()
    yield "labels", session.labels


def large_picture() -> Named:
    """Objects far larger and far smaller than the window."""
    image = skimage.data.retina()
    for diameter in (400, 40):
        session = session_on(image, object_diameter=diameter, threshold=0.4)
        yield from parts(f"diameter {diameter}", session.add_click(700, 1130))
        yield from parts(f"diameter {diameter}, edge", session.add_click(5, 700))


def moving() -> NDArray[np.uint8]:
    """Stack of five slices, in which the coins shift and fade."""
    coins = skimage.data.coins()[:160, :220].astype(np.float64)
    slices = [np.roll(coins, (2 * z, 3 * z), (0, 1)) * (1 - 0.05 * z) for z in range(5)]
    return np.stack(slices).round().astype(np.uint8)


def propagation() -> Named:
    """Propagation both ways and one way, a correction of a carried mask, commit and undo."""
    session = session_on(moving(), object_diameter=48)
    yield from parts("clicked", session.add_click(57, 51, z=2))
    session.propagate()
    session.commit()
    yield "labels, propagated", session.labels
    session.undo()
    yield from parts("corrected", session.add_click(60, 70, positive=False, z=4))
    session.propagate("down")
    session.commit()
    yield "labels", session.labels
    session.add_click(60, 110, z=1)
    session.add_click(64, 116, z=3)
    session.propagate("up")
    session.commit()
    yield "labels of two", session.labels
    session.take_up(1)
    session.commit()
    yield "labels, taken up", session.labels
    session.undo()
    session.undo()
    yield "labels, undone", session.labels


def many_propagated() -> Named:
    """A batch: all objects of a stack propagated together, from their clicks in a file."""
    with TemporaryDirectory() as folder:
        image, clicks, output = (
            Path(folder) / name for name in ("stack.tif", "clicks.csv", "labels.tif")
        )
        tifffile.imwrite(image, moving(), photometric="minisblack", metadata={"axes": "ZYX"})
        rows = [f"{z},{row + 2 * z},{col + 3 * z},{number}" for row, col, number, z in FOLLOWED]
        clicks.write_text("\n".join(["axis-0,axis-1,axis-2,object", *rows, ""]), encoding="utf-8")
        segment_stack(
            image, clicks, output, propagate=True, object_diameter=48, device="cpu", threads=1
        )
        yield "labels", tifffile.imread(output)


def class_stack() -> Named:
    """Class mode with clicks in several slices."""
    session = session_on(moving(), mode="class", object_diameter=48)
    session.add_click(53, 45, z=0, object_id=1)
    session.add_click(10, 75, z=0, object_id=2)
    yield from parts("slice 0", session.result)
    yield from parts("slice 3", session.add_click(59, 54, z=3, object_id=1))
    yield "classes of slice 1", session.classify(1)
    session.commit()
    yield "labels", session.labels


if __name__ == "__main__":
    sys.exit(main())
