"""A headless Chromium, driven over two pipes by the protocol of its developer tools."""

import contextlib
import json
import os
import queue
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome")
_MOST_SECONDS = 120


def chromium_path() -> str | None:
    """The browser of this machine; None without one."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Tab:
    """A page of the browser.

    Attributes:
        requests: addresses that the page and its workers asked for, with `data:` and
            `blob:` among them.
        messages: what the page wrote to the console as a warning or an error, and what
            it threw.
    """

    def __init__(self, browser: "Browser", session: str) -> None:
        self._browser, self._session = browser, session
        self.requests: list[str] = []
        self.messages: list[str] = []
        for domain in ("Page", "Runtime", "Network", "Log", "DOM"):
            self.send(f"{domain}.enable")
        # Workers are sessions of their own, whose requests count, too.
        self.send(
            "Target.setAutoAttach",
            autoAttach=True,
            waitForDebuggerOnStart=False,
            flatten=True,
        )

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        return self._browser.send(method, parameters, self._session)

    def open(self, address: str) -> None:
        self.send("Page.navigate", url=address)
        self.wait("document.readyState === 'complete'")

    def evaluate(self, expression: str) -> Any:
        """The value of an expression, or of the promise that it is."""
        answer = self.send(
            "Runtime.evaluate",
            expression=expression,
            awaitPromise=True,
            returnByValue=True,
        )
        if "exceptionDetails" in answer:
            raise RuntimeError(json.dumps(answer["exceptionDetails"])[:2000])
        return answer["result"].get("value")

    def wait(self, condition: str, seconds: float = _MOST_SECONDS) -> None:
        """Wait until an expression is true."""
        end = time.monotonic() + seconds
        while not self.evaluate(condition):
            if time.monotonic() > end:
                raise TimeoutError(f"{condition}; console: {self.messages}")
            time.sleep(0.02)

    def put_file(self, selector: str, path: Path) -> None:
        """Choose a file in an input of the page."""
        found = self.send(
            "Runtime.evaluate", expression=f"document.querySelector('{selector}')"
        )
        self.send(
            "DOM.setFileInputFiles",
            files=[str(path)],
            objectId=found["result"]["objectId"],
        )

    def press(self, key: str, code: int) -> None:
        for kind in ("rawKeyDown", "keyUp"):
            self.send(
                "Input.dispatchKeyEvent",
                type=kind,
                key=key,
                code=key,
                windowsVirtualKeyCode=code,
            )

    def resize(self, width: int, height: int, *, is_phone: bool = False) -> None:
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=is_phone,
        )
        self.send("Emulation.setTouchEmulationEnabled", enabled=is_phone)

    def prefer(self, scheme: str) -> None:
        """Ask pages for the `light` or the `dark` look."""
        self.send(
            "Emulation.setEmulatedMedia",
            features=[{"name": "prefers-color-scheme", "value": scheme}],
        )

    def heard(self, method: str, given: dict[str, Any]) -> None:
        """Keep what an event tells."""
        if method == "Network.requestWillBeSent":
            self.requests.append(given["request"]["url"])
        elif method == "Runtime.consoleAPICalled" and given["type"] in (
            "warning",
            "error",
        ):
            self.messages.append(json.dumps([x.get("value") for x in given["args"]]))
        elif method == "Runtime.exceptionThrown":
            self.messages.append(json.dumps(given["exceptionDetails"])[:2000])
        elif method == "Log.entryAdded" and given["entry"]["level"] == "error":
            self.messages.append(given["entry"]["text"])


class Browser:
    """A running Chromium; see `chromium`."""

    def __init__(self, process: subprocess.Popen, to: int, of: int) -> None:
        self._process, self._to, self._of = process, to, of
        self._answers: queue.Queue[dict[str, Any]] = queue.Queue()
        self._tabs: dict[str, Tab] = {}
        self._asked = 0
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        held = b""
        while chunk := os.read(self._of, 1 << 20):
            *whole, held = (held + chunk).split(b"\0")
            for text in whole:
                self._hear(json.loads(text))

    def _hear(self, message: dict[str, Any]) -> None:
        if "id" in message:
            self._answers.put(message)
            return
        tab = self._tabs.get(message.get("sessionId", ""))
        given = message["params"]
        if tab is None:
            return
        if message["method"] == "Target.attachedToTarget":
            worker = given["sessionId"]
            self._tabs[worker] = tab
            # Nobody waits for these answers.
            for domain in ("Network", "Runtime"):
                self._post({"id": 0, "method": f"{domain}.enable", "sessionId": worker})
        else:
            tab.heard(message["method"], given)

    def _post(self, message: dict[str, Any]) -> None:
        content = json.dumps(message).encode() + b"\0"
        while content:
            content = content[os.write(self._to, content) :]

    def send(
        self, method: str, parameters: dict[str, Any], session: str | None = None
    ) -> dict[str, Any]:
        self._asked += 1
        message = {"id": self._asked, "method": method, "params": parameters}
        self._post(message | ({"sessionId": session} if session else {}))
        while True:
            answer = self._answers.get(timeout=_MOST_SECONDS)
            if answer["id"] != self._asked:
                continue
            if "error" in answer:
                raise RuntimeError(f"{method}: {answer['error']}")
            return answer["result"]

    def tab(self) -> Tab:
        target = self.send("Target.createTarget", {"url": "about:blank"})["targetId"]
        attached = self.send(
            "Target.attachToTarget", {"targetId": target, "flatten": True}
        )
        session = attached["sessionId"]
        # Its events begin while it is made.
        tab = Tab.__new__(Tab)
        self._tabs[session] = tab
        tab.requests, tab.messages = [], []
        tab.__init__(self, session)
        return tab


@contextlib.contextmanager
def chromium(*flags: str) -> Iterator[Browser]:
    """A headless Chromium with a profile of its own, which knows no host."""
    to_browser, for_us = os.pipe(), os.pipe()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [
            chromium_path() or NAMES[0],
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--remote-debugging-pipe",
            "--host-resolver-rules=MAP * ~NOTFOUND",
            "--no-first-run",
            f"--user-data-dir={profile}",
            *flags,
        ]
        # The browser reads from descriptor 3 and writes to 4.
        shell = f'exec "$@" 3<&{to_browser[0]} 4>&{for_us[1]}'
        process = subprocess.Popen(
            ["bash", "-c", shell, "chromium", *command],
            pass_fds=(to_browser[0], for_us[1]),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_browser[0])
        os.close(for_us[1])
        browser = Browser(process, to_browser[1], for_us[0])
        try:
            yield browser
        finally:
            with contextlib.suppress(Exception):
                browser.send("Browser.close", {})
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            os.close(to_browser[1])
