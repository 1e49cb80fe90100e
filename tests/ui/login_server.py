"""A real OpenID Connect provider, the app behind it as its command starts it, and a client of the app that is no browser."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.web.server.starlette import starlette_app_utils as cookies
from websockets.sync.client import connect

from curate.review import store
from curate.review.log import history

ROOT = Path(__file__).parents[2]
SECRET = "0123456789abcdef" * 2
PEOPLE = {
    "ann": {"email": "Ann@example.org", "email_verified": True, "name": "Ann"},
    "eve": {"email": "eve@elsewhere.example", "email_verified": True, "name": "ann@example.org"},
    "mallory": {"email": "ann@example.org", "email_verified": False},
}


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


class Server:
    """A process that runs a module and answers at `url`; `stop` ends it."""

    def __init__(self, words, url, said, **options):
        with said.open("ab") as out:
            self.process = subprocess.Popen([sys.executable, "-m", *words], stdout=out, stderr=out, **options)
        for _ in range(1200):
            try:
                with urllib.request.urlopen(url, timeout=5):
                    return
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                assert self.process.poll() is None, said.read_text()
                time.sleep(0.05)
        raise AssertionError(f"no answer from {url}: {said.read_text()}")

    def stop(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


class Provider:
    """The provider of PEOPLE, who log in with a click on their name; `down` and `up` again."""

    def __init__(self, folder):
        self.port = free_port()
        self.metadata = f"http://127.0.0.1:{self.port}/.well-known/openid-configuration"
        self.said = folder / "provider.log"
        self.up()

    def up(self):
        words = ["oidc_provider_mock", "--port", str(self.port)]
        for name, claims in PEOPLE.items():
            words += ["--user-claims", json.dumps({"sub": name, **claims})]
        self.server = Server(words, self.metadata, self.said)

    def down(self):
        self.server.stop()


class App:
    """`python -m curate review RUN` beyond this machine, started in a folder that has the secrets; `url` is where it is."""

    def __init__(self, folder, run, metadata):
        self.run, self.metadata, self.port = run, metadata, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.secrets = folder / ".streamlit" / "secrets.toml"
        self.secrets.parent.mkdir()
        self.allow("*@example.org")
        words = ["curate", "review", str(run), "--no-browser", "--address", "0.0.0.0", "--port", str(self.port)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "HOME": str(folder / "home")}
        self.server = Server(words, f"{self.url}/_stcore/health", folder / "app.log", cwd=folder, env=environment)

    def allow(self, *patterns):
        """Write who may come in; a running app notices it by itself."""
        self.secrets.write_text(
            f'[auth]\nredirect_uri = "{self.url}/oauth2callback"\ncookie_secret = "{SECRET}"\n'
            f'client_id = "lapidary"\nclient_secret = "between the two"\nserver_metadata_url = "{self.metadata}"\n'
            f"[lapidary]\nallow = {json.dumps(patterns)}\n"
        )

    def reviewers(self):
        with store.opened(self.run / "decisions.sqlite") as log:
            return [event.reviewer for event in history(log)]

    def told(self, page, person=None, *, secret=SECRET, url=None):
        """All that the server tells a client that asks for a page by websocket: one whose cookie says, signed with `secret`,
        that this person has logged in, and who says that the page stands at `url`.
        """
        token = cookies.generate_xsrf_token_string()
        headers = {"Cookie": f"_streamlit_xsrf={token}"}
        if person:
            claims = {"origin": self.url, "is_logged_in": True, "provider": "default", **PEOPLE[person]}
            signed = cookies.create_signed_value(secret, "_streamlit_user", json.dumps(claims)).decode()
            headers["Cookie"] += f"; _streamlit_user={signed}"
        where = f"ws://127.0.0.1:{self.port}/_stcore/stream"
        ask = BackMsg()
        ask.rerun_script.page_name = page
        ask.rerun_script.context_info.url = url or f"{self.url}/{page}"
        ask.rerun_script.query_string = f"run={self.run.name}&reviewer=ann@example.org"
        with connect(
            where, origin=self.url, subprotocols=["streamlit", token], additional_headers=headers, max_size=None
        ) as client:
            client.send(ask.SerializeToString())
            frames = []
            done = False
            while not done:
                frames.append(client.recv(timeout=60))
                message = ForwardMsg.FromString(frames[-1])
                # A page may lead to another one.
                done = (
                    message.WhichOneof("type") == "script_finished"
                    and message.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY
                )
            return b"".join(frames)
