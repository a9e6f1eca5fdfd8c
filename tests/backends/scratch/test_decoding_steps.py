"""A plain Llama stepped by its own weights, beside its own forward pass over the whole text."""

from __future__ import annotations

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from rowsmith_backends.scratch.decoding.forward_step import CachedForwardStep, LlamaForwardStep, forward_step_for


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
    step = LlamaForwardStep(model, dtype, initial_tokens=4)
    texts = torch.tensor([[1, 7, 3]])
    cache, reuse = step.empty_cache(1), None
    hidden = step.forward(cache, texts)
    # From 32 prefixes on, the model's width, the rotary embedding is applied to the weights instead of the products.
    for kept in ([0, 0, 0], [0, 1, 1, 2], [3, 0], [1, 1, 0, 0, 1], [4, 2, 0], [*range(3)] * 12, [*range(0, 36, 2)]):
        torch.testing.assert_close(
            step.logits(hidden, slice(5, 30)), _whole(model, texts)[:, 5:30], atol=near, rtol=near
        )
        chosen = torch.tensor(kept)
        new_tokens = torch.randint(0, 50, (len(kept), 1), generator=torch.Generator().manual_seed(len(kept)))
        reuse, cache = cache, step.select(cache, chosen, len(chosen), reuse)
        texts = torch.cat([texts[chosen], new_tokens], dim=1)
        hidden = step.forward(cache, new_tokens)
    assert step.prefix_bytes(cache) == 2 * 2 * 32 * 16 * dtype.itemsize


@torch.inference_mode()
def test_several_tokens_read_at_once_do_not_see_those_after_them() -> None:
    model = _model()
    step = LlamaForwardStep(model, torch.float32, initial_tokens=4)
    texts = torch.randint(0, 50, (3, 12), generator=torch.Generator().manual_seed(1))
    cache = step.empty_cache(3)
    for start, stop in ((0, 3), (3, 7), (7, 8), (8, 12)):
        hidden = step.forward(cache, texts[:, start:stop])
        torch.testing.assert_close(step.logits(hidden, slice(50)), _whole(model, texts[:, :stop]), atol=1e-5, rtol=1e-5)


@torch.inference_mode()
def test_selecting_leaves_the_first_memory_as_it_was() -> None:
    step = LlamaForwardStep(_model(), torch.float32)
    cache = step.empty_cache(2)
    step.forward(cache, torch.tensor([[1, 2], [1, 3]]))
    other = step.select(cache, torch.tensor([0, 1]), 2)
    step.forward(other, torch.tensor([[9], [9]]))
    again = step.forward(cache, torch.tensor([[4], [5]]))
    new_tokens = step.empty_cache(2)
    torch.testing.assert_close(step.forward(new_tokens, torch.tensor([[1, 2, 4], [1, 3, 5]])), again)


@torch.inference_mode()
def test_a_node_takes_as_much_whatever_memory_is_written_over() -> None:
    step = LlamaForwardStep(_model(), torch.float32, initial_tokens=4)
    cache, longer, wide = step.empty_cache(2), step.empty_cache(2), step.empty_cache(50)
    for each, tokens in ((cache, 2), (longer, 9), (wide, 3)):
        step.forward(each, torch.ones(2, tokens, dtype=torch.int64))
    for reuse in (None, longer, wide):
        selected = step.select(cache, torch.tensor([1, 0, 1]), 3, reuse)
        assert step.prefix_bytes(selected) == step.prefix_bytes(cache)
        texts = torch.tensor([[1, 1, 5], [1, 1, 6], [1, 1, 7]])
        torch.testing.assert_close(
            step.logits(step.forward(selected, texts[:, 2:]), slice(50)),
            _whole(step.model, texts),
            atol=1e-5,
            rtol=1e-5,
        )


@torch.inference_mode()
def test_other_models_go_through_their_own_forward_pass() -> None:
    model = _model(num_key_value_heads=2)
    step = forward_step_for(model, torch.float32, 20)
    assert isinstance(step, CachedForwardStep)
    cache = step.empty_cache(1)
    step.forward(cache, torch.tensor([[1, 2, 3]]))
    both = step.select(cache, torch.tensor([0, 0]), 2)
    hidden = step.forward(both, torch.tensor([[4], [5]]))
    whole = _whole(model, torch.tensor([[1, 2, 3, 4], [1, 2, 3, 5]]))
    torch.testing.assert_close(step.logits(hidden, slice(50)), whole, atol=1e-5, rtol=1e-5)
    assert step.prefix_bytes(both) == 2 * 2 * 2 * 8 * 4 * 4


def test_a_plain_llama_is_stepped_by_its_weights() -> None:
    assert isinstance(forward_step_for(_model(), torch.float32, 20), LlamaForwardStep)
