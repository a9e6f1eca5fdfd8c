"""Capabilities of a server, found out by a few probe requests."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from typing import Any

from attrs import evolve, field, frozen

from rowsmith.dialect.grammar import literal
from rowsmith.errors import GenerationError
from rowsmith.generation.requests import REPETITION_PENALTY
from rowsmith_backends.remote.answers import Completion, ResponseLimits, parse_completion
from rowsmith_backends.remote.endpoint import Endpoint, RequestRejected
from rowsmith_backends.remote.options import GRAMMAR_FIELDS
from rowsmith_backends.sampling.bundle_tokens import BundleTokens

__all__ = ["ServerCapabilities", "ServerProbe"]

_UNKNOWN_FIELD_STATUS = (400, 422)
_PROBE_TOKENS = 4
_CONFIG = "generation_config"

_logger = logging.getLogger(__name__)


@frozen(kw_only=True)
class ServerCapabilities:
    """Which requests for completions a server supports.

    Attributes:
        model: Name of the served model.
        takes_ids: Whether prompts are sent as token ids.
        gives_ids: Whether completions come with token ids.
        extras: Fields of every request, beyond those that all servers know.
        grammar: The field that takes a regular expression; None without one.
    """

    model: str
    takes_ids: bool
    gives_ids: bool = False
    extras: Mapping[str, Any] = field(factory=dict)
    grammar: str | None = None

    def body(self, prompt: tuple[int, ...], tokens: BundleTokens, regex: str | None = None) -> dict[str, Any]:
        """Body of a request for the completion of a prompt.

        Args:
            prompt: Token ids of the prompt.
            tokens: The model's tokens, for prompts as text.
            regex: The regular expression that the completion must match.
        """
        prompt_field: Any = list(prompt) if self.takes_ids else tokens.prompt_text(prompt)
        grammar = {} if regex is None or self.grammar is None else _grammar(self.grammar, regex)
        return {"model": self.model, "prompt": prompt_field, **self.extras, **grammar}

    def penalized(self, penalty: float) -> ServerCapabilities:
        """The capabilities with a repetition penalty in every request.

        Args:
            penalty: As for ``SamplingParams.repetition_penalty``.
        """
        config = self.extras.get(_CONFIG)
        penalty_field = {REPETITION_PENALTY: penalty}
        extra = penalty_field if config is None else {_CONFIG: json.dumps(json.loads(config) | penalty_field)}
        return evolve(self, extras={**self.extras, **extra})


@frozen(kw_only=True)
class ServerProbe:
    """Finds out the capabilities of a server by probe requests.

    Attributes:
        endpoint: The server.
        tokens: The model's tokens.
        prompt: Prompt of the probe requests.
        regex: The regular expression of its completions.
        eos_id: The token that ends a completion.
    """

    endpoint: Endpoint
    tokens: BundleTokens
    prompt: tuple[int, ...]
    regex: str
    eos_id: int

    async def server(self) -> ServerCapabilities:
        """Find the best supported kind of request.

        Raises:
            GenerationError: There is no such model, or the server supports no known kind of completion request.
        """
        model = await self._model()
        rejections: list[RequestRejected] = []
        for candidate in self._candidates(model):
            try:
                completion = await self._probe(candidate)
            except RequestRejected as error:
                if error.status == 404:
                    raise await self._model_not_found(model, error) from None
                if error.status not in _UNKNOWN_FIELD_STATUS:
                    raise
                rejections.append(error)
            else:
                return await self._find_grammar(candidate, gives_ids=completion.ids is not None)
        raise rejections[-1]

    async def penalizes(self, server: ServerCapabilities) -> bool:
        """Whether the server applies a repetition penalty: it accepts a neutral value and rejects an invalid one.

        Servers that ignore unknown fields would generate without a penalty.
        """
        if _CONFIG in server.extras:
            return True
        accepted = [await self._accepts(server.penalized(penalty)) for penalty in (1.0, -1.0)]
        return accepted == [True, False]

    async def _accepts(self, server: ServerCapabilities) -> bool:
        try:
            await self._probe(server)
        except RequestRejected as error:
            if error.status not in _UNKNOWN_FIELD_STATUS:
                raise
            return False
        return True

    async def _model(self) -> str:
        """Name of the served model."""
        if self.endpoint.options.model is not None:
            return self.endpoint.options.model
        served = await self._served_models()
        if len(served) != 1:
            raise GenerationError(
                f"{self.endpoint} serves {_names(served)}; set backend.options.model to the name of the model there"
            )
        return served[0]

    async def _served_models(self) -> list[str]:
        """Names of the served models; empty if the server does not list them."""
        try:
            listed = (await self.endpoint.get("/models")).get("data")
        except RequestRejected:
            listed = None
        entries = listed if isinstance(listed, list) else []
        return [each["id"] for each in entries if isinstance(each, dict) and isinstance(each.get("id"), str)]

    async def _model_not_found(self, model: str, error: RequestRejected) -> GenerationError:
        try:
            models = f"it serves {_names(await self._served_models())}; "
        except GenerationError:
            models = ""
        return GenerationError(
            f"{self.endpoint} has no model {model!r}, or no completions there ({models}it said: {error}). "
            "Set backend.options.model to one of its models, and backend.options.url to the address that "
            "/completions is added to, which mostly ends with /v1"
        )

    def _candidates(self, model: str) -> Iterator[ServerCapabilities]:
        """Kinds of requests to try, the best first."""
        prompts = self.endpoint.options.prompts
        # Servers have sampling defaults of their own, often from the model's makers, which would restrict sampling.
        neutral_sampling = {"top_k": -1, "min_p": 0.0, REPETITION_PENALTY: 1.0, "stop_token_ids": [self.eos_id]}
        if prompts != "text":
            yield ServerCapabilities(model=model, takes_ids=True, extras={"return_token_ids": True, **neutral_sampling})
            yield ServerCapabilities(model=model, takes_ids=True)
        if prompts != "ids":
            yield ServerCapabilities(
                model=model, takes_ids=False, extras={"return_token_ids": True, **neutral_sampling}
            )
            yield ServerCapabilities(model=model, takes_ids=False, extras={_CONFIG: self._generation_config()})
            yield ServerCapabilities(model=model, takes_ids=False)

    def _generation_config(self) -> str:
        """Generation configuration with which transformers serve samples at all, and from all tokens."""
        return json.dumps({"do_sample": True, "top_k": 0, "eos_token_id": self.eos_id, "pad_token_id": self.eos_id})

    async def _probe(self, server: ServerCapabilities, regex: str | None = None) -> Completion:
        body = server.body(self.prompt, self.tokens, regex) | {"max_tokens": _PROBE_TOKENS, "temperature": 0.0}
        limits = ResponseLimits.of(self.tokens, self.prompt, _PROBE_TOKENS)
        response = await self.endpoint.post("/completions", body, limits.max_bytes)
        return parse_completion(response, limits, str(self.endpoint))

    async def _find_grammar(self, candidate: ServerCapabilities, *, gives_ids: bool) -> ServerCapabilities:
        grammar = self.endpoint.options.grammar
        fields = {"auto": GRAMMAR_FIELDS, "none": ()}.get(grammar, (grammar,))
        plain = ServerCapabilities(
            model=candidate.model, takes_ids=candidate.takes_ids, gives_ids=gives_ids, extras=candidate.extras
        )
        for name in fields:
            server = ServerCapabilities(
                model=candidate.model,
                takes_ids=candidate.takes_ids,
                gives_ids=gives_ids,
                extras=candidate.extras,
                grammar=name,
            )
            try:
                if await self._follows_grammar(server):
                    await self._probe(server, self.regex)
                    return server
            except RequestRejected as error:
                _logger.debug("%s takes no grammar as %s: %s", self.endpoint, name, error)
                if error.status not in _UNKNOWN_FIELD_STATUS or grammar != "auto":
                    raise
        if grammar not in ("auto", "none"):
            raise GenerationError(
                f"{self.endpoint} writes what it likes whatever regular expression it is given as {grammar!r}: set "
                "backend.options.grammar to another field, to auto or to none"
            )
        return plain

    async def _follows_grammar(self, server: ServerCapabilities) -> bool:
        """Whether completions follow a grammar, even one of unlikely text."""
        for text in self.tokens.probes:
            completion = (await self._probe(server, literal(text))).text.strip()
            if not completion or not text.strip().startswith(completion):
                return False
        return True


def _grammar(name: str, regex: str) -> dict[str, Any]:
    return {name: {"regex": regex}} if name == "structured_outputs" else {name: regex}


def _names(served: list[str]) -> str:
    prompt_field = ", ".join(repr(name) for name in served[:10]) + (", ..." if len(served) > 10 else "")
    return prompt_field or "no models that it names"
