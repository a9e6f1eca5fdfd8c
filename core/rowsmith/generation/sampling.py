"""Sampling parameters as callers give them, checked and completed from the configuration."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rowsmith.config.conversion import did_you_mean
from rowsmith.errors import ParameterError
from rowsmith.generation.requests import REPETITION_PENALTY, SamplingParams

if TYPE_CHECKING:
    from rowsmith.config import GenerationConfig

__all__ = ["resolve_sampling"]

_NAMES = ("temperature", "top_p", "max_new_tokens", "constrained", "seed", "do_sample")


def resolve_sampling(
    given: Mapping[str, Any],
    config: GenerationConfig,
    seed: int,
    longest: int | None,
    options: frozenset[str],
    usual: int | None = None,
    engine: str = "this engine",
) -> SamplingParams:
    """Check sampling parameters and fill in what was not given.

    Args:
        given: Parameters by name; None counts as not given.
        config: Temperature, ``top_p`` and ``constrained`` where not given.
        seed: Seed where not given.
        longest: Longest completion that fits the context, in tokens; None when unknown.
        options: Further names that the engine understands.
        usual: Longest completion where not given, in tokens; None for the longest that fits.
        engine: The engine, for messages.

    Raises:
        ParameterError: An unknown name, a value out of range, or values that contradict
            each other; or ``repetition_penalty`` for an engine that does not take it.
    """
    known = {name: value for name, value in given.items() if name in _NAMES and value is not None}
    extra = {name: value for name, value in given.items() if name in options and name not in _NAMES}
    _check_names(given, options)
    if given.get(REPETITION_PENALTY) is None:
        extra.pop(REPETITION_PENALTY, None)
    else:
        _check_penalty(_number(REPETITION_PENALTY, given[REPETITION_PENALTY]), engine, REPETITION_PENALTY in options)
    temperature = _temperature(known, config.temperature)
    top_p = _number("top_p", known.get("top_p", config.top_p))
    if not 0.0 < top_p <= 1.0:
        raise ParameterError(f"top_p must be above 0 and at most 1, not {top_p}")
    return SamplingParams(
        temperature=temperature,
        top_p=top_p,
        max_new_tokens=_longest(known.get("max_new_tokens"), longest, longest if usual is None else usual),
        constrained=_flag("constrained", known.get("constrained", config.constrained)),
        seed=_whole("seed", known.get("seed", seed), 0),
        extra=extra,
    )


def _check_names(given: Mapping[str, Any], options: frozenset[str]) -> None:
    for name in given:
        if name not in (*_NAMES, REPETITION_PENALTY) and name not in options:
            hint = did_you_mean(name, [*_NAMES, REPETITION_PENALTY, *options])
            raise ParameterError(
                f"unknown sampling parameter {name!r}{hint} (this engine takes {sorted({*_NAMES, *options})})"
            )


def _check_penalty(penalty: float, engine: str, taken: bool) -> None:
    if penalty <= 0:
        raise ParameterError(f"{REPETITION_PENALTY} must be above 0, not {penalty}; 1 changes nothing")
    if penalty != 1 and not taken:
        raise ParameterError(f"{engine} takes no {REPETITION_PENALTY}; leave it out, or use the backend transformers")


def _temperature(known: Mapping[str, Any], default: float) -> float:
    sampling = _flag("do_sample", known["do_sample"]) if "do_sample" in known else None
    if sampling is False:
        clashing = [name for name, off in (("temperature", 0.0), ("top_p", 1.0)) if known.get(name, off) != off]
        if clashing:
            raise ParameterError(
                f"do_sample is False, so {' and '.join(clashing)} would have no effect; leave out one of them"
            )
        return 0.0
    value = _number("temperature", known.get("temperature", default))
    if value < 0:
        raise ParameterError(f"temperature must be at least 0, not {value}")
    if sampling and value == 0:
        raise ParameterError("do_sample is True, and a temperature of 0 does not sample; leave out one of them")
    return value


def _longest(value: Any, longest: int | None, usual: int | None) -> int | None:
    if value is None:
        return usual
    wanted = _whole("max_new_tokens", value, 1)
    if longest is not None and wanted > longest:
        raise ParameterError(f"max_new_tokens is {wanted}, but only {longest} tokens fit the context after the prompt")
    return wanted


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ParameterError(f"{name} must be a finite number, not {value!r}")
    return float(value)


def _whole(name: str, value: Any, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ParameterError(f"{name} must be a whole number of at least {least}, not {value!r}")
    return value


def _flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise ParameterError(f"{name} must be True or False, not {value!r}")
    return value
