"""Published files, fetched from a real server that behaves in all the ways that servers do."""

import fcntl
import hashlib
import json
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.request import Request

import pytest
from runs import LIMIT, Ran, environment, listing, mounted, vsr_here

from vsr.errors import DownloadError, InputError, StoreError, VerificationError
from vsr.networks import download, published
from vsr.networks import pull as pulling
from vsr.networks.download import Redirects
from vsr.networks.partial import Partial
from vsr.networks.published import PublishedFile
from vsr.networks.pull import PullProgress, pull

CONTENT = bytes(range(256)) * 4000
OTHER = CONTENT[::-1]
HALF = len(CONTENT) // 2
TRIES = 4


@dataclass
class Site:
    """What a server does, and what it was asked."""

    content: bytes = CONTENT
    headers: dict[str, str] = field(default_factory=lambda: {"ETag": '"one"'})
    ranges: bool = True
    ranges_from: int | None = None
    """Where the parts that it sends begin, whatever was asked for."""
    length: bool = True
    """Whether it says how much it will send."""
    breaks: list[int] = field(default_factory=list)
    """After how many bytes the next answers break off."""
    answers: list[int] = field(default_factory=list)
    """What the next answers are, instead of the file."""
    leads_to: str = ""
    hold: threading.Event | None = None
    """What an answer waits for ..."""
    hold_after: int = HALF
    """... when so many bytes are sent."""
    asked: list[tuple[str, str | None, str | None]] = field(default_factory=list)
    """Path, Range and If-Range of each request."""
    url: str = ""


class Answer(BaseHTTPRequestHandler):
    """One answer of the site."""

    site: Site

    def do_GET(self) -> None:
        site = self.site
        part = self.headers.get("Range")
        site.asked.append((self.path, part, self.headers.get("If-Range")))
        if site.leads_to and self.path != "/moved.pth":
            self.answer(302, {"Location": site.leads_to}, b"")
        elif site.answers:
            self.answer(site.answers.pop(0), {}, b"not the file")
        elif site.ranges and part and self.headers.get("If-Range") in site.headers.values():
            start = int(part.removeprefix("bytes=").removesuffix("-"))
            start = start if site.ranges_from is None else site.ranges_from
            end = f"bytes {start}-{len(site.content) - 1}/{len(site.content)}"
            too_far = start >= len(site.content)
            rest = site.content[start:]
            self.answer(416 if too_far else 206, {"Content-Range": end, **site.headers}, rest)
        else:
            self.answer(200, site.headers, site.content)

    def answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if self.site.length:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.site.breaks:
            body = body[: self.site.breaks.pop(0)]
        if self.site.hold is not None:
            self.wfile.write(body[: self.site.hold_after])
            self.site.hold.wait(LIMIT)
            body = body[self.site.hold_after :]
        self.wfile.write(body)

    def log_message(self, *words: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    """Says nothing of clients that went away, since the tests send them."""

    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        pass


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    server = Server(("127.0.0.1", 0), type("Bound", (Answer,), {"site": site}))
    site.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield site
    if site.hold is not None:
        site.hold.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for pulled files, and no waiting between tries."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(pulling, "PAUSES", (0.0,) * (TRIES - 1))
    return tmp_path / "data" / "vsr" / "models"


def entry(site: Site, content: bytes = CONTENT, size: int | None = len(CONTENT)) -> PublishedFile:
    """The catalogue's entry of a file of this content."""
    digest = hashlib.sha256(content).hexdigest()
    url = f"{site.url}/folder/net.pth"
    return PublishedFile("net", (2,), "EDSR", 3, url, digest, "MIT", site.url, "a test", size)


def begun(file: PublishedFile, content: bytes, tag: str) -> None:
    """What an earlier pull of this file left."""
    file.path.parent.mkdir(parents=True, exist_ok=True)
    with Partial(file.path) as partial:
        partial.restart(tag)
        partial.write(content)


# ---- when all is well -----------------------------------------------------------------------


def test_a_file_is_fetched_under_its_own_name_and_nothing_else_is_left(
    site: Site, models: Path
) -> None:
    seen: list[PullProgress] = []
    path = pull(entry(site), seen.append)
    assert path == models / "net.pth"
    assert listing(models) == {"net.pth": CONTENT}
    assert (seen[0].done, seen[-1].done) == (0, len(CONTENT))
    assert [p.done for p in seen] == sorted(p.done for p in seen)
    assert {(p.total, p.trouble) for p in seen} == {(len(CONTENT), "")}
    assert site.asked == [("/folder/net.pth", None, None)]


def test_what_was_pulled_before_is_not_asked_for_again(site: Site) -> None:
    first = pull(entry(site))
    assert pull(entry(site)) == first
    assert len(site.asked) == 1


def test_what_was_damaged_since_is_fetched_again(site: Site, models: Path) -> None:
    pull(entry(site)).write_bytes(OTHER)
    pull(entry(site))
    assert listing(models) == {"net.pth": CONTENT}


@pytest.mark.parametrize("length", [True, False])
def test_a_size_that_nobody_stated_is_no_obstacle(site: Site, models: Path, length: bool) -> None:
    site.length = length
    seen: list[PullProgress] = []
    pull(entry(site, size=None), seen.append)
    assert listing(models) == {"net.pth": CONTENT}
    assert seen[-1].total == (len(CONTENT) if length else None)


def test_the_beginning_of_a_digest_is_checked_where_no_more_is_known(
    site: Site, models: Path
) -> None:
    digest = hashlib.sha256(CONTENT).hexdigest()
    pull(PublishedFile(**{**vars(entry(site)), "sha256": digest[:8]}))
    assert listing(models) == {"net.pth": CONTENT}
    with pytest.raises(VerificationError, match=f"its SHA-256 is {digest}, not 12345678"):
        pull(PublishedFile(**{**vars(entry(site)), "sha256": "12345678"}))


def test_nothing_is_ever_unpickled(site: Site, models: Path, tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
            return os.mkdir, (str(tmp_path / "harm"),)

    site.content = pickle.dumps(Evil())
    pull(entry(site, site.content, None))
    assert (models / "net.pth").is_file()
    assert not (tmp_path / "harm").exists()


def test_a_file_that_has_moved_is_followed(site: Site, models: Path) -> None:
    site.leads_to = f"{site.url}/moved.pth"
    site.breaks = [0, HALF]
    pull(entry(site))
    assert listing(models) == {"net.pth": CONTENT}
    assert site.asked[-1] == ("/moved.pth", f"bytes={HALF}-", '"one"')


# ---- going on where it broke off ------------------------------------------------------------


@pytest.mark.parametrize("size", [len(CONTENT), None])
@pytest.mark.parametrize(
    "headers",
    [
        {"ETag": '"one"'},
        {"Last-Modified": "Mon, 01 Jan 2024 00:00:00 GMT"},
        {"ETag": 'W/"one"', "Last-Modified": "Mon, 01 Jan 2024 00:00:00 GMT"},
    ],
)
def test_after_a_broken_connection_only_what_is_missing_is_fetched(
    site: Site, models: Path, headers: dict[str, str], size: int | None
) -> None:
    site.headers, site.breaks = headers, [1000, HALF]
    seen: list[PullProgress] = []
    pull(entry(site, size=size), seen.append)
    assert listing(models) == {"net.pth": CONTENT}
    tag = [*headers.values()][-1]
    assert [(part, if_range) for _, part, if_range in site.asked] == [
        (None, None),
        ("bytes=1000-", tag),
        (f"bytes={1000 + HALF}-", tag),
    ]
    troubles = [p.trouble for p in seen if p.trouble]
    assert troubles[0] == (
        f"the connection broke after 1000 of {len(CONTENT)} bytes; next try in 0 s"
    )
    assert len(troubles) == 2


def test_what_came_before_giving_up_is_kept_for_the_next_pull(site: Site, models: Path) -> None:
    site.breaks = [1000] * TRIES
    with pytest.raises(DownloadError, match=f"after {TRIES} tries; the 4000 bytes .* are kept"):
        pull(entry(site))
    assert listing(models) == {
        ".net.pth.partial": CONTENT[:4000],
        ".net.pth.partial.tag": b'"one"',
    }
    pull(entry(site))
    assert listing(models) == {"net.pth": CONTENT}
    assert site.asked[-1][1] == "bytes=4000-"


@pytest.mark.parametrize("headers", [{}, {"ETag": 'W/"one"'}])
def test_without_a_name_of_the_version_it_begins_anew(
    site: Site, models: Path, headers: dict[str, str]
) -> None:
    site.headers, site.breaks = headers, [HALF]
    pull(entry(site))
    assert listing(models) == {"net.pth": CONTENT}
    assert [part for _, part, _ in site.asked] == [None, None]


def test_a_server_without_ranges_makes_it_begin_anew(site: Site, models: Path) -> None:
    site.ranges, site.breaks = False, [HALF]
    pull(entry(site))
    assert listing(models) == {"net.pth": CONTENT}


def test_a_file_that_has_changed_is_not_mixed_with_its_former_self(
    site: Site, models: Path
) -> None:
    begun(entry(site), OTHER[:HALF], '"none any more"')
    pull(entry(site))
    assert listing(models) == {"net.pth": CONTENT}
    assert site.asked == [("/folder/net.pth", f"bytes={HALF}-", '"none any more"')]


def test_a_file_that_has_become_shorter_begins_anew(site: Site, models: Path) -> None:
    begun(entry(site), CONTENT + OTHER, '"one"')
    pull(entry(site))
    assert listing(models) == {"net.pth": CONTENT}


def test_a_part_that_was_not_asked_for_is_not_taken(site: Site, models: Path) -> None:
    site.ranges_from = 10
    begun(entry(site), CONTENT[:HALF], '"one"')
    pull(entry(site))
    assert listing(models) == {"net.pth": CONTENT}


def test_what_only_lacked_its_name_is_not_fetched_again(site: Site, models: Path) -> None:
    begun(entry(site), CONTENT, '"one"')
    pull(entry(site))
    assert listing(models) == {"net.pth": CONTENT}
    assert site.asked == []


# ---- when it cannot be had ------------------------------------------------------------------


def test_another_file_is_removed_and_said_so(site: Site, models: Path) -> None:
    site.content = OTHER
    with pytest.raises(VerificationError, match=r"its SHA-256 is .*: another file, removed"):
        pull(entry(site))
    assert listing(models) == {}


def test_another_size_is_noticed_before_anything_comes(site: Site, models: Path) -> None:
    begun(entry(site), CONTENT[:HALF], '"before"')
    site.content = b"<html>log in to this network</html>"
    with pytest.raises(DownloadError, match=f"file has 35 bytes, not {len(CONTENT)}"):
        pull(entry(site))
    assert (models / ".net.pth.partial").read_bytes() == CONTENT[:HALF]


def test_a_server_that_does_not_stop_is_stopped(site: Site, models: Path) -> None:
    site.length, site.content = False, CONTENT * 3
    with pytest.raises(VerificationError, match=f"more than {len(CONTENT)} bytes came"):
        pull(entry(site))
    assert listing(models) == {}


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_refusal_is_final(site: Site, models: Path, status: int) -> None:
    site.answers = [status]
    with pytest.raises(DownloadError, match=rf"net\.pth: the server says {status} \w+"):
        pull(entry(site))
    assert len(site.asked) == 1
    assert listing(models) == {}


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_what_may_pass_is_tried_again(site: Site, models: Path, status: int) -> None:
    site.answers = [status] * (TRIES - 1)
    pull(entry(site))
    assert listing(models) == {"net.pth": CONTENT}


def test_tries_come_to_an_end(site: Site, models: Path) -> None:
    site.answers = [503] * 99
    with pytest.raises(DownloadError, match=r"Service Unavailable, given up after 4 tries$"):
        pull(entry(site))
    assert len(site.asked) == TRIES
    assert listing(models) == {}


def test_where_nobody_listens_the_host_is_named(models: Path) -> None:
    nobody = Site(url="http://127.0.0.1:1")
    with pytest.raises(DownloadError, match=r"127\.0\.0\.1:1 cannot be reached \(Conn.* refused\)"):
        pull(entry(nobody))
    assert listing(models) == {}


def test_a_silent_server_is_given_up(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "TIMEOUT", 0.5)  # longer than a busy machine takes to answer
    site.hold, site.hold_after = threading.Event(), 1000
    with pytest.raises(DownloadError, match=r"the connection broke \(timed out\)"):
        pull(entry(site))


def test_nobody_waits_for_a_connection_to_end_when_all_is_here(site: Site, models: Path) -> None:
    site.hold, site.hold_after = threading.Event(), len(CONTENT)
    pull(entry(site))
    assert listing(models) == {"net.pth": CONTENT}


@pytest.mark.parametrize("target", ["file:///etc/hostname", "ftp://127.0.0.1/net.pth"])
def test_only_the_web_is_followed(site: Site, target: str) -> None:
    site.leads_to = target
    with pytest.raises(DownloadError, match=r"leads to ftp|says 302 .* not allowed"):
        pull(entry(site))


def test_https_does_not_lead_to_http() -> None:
    def follow(target: str) -> Request | None:
        asked = Request("https://example.org/net.pth", headers={"Range": "bytes=5-"})
        return Redirects().redirect_request(asked, None, 302, "Found", Message(), target)  # type: ignore[arg-type]

    with pytest.raises(DownloadError, match=r"leads to http://example\.com.*, which is not https"):
        follow("http://example.com/net.pth")
    onwards = follow("https://example.com/net.pth")
    assert onwards is not None
    assert onwards.headers == {"Range": "bytes=5-"}


def test_a_circle_ends(site: Site) -> None:
    site.leads_to = f"{site.url}/folder/net.pth"
    with pytest.raises(DownloadError, match=r"the server says 302 .* infinite loop"):
        pull(entry(site))


def test_a_folder_that_cannot_be_made_is_named(site: Site, models: Path) -> None:
    models.parent.parent.mkdir()
    models.parent.write_text("a file in the way")
    with pytest.raises(StoreError, match=r"models/net\.pth: Not a directory"):
        pull(entry(site))


def test_a_full_disk_is_said_before_or_when_it_is_full(site: Site, models: Path) -> None:
    models.parent.mkdir(parents=True)
    with mounted(models, "size=256k"):
        with pytest.raises(StoreError, match=r"net\.pth: 1024000 bytes are missing, and \d+ free"):
            pull(entry(site))
        assert site.asked == []
        with pytest.raises(StoreError, match=r"net\.pth: No space left on device"):
            pull(entry(site, size=None))
        (models / ".net.pth.partial").unlink()


# ---- several at once, and sudden ends -------------------------------------------------------

PROGRAM = """
import sys
from pathlib import Path
from vsr.networks import published
catalogue = Path(sys.argv.pop(1))
published.catalogue = lambda: catalogue
from vsr.cli.main import main
main()
"""


@pytest.fixture
def catalogue(site: Site, tmp_path: Path) -> Path:
    """A catalogue of one file: that of the site."""
    file = entry(site)
    facts = {key: getattr(file, key) for key in vars(file) if key != "scales"}
    lines = ["[[file]]", "scales = [2]", *(f"{k} = {json.dumps(v)}" for k, v in facts.items())]
    path = tmp_path / "published.toml"
    path.write_text("\n".join(lines))
    return path


def begin_pull(catalogue: Path) -> subprocess.Popen[bytes]:
    words = [sys.executable, "-c", PROGRAM, str(catalogue)]
    words += ["models", "pull", "net", "--progress", "json"]
    return subprocess.Popen(words, env=environment(), stderr=subprocess.PIPE)


def wait_until_half_came(process: subprocess.Popen[bytes], models: Path) -> None:
    partial = models / ".net.pth.partial"
    while not partial.exists() or partial.stat().st_size < HALF:
        assert process.poll() is None
        time.sleep(0.01)


def test_a_killed_pull_is_gone_on_with(site: Site, models: Path, catalogue: Path) -> None:
    site.hold = threading.Event()
    process = begin_pull(catalogue)
    wait_until_half_came(process, models)
    process.kill()
    process.communicate(timeout=LIMIT)
    site.hold.set()
    pull(entry(site))
    assert listing(models) == {"net.pth": CONTENT}
    assert [part for _, part, _ in site.asked] == [None, f"bytes={HALF}-"]


def test_an_interrupted_pull_says_that_it_can_be_gone_on_with(
    site: Site, models: Path, catalogue: Path
) -> None:
    site.hold = threading.Event()
    process = begin_pull(catalogue)
    wait_until_half_came(process, models)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=LIMIT)
    assert process.returncode == 130
    assert json.loads(err.decode().splitlines()[-1]) == {
        "event": "error",
        "message": "interrupted; what came is kept, and the next pull goes on from there",
        "exit_code": 130,
    }
    assert set(listing(models)) == {".net.pth.partial", ".net.pth.partial.tag"}


def test_a_second_pull_of_a_file_leaves_it_to_the_first(
    site: Site, models: Path, catalogue: Path
) -> None:
    site.hold = threading.Event()
    process = begin_pull(catalogue)
    wait_until_half_came(process, models)
    with pytest.raises(InputError, match="another vsr is fetching this file now"):
        pull(entry(site))
    site.hold.set()
    _, err = process.communicate(timeout=LIMIT)
    assert process.returncode == 0, err
    assert listing(models) == {"net.pth": CONTENT}
    assert len(site.asked) == 1


def test_who_waited_for_the_name_does_not_write_into_the_finished_file(site: Site) -> None:
    """Between opening and locking, the other one may have given the file its name."""
    file = entry(site)
    begun(file, CONTENT, '"one"')
    with pytest.MonkeyPatch.context() as patch:

        def finish_first(*words: Any) -> None:
            patch.undo()
            file.path.with_name(".net.pth.partial").rename(file.path)
            fcntl.flock(*words)

        patch.setattr(fcntl, "flock", finish_first)
        with Partial(file.path) as partial:
            partial.write(b"more")
    assert file.path.read_bytes() == CONTENT


# ---- vsr models pull ------------------------------------------------------------------------


@pytest.fixture
def here(catalogue: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ran]:
    """Run vsr with this catalogue."""
    monkeypatch.setattr(published, "catalogue", lambda: catalogue)
    return vsr_here


def test_the_command_says_what_comes_and_where_it_lies(
    site: Site, models: Path, here: Callable[..., Ran]
) -> None:
    site.breaks = [HALF]
    ran = here("models", "pull", "net")
    assert (ran.code, ran.out) == (0, b"")
    assert ran.err.splitlines() == [
        f"{site.url}/folder/net.pth: 1.0 MB, MIT",
        f"  the connection broke after {HALF} of {len(CONTENT)} bytes; next try in 0 s",
        f"  SHA-256 {entry(site).sha256}",
        f"  -> {models / 'net.pth'}",
    ]
    assert here("models", "pull", "net", "--progress", "none").err == ""


def test_the_command_tells_machines_in_lines(
    site: Site, models: Path, here: Callable[..., Ran]
) -> None:
    site.breaks = [HALF]
    ran = here("models", "pull", "net", "--progress", "json")
    start, *progress, done = ran.events
    assert start == {
        "event": "start",
        "name": "net",
        "scales": [2],
        "url": f"{site.url}/folder/net.pth",
        "total": len(CONTENT),
    }
    assert {event["event"] for event in progress} == {"progress"}
    assert [event["trouble"] != "" for event in progress].count(True) == 1
    assert (progress[-1]["done"], progress[-1]["seconds_left"]) == (len(CONTENT), 0)
    assert progress[-1]["bytes_per_second"] > 0
    assert done == {
        "event": "done",
        "name": "net",
        "path": str(models / "net.pth"),
        "sha256": entry(site).sha256,
    }


def test_a_bar_shows_bytes_rate_and_time_left(here: Callable[..., Ran]) -> None:
    ran = here("models", "pull", "net", "--progress", "bar")
    for word in ("%|", "1.02M/1.02M [", "<", "B/s]"):
        assert word in ran.err


def test_a_failure_is_one_line(site: Site, here: Callable[..., Ran]) -> None:
    site.content = OTHER
    ran = here("models", "pull", "net", "--progress", "none")
    assert ran.code == 1
    assert len(ran.err.splitlines()) == 1
    assert ran.err.endswith(": another file, removed\n")


def test_what_is_here_is_shown_in_the_list(here: Callable[..., Ran]) -> None:

    def listed(*words: str) -> list[str]:
        [line] = [x for x in here(*words).words.splitlines() if x.startswith("net ")]
        return line.split()

    line = ["net", "x2", "1.0", "MB", "no", "MIT", "a", "test"]
    assert listed("models") == line
    assert "here:            no: vsr models pull net" in here("models", "info", "net").words
    assert here("models", "pull", "net", "--scale", "2").code == 0
    assert listed("models", "list") == ["yes" if word == "no" else word for word in line]
    assert "here:            /" in here("models", "info", "net").words
    [file] = [x for x in json.loads(here("models", "--json").out) if x["kind"] == "published"]
    assert file["pulled"]
