"""`bascule agent check`: what it prints, for people and for programs, and how it ends."""

from __future__ import annotations

import http.server
import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import defusedxml.ElementTree
import pytest

from bascule.conformance import PROMISES
from bascule.inventory import sample
from console.sandbox_process import start_sandbox
from tests.unit.console.conftest import Bascule

HOSTILE = "\x1b[2J\x1b]0;owned\x07<b>&]]>\u202e"


class Page(http.server.BaseHTTPRequestHandler):
    """A web page at /, an agent with a hostile tongue at /ge."""

    def do_GET(self) -> None:
        is_agent = self.path.startswith("/ge/")
        body = json.dumps({"status": "ok", "system": HOSTILE, "contract": HOSTILE, "time": HOSTILE, HOSTILE: HOSTILE})
        content = body.encode() if is_agent else b"<html>Welcome</html>"
        self.send_response(200)
        self.send_header("Content-Type", "application/json" if is_agent else "text/html")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # as http.server names it
        pass


@pytest.fixture
def page() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("http://127.0.0.1:9",), "No agent answers at http://127.0.0.1:9: nothing answers."),
        (("nonsense",), "'nonsense' is not the URL of an agent"),
        (("http://127.0.0.1:9", "--writes"), "name a test cabinet with --cabinet"),
        (("http://127.0.0.1:9", "-c", "C0001", "--other", "C0001"), "name a second one"),
        (("http://127.0.0.1:9", "--secret-env", "NO_SUCH_SECRET"), "NO_SUCH_SECRET"),
        (("http://127.0.0.1:9", "--system", "sage"), "'sage' is not one of"),
        ((), "Missing argument"),
    ],
)
def test_what_cannot_be_checked_is_a_sentence_and_exit_2(bascule: Bascule, words: tuple[str, ...], says: str) -> None:
    ended = bascule("agent", "check", *words)
    assert (ended.code, ended.out) == (2, "")
    assert says in " ".join(re.sub("[│╭╮╰╯─]", " ", ended.err).split())


def test_nothing_at_the_url_is_one_line(bascule: Bascule) -> None:
    assert bascule("agent", "check", "http://127.0.0.1:9").err.count("\n") == 1


def test_a_web_page_at_the_url_is_named(bascule: Bascule, page: str) -> None:
    url = f"{page}/welcome"
    ended = bascule("agent", "check", url)
    assert (ended.code, ended.err) == (2, f"error: No agent answers at {url}: a web page is there (HTTP 200).\n")


def test_an_agent_that_keeps_its_promises_ends_with_0_and_each_is_shown_on_80_columns(
    bascule: Bascule, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    scenario = tmp_path / "scenario.yaml"
    scenario.write_text("{sync_seconds: 0.2, honour_keys: true}", encoding="utf-8")
    with start_sandbox(sample(2, seed=1), scenario=scenario) as sandbox:
        url = sandbox.url
        read = bascule("agent", "check", f"{url}/ge", "--system", "ge", "--cabinet", "C0001")
        plain = bascule(
            "agent", "check", url, "-c", "C0001", "--other", "C0002", "--writes", "--json", "--junit", "r.xml"
        )
        again = bascule("agent", "check", url)
    assert [one for one in json.loads(plain.out)["promises"] if one["outcome"] == "failed"] == []
    assert read.code == plain.code == again.code == 0
    assert [line for line in read.out.splitlines() if len(line) > 80] == []
    assert "more were not tried: they need --writes and a test cabinet." in read.out
    assert "changed for good" in plain.err
    assert "C0001" in plain.err
    document = json.loads(plain.out)
    assert [one["number"] for one in document["promises"]] == [promise.number for promise in PROMISES]
    assert document["passed"] + document["failed"] + document["not_tried"] == len(PROMISES)
    assert (document["failed"], document["systems"], document["missed"]) == (0, ["my_sage", "ge", "s4a"], {})
    doubled = next(one for one in document["promises"] if "each once, and no other byte" in one["promise"])
    assert doubled["outcome"] == "passed"
    suite = next(defusedxml.ElementTree.parse(tmp_path / "r.xml").iter("testsuite"))
    assert (suite.get("tests"), suite.get("failures")) == (str(3 * len(PROMISES)), "0")
    assert "they need --cabinet" in again.out


def test_what_is_broken_is_shown_with_what_was_sent_and_what_came_and_steers_no_terminal(
    bascule: Bascule, page: str, tmp_path: Path
) -> None:
    ended = bascule("agent", "check", f"{page}/ge", "--junit", "r.xml", "--client-id", "me")
    assert ended.code == 4
    for text in (ended.out, ended.err, (tmp_path / "r.xml").read_text(encoding="utf-8")):
        assert not {"\x1b", "\x07", "\u202e"} & set(text)
    words = " ".join(ended.out.split())
    assert "it names version" in words
    assert "sent: GET /health" in words
    assert "came: 200 application/json" in words
    failures = list(defusedxml.ElementTree.parse(tmp_path / "r.xml").iter("failure"))
    assert any("sent: GET /health" in (failure.text or "") for failure in failures)
    as_json = bascule("agent", "check", f"{page}/ge", "--json")
    assert (as_json.code, "\x1b" in as_json.out) == (4, False)


def test_a_file_that_cannot_be_written_is_named(bascule: Bascule, page: str) -> None:
    ended = bascule("agent", "check", f"{page}/ge", "--junit", "no/such/folder.xml")
    assert (ended.code, "no/such/folder.xml" in ended.err) == (2, True)


def test_a_secret_is_shown_nowhere(bascule: Bascule, page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENT_SECRET", "s3cret-of-ours")
    ended = bascule("agent", "check", f"{page}/ge", "--secret-env", "AGENT_SECRET", "--json", "--junit", "r.xml")
    assert "s3cret-of-ours" not in ended.out + ended.err + Path("r.xml").read_text(encoding="utf-8")
    assert "client_secret" in ended.out
