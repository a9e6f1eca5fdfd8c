"""What a server is and what it takes, found out by asking it once."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from typing import Any

from attrs import evolve, field, frozen

from rowsmith.dialect.grammar import literal
from rowsmith.errors import GenerationError
from rowsmith.generation.requests import REPETITION_PENALTY
from rowsmith_backends.remote.answers import Answer, Asked, read_answer
from rowsmith_backends.remote.endpoint import Endpoint, Refused
from rowsmith_backends.remote.options import GRAMMAR_FIELDS
from rowsmith_backends.sampling.bundle_tokens import BundleTokens

__all__ = ["Inquiry", "Server"]

_UNKNOWN_FIELD = (400, 422)
_PROBE_TOKENS = 4
_CONFIG = "generation_config"

_logger = logging.getLogger(__name__)


@frozen(kw_only=True)
class Server:
    """How to ask a server for completions.

    Attributes:
        model: The name of the model there.
        takes_ids: Whether prompts are sent as token ids.
        gives_ids: Whether completions come with token ids.
        extras: Fields of every request, beyond those that all servers know.
        grammar: The field that takes a regular expression; None where there is none.
    """

    model: str
    takes_ids: bool
    gives_ids: bool = False
    extras: Mapping[str, Any] = field(factory=dict)
    grammar: str | None = None

    def body(self, prompt: tuple[int, ...], tokens: BundleTokens, regex: str | None = None) -> dict[str, Any]:
        """A request for the completion of a prompt.

        Args:
            prompt: Its token ids.
            tokens: Writes it as text where that is needed.
            regex: What the completion must match.
        """
        shown: Any = list(prompt) if self.takes_ids else tokens.prompt_text(prompt)
        grammar = {} if regex is None or self.grammar is None else _grammar(self.grammar, regex)
        return {"model": self.model, "prompt": shown, **self.extras, **grammar}

    def penalized(self, penalty: float) -> Server:
        """How to ask the server for completions in which tokens seldom come again.

        Args:
            penalty: As for ``SamplingParams.repetition_penalty``.
        """
        config = self.extras.get(_CONFIG)
        given = {REPETITION_PENALTY: penalty}
        extra = given if config is None else {_CONFIG: json.dumps(json.loads(config) | given)}
        return evolve(self, extras={**self.extras, **extra})


@frozen(kw_only=True)
class Inquiry:
    """Finds out what a server takes.

    Attributes:
        endpoint: The server.
        tokens: The model's tokens.
        prompt: A prompt to try it with.
        regex: The regular expression of its completions.
        eos_id: The token that ends a completion.
    """

    endpoint: Endpoint
    tokens: BundleTokens
    prompt: tuple[int, ...]
    regex: str
    eos_id: int

    async def server(self) -> Server:
        """Ask.

        Raises:
            GenerationError: There is no such model, or the server takes no completions in any way that is known.
        """
        model = await self._model()
        refused: list[Refused] = []
        for candidate in self._candidates(model):
            try:
                answer = await self._completed(candidate)
            except Refused as error:
                if error.status == 404:
                    raise await self._no_model(model, error) from None
                if error.status not in _UNKNOWN_FIELD:
                    raise
                refused.append(error)
            else:
                return await self._with_grammar(candidate, gives_ids=answer.ids is not None)
        raise refused[-1]

    async def penalizes(self, server: Server) -> bool:
        """Whether the server knows the repetition penalty: it takes one that changes nothing, and refuses nonsense.

        Servers that overlook what they do not know would write as if none was asked for.
        """
        if _CONFIG in server.extras:
            return True
        answered = [await self._answers(server.penalized(penalty)) for penalty in (1.0, -1.0)]
        return answered == [True, False]

    async def _answers(self, server: Server) -> bool:
        try:
            await self._completed(server)
        except Refused as error:
            if error.status not in _UNKNOWN_FIELD:
                raise
            return False
        return True

    async def _model(self) -> str:
        """The model's name."""
        if self.endpoint.options.model is not None:
            return self.endpoint.options.model
        known = await self._known()
        if len(known) != 1:
            raise GenerationError(
                f"{self.endpoint} serves {_names(known)}; set backend.options.model to the name of the model there"
            )
        return known[0]

    async def _known(self) -> list[str]:
        """The names of all models, as far as the server tells."""
        try:
            listed = (await self.endpoint.get("/models")).get("data")
        except Refused:
            listed = None
        entries = listed if isinstance(listed, list) else []
        return [each["id"] for each in entries if isinstance(each, dict) and isinstance(each.get("id"), str)]

    async def _no_model(self, model: str, error: Refused) -> GenerationError:
        try:
            served = f"it serves {_names(await self._known())}; "
        except GenerationError:
            served = ""
        return GenerationError(
            f"{self.endpoint} has no model {model!r}, or no completions there ({served}it said: {error}). "
            "Set backend.options.model to one of its models, and backend.options.url to the address that "
            "/completions is added to, which mostly ends with /v1"
        )

    def _candidates(self, model: str) -> Iterator[Server]:
        """Ways to ask, the best first."""
        prompts = self.endpoint.options.prompts
        # Servers have defaults of their own, often those of the model's makers, which would narrow what is drawn.
        open_draws = {"top_k": -1, "min_p": 0.0, REPETITION_PENALTY: 1.0, "stop_token_ids": [self.eos_id]}
        if prompts != "text":
            yield Server(model=model, takes_ids=True, extras={"return_token_ids": True, **open_draws})
            yield Server(model=model, takes_ids=True)
        if prompts != "ids":
            yield Server(model=model, takes_ids=False, extras={"return_token_ids": True, **open_draws})
            yield Server(model=model, takes_ids=False, extras={_CONFIG: self._generation_config()})
            yield Server(model=model, takes_ids=False)

    def _generation_config(self) -> str:
        """What transformers serve needs to be told to draw at all, and from all tokens."""
        return json.dumps({"do_sample": True, "top_k": 0, "eos_token_id": self.eos_id, "pad_token_id": self.eos_id})

    async def _completed(self, server: Server, regex: str | None = None) -> Answer:
        body = server.body(self.prompt, self.tokens, regex) | {"max_tokens": _PROBE_TOKENS, "temperature": 0.0}
        asked = Asked.of(self.tokens, self.prompt, _PROBE_TOKENS)
        said = await self.endpoint.post("/completions", body, asked.most_bytes)
        return read_answer(said, asked, str(self.endpoint))

    async def _with_grammar(self, found: Server, *, gives_ids: bool) -> Server:
        wanted = self.endpoint.options.grammar
        fields = {"auto": GRAMMAR_FIELDS, "none": ()}.get(wanted, (wanted,))
        plain = Server(model=found.model, takes_ids=found.takes_ids, gives_ids=gives_ids, extras=found.extras)
        for name in fields:
            server = Server(
                model=found.model, takes_ids=found.takes_ids, gives_ids=gives_ids, extras=found.extras, grammar=name
            )
            try:
                if await self._obeys(server):
                    await self._completed(server, self.regex)
                    return server
            except Refused as error:
                _logger.debug("%s takes no grammar as %s: %s", self.endpoint, name, error)
                if error.status not in _UNKNOWN_FIELD or wanted != "auto":
                    raise
        if wanted not in ("auto", "none"):
            raise GenerationError(
                f"{self.endpoint} writes what it likes whatever regular expression it is given as {wanted!r}: set "
                "backend.options.grammar to another field, to auto or to none"
            )
        return plain

    async def _obeys(self, server: Server) -> bool:
        """Whether completions follow a grammar, however unlikely what it asks for."""
        for text in self.tokens.probes:
            written = (await self._completed(server, literal(text))).text.strip()
            if not written or not text.strip().startswith(written):
                return False
        return True


def _grammar(name: str, regex: str) -> dict[str, Any]:
    return {name: {"regex": regex}} if name == "structured_outputs" else {name: regex}


def _names(known: list[str]) -> str:
    shown = ", ".join(repr(name) for name in known[:10]) + (", ..." if len(known) > 10 else "")
    return shown or "no models that it names"
