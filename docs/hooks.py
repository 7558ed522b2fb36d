"""What mkdocs puts into the pages: the command line's reference, as typer writes it."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

MARKER = "<!-- the commands -->"


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Put the commands' help in the place of its marker."""
    return markdown.replace(MARKER, commands()) if MARKER in markdown else markdown


def commands() -> str:
    """Help of all commands, in Markdown, one level below the page's heading."""
    command = ["typer", "napari_gpcis.cli.app", "utils", "docs", "--name", "napari-gpcis"]
    written = subprocess.run(
        [sys.executable, "-m", *command], capture_output=True, text=True, check=True
    )
    return written.stdout.replace("\n#", "\n##").removeprefix("# `napari-gpcis`")
