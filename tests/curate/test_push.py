"""Uploads, against a Hub of this machine that answers as the real one and keeps what it is sent."""

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from curate.__main__ import main
from curate.errors import ConfigError, RunError
from curate.push import push
from tests.curate.small_runs import built


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return built(tmp_path_factory.mktemp("push"))[0]


class Hub(BaseHTTPRequestHandler):
    """What huggingface_hub asks for on the way to a commit: repos/create, validate-yaml, preupload, commit."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked.append((self.path, self.headers.get("Authorization"), body))
        if self.path.startswith("/api/repos/create"):
            answer = {"url": f"{self.server.url}/datasets/me/mine"}
        elif self.path.endswith("/preupload/main"):
            files = [file["path"] for file in json.loads(body)["files"]]
            answer = {"files": [{"path": path, "uploadMode": "regular", "shouldIgnore": False} for path in files]}
        elif self.path.endswith("/commit/main"):
            answer = {"commitUrl": f"{self.server.url}/datasets/me/mine/commit/abc", "commitOid": "abc"}
        else:
            answer = {"warnings": [], "errors": []}
        self.reply(self.server.status, answer)

    def reply(self, status, answer):
        content = json.dumps(answer if status == 200 else {"error": "Invalid username or password."}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def hub(monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    server.url, server.asked, server.status = f"http://127.0.0.1:{server.server_port}", [], 200
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def sent(hub):
    """The files of the commit that the hub was sent, by name."""
    (body,) = [body for path, _, body in hub.asked if path.endswith("/commit/main")]
    lines = [json.loads(line) for line in body.splitlines()]
    return {
        line["value"]["path"]: base64.b64decode(line["value"]["content"]) for line in lines if line["key"] == "file"
    }


def test_dataset_card_ledger_and_croissant_arrive_as_they_are_and_nothing_else(run, hub):
    found = push(run, "me/mine", private=True, endpoint=hub.url)
    files = sent(hub)
    assert set(files) == {"README.md", "dataset.jsonl", "dataset.parquet", "ledger.parquet", "croissant.json"}
    for name in set(files) - {"croissant.json"}:
        assert files[name] == (run / name).read_bytes()
    assert found["commit"] == f"{hub.url}/datasets/me/mine/commit/abc"
    create = json.loads(next(body for path, _, body in hub.asked if path.startswith("/api/repos/create")))
    assert (create["name"], create["organization"], create["type"]) == ("mine", "me", "dataset")
    assert create.get("private") is True or create.get("visibility") == "private"
    assert not any(str(run.parent).encode() in content for content in files.values())


def test_the_croissant_that_is_published_says_where_and_when(run, hub):
    push(run, "me/mine", endpoint=hub.url)
    described = json.loads(sent(hub)["croissant.json"])
    assert described["url"] == f"{hub.url}/datasets/me/mine"
    assert described["creator"]["name"] == "me"
    assert len(described["datePublished"]) == 10
    assert described["distribution"][0]["contentUrl"] == f"{hub.url}/datasets/me/mine/resolve/main/dataset.jsonl"
    assert "url" not in json.loads((run / "croissant.json").read_bytes())


def test_a_dry_run_says_what_would_go_and_sends_nothing(run, hub, capsys, monkeypatch):
    found = push(run, "me/mine", dry_run=True, endpoint=hub.url)
    assert hub.asked == []
    assert {row["file"]: row["bytes"] for row in found["files"]}["README.md"] == (run / "README.md").stat().st_size
    assert main(["push", str(run), "me/mine", "--dry-run"]) == 0
    assert "would go to https://huggingface.co/datasets/me/mine" in capsys.readouterr().out


def test_a_refusal_is_one_line_that_says_what_to_do(run, hub):
    hub.status = 401
    with pytest.raises(RunError) as caught:
        push(run, "me/mine", endpoint=hub.url)
    assert "the Hub refused the upload" in str(caught.value)
    assert "Log in with `hf auth login`" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "hf_secret" not in str(caught.value)


def test_offline_and_an_address_where_nobody_answers_are_one_line(run, hub, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(RunError, match="HF_HUB_OFFLINE is set, so nothing was uploaded"):
        push(run, "me/mine", endpoint=hub.url)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    with pytest.raises(RunError, match=r"http://127\.0\.0\.1:9 cannot be reached"):
        push(run, "me/mine", endpoint="http://127.0.0.1:9")


def test_a_name_that_is_none_and_a_run_without_a_card_are_refused_before_anything_is_sent(run, hub, tmp_path):
    with pytest.raises(ConfigError, match="is no name for a repository"):
        push(run, "me/mine/again", endpoint=hub.url)
    (tmp_path / "manifest.json").write_text("{}")
    with pytest.raises(RunError, match=r"has no README\.md, .* Write it with: python -m curate report"):
        push(tmp_path, "me/mine", endpoint=hub.url)
    assert hub.asked == []
