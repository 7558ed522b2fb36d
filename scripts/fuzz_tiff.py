"""Damage TIFFs at random and see that each is read rightly or refused in one line.

    python scripts/fuzz_tiff.py --times 500 --seed 0
    python scripts/fuzz_tiff.py --data FOLDER_OF_TIFFS

Every file is read by a child process with bounds on memory and time. The table counts:
right answer (the pixels of the undamaged file), other pixels (a byte of them was hit), clear error,
and FAIL (a crash, another exception, too long or too much memory). The exit code is 1 after a FAIL.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import json
import os
import random
import re
import select
import struct
import subprocess
import sys
import tempfile
import time
import traceback
import zlib
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tifffile
from skimage import data

from napari_gpcis.io.errors import ImageFileError
from napari_gpcis.io.images.open import open_image

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

OUTCOMES = ("right answer", "other pixels", "clear error", "FAIL")
MOST_SECONDS = 10.0
MOST_BYTES = 1500 << 20  # beyond what the child takes before it reads anything
MOST_PAGES = 40
MOST_PIXELS = 4096 * 4096
ABSURD = (0, 1, 2, 3, 7, 255, 4096, 65535, 65536, 10**6, 2**31 - 1, 2**31, 2**32 - 1)
DIMENSIONS = (256, 257, 258, 277, 278, 322, 323)
PLACES = (273, 279, 324, 325)


def make_files(folder: Path) -> list[Path]:
    """Write a TIFF of each kind, from the pictures that come with scikit-image."""
    coins, colour = data.coins(), data.immunohistochemistry()
    stack = np.stack([np.roll(coins[:200, :256], shift, 1) for shift in range(0, 60, 10)])
    wide = stack.astype(np.uint16) * 200
    grey: dict[str, Any] = {"photometric": "minisblack"}
    rgb: dict[str, Any] = {"photometric": "rgb"}
    tiled: dict[str, Any] = {"tile": (64, 64), "compression": "zlib"}
    # of its own accord tifffile takes another one each time, and a seed would not repeat
    uuid = {"UUID": "00000000-0000-0000-0000-000000000000"}
    kinds: dict[str, tuple[NDArray[Any], dict[str, Any], dict[str, Any]]] = {
        "classic": (coins, {}, grey),
        "bigtiff": (wide, {"bigtiff": True}, grey),
        "imagej": (wide, {"imagej": True}, {"metadata": {"axes": "ZYX", "spacing": 2.0}}),
        "ome": (wide, {"ome": True}, {"metadata": {"axes": "ZYX", **uuid}, **grey}),
        "ome_zlib": (stack, {"ome": True}, {"metadata": {"axes": "TYX", **uuid}, **grey, **tiled}),
        "zlib": (stack, {}, {**grey, "compression": "zlib", "predictor": True}),
        "lzw": (wide, {}, {**grey, "compression": "lzw"}),
        "tiled": (np.tile(coins, (2, 2)), {}, {**grey, **tiled}),
        "pages": (stack, {}, {**grey, "metadata": None}),
        "pages_zlib": (wide, {}, {**grey, "metadata": None, "compression": "zlib"}),
        "rgb": (colour, {}, rgb),
        "rgb_tiled": (colour, {}, {**rgb, **tiled}),
        "planar": (np.moveaxis(colour, -1, 0), {}, {**rgb, "planarconfig": "separate"}),
        "big_endian": (wide, {"byteorder": ">"}, {**grey, "compression": "zlib"}),
        "strips": (coins, {}, {**grey, "rowsperstrip": 16, "metadata": None}),
        "pyramid": (coins, {}, {**grey, **tiled, "subifds": 1}),
    }
    files = []
    for name, (pixels, opening, options) in kinds.items():
        file = folder / f"{name}.tif"
        with tifffile.TiffWriter(file, **opening) as writer:
            writer.write(pixels, **options)
            if "subifds" in options:
                writer.write(pixels[::2, ::2], subfiletype=1, **grey, **tiled)
        files.append(file)
    return files


@dataclass(frozen=True)
class Entry:
    """A tag in the header of a page: where it is, and where its value is, in bytes."""

    code: int
    place: int
    count: int
    size: int
    value: int


class Anatomy:
    """Where in the bytes of an undamaged TIFF its headers are."""

    def __init__(self, content: bytes) -> None:
        self.order = "<" if content[:2] == b"II" else ">"
        self.big = struct.unpack_from(self.order + "H", content, 2)[0] == 43
        self.first = 8 if self.big else 4
        self.offset = self.order + ("Q" if self.big else "I")
        self.entries: list[Entry] = []
        self.pages: list[int] = []
        self.nexts: list[int] = [self.first]
        tag = struct.Struct(self.order + ("HHQ" if self.big else "HHI"))
        step, inline = (20, 8) if self.big else (12, 4)
        place = self._at(content, self.first)
        while place and place not in self.pages:
            self.pages.append(place)
            number = struct.unpack_from(self.order + ("Q" if self.big else "H"), content, place)[0]
            start = place + (8 if self.big else 2)
            for own in range(start, start + number * step, step):
                code, kind, count = tag.unpack_from(content, own)
                size = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 12: 8, 16: 8}.get(kind, 1)
                value = own + tag.size
                if size * count > inline:
                    value = self._at(content, value)
                self.entries.append(Entry(code, own, count, size, value))
            self.nexts.append(start + number * step)
            place = self._at(content, self.nexts[-1])

    def _at(self, content: bytes, place: int) -> int:
        return int(struct.unpack_from(self.offset, content, place)[0])

    def header_bytes(self) -> list[int]:
        """Places of the bytes of the header and of all tags."""
        step = 20 if self.big else 12
        tags = (range(entry.place, entry.place + step) for entry in self.entries)
        return [
            *range(self.first + (8 if self.big else 4)),
            *(place for one in tags for place in one),
        ]


Damage = bytearray


def flip_header(content: Damage, anatomy: Anatomy, rng: random.Random) -> None:
    """Flip bits of a few bytes of the headers."""
    for place in rng.sample(anatomy.header_bytes(), rng.choice((1, 1, 2, 4, 16))):
        content[place] ^= 1 << rng.randrange(8)


def overwrite_header(content: Damage, anatomy: Anatomy, rng: random.Random) -> None:
    """Overwrite a few bytes of the headers."""
    for place in rng.sample(anatomy.header_bytes(), rng.choice((1, 2, 8))):
        content[place] = rng.choice((0, 1, 127, 128, 255, rng.randrange(256)))


def flip_anywhere(content: Damage, anatomy: Anatomy, rng: random.Random) -> None:
    """Flip bits anywhere, most of them of pixels."""
    for _ in range(rng.choice((1, 4, 32))):
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)


def truncate(content: Damage, anatomy: Anatomy, rng: random.Random) -> None:
    """Cut the file short."""
    del content[rng.choice((rng.randrange(300), rng.randrange(len(content)))) :]


def absurd_dimensions(content: Damage, anatomy: Anatomy, rng: random.Random) -> None:
    """Set the size, bits, samples, or the height of strips or tiles to something absurd."""
    _set_values(content, anatomy, rng, DIMENSIONS, ABSURD)


def wrong_places(content: Damage, anatomy: Anatomy, rng: random.Random) -> None:
    """Set offsets or byte counts of strips or tiles to something else."""
    near = tuple(rng.randrange(len(content)) for _ in range(8))
    _set_values(content, anatomy, rng, PLACES, (*near, len(content) - 1, *ABSURD))


def wrong_tag(content: Damage, anatomy: Anatomy, rng: random.Random) -> None:
    """Change the type, the number of values or the code of a tag."""
    entry = rng.choice(anatomy.entries)
    field, form = rng.choice(((0, "H"), (2, "H"), (4, "Q" if anatomy.big else "I")))
    value = rng.choice((0, 1, 2, 3, 4, 5, 13, 16, 18, 255, 65535, 10**6, 2**31))
    size = struct.calcsize(form) * 8
    struct.pack_into(anatomy.order + form, content, entry.place + field, value % 2**size)


def zero_pages(content: Damage, anatomy: Anatomy, rng: random.Random) -> None:
    """Leave the file without a page, or a page without a tag."""
    if rng.random() < 0.5:
        struct.pack_into(anatomy.offset, content, anatomy.first, 0)
    else:
        form = anatomy.order + ("Q" if anatomy.big else "H")
        struct.pack_into(form, content, rng.choice(anatomy.pages), 0)


def cycle(content: Damage, anatomy: Anatomy, rng: random.Random) -> None:
    """Let the chain of pages lead back, or into the pixels."""
    target = rng.choice([*anatomy.pages, rng.randrange(len(content))])
    struct.pack_into(anatomy.offset, content, rng.choice(anatomy.nexts[1:]), target)


def bomb(content: Damage, anatomy: Anatomy, rng: random.Random) -> None:
    """Put a strip or tile into the file that becomes 300 MB of zeros, as the header may promise."""
    lists = [entry for entry in anatomy.entries if entry.code in PLACES]
    packed = _bomb()
    for entry in lists:
        value = len(content) if entry.code in (273, 324) else len(packed)
        _pack(content, anatomy, entry, rng.randrange(entry.count), value)
    for entry in anatomy.entries:
        if entry.code == 259:
            _pack(content, anatomy, entry, 0, 8)
        if entry.code in (256, 257, 278) and rng.random() < 0.5:
            _pack(content, anatomy, entry, 0, rng.choice((17_000, 60_000)))
    content += packed


def wrong_numbers(content: Damage, anatomy: Anatomy, rng: random.Random) -> None:
    """Change a number in the description: what ImageJ, OME and tifffile say of the axes."""
    found = [entry for entry in anatomy.entries if entry.code == 270 and entry.count > 8]
    if not found:
        flip_header(content, anatomy, rng)
        return
    entry = rng.choice(found)
    text = bytes(content[entry.value : entry.value + entry.count])
    numbers = list(re.finditer(rb"\d+", text))
    if numbers:
        one = rng.choice(numbers)
        digits = b"".join(rng.choice((b"0", b"9", b"1")) for _ in range(len(one[0])))
        # The text has to keep its length, so a number grows at the cost of what follows it.
        longer = digits + b"9" * rng.choice((0, 0, 1, 4))
        start = entry.value + one.start()
        content[start : start + len(longer)] = longer


@functools.cache
def _bomb() -> bytes:
    return zlib.compress(bytes(300_000_000), 9)


def _set_values(
    content: Damage,
    anatomy: Anatomy,
    rng: random.Random,
    codes: tuple[int, ...],
    values: tuple[int, ...],
) -> None:
    found = [entry for entry in anatomy.entries if entry.code in codes]
    for entry in rng.sample(found, min(len(found), rng.choice((1, 1, 2, 3)))):
        _pack(content, anatomy, entry, rng.randrange(entry.count), rng.choice(values))


def _pack(content: Damage, anatomy: Anatomy, entry: Entry, index: int, value: int) -> None:
    form = {1: "B", 2: "H", 4: "I", 8: "Q"}[entry.size]
    place = entry.value + index * entry.size
    if place + entry.size <= len(content):
        struct.pack_into(anatomy.order + form, content, place, value % 2 ** (8 * entry.size))


MUTATIONS = (
    flip_header,
    overwrite_header,
    flip_anywhere,
    truncate,
    absurd_dimensions,
    wrong_places,
    wrong_tag,
    zero_pages,
    cycle,
    bomb,
    wrong_numbers,
)


def damaged(content: bytes, rng: random.Random) -> tuple[str, bytes]:
    """Damage a file in one way; its name, and what came out."""
    mutation = rng.choice(MUTATIONS)
    copy = bytearray(content)
    mutation(copy, Anatomy(content), rng)
    return mutation.__name__, bytes(copy)


def read_file(path: Path) -> str:
    """Read all pages as the engine would, regions of large ones; a digest of what was read."""
    digest = hashlib.sha1(usedforsecurity=False)
    with open_image(path) as image:
        digest.update(f"{image.full_shape} {image.dtype}".encode())
        for z in range(min(image.slices, MOST_PAGES)):
            if image.rows * image.columns * max(image.channels, 1) <= MOST_PIXELS:
                digest.update(image.page(z).tobytes())
                continue
            for rows, columns in _regions(image.rows, image.columns):
                digest.update(image.read(z, rows, columns).tobytes())
    return digest.hexdigest()


def _regions(rows: int, columns: int) -> Iterator[tuple[slice, slice]]:
    yield slice(0, rows, -(-rows // 1000)), slice(0, columns, -(-columns // 1000))
    yield slice(rows // 2, rows // 2 + 1024), slice(columns // 2, columns // 2 + 1024)


def outcome(path: Path, right: str) -> tuple[str, str]:
    """Read a file, as one of `OUTCOMES`, and what it was."""
    try:
        found = read_file(path)
    except ImageFileError as error:
        message = str(error)
        if "\n" in message or ";" not in message:
            return "FAIL", f"not one line with a remedy: {message}"
        if "MemoryError" in message or "Unable to allocate" in message:
            return "FAIL", f"memory: {message}"
        return "clear error", message
    except Exception:
        return "FAIL", traceback.format_exc(limit=-3)
    return ("right answer" if found == right else "other pixels"), ""


def serve() -> None:
    """Be the child: read the files that come in, a line each, within bounds."""
    import resource

    with open("/proc/self/statm") as file:
        taken = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + MOST_BYTES, taken + MOST_BYTES))
    for line in sys.stdin:
        path, right = json.loads(line)
        print(json.dumps(outcome(Path(path), right)), flush=True)


class Child:
    """A process that reads files; another one takes its place when it dies."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def outcome(self, path: Path, right: str) -> tuple[str, str]:
        """As the function `outcome`, or how the child died."""
        process = self._process or self._start()
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("the child has no pipes")
        try:
            process.stdin.write(json.dumps([str(path), right]) + "\n")
            process.stdin.flush()
        except BrokenPipeError:
            return self._dead("crash before it read anything")
        ready, _, _ = select.select([process.stdout], [], [], MOST_SECONDS)
        if not ready:
            return self._dead(f"more than {MOST_SECONDS:g} s")
        line = process.stdout.readline()
        if not line:
            return self._dead(f"crash, exit code {process.wait()}")
        kind, detail = json.loads(line)
        return kind, detail

    def _start(self) -> subprocess.Popen[str]:
        self._process = subprocess.Popen(
            [sys.executable, __file__, "--child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        return self._process

    def _dead(self, why: str) -> tuple[str, str]:
        self.close()
        return "FAIL", why

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            with suppress(BrokenPipeError):
                self._process.communicate()  # closes the pipes, too
        self._process = None


def run(files: list[Path], times: int, seed: int, keep: Path | None) -> Counter[tuple[str, str]]:
    """Damage and read files `times` times; how often each mutation had each outcome."""
    rng = random.Random(seed)
    contents = {file: file.read_bytes() for file in files}
    right = {file: read_file(file) for file in files}
    counts: Counter[tuple[str, str]] = Counter()
    child = Child()
    with tempfile.TemporaryDirectory() as folder:
        for number in range(times):
            file = rng.choice(files)
            name, content = damaged(contents[file], rng)
            path = Path(folder) / f"{number:05d}_{file.stem}_{name}.tif"
            path.write_bytes(content)
            kind, detail = child.outcome(path, right[file])
            counts[name, kind] += 1
            if kind == "FAIL":
                print(f"FAIL {path.name}: {detail}")
                if keep is not None:
                    (keep / path.name).write_bytes(content)
            path.unlink()
    child.close()
    return counts


def table(counts: Counter[tuple[str, str]]) -> str:
    """Outcomes of each mutation, and of all."""
    names = [mutation.__name__ for mutation in MUTATIONS]
    lines = [f"{'':20}" + "".join(f"{kind:>14}" for kind in OUTCOMES)]
    for name in names:
        lines.append(f"{name:20}" + "".join(f"{counts[name, kind]:>14}" for kind in OUTCOMES))
    sums = [sum(counts[name, kind] for name in names) for kind in OUTCOMES]
    lines.append(f"{'all':20}" + "".join(f"{number:>14}" for number in sums))
    return "\n".join(lines)


def main() -> int:
    """Parse arguments, run, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=500, help="how many files to damage")
    parser.add_argument("--seed", type=int, default=0, help="same seed, same damage")
    parser.add_argument("--data", type=Path, help="folder of TIFFs to damage in place of our own")
    parser.add_argument("--keep", type=Path, help="folder for the files that failed")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        serve()
        return 0
    if options.keep is not None:
        options.keep.mkdir(parents=True, exist_ok=True)
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        files = (
            make_files(Path(folder))
            if options.data is None
            else sorted(options.data.glob("*.tif*"))
        )
        counts = run(files, options.times, options.seed, options.keep)
    print(table(counts))
    print(f"{len(files)} files, {options.times} mutations, {time.perf_counter() - start:.0f} s")
    return int(any(kind == "FAIL" for _, kind in counts))


if __name__ == "__main__":
    sys.exit(main())
