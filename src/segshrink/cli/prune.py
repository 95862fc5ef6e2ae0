"""segshrink prune."""

from pathlib import Path
from typing import Annotated, Any

import typer

from segshrink.cli.terminal import TerminalProgress, load_keras, output
from segshrink.errors import UsageError


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
            help="What ranks channels: l1, l2, group_norm, slimming, geometric_median "
            "or random."
        ),
    ] = "l2",
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
) -> None:
    """Remove channels from a model; OUT is plain Keras and still needs fine-tuning.

    Example: segshrink prune teacher/model.keras --out smaller.keras --latency 0.25
    """
    if out.suffix != ".keras":
        raise UsageError(f"--out {out}: the name of a model must end in .keras.")
    given = {
        "keep": keep,
        "macs": macs,
        "parameters": parameters,
        "size": size,
        "latency": latency,
    }
    named = [name for name, value in given.items() if value is not None] or ["keep"]
    if len(named) > 1:
        raise UsageError(f"Give only one of {', '.join(f'--{n}' for n in named)}.")
    kind = named[0]
    options = {"runtime": runtime, "threads": threads, "quantize": quantize}
    options = {name: value for name, value in options.items() if value is not None}
    _require_effect(kind, options)
    load_keras()
    from segshrink.models import load_model, save_model
    from segshrink.pruning import (
        LatencyBudget,
        MacsBudget,
        ParameterBudget,
        SizeBudget,
        plan_pruning,
    )

    budgets: dict[str, Any] = {
        "macs": MacsBudget,
        "parameters": ParameterBudget,
        "size": SizeBudget,
        "latency": LatencyBudget,
    }
    budget = budgets[kind](given[kind], **options) if kind in budgets else None
    before = load_model(model)
    plan = plan_pruning(
        before,
        keep=(0.5 if keep is None else keep) if budget is None else None,
        budget=budget,
        criterion=criterion,
        scope=scope,  # type: ignore[arg-type]
        multiple_of=multiple_of,
        skip=skip or (),
        progress=TerminalProgress(),
    )
    save_model(plan.apply(before), out)
    output.out(str(plan))
    output.out(
        f"{out}: {plan.parameters_before:,} -> {plan.parameters_after:,} weights"
    )


def _require_effect(kind: str, options: dict[str, Any]) -> None:
    """Refuse options that a budget of this kind does not look at."""
    known = {"size": {"runtime", "quantize"}, "latency": set(options)}
    idle = sorted(set(options) - known.get(kind, set()))
    if idle:
        names = ", ".join(f"--{name}" for name in idle)
        raise UsageError(f"{names}: has no effect with --{kind}. Drop it.")
