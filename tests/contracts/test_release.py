"""What a release and a public host read: valid, and in agreement with the code."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from segshrink import __version__

ROOT = Path(__file__).parents[2]
CITATION = ROOT / "CITATION.cff"
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
CONTAINERS = sorted((ROOT / "docker").glob("*.Dockerfile"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
_CLASSIFIER = "Programming Language :: Python :: "

FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("[!c]*.yml"))
SCHEMAS = [
    ("citation-file-format", CITATION),
    ("github-issue-config", ROOT / ".github" / "ISSUE_TEMPLATE" / "config.yml"),
    *[("github-issue-forms", path) for path in FORMS],
    *[("github-workflows", path) for path in WORKFLOWS],
]


def supported() -> list[str]:
    return [
        text.removeprefix(_CLASSIFIER)
        for text in PROJECT["classifiers"]
        if text.startswith(_CLASSIFIER)
    ]


@pytest.mark.parametrize(
    ("schema", "path"), SCHEMAS, ids=lambda x: x.name if isinstance(x, Path) else x
)
def test_keeps_to_its_schema(schema, path):
    done = subprocess.run(
        [sys.executable, "-m", "check_jsonschema"]
        + ["--builtin-schema", f"vendor.{schema}", path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_citation_is_of_this_version():
    citation = yaml.safe_load(CITATION.read_text(encoding="utf-8"))
    assert citation["version"] == __version__
    assert citation["license"] == PROJECT["license"]
    assert set(citation["title"].partition(":")[0].split()) == {PROJECT["name"]}


def test_the_changelog_begins_with_this_version():
    headings = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert headings[0] == __version__


def test_the_oldest_python_is_the_one_that_is_required():
    assert PROJECT["requires-python"] == f">={supported()[0]}"


def test_the_workflow_runs_every_supported_python():
    jobs = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())["jobs"]
    assert jobs["checks"]["strategy"]["matrix"]["python"] == supported()
    assert {"run": ".ci/run"} in jobs["checks"]["steps"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_every_action_is_pinned_by_its_commit(path):
    used = re.findall(r"^\s*- uses: (.+)$", path.read_text(), re.MULTILINE)
    assert used
    pinned = re.compile(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
    assert [action for action in used if not pinned.fullmatch(action)] == []


@pytest.mark.parametrize("path", CONTAINERS, ids=lambda path: path.name)
def test_a_container_is_described_without_faults(path):
    hadolint = Path(sys.executable).parent / "hadolint"
    done = subprocess.run(
        [hadolint, "--no-color", path], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("path", CONTAINERS, ids=lambda path: path.name)
def test_a_container_copies_files_that_reach_it(path):
    text = path.read_text()
    copied = [
        name
        for line in re.findall(r"^COPY (.+)$", text, re.MULTILINE)
        for name in line.split()[:-1]
    ]
    let_in = {
        found.name
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
        for found in ROOT.glob(line[1:])
    }
    # What the build of the package reads, too: the README and the licence.
    assert {"src", "pyproject.toml", "README.md", "LICENSE"} <= set(copied) <= let_in


@pytest.mark.parametrize("path", CONTAINERS, ids=lambda path: path.name)
def test_a_container_is_pinned_and_does_not_run_as_root(path):
    text = path.read_text()
    bases = re.findall(r"^FROM (.+)$", text, re.MULTILINE)
    assert re.fullmatch(r"[\w/]+:[\w.-]+@sha256:[0-9a-f]{64}", *bases)
    assert ".".join(bases[0].partition(":")[2].split(".")[:2]) in supported()
    users = re.findall(r"^USER (.+)$", text, re.MULTILINE)
    assert users and users[-1] not in ("root", "0")


def test_jax_of_the_container_is_that_of_the_lock():
    """The expression that the container cuts the lock with finds jax and jaxlib."""
    text = (ROOT / "docker" / "cuda.Dockerfile").read_text()
    (expression,) = re.findall(r"sed -n '(.+)' requirements\.lock", text)
    done = subprocess.run(
        ["sed", "-n", expression, ROOT / "requirements.lock"],
        capture_output=True,
        text=True,
        check=True,
    )
    lines = done.stdout.splitlines()
    assert {line.partition("==")[0] for line in lines} == {"jax", "jaxlib"}
    assert all("\\" not in line for line in lines)


def test_nothing_but_the_package_enters_the_wheel():
    configured = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wheel = configured["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel == {"packages": ["src/segshrink"]}
    assert (ROOT / "src" / "segshrink" / "py.typed").is_file()
