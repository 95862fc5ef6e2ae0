"""Help is quick, and its examples are true."""

import inspect
import itertools
import shlex
import subprocess
import sys

import pytest
import typer

from e2e.command_line import succeeded, typed
from segshrink import __version__
from segshrink.cli.app import app, as_paragraphs

COMMANDS = typer.main.get_command(app).commands
VERBS = (
    "benchmark",
    "compress",
    "convert",
    "distill",
    "doctor",
    "evaluate",
    "export",
    "inspect",
    "predict",
    "prune",
    "recipes",
    "report",
    "search",
    "train",
    "validate",
)


def test_every_verb_is_there():
    assert tuple(sorted(COMMANDS)) == VERBS
    overview = succeeded("--help")
    assert all(f" {verb} " in overview for verb in VERBS)


def test_version():
    assert succeeded("--version") == f"segshrink {__version__}\n"


@pytest.mark.parametrize("verb", VERBS)
def test_help_shows_an_example_that_parses(verb):
    [example] = [
        line.partition("Example:")[2].strip()
        for line in inspect.getdoc(COMMANDS[verb].callback).splitlines()
        if line.startswith("Example:")
    ]
    # Help wraps at the width of the terminal, and may draw a frame.
    assert "".join(example.split()) in "".join(succeeded(verb, "--help").split())
    program, named, *arguments = shlex.split(example)
    assert (program, named) == ("segshrink", verb)
    context = COMMANDS[verb].make_context(verb, list(arguments))
    given = {name for name in arguments if name.startswith("--")}
    known = {option for part in COMMANDS[verb].params for option in part.opts}
    assert given <= known
    assert context.params


@pytest.mark.parametrize("verb", VERBS)
def test_every_argument_and_option_is_explained(verb):
    for parameter in COMMANDS[verb].params:
        if parameter.name != "help":
            assert parameter.help, f"{verb}: {parameter.name}"


@pytest.mark.parametrize("verb", VERBS)
def test_help_wraps_cleanly_in_80_columns(verb):
    lines = typed(verb, "--help", columns=80).out.splitlines()
    assert max(map(len, lines)) <= 80
    assert not [line for line in lines if "…" in line]
    [example] = [line.strip() for line in lines if "Example: " in line]
    assert example in inspect.getdoc(COMMANDS[verb].callback)
    # A line of a paragraph ends where the next word would not fit.
    usage = next(i for i, line in enumerate(lines) if "Usage:" in line)
    frame = next(i for i, line in enumerate(lines) if line.startswith("╭"))
    text = [line.strip() for line in lines[usage + 1 : frame]]
    for line, after in itertools.pairwise(text):
        if line and after:
            assert len(line) + 1 + len(after.split()[0]) > 76, line


def test_a_docstring_becomes_a_line_for_each_paragraph():
    text = """One sentence.

    Another one, which
    takes two lines.
    """
    assert as_paragraphs(text) == (
        "One sentence.\n\nAnother one, which takes two lines."
    )
    assert as_paragraphs(None) == ""


@pytest.mark.parametrize("arguments", [["--help"], ["compress", "--help"]])
def test_help_imports_nothing_heavy(arguments):
    heavy = {"keras", "numpy", "tensorflow", "matplotlib", "PIL", "optuna", "yaml"}
    if arguments == ["--help"]:  # typer itself reads a verb's arguments with pydantic
        heavy.add("pydantic")
    code = f"""
import sys
from segshrink.cli import main
sys.argv = ["segshrink", *{arguments!r}]
try:
    main()
except SystemExit as leaving:
    assert not leaving.code, leaving.code
loaded = sorted({heavy!r} & set(sys.modules))
assert not loaded, loaded
"""
    finished = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True
    )
    assert finished.returncode == 0, finished.stderr
