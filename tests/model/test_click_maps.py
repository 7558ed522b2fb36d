from __future__ import annotations

import torch

from napari_gpcis.model.click_maps import click_maps

CPU = torch.device("cpu")


def distances(row: float, column: float, size: tuple[int, int]) -> torch.Tensor:
    rows, columns = torch.meshgrid(*(torch.arange(n) for n in size), indexing="ij")
    return (rows - row) ** 2 + (columns - column) ** 2


def test_a_click_is_a_disk_in_the_channel_of_its_sign() -> None:
    clicks = [torch.tensor([[8.0, 9.0, 1.0], [20.0, 3.0, -1.0]])]
    maps = click_maps(clicks, (24, 32), 5, CPU)
    assert torch.equal(maps[0, 0].bool(), distances(8, 9, (24, 32)) <= 25)
    assert torch.equal(maps[0, 1].bool(), distances(20, 3, (24, 32)) <= 25)


def test_a_disk_is_drawn_round_the_fractional_position() -> None:
    maps = click_maps([torch.tensor([[8.3, 9.75, 1.0]])], (24, 32), 5, CPU)
    assert torch.equal(maps[0, 0].bool(), distances(8.3, 9.75, (24, 32)) <= 25)


def test_disks_are_cut_at_the_border_and_clicks_far_outside_draw_nothing() -> None:
    clicks = [torch.tensor([[0.0, 31.0, 1.0], [-300.0, 5.0, -1.0]])]
    maps = click_maps(clicks, (24, 32), 5, CPU)
    assert torch.equal(maps[0, 0].bool(), distances(0, 31, (24, 32)) <= 25)
    assert not maps[0, 1].any()


def test_images_of_a_batch_have_their_own_clicks() -> None:
    clicks = [torch.zeros(0, 3), torch.tensor([[8.0, 9.0, 1.0]])]
    maps = click_maps(clicks, (24, 32), 5, CPU)
    assert not maps[0].any()
    assert maps[1, 0].sum() == 81
