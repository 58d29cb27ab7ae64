import contextlib
import hashlib
import http.server
import threading
import time

import pytest

from fmkeras.datasets.download import FetchError, fetch
from fmkeras.datasets.fashion_mnist import ADDRESSES
from fmkeras.datasets.named import NAMED
from fmkeras.errors import UserError

BODY = bytes(range(256)) * 1000
MD5 = hashlib.md5(BODY, usedforsecurity=False).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    """Plays one of the server's answers after another, and the last for ever."""

    def do_GET(self):
        answers = self.server.answers
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        self.server.asked.append((answer, self.path))
        self.server.ranges.append(self.headers.get("Range"))
        if answer == "missing":
            self.send_error(404)
            return
        body = {
            "whole": BODY,
            "truncated": BODY[:1000],
            "truncated, sized": BODY[:1000],
            "altered": b"x" + BODY[1:],
            "endless": BODY + BODY,
            "slow": BODY,
            "the rest": BODY[1000:],
            "another part": BODY[5:],
        }[answer]
        if answer in ("the rest", "another part"):
            self.send_response(206)
            begin = len(BODY) - len(body)
            place = f"bytes {begin}-{len(BODY) - 1}/{len(BODY)}"
            self.send_header("Content-Range", place)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            return
        self.send_response(200)
        if answer != "truncated, sized":
            # A length that the body does not keep to, as of a lost connection.
            self.send_header("Content-Length", str(max(len(body), len(BODY))))
        self.end_headers()
        for begin in range(0, len(body), 100) if answer == "slow" else ():
            time.sleep(0.01)
            with contextlib.suppress(OSError):
                self.wfile.write(body[begin : begin + 100])
            if self.server.answers == ["over"]:
                return
        if answer != "slow":
            self.wfile.write(body)

    def log_message(self, *args):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.asked, running.ranges = [], []
        running.address = f"http://127.0.0.1:{running.server_port}/file.gz"
        serve = threading.Thread(target=running.serve_forever, args=(0.01,))
        serve.start()
        yield running
        running.shutdown()
        serve.join()


def fetch_to(path, addresses, **options):
    options = {"progress": False, "pause": 0.001, **options}
    fetch(addresses, path, len(BODY), MD5, **options)


def test_downloads_into_a_new_folder(server, tmp_path):
    server.answers = ["whole"]
    path = tmp_path / "data" / "fashion-mnist" / "file.gz"
    fetch_to(path, [server.address])
    assert path.read_bytes() == BODY
    assert list(path.parent.iterdir()) == [path]
    assert server.asked == [("whole", "/file.gz")]


@pytest.mark.parametrize(
    "first", ["truncated", "truncated, sized", "altered", "endless", "missing"]
)
def test_tries_again_after(server, tmp_path, first):
    server.answers = [first, "whole"]
    path = tmp_path / "file.gz"
    fetch_to(path, [server.address])
    assert path.read_bytes() == BODY
    assert [answer for answer, _ in server.asked] == [first, "whole"]


def test_turns_to_the_second_address(server, tmp_path):
    server.answers = ["whole"]
    fetch_to(tmp_path / "file.gz", ["http://127.0.0.1:9/file.gz", server.address])
    assert (tmp_path / "file.gz").read_bytes() == BODY


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("truncated", "1000 of 256000 bytes came"),
        ("altered", "MD5 .* came instead of"),
        ("endless", "more than 256000 bytes came"),
        ("missing", "404"),
    ],
)
def test_gives_up_and_leaves_nothing(server, tmp_path, answer, words):
    server.answers = [answer]
    with pytest.raises(FetchError, match=words):
        fetch_to(tmp_path / "file.gz", [server.address], rounds=2)
    assert len(server.asked) == 2
    assert list(tmp_path.iterdir()) == []


def test_keeps_the_file_that_was_there(server, tmp_path):
    server.answers = ["truncated"]
    (tmp_path / "file.gz").write_bytes(b"old")
    with pytest.raises(FetchError):
        fetch_to(tmp_path / "file.gz", [server.address], rounds=1)
    assert (tmp_path / "file.gz").read_bytes() == b"old"


def test_without_a_network_makes_no_folder(tmp_path):
    with pytest.raises(FetchError, match="http://127.0.0.1:9/file.gz: .*refused"):
        fetch_to(tmp_path / "new" / "file.gz", ["http://127.0.0.1:9/file.gz"])
    assert list(tmp_path.iterdir()) == []


def test_waits_longer_each_time(tmp_path, monkeypatch):
    waits = []
    monkeypatch.setattr("time.sleep", waits.append)
    with pytest.raises(FetchError):
        fetch_to(tmp_path / "a", ["http://127.0.0.1:9/a"], rounds=4, pause=0.5)
    assert waits == [0.5, 1.0, 2.0]


def test_folder_that_cannot_be_made(server, tmp_path):
    server.answers = ["whole"]
    (tmp_path / "folder").write_text("a file")
    with pytest.raises(UserError, match="Cannot write to the folder"):
        fetch_to(tmp_path / "folder" / "file.gz", [server.address])


def test_shows_a_progress_bar(server, tmp_path, capsys):
    server.answers = ["whole"]
    fetch_to(tmp_path / "file.gz", [server.address], progress=True)
    assert "file.gz: 100%" in capsys.readouterr().err


@pytest.mark.parametrize("then", ["the rest", "another part", "whole"])
def test_goes_on_where_it_stopped_if_the_server_can(server, tmp_path, then):
    server.answers = ["truncated", then, "whole"]
    fetch_to(tmp_path / "file.gz", [server.address])
    assert (tmp_path / "file.gz").read_bytes() == BODY
    # A part that was not asked for is not taken for the rest.
    asked = [None, "bytes=1000-", None]
    assert server.ranges == asked[: 3 if then == "another part" else 2]


def test_an_altered_body_is_begun_anew(server, tmp_path):
    server.answers = ["altered", "whole"]
    fetch_to(tmp_path / "file.gz", [server.address])
    assert server.ranges == [None, None]


def test_a_server_that_is_too_slow_is_given_up(server, tmp_path):
    server.answers = ["slow"]
    began = time.monotonic()
    with pytest.raises(FetchError, match="bytes came, too slowly; it took more than"):
        fetch_to(tmp_path / "file.gz", [server.address], limit=0.2)
    server.answers = ["over"]
    assert time.monotonic() - began < 10
    assert list(tmp_path.iterdir()) == []


def test_encrypted_addresses_come_first():
    for addresses in (ADDRESSES, *(one.addresses for one in NAMED.values())):
        assert addresses[0].startswith("https://")
