"""A completions endpoint in this process, over the engine of a trained model, that fails as it is told."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from attrs import define, field

from rowsmith.generation import CompletionRequest, SamplingParams
from rowsmith.model import Bundle
from rowsmith_backends.scratch.decoding.engine import ColumnarEngine

OPENAI = {"model", "prompt", "max_tokens", "temperature", "top_p", "seed", "echo", "logprobs", "n", "stop"}
VLLM = OPENAI | {
    "return_token_ids",
    "structured_outputs",
    "top_k",
    "min_p",
    "repetition_penalty",
    "stop_token_ids",
    "allowed_token_ids",
}
TRANSFORMERS = OPENAI - {"echo", "logprobs"} | {"generation_config"}
LENIENT = None
"""Fields of a server that takes any and overlooks what it does not know."""


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server: LocalServer

    def log_message(self, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        self.server.local.get(self)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.local.post(self, body)

    def reply(self, body: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def drop(self, *, after: bytes = b"", length: int = 1000) -> None:
        """End the connection in the middle of an answer."""
        if after:
            self.send_response(200)
            self.send_header("Content-Length", str(length))
            self.end_headers()
            self.wfile.write(after)
        self.close_connection = True


class LocalServer(ThreadingHTTPServer):
    """A server that knows what it serves."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 256
    local: Local

    def handle_error(self, *args: object) -> None:
        pass  # clients that go away are what is tested


Fault = Callable[[int, Handler], bool]
"""Called with the number of a completion and its connection; whether it has dealt with it."""


@define(eq=False)
class Local:
    """What a server does.

    Attributes:
        bundle: The model.
        engine: Its engine, started.
        fields: The fields of requests that it knows; it refuses others. None overlooks them.
        ids: Whether it takes prompts as token ids.
        key: The API key that it wants.
        models: The names that it lists; the first is served.
        fault: What goes wrong, from the first completion after the fault was set.
        bodies: Every request for a completion.
        headers: Their headers.
        busiest: The most requests at the same time.
        now: Requests that are being answered.
    """

    bundle: Bundle
    engine: ColumnarEngine
    fields: set[str] | None = field(factory=lambda: VLLM)
    ids: bool = True
    key: str | None = None
    models: list[str] = field(factory=lambda: ["people"])
    fault: Fault | None = None
    bodies: list[dict[str, Any]] = field(factory=list)
    headers: list[dict[str, str]] = field(factory=list)
    busiest: int = 0
    now: int = 0
    _lock: threading.Lock = field(factory=threading.Lock)
    _faulty: int = 0

    def get(self, connection: Handler) -> None:
        if not self._known(connection):
            return
        if connection.path == "/v1/models":
            connection.reply({"object": "list", "data": [{"id": name} for name in self.models]})
        else:
            connection.reply({"error": {"message": "Not Found"}}, 404)

    def post(self, connection: Handler, body: dict[str, Any]) -> None:
        with self._lock:
            self.now += 1
            self.busiest = max(self.busiest, self.now)
        try:
            self._post(connection, body)
        finally:
            with self._lock:
                self.now -= 1

    def _post(self, connection: Handler, body: dict[str, Any]) -> None:
        if not self._known(connection):
            return
        with self._lock:
            self.bodies.append(body)
            self.headers.append(dict(connection.headers))
            fault, number = self.fault, self._faulty
            self._faulty += fault is not None
        if fault is not None and fault(number, connection):
            return
        if connection.path != "/v1/completions":
            connection.reply({"detail": "Not Found"}, 404)
        elif body["model"] != self.models[0]:
            connection.reply({"error": {"message": f"The model `{body['model']}` does not exist."}}, 404)
        elif self.fields is not None and set(body) - self.fields:
            connection.reply({"detail": f"Unexpected fields in the request: {set(body) - self.fields}"}, 422)
        elif self.fields is VLLM and body.get("repetition_penalty", 1.0) <= 0:
            connection.reply({"error": {"message": "repetition_penalty must be greater than zero"}}, 400)
        elif not self.ids and not isinstance(body["prompt"], str):
            connection.reply({"detail": "prompt must be a string."}, 400)
        else:
            connection.reply(self._completed(body))

    def _known(self, connection: Handler) -> bool:
        given = connection.headers.get("Authorization")
        if self.key is None or given == f"Bearer {self.key}":
            return True
        connection.reply({"error": f"Unauthorized: {given}"}, 401)
        return False

    def _completed(self, body: dict[str, Any]) -> dict[str, Any]:
        prompt = body["prompt"]
        if isinstance(prompt, str):
            prompt = self._tokenizer(prompt).input_ids
        regex = (body.get("structured_outputs") or {}).get("regex") if self.fields is VLLM else None
        with self._lock:
            ids, reason = self._drawn(tuple(prompt), body, regex)
        vocabulary = self.bundle.vocabulary
        choice: dict[str, Any] = {"index": 0, "text": vocabulary.decode(ids), "finish_reason": reason}
        if body.get("return_token_ids") and self.fields is VLLM:
            choice |= {"token_ids": ids, "prompt_token_ids": prompt}
        if "logprobs" in body and self.fields is VLLM:
            choice["logprobs"] = {"token_logprobs": [None, *self._scores([*prompt, *ids])]}
        usage = {"prompt_tokens": len(prompt), "completion_tokens": len(ids)}
        return {"object": "text_completion", "choices": [choice], "usage": usage}

    @property
    def _tokenizer(self) -> Any:
        from transformers import AutoTokenizer

        return AutoTokenizer.from_pretrained(self.bundle.model_directory)

    def _drawn(self, prompt: tuple[int, ...], body: dict[str, Any], regex: str | None) -> tuple[list[int], str]:
        vocabulary = self.bundle.vocabulary
        if "allowed_token_ids" in body:
            return list(body["allowed_token_ids"]), "length"
        if regex is not None:
            for number, text in enumerate(vocabulary.texts):
                if number > vocabulary.unknown_id and re.fullmatch(regex, text.decode("utf-8", "replace")):
                    return [number], "stop"
        request = CompletionRequest(body.get("seed", 0), prompt, body["max_tokens"])
        penalty = body.get("repetition_penalty", 1.0) if self.fields is VLLM else 1.0
        penalty = json.loads(body.get("generation_config", "{}")).get("repetition_penalty", penalty)
        params = SamplingParams(
            temperature=body["temperature"],
            top_p=body.get("top_p", 1.0),
            constrained=True,
            seed=7,
            extra={"repetition_penalty": penalty},
        )
        block = next(iter(self.engine.complete([request], params)))
        return list(block.row_ids(0) or ()), str(block.finish_reasons[0])

    def _scores(self, ids: list[int]) -> list[float]:
        """Log-probabilities of all but the first."""
        request = CompletionRequest(0, (ids[0],), max_tokens=len(ids) - 1, forced_ids=tuple(ids[1:]))
        block = next(iter(self.engine.complete([request], SamplingParams(log_probs=True, constrained=False))))
        return block.log_probs[0].tolist()


@contextmanager
def serving(local: Local, port: int = 0) -> Iterator[str]:
    """Serve on loopback; gives the address."""
    server = LocalServer(("127.0.0.1", port), Handler)
    server.local = local
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def hang(number: int, connection: Handler) -> bool:
    """Never answer, until the client has had enough."""
    time.sleep(20)
    return True
