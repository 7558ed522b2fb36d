"""Helpers that the commands share: options from a dataclass, errors as one line, threads."""

from __future__ import annotations

import os
from contextlib import contextmanager
from copy import copy
from dataclasses import MISSING, fields
from functools import wraps
from inspect import Parameter, Signature, getdoc, signature
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, get_type_hints

import typer
from rich.console import Console

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Command: TypeAlias = Callable[..., None]


def takes(options: Callable[..., Any]) -> Callable[[Command], Command]:
    """Make the fields of a dataclass options of a command, which is handed the dataclass.

    An option's help is what the dataclass's docstring says of the field under "Attributes". Fields
    without a `typer.Option` in their annotation are not on the command line.

    Parameters
    ----------
    options : type
        A dataclass. The command's further parameters are options as usual, after its fields.
    """
    ours = _option_parameters(options)

    def decorate(command: Command) -> Command:
        hints = get_type_hints(command, include_extras=True)
        further = [
            Parameter(
                own.name, Parameter.KEYWORD_ONLY, default=own.default, annotation=hints[own.name]
            )
            for own in list(signature(command).parameters.values())[1:]
        ]

        @wraps(command)
        def run(**values: Any) -> None:
            chosen = {each.name: values.pop(each.name) for each in ours}
            command(options(**chosen), **values)

        parameters = [*ours, *further]
        run.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {each.name: each.annotation for each in parameters}
        return run

    return decorate


def _option_parameters(options: Any) -> list[Parameter]:
    hints = get_type_hints(options, include_extras=True)
    docs = _field_docs(options)
    parameters = []
    for each in fields(options):
        option = next(iter(getattr(hints[each.name], "__metadata__", ())), None)
        if option is None:
            continue
        option = copy(option)
        option.help = docs.get(each.name)
        parameters.append(
            Parameter(
                each.name,
                Parameter.KEYWORD_ONLY,
                default=Parameter.empty if each.default is MISSING else each.default,
                annotation=Annotated[hints[each.name].__origin__, option],
            )
        )
    return parameters


def _field_docs(options: type[Any]) -> dict[str, str]:
    """Sentences under "Attributes" in a dataclass's docstring, by field."""
    _, _, section = (getdoc(options) or "").partition("Attributes\n----------\n")
    docs: dict[str, str] = {}
    name = ""
    for line in section.splitlines():
        if line.startswith(" "):
            docs[name] = f"{docs.get(name, '')} {line.strip()}".strip()
        else:
            name = line.partition(" : ")[0]
    return docs


@contextmanager
def report_errors() -> Iterator[None]:
    """Turn a `ValueError` into one line and exit code 2."""
    try:
        yield
    except ValueError as error:
        Console(stderr=True).print(f"[red]error:[/red] {error}", highlight=False, soft_wrap=True)
        raise typer.Exit(2) from error


def use_threads(threads: int | None) -> None:
    """Set the number of torch's threads, where one is given; before torch is loaded."""
    # spinning threads stall a step tenfold when anything else runs; read when torch is loaded
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    import torch

    if threads is not None:
        torch.set_num_threads(threads)
