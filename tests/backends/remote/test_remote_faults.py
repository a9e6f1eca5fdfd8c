"""What a server and the way to it do wrong: one clear error, every row kept, no key told, nothing hangs."""

import base64
import binascii
import json
import logging
import re
import time
from urllib.parse import quote_from_bytes

import pytest

from rowsmith.errors import GenerationError
from rowsmith.generation import GenerationFailure, GenerationStatus
from rowsmith_backends.remote.redaction import without_secret

from .serving import TRANSFORMERS, hang, serving

KEY = "sk-hunter2-very-secret"
NOWHERE = "http://127.0.0.1:9/v1"


def after(count, then):
    """Goes wrong from the completion of that number."""
    return lambda number, connection: number >= count and then(connection) is not False


def status(code, body=b"oh no", **headers):
    return lambda connection: connection.reply(
        body, code, {name.replace("_", "-"): value for name, value in headers.items()}
    )


FAULTS = {
    "drops connections": (lambda connection: connection.drop(), "broke off the connection"),
    "cuts answers": (lambda connection: connection.drop(after=b'{"choices": ['), "broke off the connection"),
    "500": (status(500), r"HTTP 500 \(oh no\)"),
    "503": (status(503, b'{"error": {"message": "overloaded"}}'), r"HTTP 503 \(overloaded\)"),
    "429": (status(429), r"HTTP 429"),
    "no JSON": (lambda connection: connection.reply(b"<html>\xff</html>"), "no JSON object"),
    "deep JSON": (lambda connection: connection.reply(b"[" * 100_000), "no JSON object"),
    "a list": (lambda connection: connection.reply(b"[1]"), "no JSON object"),
    "no choices": (lambda connection: connection.reply(b"{}"), "no completion of one prompt"),
    "odd choices": (lambda connection: connection.reply(b'{"choices": [7]}'), "no completion of one prompt"),
    "no text": (lambda connection: connection.reply(b'{"choices": [{"text": 7}]}'), "no completion of one prompt"),
    "ids from elsewhere": (
        lambda connection: connection.reply(b'{"choices": [{"text": "", "token_ids": [99999999]}]}'),
        "no completion of one prompt",
    ),
    "no ids": (lambda connection: connection.reply(b'{"choices": [{"text": ""}]}'), "left out the token ids"),
    "more ids than asked for": (
        lambda connection: connection.reply({"choices": [{"text": "", "token_ids": [1] * 200}]}),
        r"200 tokens where \d+ tokens were asked for.*max_tokens",
    ),
    "a count beyond bounds": (
        lambda connection: connection.reply({"choices": [{"text": ""}], "usage": {"completion_tokens": 10**12}}),
        "tokens were asked for",
    ),
    "a count that is negative": (
        lambda connection: connection.reply({"choices": [{"text": ""}], "usage": {"completion_tokens": -5}}),
        "-5 tokens where",
    ),
    "a long text": (
        lambda connection: connection.reply({"choices": [{"text": "x" * 100_000, "token_ids": [1]}]}),
        "100,000 characters where",
    ),
    "a text without end": (
        lambda connection: connection.reply({"choices": [{"text": "x" * 2**23}]}),
        "more than was asked for; stopped reading",
    ),
    "redirect": (status(307, location="http://evil.example/v1"), r"sends requests on to http://evil.example/v1"),
    "400": (status(400, b'{"detail": "too \\u001b[31mlong"}'), r"HTTP 400: too \[31mlong"),
    "401": (status(401), "wants an API key.*ROWSMITH_API_KEY"),
    "not gzip": (
        lambda connection: connection.reply(b"plain", headers={"Content-Encoding": "gzip"}),
        "broke off the connection",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_server_that_fails_for_good_ends_the_job_and_every_row_is_kept(name, local, make):
    then, message = FAULTS[name]
    backend = make(num_records=60, concurrency=1)
    local.fault = after(25, then)
    started = time.monotonic()
    with pytest.raises(GenerationFailure, match=message) as caught:
        backend.generate()
    assert len(caught.value.results.df) == 25
    assert caught.value.results.status is GenerationStatus.INCOMPLETE
    assert str(caught.value).isprintable()
    assert time.monotonic() - started < 30


@pytest.mark.parametrize("name", ["drops connections", "cuts answers", "500", "503", "429", "no JSON"])
def test_what_passes_is_tried_again(name, local, make):
    then, _ = FAULTS[name]
    backend = make(num_records=12, retries=2)
    local.fault = lambda number, connection: number % 7 == 3 and then(connection) is not False
    assert len(backend.generate().df) == 12


def test_answers_that_came_after_a_failure_are_kept_as_well(local, make):
    backend = make(num_records=60, concurrency=8, retries=0)
    local.fault = after(25, status(500))
    with pytest.raises(GenerationFailure) as caught:
        backend.generate()
    assert 18 <= len(caught.value.results.df) <= 25


def test_a_server_that_hangs_is_given_up(local, make):
    backend = make(num_records=60, timeout=1.0, retries=3)
    local.fault = lambda number, connection: number >= 15 and hang(number, connection)
    started = time.monotonic()
    with pytest.raises(GenerationFailure, match=r"gave no answer within 1 s.*backend.options.timeout") as caught:
        backend.generate()
    assert len(caught.value.results.df) == 15
    assert time.monotonic() - started < 10


def test_a_server_that_drips_is_given_up(local, make):
    def drip(connection):
        connection.send_response(200)
        connection.send_header("Content-Length", "1000")
        connection.end_headers()
        for _ in range(100):
            connection.wfile.write(b" ")
            time.sleep(0.1)

    backend = make(num_records=12, timeout=1.0)
    local.fault = after(2, drip)
    with pytest.raises(GenerationFailure, match="gave no answer within 1 s"):
        backend.generate()


def test_a_completion_that_is_lost_is_asked_for_again_while_the_server_answers_others(local, make):
    backend = make(num_records=12, timeout=1.0, concurrency=4)

    def lost(number, connection):
        if number == 5:
            return hang(number, connection)
        time.sleep(0.15)
        return False

    local.fault = lost
    assert len(backend.generate().df) == 12


def test_a_list_of_models_without_end_is_not_read(local, make, monkeypatch):
    monkeypatch.setattr("rowsmith_backends.remote.endpoint.MOST_BYTES", 2**20)
    local.models = ["m" * 100] * 20_000
    with pytest.raises(GenerationError, match="more than 1,048,576 bytes"):
        make()


def test_text_that_is_no_unicode_is_an_invalid_record(local, make):
    local.fields = TRANSFORMERS
    backend = make(num_records=12, prompts="text")
    surrogate = {"choices": [{"text": '{"age":20,"grown":"\ud800","visits":1}', "finish_reason": "stop"}]}
    local.fault = lambda number, connection: number % 4 == 1 and connection.reply(surrogate) is not False
    results = backend.generate()
    assert len(results.df) == 12
    assert results.num_invalid_records > 0


def test_answers_are_asked_for_uncompressed(local, make):
    make(num_records=3).generate()
    assert {headers["Accept-Encoding"] for headers in local.headers} == {"identity"}


def test_an_end_is_heard_while_a_server_answers_with_all_it_may(local, make):
    backend = make(num_records=10_000)
    until = time.monotonic() + 0.5

    def lengthy(number, connection):
        if time.monotonic() > until:
            backend.cancel()
        if number % 2:
            return False
        connection.reply({"choices": [{"text": '{"age":' * 10, "token_ids": [3] * 3}]})
        return True

    local.fault = lengthy
    started = time.monotonic()
    assert backend.generate().status is GenerationStatus.INCOMPLETE
    assert time.monotonic() - started < 20


def test_a_storm_of_refusals_is_waited_out_where_the_server_says_for_how_long(local, make):
    backend = make(num_records=20, retries=1, concurrency=32)
    until = time.monotonic() + 1.0

    def storm(number, connection):
        if time.monotonic() < until:
            connection.reply(b"{}", 429, {"Retry-After": "1"})
            return True
        return False

    local.fault = storm
    assert len(backend.generate().df) == 20


def test_a_busy_server_gets_to_everybody_at_last(local, make):
    backend = make(num_records=40, retries=4, concurrency=40)

    def busy(number, connection):
        time.sleep(0.05)  # in which the others come
        return local.now > 4 and status(429)(connection) is not False

    local.fault = busy
    assert len(backend.generate().df) == 40
    assert sum("seed" in body for body in local.bodies) > 50


@pytest.mark.parametrize("value", ["soon", "-5", "nan", "inf", "Wed, 21 Oct 2015 07:28:00 GMT", "0.1"])
def test_any_time_to_wait_is_understood_or_overlooked(value, local, make, monkeypatch):
    monkeypatch.setattr("rowsmith_backends.remote.endpoint._LONGEST_WAIT", 0.2)
    backend = make(num_records=8, retries=2)
    local.fault = lambda number, connection: number == 3 and status(429, Retry_After=value)(connection) is not False
    assert len(backend.generate().df) == 8


def test_a_server_that_is_killed_midway_and_comes_back_is_gone_on_with(local, make):
    with serving(local) as url:
        backend = make(num_records=12, url=url, retries=6)
    port = int(url.split(":")[2].split("/")[0])
    with pytest.raises(GenerationFailure, match="broke off the connection or took none"):
        make_quick = backend.engine.options
        assert make_quick.retries == 6
        backend.engine._endpoint.options = type(make_quick)(url=url, retries=0)
        backend.generate()
    backend.engine._endpoint.options = make_quick
    with serving(local, port):
        assert len(backend.generate().df) == 12


# At the start


def test_no_server_is_told_at_once_and_nothing_is_left(make):
    backend = make(ready=False, url=NOWHERE, retries=0)
    with pytest.raises(GenerationError, match=r"http://127.0.0.1:9/v1 broke off .* or took none.*backend.options.url"):
        backend.initialize()
    backend.teardown()


def test_an_unknown_host_is_told(make):
    with pytest.raises(GenerationError, match=r"no-such-host.invalid"):
        make(url="http://no-such-host.invalid/v1", retries=0)


def test_a_server_without_tls_is_not_spoken_to_as_if_it_had(url, make):
    with pytest.raises(GenerationError, match=r"no safe connection to the server https://"):
        make(url=url.replace("http:", "https:"))


def test_a_wrong_model_is_told_with_those_there_are(make):
    with pytest.raises(GenerationError, match=r"has no model 'other'.*it serves 'people'.*backend.options.model"):
        make(model="other")


def test_a_wrong_address_is_told(url, make):
    with pytest.raises(GenerationError, match=r"backend.options"):
        make(url=url + "/v2", model="people")


def test_a_server_that_takes_no_prompt_in_any_way_says_why(local, make):
    local.fields = {"model"}
    with pytest.raises(GenerationError, match=r"HTTP 422: Unexpected fields"):
        make()


# The key


def test_the_key_comes_from_the_environment_and_goes_into_a_header_alone(local, make, monkeypatch, caplog):
    caplog.set_level(logging.DEBUG)
    local.key = KEY
    monkeypatch.setenv("ROWSMITH_API_KEY", KEY)
    backend = make(num_records=3)
    results = backend.generate()
    assert {headers["Authorization"] for headers in local.headers} == {f"Bearer {KEY}"}
    told = [caplog.text, repr(vars(backend)), repr(vars(backend.engine)), repr(results), json.dumps(local.bodies)]
    assert not [each for each in told if KEY in each]


def test_the_variable_may_have_another_name(local, make, monkeypatch):
    local.key = KEY
    monkeypatch.setenv("OTHER_KEY", KEY + "\n")
    assert len(make(num_records=3, api_key_env="OTHER_KEY").generate().df) == 3


def test_no_key_is_told_with_the_name_of_the_variable(local, make):
    local.key = KEY
    with pytest.raises(GenerationError, match=r"wants an API key \(HTTP 401\).*ROWSMITH_API_KEY"):
        make()


def test_a_wrong_key_is_told_once_and_not_repeated(local, make, monkeypatch):
    local.key = "another"
    monkeypatch.setenv("ROWSMITH_API_KEY", KEY)
    with pytest.raises(GenerationError, match=r"does not accept the API key.*ROWSMITH_API_KEY") as caught:
        make()
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("key", ["a\nb", "a b", "kéy"])
def test_a_key_that_no_header_may_hold_is_told_without_it(key, make, monkeypatch):
    monkeypatch.setenv("ROWSMITH_API_KEY", key)
    with pytest.raises(GenerationError, match="ROWSMITH_API_KEY") as caught:
        make()
    assert key not in str(caught.value)


@pytest.mark.parametrize("before", [b"", b"Bearer ", b"xy"])
@pytest.mark.parametrize("written", [base64.b64encode, base64.urlsafe_b64encode, binascii.hexlify, quote_from_bytes])
def test_a_server_that_repeats_the_key_in_another_encoding_is_quoted_without_it(written, before):
    key = "sk-TOP/SECRET+key~0123"
    said = written(before + key.encode() + b" and more")
    said = said if isinstance(said, str) else said.decode()
    shown = without_secret(f"you said {said} and {json.dumps(key)} and {key[::-1]}", key)
    assert shown.count("***") == 3
    assert len(shown) < len("you said  and  and ") + 9 + 40
    assert "SECRET" not in shown


def test_a_server_that_repeats_the_key_is_quoted_without_it(local, make, monkeypatch):
    monkeypatch.setenv("ROWSMITH_API_KEY", KEY)
    local.fault = lambda number, connection: status(418, f"bad key {KEY}".encode())(connection) is not False
    with pytest.raises(GenerationError, match=re.escape("bad key ***")):
        make()
