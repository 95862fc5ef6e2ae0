"""segshrink prune."""

from pathlib import Path
from typing import Annotated

import typer

from segshrink.cli.terminal import load_keras, output
from segshrink.errors import UsageError


def prune(
    model: Annotated[Path, typer.Argument(help="Trained .keras model.")],
    out: Annotated[Path, typer.Option("--out", help="The smaller .keras model.")],
    keep: Annotated[float, typer.Option(help="Share of channels to keep.")] = 0.5,
    criterion: Annotated[str, typer.Option(help="What ranks channels.")] = "l2",
    scope: Annotated[
        str, typer.Option(help="'layer': every layer alike; 'global': ranked together.")
    ] = "layer",
    multiple_of: Annotated[int, typer.Option(help="Counts are multiples of this.")] = 8,
    skip: Annotated[
        list[str] | None,
        typer.Option(help="Layer that keeps its channels. Repeatable."),
    ] = None,
) -> None:
    """Remove channels from a model; OUT is plain Keras and still needs fine-tuning.

    Example: segshrink prune teacher/model.keras --out smaller.keras --keep 0.5
    """
    if out.suffix != ".keras":
        raise UsageError(f"--out {out}: the name of a model must end in .keras.")
    load_keras()
    from segshrink.models import load_model, save_model
    from segshrink.pruning import plan_pruning

    before = load_model(model)
    plan = plan_pruning(
        before,
        keep=keep,
        criterion=criterion,
        scope=scope,  # type: ignore[arg-type]
        multiple_of=multiple_of,
        skip=skip or (),
    )
    save_model(plan.apply(before), out)
    output.out(str(plan))
    output.out(
        f"{out}: {plan.parameters_before:,} -> {plan.parameters_after:,} weights"
    )
