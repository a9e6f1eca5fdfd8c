"""A plain Llama stepped by its own weights, beside its own forward pass over the whole text."""

from __future__ import annotations

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from rowsmith_backends.scratch.decoding.forward_step import CachedSteps, LlamaSteps, steps_for


def _model(**changes: object) -> LlamaForCausalLM:
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 4}
    config = LlamaConfig(vocab_size=50, intermediate_size=48, max_position_embeddings=80, **{**sizes, **changes})
    return LlamaForCausalLM(config).eval()


def _whole(model: LlamaForCausalLM, ids: torch.Tensor) -> torch.Tensor:
    return model(input_ids=ids).logits[:, -1]


@pytest.mark.parametrize(("dtype", "near"), [(torch.float32, 1e-5), (torch.bfloat16, 3e-2)])
@torch.inference_mode()
def test_steps_with_forks_and_drops_give_the_logits_of_the_whole_text(dtype: torch.dtype, near: float) -> None:
    model = _model()
    steps = LlamaSteps(model, dtype, room=4)
    texts = torch.tensor([[1, 7, 3]])
    memory, spare = steps.empty(1), None
    hidden = steps.read(memory, texts)
    # At 32 nodes, as many as the model is wide, the weights are turned to their place instead of what they make.
    for kept in ([0, 0, 0], [0, 1, 1, 2], [3, 0], [1, 1, 0, 0, 1], [4, 2, 0], [*range(3)] * 12, [*range(0, 36, 2)]):
        torch.testing.assert_close(
            steps.logits(hidden, slice(5, 30)), _whole(model, texts)[:, 5:30], atol=near, rtol=near
        )
        chosen = torch.tensor(kept)
        fresh = torch.randint(0, 50, (len(kept), 1), generator=torch.Generator().manual_seed(len(kept)))
        spare, memory = memory, steps.select(memory, chosen, len(chosen), spare)
        texts = torch.cat([texts[chosen], fresh], dim=1)
        hidden = steps.read(memory, fresh)
    assert steps.size(memory) == 2 * 2 * 32 * 16 * dtype.itemsize


@torch.inference_mode()
def test_several_tokens_read_at_once_do_not_see_those_after_them() -> None:
    model = _model()
    steps = LlamaSteps(model, torch.float32, room=4)
    texts = torch.randint(0, 50, (3, 12), generator=torch.Generator().manual_seed(1))
    memory = steps.empty(3)
    for start, stop in ((0, 3), (3, 7), (7, 8), (8, 12)):
        hidden = steps.read(memory, texts[:, start:stop])
        torch.testing.assert_close(
            steps.logits(hidden, slice(50)), _whole(model, texts[:, :stop]), atol=1e-5, rtol=1e-5
        )


@torch.inference_mode()
def test_selecting_leaves_the_first_memory_as_it_was() -> None:
    steps = LlamaSteps(_model(), torch.float32)
    memory = steps.empty(2)
    steps.read(memory, torch.tensor([[1, 2], [1, 3]]))
    other = steps.select(memory, torch.tensor([0, 1]), 2)
    steps.read(other, torch.tensor([[9], [9]]))
    again = steps.read(memory, torch.tensor([[4], [5]]))
    fresh = steps.empty(2)
    torch.testing.assert_close(steps.read(fresh, torch.tensor([[1, 2, 4], [1, 3, 5]])), again)


@torch.inference_mode()
def test_a_node_takes_as_much_whatever_memory_is_written_over() -> None:
    steps = LlamaSteps(_model(), torch.float32, room=4)
    memory, longer, wide = steps.empty(2), steps.empty(2), steps.empty(50)
    for each, tokens in ((memory, 2), (longer, 9), (wide, 3)):
        steps.read(each, torch.ones(2, tokens, dtype=torch.int64))
    for spare in (None, longer, wide):
        selected = steps.select(memory, torch.tensor([1, 0, 1]), 3, spare)
        assert steps.size(selected) == steps.size(memory)
        texts = torch.tensor([[1, 1, 5], [1, 1, 6], [1, 1, 7]])
        torch.testing.assert_close(
            steps.logits(steps.read(selected, texts[:, 2:]), slice(50)),
            _whole(steps.model, texts),
            atol=1e-5,
            rtol=1e-5,
        )


@torch.inference_mode()
def test_other_models_go_through_their_own_forward_pass() -> None:
    model = _model(num_key_value_heads=2)
    steps = steps_for(model, torch.float32, 20)
    assert isinstance(steps, CachedSteps)
    memory = steps.empty(1)
    steps.read(memory, torch.tensor([[1, 2, 3]]))
    both = steps.select(memory, torch.tensor([0, 0]), 2)
    hidden = steps.read(both, torch.tensor([[4], [5]]))
    whole = _whole(model, torch.tensor([[1, 2, 3, 4], [1, 2, 3, 5]]))
    torch.testing.assert_close(steps.logits(hidden, slice(50)), whole, atol=1e-5, rtol=1e-5)
    assert steps.size(both) == 2 * 2 * 2 * 8 * 4 * 4


def test_a_plain_llama_is_stepped_by_its_weights() -> None:
    assert isinstance(steps_for(_model(), torch.float32, 20), LlamaSteps)
