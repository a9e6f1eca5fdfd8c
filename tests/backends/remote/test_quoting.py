"""A secret is in no message, however a server writes it."""

import base64
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowsmith_backends.remote.redaction import without_secret

SECRETS = st.text("abcdefghXYZ0123456789-_.", min_size=12, max_size=60)


def base_64(before):
    return lambda secret: base64.b64encode(b"x" * before + secret.encode()).decode()


WRITINGS = {
    "plain": lambda secret: secret,
    "backwards": lambda secret: secret[::-1],
    "spread out": lambda secret: " ~ ".join(secret),
    "other cases": lambda secret: secret.swapcase(),
    "hexadecimal": lambda secret: secret.encode().hex(),
    "of an address": lambda secret: quote(secret, safe=""),
    "base 32": lambda secret: base64.b32encode(secret.encode()).decode(),
    **{f"base 64, {before} before": base_64(before) for before in range(4)},
}


@pytest.mark.parametrize("writing", WRITINGS)
@given(SECRETS)
def test_a_secret_is_masked_in_every_writing(writing, secret):
    shown = without_secret(f"no model here {WRITINGS[writing](secret)}!", secret)
    assert "***" in shown
    assert secret not in shown
    # A few characters at the ends may be left, where the writing mixes them with what stands beside it.
    assert len(shown.removeprefix("no model here ").removesuffix("!").replace("***", "")) <= 8


def test_other_words_stay():
    text = "model 'meta-llama/Llama-3.1-8B' not found"
    assert without_secret(text, "sk-TOPSECRET") == text
