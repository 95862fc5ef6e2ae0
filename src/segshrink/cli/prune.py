"""segshrink prune."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from segshrink.cli.options import (
    SplitFile,
    SplitSeed,
    require_use_of_split_seed,
)
from segshrink.cli.terminal import TerminalProgress, load_keras, output
from segshrink.errors import UsageError

if TYPE_CHECKING:
    import keras

    from segshrink.progress import Progress


def prune(
    model: Annotated[Path, typer.Argument(help="Trained .keras model.")],
    out: Annotated[Path, typer.Option("--out", help="The smaller .keras model.")],
    keep: Annotated[
        float | None, typer.Option(help="Share of channels to keep; 0.5 by default.")
    ] = None,
    macs: Annotated[
        float | None,
        typer.Option(help="Instead: multiply-accumulates, as a share or a number."),
    ] = None,
    parameters: Annotated[
        float | None, typer.Option(help="Instead: weights, as a share or a number.")
    ] = None,
    size: Annotated[
        float | None, typer.Option(help="Instead: bytes of the exported file.")
    ] = None,
    latency: Annotated[
        float | None,
        typer.Option(
            help="Instead: latency of the exported file, measured; up to 1 a share of "
            "today's, above 1 milliseconds."
        ),
    ] = None,
    runtime: Annotated[
        str | None,
        typer.Option(help="For --size and --latency: litert (default) or onnx."),
    ] = None,
    threads: Annotated[
        int | None, typer.Option(help="For --latency: threads, 1 by default.")
    ] = None,
    quantize: Annotated[
        str | None, typer.Option(help="For --size and --latency: int8 (litert only).")
    ] = None,
    criterion: Annotated[
        str,
        typer.Option(
            help="What ranks channels: l1, l2, group_norm, slimming, geometric_median, "
            "mean_activation, taylor, fisher or random; the three before random look "
            "at --data."
        ),
    ] = "group_norm",
    scope: Annotated[
        str | None,
        typer.Option(
            help="'layer': every layer alike; 'global': first what matters least for "
            "what it costs. By default layer with --keep, else global."
        ),
    ] = None,
    multiple_of: Annotated[
        int | None, typer.Option(help="Counts are multiples of this; 8 by default.")
    ] = None,
    skip: Annotated[
        list[str] | None,
        typer.Option(help="Layer that keeps its channels. Repeatable."),
    ] = None,
    recover: Annotated[
        bool,
        typer.Option(
            "--recover",
            help="Solve the weights behind removed channels anew on tiles of --data.",
        ),
    ] = False,
    data: Annotated[
        str | None,
        typer.Option(help="Data set for --recover and criteria that look at data."),
    ] = None,
    split: SplitFile = None,
    split_seed: SplitSeed = None,
    tiles: Annotated[
        int | None, typer.Option(min=1, help="Training tiles of --data; 64 by default.")
    ] = None,
) -> None:
    """Remove channels from a model; OUT is plain Keras and still needs fine-tuning.

    The plan is written beside it, as OUT's name with .plan.json.

    Example: segshrink prune teacher/model.keras --out smaller.keras --latency 0.25
    """
    if out.suffix != ".keras":
        raise UsageError(f"--out {out}: the name of a model must end in .keras.")
    _require_data(recover, criterion, data, split, tiles)
    require_use_of_split_seed(split_seed, data, split)
    targets = {
        "keep": keep,
        "macs": macs,
        "parameters": parameters,
        "size": size,
        "latency": latency,
    }
    options = {"runtime": runtime, "threads": threads, "quantize": quantize}
    kind, target = _one_target(targets)
    options = {name: value for name, value in options.items() if value is not None}
    _require_effect(kind, options)
    load_keras()
    from segshrink.compression.student import BUDGETS, plan_path, prune_with_tiles
    from segshrink.models import load_model, save_model
    from segshrink.recipe import PRUNING_TILES

    progress = TerminalProgress()
    before = load_model(model)
    images_and_labels = None
    if data is not None:
        images_and_labels = _tiles(
            before, data, split, split_seed or 0, tiles or PRUNING_TILES, progress
        )
    plan, smaller = prune_with_tiles(
        before,
        images_and_labels,
        recovery=recover,
        progress=progress,
        criterion=criterion,
        keep=target if kind == "keep" else None,
        budget=BUDGETS[kind](target, **options) if kind in BUDGETS else None,
        scope=scope,
        multiple_of=multiple_of,
        skip=skip or (),
    )
    save_model(smaller, out)
    plan.as_record().write(plan_path(out))
    output.out(str(plan))
    output.out(
        f"{out}: {plan.parameters_before:,} -> {plan.parameters_after:,} weights"
    )


def _one_target(targets: dict[str, float | None]) -> tuple[str, float]:
    given = {name: value for name, value in targets.items() if value is not None}
    if len(given) > 1:
        raise UsageError(f"Give only one of {', '.join(f'--{n}' for n in given)}.")
    return next(iter(given.items()), ("keep", 0.5))


def _tiles(
    model: keras.Model,
    data: str,
    split: Path | None,
    seed: int,
    count: int,
    progress: Progress,
) -> tuple[Any, Any]:
    """Images and labels of `count` training tiles."""
    from segshrink.data import open_dataset, plain_tiles
    from segshrink.export.model_form import fixed_input_shape

    height_px, _ = fixed_input_shape(model)
    dataset = open_dataset(data, split=split, seed=seed, progress=progress)
    return plain_tiles(dataset.train, height_px, count)


def _require_data(
    recover: bool,
    criterion: str,
    data: str | None,
    split: Path | None,
    tiles: int | None,
) -> None:
    """Refuse data that nothing looks at, and the want of data."""
    from segshrink.recipe import LOOK_AT_DATA

    needed = recover or criterion in LOOK_AT_DATA
    if needed and data is None:
        asks = "--recover" if recover else f"--criterion {criterion}"
        raise UsageError(f"{asks}: looks at images. Name the data set with --data.")
    if data is not None and not needed:
        raise UsageError(
            f"--data: has no effect with --criterion {criterion} and without "
            "--recover. Drop it."
        )
    if data is None and (split or tiles):
        raise UsageError("--split and --tiles have no effect without --data.")


def _require_effect(kind: str, options: dict[str, Any]) -> None:
    """Refuse options that a budget of this kind does not look at."""
    known = {"size": {"runtime", "quantize"}, "latency": set(options)}
    idle = sorted(set(options) - known.get(kind, set()))
    if idle:
        names = ", ".join(f"--{name}" for name in idle)
        raise UsageError(f"{names}: has no effect with --{kind}. Drop it.")
