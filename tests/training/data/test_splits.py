from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from napari_gpcis_training.data.splits import (
    RULES,
    Item,
    Rule,
    Split,
    check_split,
    group_of,
    read_split,
    read_splits,
    rule,
    split_items,
    write_split,
)

PLATES = [Item(f"{plate}{well}", plate) for plate in "abcde" for well in range(4)]
VOLUMES = [Item(file, file, z, 20) for file in "uvw" for z in range(20)]


def number(name: str) -> int:
    return int(name[2:-1])


@pytest.mark.parametrize("by", ["file", "group", "block"])
def test_parts_are_disjoint_complete_and_chosen_by_the_seed(by: Rule) -> None:
    items = VOLUMES if by == "block" else PLATES
    made = [split_items(items, by=by, seed=seed) for seed in range(6)]
    for seed, each in enumerate(made):
        names = [*each.train, *each.held_out, *each.left_out]
        assert sorted(names) == sorted(item.name for item in items)
        assert each == split_items(items, by=by, seed=seed)
    assert len({each.held_out for each in made}) > 1


@pytest.mark.parametrize("hold_out", [0.1, 0.4, 0.8])
def test_as_much_is_held_out_as_was_asked_for(hold_out: float) -> None:
    made = split_items(PLATES, by="file", hold_out=hold_out)
    assert len(made.held_out) == round(20 * hold_out)


def test_groups_are_never_divided() -> None:
    for seed in range(10):
        made = split_items(PLATES, by="group", hold_out=0.4, seed=seed)
        plates = {name[0] for name in made.held_out}
        assert len(plates) == 2
        assert plates.isdisjoint(name[0] for name in made.train)


@pytest.mark.parametrize("gap", [0, 1, 3])
def test_a_block_of_every_volume_is_held_out_with_a_gap_on_either_side(gap: int) -> None:
    made = split_items(VOLUMES, by="block", seed=2, gap=gap)
    for volume in "uvw":
        held_out, train = (
            [number(name) for name in part if name[0] == volume]
            for part in (made.held_out, made.train)
        )
        assert held_out == list(range(held_out[0], held_out[0] + 4))
        assert min(abs(a - b) for a in train for b in held_out) == gap + 1
    assert len(made.train) + len(made.held_out) + len(made.left_out) == 60


def test_short_volumes_have_no_gap() -> None:
    made = split_items([Item("v", "v", z, 6) for z in range(6)], by="block")
    assert not made.left_out
    assert len(made.train) + len(made.held_out) == 6


def test_single_images_beside_volumes_are_trained_on() -> None:
    made = split_items([*VOLUMES, Item("single", "single")], by="block")
    assert "single" in made.train


def test_what_cannot_be_split_is_refused() -> None:
    with pytest.raises(ValueError, match="1 groups"):
        split_items([Item("a", "x"), Item("b", "x")], by="group")
    with pytest.raises(ValueError, match="single files"):
        split_items(PLATES, by="block")
    with pytest.raises(ValueError, match="part between 0 and 1"):
        split_items(PLATES, hold_out=1)
    with pytest.raises(ValueError, match="random"):
        rule("random")


def test_the_default_rule_is_every_seventh_file_and_the_last_sixth_of_a_volume() -> None:
    items = [*PLATES, *(Item("z", "z", index, 12) for index in range(12))]
    made = split_items(items, by="default")
    assert made.held_out == ("a0", "b3", "d2", "z[10]", "z[11]")
    assert made.train == (
        *("c0", "c1", "c2", "c3", "e0", "e1", "e2", "e3"),
        *(f"z[{index}]" for index in range(10)),
    )


@pytest.mark.parametrize("by", RULES)
def test_a_written_split_is_read_as_it_was(tmp_path: Path, by: Rule) -> None:
    items = VOLUMES if by == "block" else PLATES
    made = split_items(items, by=by, hold_out=0.3, seed=4)
    write_split(tmp_path / "split.json", made)
    assert read_split(tmp_path / "split.json") == made
    assert read_split(tmp_path / "split.json", "whatever its name") == made


def test_splits_of_several_sets_go_into_one_file(tmp_path: Path) -> None:
    splits = {"plates": split_items(PLATES), "volumes": split_items(VOLUMES, by="block")}
    write_split(tmp_path / "split.json", splits)
    assert read_splits(tmp_path / "split.json") == splits
    assert read_split(tmp_path / "split.json", "volumes") == splits["volumes"]
    with pytest.raises(ValueError, match=r"'third' in .*got plates, volumes"):
        read_split(tmp_path / "split.json", "third")


@pytest.mark.parametrize(
    "change",
    [
        {"format": "other"},
        {"version": 2},
        {"sets": {"": {"rule": "file"}}},
        {"sets": 3},
    ],
)
def test_a_file_that_is_no_split_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    path = tmp_path / "split.json"
    write_split(path, split_items(PLATES))
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ValueError, match=r"expected a split .*split\.json"):
        read_split(path)


def test_a_split_with_a_slice_in_two_parts_is_refused(tmp_path: Path) -> None:
    made = split_items(PLATES)
    write_split(tmp_path / "split.json", replace(made, held_out=made.train[:1]))
    with pytest.raises(ValueError, match="two parts"):
        read_split(tmp_path / "split.json")


def test_a_missing_split_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no\.json"):
        read_split(tmp_path / "no.json")


def test_groups_are_found_in_names_by_a_pattern() -> None:
    assert group_of("plate7_a3", r"^(plate\d+)") == "plate7"
    assert group_of("other", r"^(plate\d+)") == "other"
    assert group_of("plate7_a3", None) == "plate7_a3"
    for wrong in ("(plate", "plate"):
        with pytest.raises(ValueError, match="a regular expression with a group"):
            group_of("plate7_a3", wrong)


def test_a_split_of_other_images_is_noticed() -> None:
    made = split_items(PLATES)
    check_split(made, PLATES)
    with pytest.raises(ValueError, match=r"is not in the split \(new\)"):
        check_split(made, [*PLATES, Item("new", "new")])
    with pytest.raises(ValueError, match=r"is missing \(a0\)"):
        check_split(made, PLATES[1:])
    with pytest.raises(ValueError, match="is missing"):
        check_split(Split("file", 0, 0.2, ("a",), ("b",)), [Item("a", "a")])
