"""Pages in a browser, as a user opens and uses them."""

import base64
import gzip
import json
import re
from pathlib import Path

import numpy as np
from PIL import Image

from .chromium import Browser, Tab

_LOADED = "shown.loaded !== null || !document.getElementById('fault').hidden"
_DONE = "shown.classMap !== null || !document.getElementById('fault').hidden"


def block(page: str, name: str) -> bytes:
    """A file that the page carries."""
    [text] = re.findall(
        rf'<script type="application/gzip" id="{name}">(.*?)</script>', page
    )
    return gzip.decompress(base64.b64decode(text))


def facts(page: str) -> dict:
    [text] = re.findall(r'id="model_facts">(.*?)</script>', page)
    return json.loads(text)


def opened(browser: Browser, page: Path, prepared: str = "") -> Tab:
    """A tab in which the page has loaded, or has said why it cannot.

    Args:
        browser: a running one.
        page: opened as a file.
        prepared: JavaScript that runs before the page's own.
    """
    tab = browser.tab()
    tab.resize(1280, 900)
    tab.send("Page.addScriptToEvaluateOnNewDocument", source=prepared)
    tab.open(page.as_uri())
    tab.wait(_LOADED)
    return tab


def text(tab: Tab, name: str) -> str:
    """The text of an element, empty if it is hidden."""
    return tab.evaluate(
        f"(e => e.hidden ? '' : e.textContent)(document.getElementById('{name}'))"
    )


def segment(tab: Tab, picture: Path) -> np.ndarray:
    """Choose a picture; the classes that the page gives, uint8 (height, width)."""
    tab.evaluate("shown.classMap = null")
    tab.put_file("#choose", picture)
    tab.wait(_DONE)
    assert text(tab, "fault") == ""
    height, width, values = tab.evaluate(
        "[shown.height, shown.width, btoa(Array.from(shown.classMap, "
        "x => String.fromCharCode(x)).join(''))]"
    )
    return np.frombuffer(base64.b64decode(values), np.uint8).reshape(height, width)


def write_picture(path: Path, image: np.ndarray) -> Path:
    Image.fromarray(image).save(path)
    return path
