"""Names of models and data sets, made fit for where they are written."""

from __future__ import annotations

import hashlib
import re

__all__ = ["file_stem", "markdown", "plain_text"]

_SPECIAL = re.compile(r"([\\`*<>\[\]|~&]|(?<![^\W_])_|_(?![^\W_]))")


def file_stem(name: str) -> str:
    """Turn any name into the stem of a file, different for different names.

    A short name of letters, digits and, between them, dots, hyphens and underscores stays; any
    other has the rest replaced, and eight digits of its SHA-256 at the end.
    """
    stem = re.sub(r"[^\w.-]+", "_", name).strip("._-")[:80]
    if stem and stem == name:
        return stem
    return f"{stem or 'name'}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def markdown(text: str) -> str:
    """Escape what GitHub's Markdown would take for a table's edge, emphasis, a link or HTML."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def plain_text(text: str) -> str:
    """Keep matplotlib from reading dollar signs as mathematics."""
    return text.replace("$", r"\$")
