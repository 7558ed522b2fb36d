"""A model's card as text."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_gpcis.model import ModelCard


def card_markdown(card: ModelCard) -> str:
    """Card in Markdown: the one written for people where there is one, else the file's own facts.

    Parameters
    ----------
    card : ModelCard
        Card from `model_card`.
    """
    written = card.path.with_suffix(".md")
    if written.is_file():
        return written.read_text(encoding="utf-8")
    size = card.path.stat().st_size / 1e6
    lines = [f"# {card.name}", "", f"`{card.path}`, {size:.1f} MB", ""]
    lines += [f"Licence: {card.licence or 'not stated'}", ""]
    for title, values in (
        ("Scores", card.scores),
        ("Training", card.training),
        ("Network", dataclasses.asdict(card.config)),
    ):
        lines += [f"## {title}", "", *_bullets(values), ""]
    return "\n".join(lines)


def _bullets(values: Any, depth: int = 0) -> list[str]:
    margin = "  " * depth
    if not values:
        return [f"{margin}- none"]
    lines: list[str] = []
    for key, value in values.items():
        if isinstance(value, dict):
            lines += [f"{margin}- {key}", *_bullets(value, depth + 1)]
        else:
            lines.append(f"{margin}- {key}: {value}")
    return lines
