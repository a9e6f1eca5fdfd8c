"""Requests for completions to a server, and their responses as completions."""

from __future__ import annotations

from collections.abc import Callable

from attrs import evolve, frozen

from rowsmith.errors import GenerationError
from rowsmith.generation.requests import CompletionRequest, FinishReason, SamplingParams
from rowsmith_backends.remote.answers import Completion, ResponseLimits, parse_completion, parse_log_probs
from rowsmith_backends.remote.endpoint import Endpoint, RequestRejected
from rowsmith_backends.remote.server import ServerCapabilities
from rowsmith_backends.sampling.bundle_tokens import BundleTokens
from rowsmith_backends.sampling.request_seeds import request_seed

__all__ = ["CompletionClient"]

Ids = tuple[int, ...]


@frozen(kw_only=True, eq=False)
class CompletionClient:
    """Requests the completions of one call.

    Attributes:
        server: Capabilities of the server.
        endpoint: The endpoint.
        tokens: The model's tokens.
        regex: Makes the regular expression that the completion of a request must match; None to send none.
        context: The most tokens of prompt and completion.
        params: Parameters of sampling.
    """

    server: ServerCapabilities
    endpoint: Endpoint
    tokens: BundleTokens
    regex: Callable[[CompletionRequest], str] | None
    context: int
    params: SamplingParams

    async def complete(self, request: CompletionRequest) -> Completion:
        """Request one completion; the forced ids are part of it.

        Raises:
            GenerationError: The server failed permanently, or returns something else than completions.
        """
        available = self.context - len(request.prompt_ids)
        max_tokens = min(request.max_tokens or self.params.max_new_tokens or available, available) - len(
            request.forced_ids
        )
        if max_tokens < 1:
            completion = Completion(text="", finish_reason=FinishReason.LENGTH, num_tokens=0, ids=())
        else:
            completion = await self._request(request, max_tokens)
        completion = self._with_forced(completion, request.forced_ids)
        return await self._with_log_probs(completion, request.prompt_ids) if self.params.log_probs else completion

    async def _request(self, request: CompletionRequest, max_tokens: int) -> Completion:
        prompt = (*request.prompt_ids, *request.forced_ids)
        body = self.server.body(prompt, self.tokens, None if self.regex is None else self.regex(request)) | {
            "max_tokens": max_tokens,
            "temperature": self.params.temperature,
            "top_p": self.params.top_p,
            "seed": request_seed(self.params.seed, request.request_id),
        }
        limits = ResponseLimits.of(self.tokens, prompt, max_tokens)
        response = await self.endpoint.post("/completions", body, limits.max_bytes)
        completion = parse_completion(response, limits, str(self.endpoint))
        if self.server.gives_ids and completion.ids is None:
            raise GenerationError(f"{self.endpoint} left out the token ids of a completion, which it gave before")
        if completion.num_tokens is None:
            return evolve(completion, num_tokens=self.tokens.count(completion.text))
        return completion

    def _with_forced(self, completion: Completion, forced: Ids) -> Completion:
        if not forced:
            return completion
        return evolve(
            completion,
            text=self.tokens.decode(forced) + completion.text,
            num_tokens=(completion.num_tokens or 0) + len(forced),
            ids=None if completion.ids is None else (*forced, *completion.ids),
        )

    async def _with_log_probs(self, completion: Completion, prompt: Ids) -> Completion:
        """Add the log-probabilities of the unconstrained model to a completion.

        A server reports those of sampled tokens after the grammar mask, and those of a prompt before it. So the
        completion is sent once more as a prompt.
        """
        if not completion.ids:
            return evolve(completion, log_probs=())
        # Servers generate at least one token, so the last one is generated again, and no other is allowed.
        prompt_ids, last = (*prompt, *completion.ids[:-1]), completion.ids[-1]
        scoring = {"max_tokens": 1, "temperature": 0.0, "echo": True, "logprobs": 0, "allowed_token_ids": [last]}
        try:
            body = self.server.body(prompt_ids, self.tokens) | scoring
            response = await self.endpoint.post(
                "/completions", body, ResponseLimits.of(self.tokens, prompt_ids, 1).max_bytes
            )
        except RequestRejected as error:
            raise GenerationError(f"the log-probabilities of a completion are not to be had: {error}") from None
        return evolve(
            completion, log_probs=parse_log_probs(response, len(prompt), len(completion.ids), str(self.endpoint))
        )
