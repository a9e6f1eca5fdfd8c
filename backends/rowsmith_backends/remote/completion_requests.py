"""One request for a completion as a server understands it, and its answer as the engine wants it."""

from __future__ import annotations

from collections.abc import Callable

from attrs import evolve, frozen

from rowsmith.errors import GenerationError
from rowsmith.generation.requests import CompletionRequest, FinishReason, SamplingParams
from rowsmith_backends.remote.answers import Answer, Asked, read_answer, read_scores
from rowsmith_backends.remote.endpoint import Endpoint, Refused
from rowsmith_backends.remote.server import Server
from rowsmith_backends.sampling.bundle_tokens import BundleTokens
from rowsmith_backends.sampling.request_seeds import request_seed

__all__ = ["Asking"]

Ids = tuple[int, ...]


@frozen(kw_only=True, eq=False)
class Asking:
    """Asks for the completions of one call.

    Attributes:
        server: How to ask.
        endpoint: Whom to ask.
        tokens: The model's tokens.
        regex: The regular expression that the completion of a request must match; None to send none.
        context: The most tokens of prompt and completion.
        params: How to draw.
    """

    server: Server
    endpoint: Endpoint
    tokens: BundleTokens
    regex: Callable[[CompletionRequest], str] | None
    context: int
    params: SamplingParams

    async def answer(self, request: CompletionRequest) -> Answer:
        """The completion of a request, what it was made to begin with included.

        Raises:
            GenerationError: The server failed for good, or gives something else than completions.
        """
        room = self.context - len(request.prompt_ids)
        most = min(request.max_tokens or self.params.max_new_tokens or room, room) - len(request.forced_ids)
        if most < 1:
            written = Answer(text="", finish_reason=FinishReason.LENGTH, num_tokens=0, ids=())
        else:
            written = await self._written(request, most)
        answer = self._begun(written, request.forced_ids)
        return await self._scored(answer, request.prompt_ids) if self.params.log_probs else answer

    async def _written(self, request: CompletionRequest, most: int) -> Answer:
        prompt = (*request.prompt_ids, *request.forced_ids)
        body = self.server.body(prompt, self.tokens, None if self.regex is None else self.regex(request)) | {
            "max_tokens": most,
            "temperature": self.params.temperature,
            "top_p": self.params.top_p,
            "seed": request_seed(self.params.seed, request.request_id),
        }
        asked = Asked.of(self.tokens, prompt, most)
        said = await self.endpoint.post("/completions", body, asked.most_bytes)
        answer = read_answer(said, asked, str(self.endpoint))
        if self.server.gives_ids and answer.ids is None:
            raise GenerationError(f"{self.endpoint} left out the token ids of a completion, which it gave before")
        if answer.num_tokens is None:
            return evolve(answer, num_tokens=self.tokens.count(answer.text))
        return answer

    def _begun(self, answer: Answer, forced: Ids) -> Answer:
        if not forced:
            return answer
        return evolve(
            answer,
            text=self.tokens.decode(forced) + answer.text,
            num_tokens=(answer.num_tokens or 0) + len(forced),
            ids=None if answer.ids is None else (*forced, *answer.ids),
        )

    async def _scored(self, answer: Answer, prompt: Ids) -> Answer:
        """An answer with the log-probabilities that the model itself gives it.

        Those that a server tells of what it draws are behind the grammar; those of a prompt are not.
        """
        if not answer.ids:
            return evolve(answer, log_probs=())
        # The last token is written once more, and no other, because servers want room for one at least.
        before, last = (*prompt, *answer.ids[:-1]), answer.ids[-1]
        asked = {"max_tokens": 1, "temperature": 0.0, "echo": True, "logprobs": 0, "allowed_token_ids": [last]}
        try:
            body = self.server.body(before, self.tokens) | asked
            said = await self.endpoint.post("/completions", body, Asked.of(self.tokens, before, 1).most_bytes)
        except Refused as error:
            raise GenerationError(f"the log-probabilities of a completion are not to be had: {error}") from None
        return evolve(answer, log_probs=read_scores(said, len(prompt), len(answer.ids), str(self.endpoint)))
