"""Every command and every snippet of the documents is run, or says why it is not."""

import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
import typer
import yaml

from e2e.command_line import succeeded
from e2e.pages import GIVEN, PAGES, ROOT, Block, blocks_of, given_in, lay_out, smaller
from segshrink.cli.app import app
from segshrink.recipe import Recipe
from segshrink.search.space import parse_search_recipe

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
EXTRAS = PROJECT["project"]["optional-dependencies"]
COMMANDS = typer.main.get_command(app).commands
# Packages of extras that a page needs, by a word of its blocks.
_NEEDED = {"mediapipe": "mediapipe", "scene.tif": "rasterio", "film.mp4": "av"}


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


BLOCKS = {page: blocks_of(page) for page in PAGES}
WITH_CODE = [
    page
    for page, blocks in BLOCKS.items()
    if any(x.language in ("sh", "python") and x.reason is None for x in blocks)
]


@pytest.mark.parametrize("page", WITH_CODE, ids=name_of)
def test_what_a_page_says_runs(page, request, tmp_path, monkeypatch):
    text = page.read_text(encoding="utf-8")
    for word, package in _NEEDED.items():
        if word in text:
            pytest.importorskip(package)
    given = given_in(page)
    scenes = request.getfixturevalue("scenes") if given else None
    of_run = {"runs/first", "a.onnx"} & set(given)
    run = request.getfixturevalue("finished_run") if of_run else None
    monkeypatch.chdir(tmp_path)
    for name in GIVEN:
        if name in given:
            lay_out(name, tmp_path, scenes, run)
    names = of_the_reader()
    for block in BLOCKS[page]:
        if block.reason is None and block.language == "sh":
            for line in block.commands:
                type_line(line)
        elif block.reason is None and block.language == "python":
            exec(compile(block.text, name_of(page), "exec"), names)


def of_the_reader() -> dict[str, object]:
    """Names that pages use without saying where they come from."""
    random = np.random.default_rng(0)
    images = random.uniform(0, 255, (4, 64, 64, 3)).astype("float32")
    return {"images": images, "labels": random.integers(0, 2, (4, 64, 64), "uint8")}


def type_line(line: str) -> None:
    """Run a line: in this process, unless it needs a shell."""
    words = shlex.split(line)
    if words[:2] == ["pip", "install"]:
        require_extras(line)
    elif words[0] == "segshrink" and not re.search(r"[|>&;]", line):
        succeeded(*words[1:], *smaller(words[1:]))
    else:
        folders = [str(Path(sys.executable).parent), os.environ["PATH"]]
        place = os.environ | {"PATH": os.pathsep.join(folders)}
        done = subprocess.run(
            ["sh", "-ec", line], env=place, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, done.stderr


def require_extras(line: str) -> None:
    """Packages are not installed by a test; the extras that are named are there."""
    for named in re.findall(r"(?:segshrink|\.)\[(.+?)\]", line):
        assert set(named.split(",")) <= set(EXTRAS), line


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_verbs_and_options_are_there(page):
    """Of blocks that are not run, and of commands within sentences."""
    text = page.read_text(encoding="utf-8")
    for block in BLOCKS[page]:
        if block.language == "sh" and block.reason is not None:
            for line in block.commands:
                words = shlex.split(re.sub(r"^[A-Z_]+=\S+ ", "", line))
                assert words[0] == "segshrink", line
                COMMANDS[words[1]].make_context(words[1], words[2:])
    for line in re.findall(r"`segshrink ([a-z]+[^`]*)`", text):
        verb, *words = line.split()
        assert verb in COMMANDS, line
        known = {x for part in COMMANDS[verb].params for x in part.opts}
        known |= {x for part in COMMANDS[verb].params for x in part.secondary_opts}
        used = {word.split("=")[0] for word in words if word.startswith("--")}
        assert used <= known | {"--help"}, line
    for line in re.findall(r"pip install '?segshrink\S*", text):
        require_extras(line)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_no_command_is_left_out(page):
    """A command stands in a block of `sh`; `given` names what is known."""
    assert set(given_in(page)) <= set(GIVEN)
    for block in BLOCKS[page]:
        if block.language != "sh":
            assert not re.search(r"(?m)^(\$ )?segshrink ", block.text), block.text


def recipes_of(page: Path) -> list[dict]:
    """Contents of the blocks of YAML that are recipes, or parts of them."""
    contents = [yaml.safe_load(x.text) for x in BLOCKS[page] if x.language == "yaml"]
    known = {*Recipe.model_fields, "search"}
    return [each for each in contents if each and set(each) <= known]


WITH_RECIPES = [page for page in PAGES if recipes_of(page)]


@pytest.mark.parametrize("page", WITH_RECIPES, ids=name_of)
def test_recipes_are_valid(page):
    for recipe in recipes_of(page):
        parse_search_recipe(recipe)


def test_pages_have_what_is_looked_for():
    """Were none found, nothing would be tested."""
    assert {"README.md", "docs/how-to/own_folder.md"} <= set(map(name_of, WITH_CODE))
    assert {"docs/how-to/search.md"} <= set(map(name_of, WITH_RECIPES))
    block = Block("sh", "a \\\n  b\n\n# not this\nc\n", None)
    assert block.commands == ["a b", "c"]
