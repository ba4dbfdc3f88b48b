"""A file over HTTP, whole or what is missing of it."""

from collections.abc import Iterator
from http.client import HTTPException, HTTPMessage, HTTPResponse
from typing import IO
from urllib.error import HTTPError, URLError
from urllib.request import HTTPRedirectHandler, Request, build_opener

from vsr import __version__
from vsr.errors import DownloadError, VerificationError
from vsr.networks.partial import Partial

TIMEOUT = 30.0
"""Seconds of silence after which a server is given up."""

CHUNK = 1 << 18

LARGEST = 1 << 30
"""Bytes after which a file of unknown size is no longer believed to be a network."""


class Broken(Exception):  # noqa: N818 (expected, and caught by who began the try)
    """A try failed; another one may not."""


def download(url: str, partial: Partial, size: int | None) -> Iterator[tuple[int, int | None]]:
    """Bring `partial` to its full length; yields how many bytes there are, and will be if known.

    `size` is what the file must have. Raises Broken where another try may help, DownloadError where
    it would not, and VerificationError where other bytes came than were promised.
    """
    with ask(url, partial) as response:
        resumed = response.status == 206
        begin = f"bytes {partial.size}-"
        if resumed and not response.headers.get("Content-Range", "").startswith(begin):
            partial.restart()
            raise Broken("the server sent another part than was asked for")
        length = response.headers.get("Content-Length")
        total = None if length is None else int(length) + (partial.size if resumed else 0)
        if total is not None and size not in (None, total):
            raise DownloadError(f"{url}: the server's file has {total} bytes, not {size}")
        if not resumed:
            partial.restart(tag_of(response.headers))
        yield partial.size, total
        most = total or size or LARGEST
        for chunk in chunks(response):
            partial.write(chunk)
            if partial.size > most:
                raise VerificationError(
                    f"{url}: more than {most} bytes came: another file, removed"
                )
            yield partial.size, total
    if total is not None and partial.size < total:
        raise Broken(f"the connection broke after {partial.size} of {total} bytes")


def ask(url: str, partial: Partial) -> HTTPResponse:
    """The server's answer: the file, or what is missing of it, if it is still the same file."""
    headers = {"User-Agent": f"vsr/{__version__}"}
    if partial.size and partial.tag:
        headers |= {"Range": f"bytes={partial.size}-", "If-Range": partial.tag}
    request = Request(url, headers=headers)
    try:
        answer: HTTPResponse = build_opener(Redirects).open(request, timeout=TIMEOUT)
    except HTTPError as error:
        error.close()
        problem = " ".join(f"the server says {error.code} {error.reason}".split())
        if error.code == 416:  # the file is now shorter than what we have of it
            partial.restart()
        if error.code in (408, 416, 425, 429) or error.code >= 500:
            raise Broken(problem) from error
        raise DownloadError(f"{url}: {problem}") from error
    except (URLError, ConnectionError, TimeoutError, HTTPException) as error:
        raise Broken(f"{request.host} cannot be reached ({spoken(error)})") from error
    return answer


def chunks(response: HTTPResponse) -> Iterator[bytes]:
    while True:
        try:
            chunk = response.read1(CHUNK)  # what is there, so that little is lost by a sudden end
        except (OSError, HTTPException) as error:
            raise Broken(f"the connection broke ({spoken(error)})") from error
        if not chunk:
            return
        yield chunk


def tag_of(headers: HTTPMessage) -> str:
    """What If-Range takes: a strong ETag, or a date. Source: RFC 9110, section 13.1.5."""
    etag = headers.get("ETag", "")
    return etag if etag.startswith('"') else headers.get("Last-Modified", "")


class Redirects(HTTPRedirectHandler):
    """Followed as urllib does, but from https to https only."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        if not newurl.startswith(("https:", f"{req.type}:")):
            raise DownloadError(f"{req.full_url}: leads to {newurl}, which is not https")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def spoken(error: Exception) -> str:
    """What went wrong on the network, in a few words."""
    reason = getattr(error, "reason", error)
    return getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
