"""The command line application: all verbs, and its entry point."""

import inspect as inspection
import os
import sys
from typing import Annotated

import typer

from segshrink._version import __version__
from segshrink.cli.benchmark import benchmark
from segshrink.cli.compress import compress
from segshrink.cli.convert import convert
from segshrink.cli.distill import distill
from segshrink.cli.doctor import doctor
from segshrink.cli.evaluate import evaluate
from segshrink.cli.export import export
from segshrink.cli.inspect import inspect
from segshrink.cli.predict import predict
from segshrink.cli.prune import prune
from segshrink.cli.recipes import recipes
from segshrink.cli.report import report
from segshrink.cli.search import search
from segshrink.cli.terminal import (
    STOPPED_EXIT_CODE,
    output,
    tell_warnings,
    user_errors,
)
from segshrink.cli.train import train
from segshrink.cli.validate import validate


def as_paragraphs(text: str | None) -> str:
    """A docstring with a line for each paragraph, which help wraps by itself."""
    paragraphs = inspection.cleandoc(text or "").split("\n\n")
    return "\n\n".join(" ".join(each.split()) for each in paragraphs)


app = typer.Typer(
    name="segshrink",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
for verb in (
    compress,
    train,
    prune,
    distill,
    export,
    evaluate,
    benchmark,
    predict,
    inspect,
    convert,
    search,
    report,
    doctor,
    validate,
    recipes,
):
    app.command(help=as_paragraphs(verb.__doc__))(user_errors()(verb))


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"segshrink {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_version,
            is_eager=True,
            help="Show the version and exit.",
        ),
    ] = False,
) -> None:
    """From a folder of images and masks to a small, fast, measured model.

    Example: segshrink compress synthetic --out runs/first
    """


def main() -> None:
    """Entry point of the `segshrink` command."""
    # Set before anything imports a backend, whose start-up messages help nobody.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    # TensorFlow turns oneDNN off on processors without AVX-512, though it trains a
    # U-Net a fifth faster there too.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    tell_warnings()
    # Silenced by the verb before, where one process runs several.
    output.quiet = False
    try:
        app(prog_name="segshrink")
    except SystemExit as leaving:
        if leaving.code == STOPPED_EXIT_CODE:
            # A backend's threads still compute, and can crash the interpreter while it
            # shuts down.
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(STOPPED_EXIT_CODE)
        raise
