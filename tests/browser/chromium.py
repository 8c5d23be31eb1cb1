"""A real browser, driven by its own protocol: Debian's Chromium is enough, nothing is downloaded and no driver must fit it."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, sleep
from typing import Any

from websockets.sync.client import connect
from websockets.sync.connection import Connection

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
WITHIN = 20.0
"""Seconds in which a browser starts, and in which it answers."""
KEYS = {
    "Enter": ("\r", 13),
    "Escape": ("", 27),
    "ArrowDown": ("", 40),
    "ArrowRight": ("", 39),
    "End": ("", 35),
    "/": ("/", 191),
}
"""What a key writes, and its number."""


def installed() -> str | None:
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Tab:
    """One page at a time, with no network. `complaints` and `asked_for` are of the page that is open."""

    def __init__(self, line: Connection) -> None:
        self._line = line
        self._told: deque[dict[str, Any]] = deque()
        self._last = 0
        self.complaints: list[str] = []
        self.asked_for: list[str] = []
        target = self._ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self._ask(f"{domain}.enable")
        nothing = {"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0}
        self._ask("Network.emulateNetworkConditions", **nothing)

    def open(
        self, path: Path, *, width: int = 1280, height: int = 900, dark: bool = False, script: bool = True
    ) -> None:
        self._ask("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self._ask("Emulation.setScriptExecutionDisabled", value=not script)
        self.paint(dark=dark)
        # From an empty page, so that an address that differs behind the # only is a page of its own.
        self._go("about:blank")
        self.complaints.clear()
        self.asked_for.clear()
        self._go(path.resolve().as_uri())

    def paint(self, *, dark: bool = False, paper: bool = False) -> None:
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._ask("Emulation.setEmulatedMedia", media="print" if paper else "", features=[scheme])

    def print_to(self, path: Path) -> None:
        path.write_bytes(
            base64.b64decode(self._ask("Page.printToPDF", preferCSSPageSize=True, printBackground=True)["data"])
        )

    def value(self, expression: str) -> Any:
        """What an expression of JavaScript says; a promise is awaited."""
        answer = self._ask("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def until(self, expression: str) -> None:
        end = monotonic() + WITHIN
        while not self.value(expression):
            assert monotonic() < end, f"never came true: {expression}"
            sleep(0.02)

    def press(self, key: str) -> None:
        text, number = KEYS[key]
        self._ask("Input.dispatchKeyEvent", type="keyDown", key=key, code=key, text=text, windowsVirtualKeyCode=number)
        self._ask("Input.dispatchKeyEvent", type="keyUp", key=key, code=key, windowsVirtualKeyCode=number)

    def write(self, text: str) -> None:
        self._ask("Input.insertText", text=text)

    def text(self) -> str:
        """As a reader without script sees it."""
        document = self._ask("DOM.getDocument", depth=0)["root"]["nodeId"]
        return str(self._ask("DOM.getOuterHTML", nodeId=document)["outerHTML"])

    def picture(self, path: Path) -> Path:
        """Of what the window shows."""
        path.write_bytes(base64.b64decode(self._ask("Page.captureScreenshot", format="png")["data"]))
        return path

    def _go(self, url: str) -> None:
        self._ask("Page.navigate", url=url)
        while not any(event["method"] == "Page.loadEventFired" for event in self._hear()):
            pass

    def _hear(self) -> Iterator[dict[str, Any]]:
        yield self._told.popleft() if self._told else self._next()

    def _ask(self, method: str, **params: Any) -> dict[str, Any]:
        self._last += 1
        asked = {"id": self._last, "method": method, "params": params}
        session = getattr(self, "_session", None)
        self._line.send(json.dumps(asked | ({"sessionId": session} if session else {})))
        while True:
            told = self._next()
            if told.get("id") == self._last:
                assert "error" not in told, f"{method}: {told['error']}"
                return dict(told["result"])
            self._told.append(told)

    def _next(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self._line.recv(timeout=WITHIN))
        params = told.get("params", {})
        match told.get("method"):
            case "Network.requestWillBeSent":
                self.asked_for.append(params["request"]["url"])
            case "Runtime.exceptionThrown":
                self.complaints.append(str(params["exceptionDetails"]))
            case "Runtime.consoleAPICalled":
                self.complaints.append(str(params["args"]))
            case "Log.entryAdded":
                self.complaints.append(str(params["entry"]["text"]))
            case _:
                pass
        return told


@contextmanager
def browser(program: str) -> Iterator[Tab]:
    """On a profile of its own, on loopback; it ends with the block."""
    with TemporaryDirectory(prefix="bascule-chromium-", ignore_cleanup_errors=True) as profile:
        command = [
            program,
            "--headless=new",
            "--no-sandbox",  # a container's root has no user namespaces, and the only page opened is our own
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--hide-scrollbars",
            "--remote-debugging-port=0",
            f"--user-data-dir={profile}",
            "about:blank",
        ]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            try:
                with connect(_address(Path(profile) / "DevToolsActivePort"), max_size=None) as line:
                    yield Tab(line)
            finally:
                process.terminate()


def _address(announced: Path) -> str:
    end = monotonic() + WITHIN
    while monotonic() < end:
        lines = announced.read_text().splitlines() if announced.exists() else []
        if len(lines) == 2:
            return f"ws://127.0.0.1:{lines[0]}{lines[1]}"
        sleep(0.05)
    raise TimeoutError(f"Chromium did not start within {WITHIN:g} s")
