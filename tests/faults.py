"""An endpoint of the OpenAI form on this machine that answers, or fails to, as each test says."""

import contextlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Endpoint:
    """A server whose `script` turns (request, how many came before it) into (status, headers, body); a null status cuts
    the connection, a body shorter than its Content-Length cuts the answer."""

    def __init__(self, script):
        self.requests, self.answered, self.keys = [], [], []
        # Requests that are being answered now, and the most that ever were.
        self.at_once = self.most = 0
        endpoint, lock = self, threading.Lock()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with lock:
                    number = len(endpoint.requests)
                    endpoint.requests.append(request)
                    endpoint.keys.append(self.headers["Authorization"])
                    endpoint.at_once += 1
                    endpoint.most = max(endpoint.most, endpoint.at_once)
                status, headers, body = script(request, number)
                with lock:
                    endpoint.at_once -= 1
                if status is None:
                    return self.connection.close()
                self.send_response(status)
                for name, value in {"Content-Type": "application/json", "Content-Length": len(body), **headers}.items():
                    self.send_header(name, str(value))
                self.end_headers()
                self.wfile.write(body)
                if status == 200:
                    with lock:
                        endpoint.answered.append(request)
                return None

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        # Clients that hang up are part of the tests.
        self.server.handle_error = lambda *_: None
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()


@contextlib.contextmanager
def serving():
    """A function that starts servers; all of them end with the context."""
    running = []

    def start(script):
        running.append(Endpoint(script))
        return running[-1]

    try:
        yield start
    finally:
        for endpoint in running:
            endpoint.server.shutdown()
            endpoint.server.server_close()


def completion(text, finish="stop", *, top=None, usage=(7, 2), **message):
    """A chat completion; `top`: token -> ln p of the first token."""
    choice = {"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": text, **message}}
    if top is not None:
        alternatives = [{"token": token, "logprob": logprob} for token, logprob in top.items()]
        choice["logprobs"] = {"content": [{"token": text, "logprob": -0.1, "top_logprobs": alternatives}]}
    body = {"id": "1", "object": "chat.completion", "choices": [choice]}
    if usage:
        body["usage"] = {"prompt_tokens": usage[0], "completion_tokens": usage[1], "total_tokens": sum(usage)}
    return 200, {}, json.dumps(body).encode()


def failure(status, message="no", **headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return status, named, json.dumps({"error": {"message": message}}).encode()


def said(request):
    """The last turn of a request."""
    return request["messages"][-1]["content"]
