import hashlib
import http.server
import threading

import pytest

from fmkeras.datasets.download import FetchError, fetch
from fmkeras.errors import UserError

BODY = bytes(range(256)) * 1000
MD5 = hashlib.md5(BODY, usedforsecurity=False).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    """Plays one of the server's answers after another, and the last for ever."""

    def do_GET(self):
        answers = self.server.answers
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        self.server.asked.append((answer, self.path))
        if answer == "missing":
            self.send_error(404)
            return
        body = {
            "whole": BODY,
            "truncated": BODY[:1000],
            "truncated, sized": BODY[:1000],
            "altered": b"x" + BODY[1:],
            "endless": BODY + BODY,
        }[answer]
        self.send_response(200)
        if answer != "truncated, sized":
            # A length that the body does not keep to, as of a lost connection.
            self.send_header("Content-Length", str(max(len(body), len(BODY))))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.asked = []
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
