from __future__ import annotations

import errno
import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import fields, replace
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_gpcis.engine.click import Click
from napari_gpcis.engine.document.annotation import Annotation
from napari_gpcis.engine.document.history import Committed, State, StoredMask
from napari_gpcis.engine.document.label_store import LabelStore, Patch
from napari_gpcis.engine.geometry import Box
from napari_gpcis.io.errors import JournalError
from napari_gpcis.io.journal import locations
from napari_gpcis.io.journal import writer as journal_module
from napari_gpcis.io.journal.locations import (
    image_identity,
    in_use,
    journal_path,
    numbered,
    set_aside,
)
from napari_gpcis.io.journal.reader import (
    JournalHeader,
    Recording,
    read_journal,
    waiting_recordings,
)
from napari_gpcis.io.journal.records import (
    apply_difference,
    difference,
    pack_patch,
    to_line,
    unpack_patch,
)
from napari_gpcis.io.journal.writer import Journal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SHAPE = (3, 40, 50)
HEADER = JournalHeader("cells.tif 3×40×50 uint8 abc", SHAPE, (0, 1, 2), "object")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cells.tif.gpcis-journal.jsonl"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    made = Journal.create(path, HEADER)
    yield made
    made.close()


def annotation(existing: Any = None, *, class_mode: bool = False) -> Annotation:
    return Annotation(LabelStore(SHAPE, existing), class_mode=class_mode)


def recorded(journal: Journal, existing: Any = None, *, class_mode: bool = False) -> Annotation:
    made = annotation(existing, class_mode=class_mode)
    made.observers.append(journal.record)
    return made


def restored(path: Path, existing: Any = None, *, class_mode: bool = False) -> Annotation:
    made = annotation(existing, class_mode=class_mode)
    read_journal(path).replay_onto(made)
    return made


def plain(state: State) -> list[object]:
    """What can be compared of a state."""
    carried = {
        key: (item.box, item.mask.tolist(), item.clicks) for key, item in state.carried.items()
    }
    return [
        state.clicks,
        state.active,
        state.z,
        state.committed,
        state.diameter,
        dict(state.taken_up),
        carried,
    ]


def assert_alike(one: Annotation, other: Annotation) -> None:
    assert plain(one.state) == plain(other.state)
    np.testing.assert_array_equal(one.labels.stack(), other.labels.stack())


def assert_alike_all_the_way(one: Annotation, other: Annotation) -> None:
    """Now, at every step back to the start, and at every step ahead again."""
    assert_alike(one, other)
    for way in ("undo", "redo"):
        while getattr(one, way)():
            assert getattr(other, way)()
            assert_alike(one, other)
        assert not getattr(other, f"can_{way}")


def some_box(dice: random.Random) -> tuple[Box, Any]:
    row, col = dice.randrange(SHAPE[1] - 8), dice.randrange(SHAPE[2] - 8)
    box = Box(row, col, row + dice.randint(1, 8), col + dice.randint(1, 8))
    mask = np.array([dice.random() < 0.8 for _ in range(np.prod(box.shape))]).reshape(box.shape)
    mask[0, 0] = True
    return box, mask


def some_click(dice: random.Random, object_id: int) -> Click:
    place = [dice.randrange(size) for size in SHAPE]
    return Click(*place, positive=dice.random() < 0.6, object_id=object_id)


def answer(work: Annotation, dice: random.Random) -> None:
    """Masks for all that waits for the network."""
    for z in work.unanswered():
        box, mask = some_box(dice)
        question = work.question(z)
        result = SimpleNamespace(
            box=box,
            box_mask=mask,
            box_probability=mask * np.float32(0.8),
            clicks=question.clicks,
            release=lambda: None,
        )
        work.accept(question, result)  # type: ignore[arg-type]


def some_edit(work: Annotation, dice: random.Random) -> Patch:
    box, mask = some_box(dice)
    z = dice.randrange(SHAPE[0])
    before = work.labels.of_box(z, box)
    values = np.array([dice.choice([0, 3, 300, 70_000]) for _ in range(mask.size)])
    return Patch(z, box, before, np.where(mask, values.reshape(mask.shape), before).astype("i4"))


def commit(work: Annotation, dice: random.Random) -> None:
    if work.class_mode:
        classes = np.array([dice.randint(0, 3) for _ in range(SHAPE[1] * SHAPE[2])], np.int32)
        work.commit_classes({dice.randrange(SHAPE[0]): classes.reshape(SHAPE[1:])})
    elif work.state.slices_of(work.state.active):
        answer(work, dice)
        # What has nothing to write is not committed.
        with suppress(ValueError):
            work.commit(overlap=dice.choice(["protect", "overwrite"]))


def take_up(work: Annotation, dice: random.Random) -> None:
    whole = [item for item in work.state.committed if (work.labels.stack() == item.label).any()]
    if whole and not work.class_mode:
        work.take_up(dice.choice(whole).label)


def carry(work: Annotation, dice: random.Random) -> None:
    masks = {z: StoredMask(*some_box(dice)) for z in range(SHAPE[0])}
    if not work.class_mode and work.state.clicks:
        work.carry(masks, dice.choice(work.state.clicks).object_id)


def estimate(work: Annotation, dice: random.Random) -> None:
    work._push(replace(work.state, diameter=dice.choice([None, 12.5, np.float64(9.1)])))


def work_at_random(work: Annotation, dice: random.Random, steps: int) -> None:
    def index() -> int:
        return dice.randrange(len(work.state.clicks))

    def some() -> Click:
        return some_click(dice, work.state.active)

    actions: list[tuple[int, Callable[[], object]]] = [
        (8, lambda: work.add(some())),
        (2, lambda: work.state.clicks and work.move(index(), some())),
        (2, lambda: work.state.clicks and work.remove(index())),
        (1, work.clear),
        (1, work.begin_object),
        (1, lambda: work.activate(dice.randint(1, 5))),
        (2, lambda: carry(work, dice)),
        (3, lambda: commit(work, dice)),
        (2, lambda: take_up(work, dice)),
        (1, lambda: work.edit([some_edit(work, dice)])),
        (1, lambda: estimate(work, dice)),
        (3, work.undo),
        (3, work.redo),
        (1, lambda: [work.undo() for _ in range(6)]),
    ]
    weights, calls = zip(*actions, strict=True)
    for call in dice.choices(calls, weights, k=steps):
        call()


@pytest.mark.parametrize("class_mode", [False, True])
@pytest.mark.parametrize("seed", range(8))
def test_everything_comes_back_with_the_way_back(
    path: Path, journal: Journal, seed: int, class_mode: bool
) -> None:
    dice = random.Random(seed)
    existing = np.random.default_rng(seed).integers(0, 2, SHAPE) * 900
    work = recorded(journal, existing, class_mode=class_mode)
    work_at_random(work, dice, 120)
    journal.close()
    again = restored(path, existing, class_mode=class_mode)
    assert again.labels.highest >= again.labels.stack().max()
    assert_alike_all_the_way(work, again)


@pytest.mark.parametrize("seed", range(4))
def test_a_resumed_journal_goes_on(path: Path, journal: Journal, seed: int) -> None:
    dice = random.Random(seed)
    work = recorded(journal)
    for _ in range(4):
        work_at_random(work, dice, 25)
        journal.close()
        work = restored(path)
        journal = Journal.resume(path)
        work.observers.append(journal.record)
    journal.close()
    assert_alike_all_the_way(work, restored(path))


@pytest.mark.parametrize("seed", range(4))
def test_a_journal_that_began_late_survives_undo_beyond_its_start(
    path: Path, journal: Journal, seed: int
) -> None:
    work = annotation()
    dice = random.Random(seed)
    work_at_random(work, dice, 60)
    work.edit([some_edit(work, dice)])
    start = work.labels.stack()
    work.observers.append(journal.record)
    for moves in ("uuru", "uurr", "uuuuu", "ru", "rrrr"):
        for move in moves:
            (work.undo if move == "u" else work.redo)()
        work.add(some_click(dice, 3))
        again = annotation(start)
        recording = read_journal(path)
        assert recording.damage == ""
        recording.replay_onto(again)
        assert_alike(work, again)


def test_every_field_of_a_state_is_recorded() -> None:
    clicks = (Click(0, 1, 2), Click(1, 3, 4, False, 7))
    full = State(
        clicks=clicks,
        active=7,
        z=2,
        committed=(Committed(4, clicks[:1], ((0, Box(1, 2, 3, 4)),)), Committed(9, ())),
        diameter=17.25,
        taken_up={3: Committed(5, clicks, ((1, Box(0, 0, 9, 9)),))},
        carried={(7, 1): StoredMask(Box(0, 0, 2, 2), np.eye(2, dtype=bool), clicks[1:])},
    )
    untouched = State()
    for field in fields(State):
        if field.name != "answers":
            assert getattr(full, field.name) != getattr(untouched, field.name), field.name
    there = json.loads(json.dumps(difference(untouched, full)))
    assert plain(apply_difference(untouched, there)) == plain(full)
    back = json.loads(json.dumps(difference(full, untouched)))
    assert plain(apply_difference(full, back)) == plain(untouched)
    assert difference(full, replace(full, taken_up=dict(full.taken_up))) == {}


def test_a_click_among_many_writes_itself_alone(path: Path, journal: Journal) -> None:
    work = recorded(journal)
    work.set_clicks([Click(0, row, col) for row in range(40) for col in range(50)])
    work.add(Click(2, 1, 1, False))
    work.move(1000, Click(2, 2, 2))
    work.remove(500)
    lines = path.read_bytes().splitlines()
    assert all(len(line) < 160 for line in lines[-3:])


def test_pixels_of_other_origin_stay(path: Path, journal: Journal) -> None:
    work = recorded(journal)
    corner = np.array([[True, False], [False, False]])
    patch = work.labels.plan(0, Box(5, 5, 7, 7), corner, 3, "overwrite")
    ring = Patch(1, Box(0, 0, 2, 2), np.zeros((2, 2), "i4"), np.array([[0, 8], [8, 8]], "i4"))
    assert patch is not None
    work.edit([patch, ring])
    layer = np.full(SHAPE, 50, np.uint16)
    again = Annotation(LabelStore(SHAPE, layer, in_place=True))
    read_journal(path).replay_onto(again)
    assert (layer != 50).sum() == 4
    again.undo()
    assert (layer == 0).sum() == 4


@pytest.mark.parametrize(
    ("values", "limit"),
    [
        (lambda shape: np.full(shape, 12, "i4"), 160),
        (lambda shape: np.where(np.indices(shape)[0] < 300, 1, 2).astype("i4"), 4000),
        (lambda shape: np.full(shape, -(2**31), "i4"), 160),
    ],
)
def test_large_changes_stay_small_on_the_disk(values: Callable[..., Any], limit: int) -> None:
    shape = (700, 900)
    patch = Patch(0, Box(0, 0, *shape), np.zeros(shape, "i4"), values(shape))
    line, _ = to_line(pack_patch(patch), 0)
    assert len(line) < limit
    again = unpack_patch(json.loads(line), LabelStore((1, *shape)))
    np.testing.assert_array_equal(again.after, patch.after)
    np.testing.assert_array_equal(again.before, patch.before)


def test_extreme_labels_survive() -> None:
    values = np.array([[-1, 0, 255], [2**31 - 1, -(2**31), 256]], "i4")
    patch = Patch(0, Box(0, 0, 2, 3), values[::-1].copy(), values)
    again = unpack_patch(json.loads(json.dumps(pack_patch(patch))), LabelStore((1, 4, 4)))
    np.testing.assert_array_equal(again.after, values)
    np.testing.assert_array_equal(again.before, values[::-1])


def test_a_recording_says_what_it_holds(path: Path, journal: Journal) -> None:
    work = recorded(journal)
    journal.note_meta({"classes": {"1": ["cell", "#ff0000"]}, "channels": [0]})
    assert not path.exists()
    work.add(Click(0, 1, 1))
    answer(work, random.Random(0))
    work.commit()
    work.add(Click(1, 1, 1, object_id=work.state.active))
    journal.note_meta({"channels": [1, 2]})
    recording = read_journal(path)
    assert (recording.clicks, recording.objects, recording.changes) == (1, 1, 3)
    assert (recording.unsaved, recording.saved_to, recording.closed) == (True, None, False)
    assert recording.meta == {"classes": {"1": ["cell", "#ff0000"]}, "channels": [1, 2]}
    header = recording.header
    assert (header.identity, header.shape, header.pid) == (HEADER.identity, SHAPE, os.getpid())
    assert header.started <= recording.last.isoformat()
    journal.note_saved(Path("out") / "labels.tif")
    journal.close()
    recording = read_journal(path)
    assert (recording.unsaved, recording.closed) == (False, True)
    assert recording.saved_to == str(Path("out") / "labels.tif")
    work.add(Click(0, 3, 3))
    assert read_journal(path).closed


def test_a_journal_without_changes_leaves_no_file(path: Path, journal: Journal) -> None:
    journal.note_meta({"channels": [1]})
    journal.close()
    assert list(path.parent.iterdir()) == []


def test_a_torn_last_line_costs_that_line_alone(path: Path, journal: Journal) -> None:
    work = recorded(journal)
    work.add(Click(0, 1, 1))
    work.add(Click(0, 2, 2))
    work.add(Click(0, 3, 3))
    journal.close()
    *whole, last, _ = path.read_bytes().splitlines(keepends=True)
    for length in range(len(last)):
        path.write_bytes(b"".join(whole) + last[:length])
        recording = read_journal(path)
        assert recording.clicks == 2
        assert bool(recording.damage) == (length > 0)
        assert "last line" in recording.damage or not length
        resumed = Journal.resume(path)
        again = annotation()
        recording.replay_onto(again)
        again.observers.append(resumed.record)
        again.add(Click(1, 9, 9))
        resumed.close()
        assert [click.row for click in read_journal(path).state.clicks] == [1, 2, 9]
    assert len(list(path.parent.iterdir())) == 1


def test_damage_in_the_middle_keeps_what_came_before(path: Path, journal: Journal) -> None:
    work = recorded(journal)
    for row in range(10):
        work.add(Click(0, row, row))
    journal.close()
    sound = path.read_bytes()
    start = sound.index(b"\n") + 1
    for place in range(start, len(sound), 7):
        broken = bytearray(sound)
        broken[place] ^= 0x10
        path.write_bytes(broken)
        recording = read_journal(path)
        assert recording.clicks == min(sound[:place].count(b"\n") - 1, 10)
        assert recording.damage
    path.write_bytes(b"".join(sound.splitlines(keepends=True)[k] for k in (0, 1, 2, 4, 5)))
    assert "line 4 of 5" in read_journal(path).damage
    damaged = path.read_bytes()
    Journal.resume(path).close()
    [copy] = {*path.parent.iterdir()} - {path}
    assert copy.read_bytes() == damaged
    assert read_journal(path).damage == ""
    assert read_journal(path).clicks == 2


def test_records_that_make_no_sense_are_damage(path: Path, journal: Journal) -> None:
    recorded(journal).add(Click(0, 1, 1))
    journal.close()
    sound, checksum = path.read_bytes(), read_journal(path).tail[1]
    for record in (
        {"k": "redo", "t": 1},
        {"k": "step"},
        {"k": "later", "t": 1},
        {"k": "step", "t": 1, "state": {"clicks": 5}},
        {"k": "meta", "t": 1, "meta": 5},
    ):
        path.write_bytes(sound + to_line(record, checksum)[0])
        recording = read_journal(path)
        assert recording.damage
        assert (recording.clicks, recording.changes) == (1, 1)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "is not a journal"),
        (b"index,axis-0\n", "is not a journal"),
        (to_line({"format": "other"}, 0)[0], "is not a journal"),
        (to_line({"format": "napari-gpcis journal", "version": 2}, 0)[0], "update napari-gpcis"),
        (to_line({"format": "napari-gpcis journal", "version": 1}, 0)[0], "lacks 'identity'"),
    ],
)
def test_other_files_and_newer_journals_are_refused(
    path: Path, content: bytes, complaint: str
) -> None:
    path.write_bytes(content)
    with pytest.raises(JournalError, match=complaint):
        read_journal(path)
    with pytest.raises(JournalError, match=complaint):
        Journal.resume(path)
    assert path.read_bytes() == content
    assert not in_use(path)


def test_a_missing_journal_is_an_error_that_says_so(path: Path) -> None:
    with pytest.raises(JournalError, match="check its name"):
        read_journal(path)
    with pytest.raises(JournalError, match="begin a new journal"):
        Journal.resume(path)
    with pytest.raises(JournalError, match="check its folder"):
        set_aside(path)


def test_a_recording_is_not_replayed_onto_another_image(path: Path, journal: Journal) -> None:
    recorded(journal).add(Click(0, 1, 1))
    other = Annotation(LabelStore((1, 8, 8)))
    with pytest.raises(JournalError, match="open the image that it was made on"):
        read_journal(path).replay_onto(other)


def test_a_full_disk_loses_nothing_and_is_told_once(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    journal = Journal.create(path, HEADER, on_error=told.append)
    work = recorded(journal)
    work.add(Click(0, 1, 1))
    room = [30]

    def write(file: int, content: bytes) -> int:
        if not room[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        part = bytes(content[: room[0]])
        room[0] -= len(part)
        return os_write(file, part)

    os_write = os.write
    monkeypatch.setattr(os, "write", write)
    work.add(Click(0, 2, 2))
    work.add(Click(0, 3, 3))
    assert len(told) == 1
    assert os.strerror(errno.ENOSPC) in told[0]
    assert "free some space" in told[0]
    assert read_journal(path).clicks == 1
    room[0] = 10**6
    work.add(Click(0, 4, 4))
    assert_alike_all_the_way(work, restored(path))
    room[0] = 0
    work.add(Click(0, 5, 5))
    assert len(told) == 2
    journal.close()


def test_what_could_not_be_written_is_tried_again_without_a_click(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "SECONDS_BETWEEN_SYNCS", 0.01)
    synced = threading.Event()
    fsync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda file: (fsync(file), synced.set()))
    blocked = path.parent / "journals"
    blocked.write_text("a file where the folder should be")
    told: list[str] = []
    journal = Journal.create(blocked / path.name, HEADER, on_error=told.append)
    work = recorded(journal)
    work.add(Click(0, 1, 1))
    assert len(told) == 1
    blocked.unlink()
    assert synced.wait(5)
    assert read_journal(journal.path).clicks == 1
    journal.close()


def test_a_disk_that_fails_later_is_told_too(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_module, "SECONDS_BETWEEN_SYNCS", 0.01)
    tried = threading.Event()

    def fsync(file: int) -> None:
        tried.set()
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", fsync)
    told: list[str] = []
    journal = Journal.create(path, HEADER, on_error=told.append)
    work = recorded(journal)
    work.add(Click(0, 1, 1))
    assert tried.wait(5)
    for row in range(2, 200):
        work.add(Click(0, row % 40, row % 50))
    journal.close()
    assert len(told) == 1
    assert threading.current_thread() is threading.main_thread()


@pytest.mark.skipif(sys.platform == "win32", reason="open files cannot be deleted there")
def test_a_journal_that_somebody_deletes_is_written_again(path: Path, journal: Journal) -> None:
    work = recorded(journal)
    work.add(Click(0, 1, 1))
    path.unlink()
    work.add(Click(0, 2, 2))
    assert_alike_all_the_way(work, restored(path))


def test_two_windows_write_two_journals(path: Path) -> None:
    first, second = Journal.create(path, HEADER), Journal.create(path, HEADER)
    recorded(first).add(Click(0, 1, 1))
    recorded(second).add(Click(0, 2, 2))
    assert first.path == path
    assert second.path == path.with_name("cells.tif.gpcis-journal-2.jsonl")
    assert [read_journal(made.path).state.clicks[0].row for made in (first, second)] == [1, 2]
    for made in (first, second):
        with pytest.raises(JournalError, match="in use"):
            Journal.resume(made.path)
        with pytest.raises(JournalError, match="in use"):
            set_aside(made.path)
    assert waiting_recordings(path, HEADER.identity) == []
    second.close()
    [waiting] = waiting_recordings(path, HEADER.identity)
    assert waiting.path == second.path
    first.close()
    assert len(waiting_recordings(path, HEADER.identity)) == 2
    assert waiting_recordings(path, "another image") == []


def test_an_older_journal_is_never_overwritten(path: Path, journal: Journal) -> None:
    recorded(journal).add(Click(0, 1, 1))
    journal.close()
    os.utime(path, (1_700_000_000, 1_700_000_000))
    older = path.read_bytes()
    newer = Journal.create(path, HEADER)
    recorded(newer).add(Click(0, 2, 2))
    newer.close()
    assert path.read_bytes() == older
    kept = set_aside(path)
    assert re.fullmatch(r"cells\.tif\.gpcis-journal-2023111\dT\d{6}\.jsonl", kept.name)
    assert kept.read_bytes() == older
    [waiting] = waiting_recordings(path, HEADER.identity)
    assert waiting.path == newer.path
    kept.rename(path)
    kept.write_text("in the way")
    assert set_aside(path) != kept
    assert kept.read_text() == "in the way"


def test_identities_hold_between_runs_and_tell_images_apart() -> None:
    def identity(
        name: str = "cells",
        source: str | None = "/data/cells.tif",
        shape: tuple[int, ...] = (4, 5),
        dtype: str = "uint8",
        sample: bytes = b"123",
    ) -> str:
        return image_identity(name, source, shape, np.dtype(dtype), sample)

    assert identity() == "cells.tif 4×5 uint8 fb09c4b80435b752"
    assert identity() == identity(name="cells [1]", source="D:\\elsewhere\\cells.tif")
    assert identity(source=None) != identity(source=None, name="other")
    others = [identity(sample=b"124"), identity(shape=(5, 4)), identity(dtype="uint16")]
    assert len({identity(), *others}) == 4


def test_a_journal_lies_beside_its_image_or_among_the_users_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import platformdirs

    monkeypatch.setattr(platformdirs, "user_data_path", lambda *_, **__: tmp_path / "user")
    image = tmp_path / "my cells.ome.tif"
    identity = image_identity("x", str(image), (4, 5), np.dtype("uint8"), b"")
    beside = journal_path(image, identity, beside=True)
    assert beside == tmp_path / "my cells.ome.tif.gpcis-journal.jsonl"
    assert list(tmp_path.iterdir()) == []
    own = journal_path(image, identity, beside=False)
    assert own.parent == tmp_path / "user" / "journals"
    assert re.fullmatch(r"my_cells\.ome\.tif-[0-9a-f]{10}\.gpcis-journal\.jsonl", own.name)
    assert journal_path(tmp_path / "no" / "a.tif", identity, beside=True).parent == own.parent
    assert journal_path("https://host/b/my cells.ome.tif", identity, beside=True) == own
    unnamed = image_identity("../ä b: c?", None, (4, 5), np.dtype("uint8"), b"")
    name = journal_path(None, unnamed, beside=True).name
    assert re.fullmatch(r"ä_b_c-[0-9a-f]{10}\.gpcis-journal\.jsonl", name)
    made = Journal.create(own, HEADER)
    recorded(made).add(Click(0, 1, 1))
    assert made.path == own
    assert own.exists()
    made.close()


def test_a_folder_that_refuses_files_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(locations.tempfile, "TemporaryFile", refuse)
    assert journal_path(tmp_path / "a.tif", "a 1 2 3", beside=True).parent != tmp_path


def test_numbers_follow_a_taken_name(path: Path) -> None:
    names = [found.name for found in islice(numbered(path), 3)]
    assert [name.removeprefix("cells.tif.gpcis-journal") for name in names] == [
        ".jsonl",
        "-2.jsonl",
        "-3.jsonl",
    ]


WRITER = """
import os
import sys
from napari_gpcis.engine.document.annotation import Annotation
from napari_gpcis.engine.click import Click
from napari_gpcis.engine.document.label_store import LabelStore
from napari_gpcis.io.journal.reader import JournalHeader
from napari_gpcis.io.journal.writer import Journal

assert "torch" not in sys.modules
work = Annotation(LabelStore((1, 1000, 1000)))
header = JournalHeader("x", (1, 1000, 1000), (0, 1), "object")
work.observers.append(Journal.create(sys.argv[1], header).record)
for number in range(100_000):
    work.set_clicks([Click(0, number // 1000, number % 1000)])
    # The parent knows of every change that was made.
    os.write(1, b"%d\\n" % number)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL there")
def test_a_killed_process_loses_nothing_that_was_done(tmp_path: Path) -> None:
    for attempt in range(10):
        path = tmp_path / f"{attempt}.jsonl"
        child = subprocess.Popen([sys.executable, "-c", WRITER, path], stdout=subprocess.PIPE)
        assert child.stdout is not None
        told = b"".join(child.stdout.readline() for _ in range(50 + 37 * attempt))
        child.send_signal(signal.SIGKILL)
        told += child.stdout.read()
        done = int(told.split(b"\n")[-2])
        child.wait()
        child.stdout.close()
        recording = read_journal(path)
        [click] = recording.state.clicks
        assert click.row * 1000 + click.col >= done
        assert not in_use(path)
        assert read_as_fresh(recording) == recording.state.clicks


def read_as_fresh(recording: Recording) -> tuple[Click, ...]:
    fresh = Annotation(LabelStore((1, 1000, 1000)))
    recording.replay_onto(fresh)
    return fresh.state.clicks


def test_importing_the_journal_loads_no_torch() -> None:
    code = "import sys, napari_gpcis.io.journal.writer\nprint('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_strokes_are_recorded_and_single_clicks_as_before() -> None:
    clicks = (Click(0, 1, 2, True, 3), Click(0, 1, 3, True, 3, "scribble", 4))
    found = difference(State(), State(clicks=clicks))
    assert [0, 1, 2, 1, 3] in found["clicks"][2]
    assert apply_difference(State(), found).clicks == clicks
