"""What a package index shows of the wheel."""

import re
import runpy
import subprocess
import sys
import zipfile
from email import message_from_string
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def metadata(tmp_path_factory):
    """The METADATA of a wheel that is built here."""
    pytest.importorskip("hatchling")
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [x for x in archive.namelist() if x.endswith(".dist-info/METADATA")]
        return message_from_string(archive.read(name).decode("utf-8"))


def _links(text):
    """Targets of links, of pictures and of HTML attributes."""
    found = re.findall(r"\]\(([^)\s]+)\)", text)
    return found + re.findall(r"(?:src|href)=\"([^\"]+)\"", text)


def test_no_link_of_the_page_is_relative(metadata):
    assert metadata["Description-Content-Type"].startswith("text/markdown")
    links = _links(metadata.get_payload())
    assert len(links) >= 10
    assert [link for link in links if not link.startswith(("https://", "#"))] == []


def test_links_lead_to_files_of_the_repository(metadata):
    home = dict(x.split(", ") for x in metadata.get_all("Project-URL"))["Homepage"]
    inside = [x for x in _links(metadata.get_payload()) if x.startswith(home)]
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    relative = [x for x in _links(readme) if not x.startswith(("https://", "#"))]
    paths = [re.sub(r"/(blob|raw)/main/", "", link[len(home) :]) for link in inside]
    assert paths == relative
    for path in paths:
        assert (ROOT / path.partition("#")[0]).exists(), path


def test_pictures_are_the_files_themselves():
    pytest.importorskip("hatchling")
    absolute = runpy.run_path(str(ROOT / "hatch_build.py"))["with_absolute_links"]
    text = "![a](docs/a.jpg) [b](docs/b.md#c) [d](https://e.org/f) [g](#h)"
    assert absolute(text, "https://x.org/y") == (
        "![a](https://x.org/y/raw/main/docs/a.jpg) "
        "[b](https://x.org/y/blob/main/docs/b.md#c) [d](https://e.org/f) [g](#h)"
    )


def test_urls_of_the_project_are_there(metadata):
    named = dict(x.split(", ") for x in metadata.get_all("Project-URL"))
    assert set(named) == {"Homepage", "Documentation", "Issues", "Changelog"}
    for name in ("Documentation", "Changelog"):
        inside = named[name].removeprefix(named["Homepage"])
        path = re.sub(r"^/(blob|tree)/main/", "", inside)
        assert path != inside and (ROOT / path).exists()
