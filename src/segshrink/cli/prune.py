"""segshrink prune."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from segshrink.cli.data_options import DataOptions, open_model_and_data
from segshrink.cli.figures import CsvFile, Figures, JsonFile, plan_rows
from segshrink.cli.options import (
    Architecture,
    Head,
    InputRangeName,
    ResizeMasks,
    SnapColors,
    SplitFile,
    SplitSeed,
    refuse_idle,
)
from segshrink.cli.terminal import TerminalProgress, errors, load_keras, output
from segshrink.errors import UsageError

if TYPE_CHECKING:
    import keras
    import numpy as np

    from segshrink.data import Dataset
    from segshrink.pruning import PruningPlan
    from segshrink.pruning.budgets import Budget


def prune(
    model: Annotated[Path, typer.Argument(help="Trained .keras model.")],
    out: Annotated[Path, typer.Option("--out", help="The smaller .keras model.")],
    keep: Annotated[
        float | None, typer.Option(help="Share of channels to keep; 0.3 by default.")
    ] = None,
    macs: Annotated[
        float | None,
        typer.Option(help="Instead: MACs (multiplications), as a share or a number."),
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
        str | None,
        typer.Option(
            help="How channels are ranked: l1, l2, group_norm (default), slimming, "
            "geometric_median, mean_activation, taylor, fisher or random; the three "
            "before random look at --data."
        ),
    ] = None,
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
        bool | None,
        typer.Option(
            "--recover/--no-recover",
            help="Refit the weights behind removed channels on tiles of --data; on by "
            "default where there is --data.",
            show_default=False,
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            help="Data set for recovery, and for criteria that look at data; 'run' "
            "for that of the model's run."
        ),
    ] = None,
    split: SplitFile = None,
    split_seed: SplitSeed = None,
    snap_colors: SnapColors = False,
    resize_masks: ResizeMasks = False,
    tiles: Annotated[
        int | None, typer.Option(min=1, help="Training tiles of --data; 64 by default.")
    ] = None,
    head: Head = None,
    input_range: InputRangeName = None,
    architecture: Architecture = None,
    json_file: JsonFile = None,
    csv_file: CsvFile = None,
) -> None:
    """Remove channels from a model; OUT is plain Keras and still needs fine-tuning.

    The defaults are those of `compress`. The plan is written beside the model, as OUT's
    name with .plan.json.

    Example: segshrink prune teacher/model.keras --out small.keras --latency 0.25
    """
    figures = Figures(json_file, csv_file)
    if out.suffix != ".keras":
        raise UsageError(f"--out {out}: the name of a model must end in .keras.")
    from segshrink.recipe import PruningSettings

    defaults = PruningSettings()
    criterion = criterion or defaults.criterion
    options = DataOptions(
        data, split, split_seed, None, snap_colors, resize_masks, [model]
    )
    options.refuse_without_data(tiles=tiles)
    kind, target = _one_target(
        keep=keep, macs=macs, parameters=parameters, size=size, latency=latency
    )
    file_options = _file_options(
        kind, runtime=runtime, threads=threads, quantize=quantize
    )
    recovers = _recovers(recover, criterion, options)
    load_keras()
    from segshrink.compression.student import plan_path
    from segshrink.models import read_bands, save_model

    before, dataset = open_model_and_data(
        model, options, head, input_range, architecture
    )
    plan, smaller = _pruned(
        before,
        dataset,
        tiles or defaults.tiles_looked_at,
        recovery=recovers,
        criterion=criterion,
        keep=(defaults.keep if target is None else target) if kind == "keep" else None,
        budget=_budget(kind, target, file_options),
        scope=scope,
        multiple_of=multiple_of,
        skip=skip or (),
    )
    save_model(smaller, out, bands=read_bands(model))
    plan.as_record().write(plan_path(out))
    _give(plan, out, figures)


def _give(plan: PruningPlan, out: Path, figures: Figures) -> None:
    output.print(plan)
    output.out(
        f"{out}: {plan.parameters_before:,} -> {plan.parameters_after:,} weights"
    )
    figures.write(plan.as_record().as_plain(), plan_rows(plan))


def _pruned(
    model: keras.Model, dataset: Dataset | None, tiles: int, **settings: Any
) -> tuple[PruningPlan, keras.Model]:
    """The plan, and a smaller model for images of the same size, open or not."""
    from segshrink.compression.student import prune_with_tiles
    from segshrink.export import with_fixed_size
    from segshrink.models.resizing import resized

    sized = with_fixed_size(model)
    plan, smaller = prune_with_tiles(
        sized, _tiles(sized, dataset, tiles), progress=TerminalProgress(), **settings
    )
    if sized is not model:
        smaller = resized(smaller, model.input_shape[1:])
    return plan, smaller


def _one_target(**targets: float | None) -> tuple[str, float | None]:
    """The option that was given and its value; `keep` and None without any."""
    given = {name: value for name, value in targets.items() if value is not None}
    if len(given) > 1:
        raise UsageError(f"Give only one of {', '.join(f'--{n}' for n in given)}.")
    return next(iter(given.items()), ("keep", None))


def _file_options(kind: str, **options: object) -> dict[str, object]:
    """The options that were given of the exported file, which a budget measures."""
    used = {"size": {"runtime", "quantize"}, "latency": set(options)}.get(kind, set())
    refuse_idle(
        f"with --{kind}", **{x: value for x, value in options.items() if x not in used}
    )
    return {name: value for name, value in options.items() if value is not None}


def _budget(
    kind: str, target: float | None, options: Mapping[str, object]
) -> Budget | None:
    from segshrink.compression.student import BUDGETS

    return BUDGETS[kind](target, **options) if kind in BUDGETS else None


def _recovers(recover: bool | None, criterion: str, options: DataOptions) -> bool:
    """Whether to refit weights: as in `compress`, but not without images."""
    from segshrink.recipe import LOOK_AT_DATA, PruningSettings

    looks = criterion in LOOK_AT_DATA
    if not options.is_given and (recover or looks):
        option = "--recover" if recover else f"--criterion {criterion}"
        raise UsageError(f"{option}: looks at images. Name the data set with --data.")
    if options.is_given and recover is False and not looks:
        refuse_idle(
            f"with --criterion {criterion} and --no-recover", data=options.source
        )
    if recover is not None:
        return recover
    by_default = PruningSettings().recovery != "none"
    if by_default and not options.is_given:
        errors.print(
            "Note: the weights behind removed channels are not refitted, since that "
            "needs images. Name a data set with --data, or give --no-recover."
        )
    return by_default and options.is_given


def _tiles(
    model: keras.Model, dataset: Dataset | None, count: int
) -> tuple[np.ndarray, np.ndarray] | None:
    """Images and labels of `count` training tiles; None without a data set."""
    if dataset is None:
        return None
    from segshrink.data import plain_tiles
    from segshrink.export import fixed_input_shape

    return plain_tiles(dataset.train, fixed_input_shape(model), count)
