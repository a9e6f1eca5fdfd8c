"""How a plain value becomes a value of each type, collecting every problem on the way.

Supported field types: ``int``, ``float``, ``str``, ``bool``, ``None``, ``Any``, enums, ``Literal``,
``tuple[X, ...]``, ``list[X]``, ``Mapping[str, X]``, attrs classes, ``ComponentRef``, and unions of
these in which at most one member is a class.
"""

from __future__ import annotations

import enum
import math
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any, cast

import attrs
import cattrs

from rowsmith.components import ComponentRef, is_target
from rowsmith.config.problems import Collector, Invalid, Problem, did_you_mean, hint_for, show, wrong_type

__all__ = ["Hook", "hook_for"]

Hook = Callable[[Any, Any], Any]

_SCALARS: dict[Any, tuple[str, tuple[type, ...]]] = {
    int: ("an integer", (int,)),
    float: ("a number", (float, int)),
    str: ("text", (str,)),
    bool: ("true or false", (bool,)),
    type(None): ("null", (type(None),)),
}


_DEEPEST = 20
_MOST_BITS = 1024


def _structure_scalar(value: Any, kind: Any) -> Any:
    words, accepted = _SCALARS[kind]
    if type(value) not in accepted:
        raise wrong_type(words, value)
    if kind is str:
        _check_text(value)
    if kind is float:
        try:
            return float(value)
        except OverflowError:
            raise Invalid.because("the number is too large") from None
    return value


def _check_text(value: str) -> None:
    if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
        raise Invalid.because(f"{show(value)} is not valid Unicode; a file with such a name must be renamed")


def _structure_any(value: Any, kind: Any) -> Any:
    _check_plain(value, _DEEPEST)
    return value


def _check_plain(value: Any, depth: int) -> None:
    """Refuse what no plan could hold: numbers without a spelling, and what is nested without end."""
    if isinstance(value, str):
        _check_text(value)
    elif isinstance(value, float) and not math.isfinite(value):
        raise Invalid.because(f"must be a finite number, got {value}")
    elif isinstance(value, int) and value.bit_length() > _MOST_BITS:
        raise Invalid.because("the number is too large")
    elif isinstance(value, Mapping | list | tuple):
        if depth == 0:
            raise Invalid.because(f"nested more than {_DEEPEST} deep")
        collector = Collector()
        entries = _text_keys(value, collector).items() if isinstance(value, Mapping) else enumerate(value)
        for key, element in entries:
            collector.convert(lambda part, below: _check_plain(part, below), element, depth - 1, key)
        collector.check()


def _structure_enum(value: Any, kind: Any) -> Any:
    choices = {member.value: member for member in kind}
    if isinstance(value, kind):
        return value
    return _choose(value, choices)


def _structure_literal(value: Any, kind: Any) -> Any:
    return _choose(value, {choice: choice for choice in typing.get_args(kind)})


def _choose(value: Any, choices: Mapping[Any, Any]) -> Any:
    for choice, result in choices.items():
        if type(choice) is type(value) and choice == value:
            return result
    words = [str(choice) for choice in choices]
    expected = f"one of {', '.join(words)}" if len(words) > 1 else words[0]
    hint = did_you_mean(value, words) if isinstance(value, str) else ""
    raise Invalid.because(f"expected {expected}, got {show(value)}{hint}", expected)


def _sequence_hook(kind: Any) -> Hook:
    arguments = typing.get_args(kind)
    item = arguments[0] if arguments else Any
    make = tuple if typing.get_origin(kind) is tuple else list

    def structure_sequence(value: Any, _: Any) -> Any:
        if not isinstance(value, list | tuple):
            raise wrong_type("a list", value)
        hook, collector = hook_for(item), Collector()
        items = [collector.convert(hook, element, item, index) for index, element in enumerate(value)]
        collector.check()
        return make(items)

    return structure_sequence


def _mapping_hook(kind: Any) -> Hook:
    arguments = typing.get_args(kind)
    item = arguments[1] if arguments else Any

    def structure_mapping(value: Any, _: Any) -> Any:
        collector = Collector()
        entries = _text_keys(value, collector)
        hook = hook_for(item)
        result = {key: collector.convert(hook, element, item, key) for key, element in entries.items()}
        collector.check()
        return result

    return structure_mapping


def _text_keys(value: Any, collector: Collector) -> dict[str, Any]:
    """The entries whose key is text; the others become problems."""
    if not isinstance(value, Mapping):
        raise wrong_type("a mapping", value)
    for key in value:
        if not isinstance(key, str):
            collector.add(f"expected text as a key, got {show(key)}{hint_for('text', key)}")
        else:
            collector.convert(_structure_scalar, key, str, show(key))
    return {key: element for key, element in value.items() if isinstance(key, str)}


def _union_hook(kind: Any) -> Hook:
    members = [member for member in typing.get_args(kind) if member is not type(None)]
    nullable = len(members) < len(typing.get_args(kind))

    def structure_union(value: Any, _: Any) -> Any:
        if value is None and nullable:
            return None
        if len(members) == 1:
            return hook_for(members[0])(value, members[0])
        return _structure_member(value, members)

    return structure_union


def _structure_member(value: Any, members: list[Any]) -> Any:
    for member in members:
        if type(value) is member or (typing.get_origin(member) is typing.Literal and value in typing.get_args(member)):
            return value
    tried = []
    for member in members:
        try:
            return hook_for(member)(value, member)
        except Invalid as exc:
            tried.append(exc)
    # The member that got furthest into the value says most about what was meant.
    deepest = max(tried, key=lambda exc: max(len(problem.path) for problem in exc.problems))
    if any(problem.path for problem in deepest.problems):
        raise deepest
    specific = [exc for exc in tried if exc.expected is None]
    if specific:
        raise specific[0]
    expected = list(dict.fromkeys(str(exc.expected) for exc in tried))
    hint = next((found for words in expected if (found := hint_for(words, value))), "")
    raise Invalid.because(f"expected {' or '.join(expected)}, got {show(value)}{hint}", " or ".join(expected))


def _class_hook(kind: Any) -> Hook:
    hints = typing.get_type_hints(kind)
    fields = {attribute.name: attribute for attribute in attrs.fields(kind) if attribute.init}

    def structure_class(value: Any, _: Any) -> Any:
        if isinstance(value, kind):
            return value
        collector = Collector()
        entries = _text_keys(value, collector)
        for key in entries:
            if key not in fields:
                collector.add(f"unknown option {show(key).removeprefix('text ')}{did_you_mean(key, fields)}", key=key)
        given = {
            name: collector.convert(hook_for(hints[name]), entries[name], hints[name], name)
            for name in fields
            if name in entries
        }
        return _construct(kind, fields, given, collector)

    return structure_class


def _construct(kind: Any, fields: Mapping[str, Any], given: dict[str, Any], collector: Collector) -> Any:
    given = {name: element for name, element in given.items() if element is not attrs.NOTHING}
    reported = {problem.path[0] for problem in collector.problems if problem.path}
    for name, attribute in fields.items():
        if name not in given and name not in reported and attribute.default is attrs.NOTHING:
            collector.add("required", name)
    _validate_fields(kind, fields, given, collector)
    collector.check()
    try:
        return kind(**{fields[name].alias: element for name, element in given.items()})
    except (ValueError, TypeError) as exc:
        raise Invalid.because(_first_argument(exc)) from exc


def _validate_fields(kind: Any, fields: Mapping[str, Any], given: Mapping[str, Any], collector: Collector) -> None:
    # attrs stops at the first validator that fails; users want to hear of all of them.
    bare = object.__new__(kind)
    for name, element in given.items():
        object.__setattr__(bare, name, element)
    for name, element in given.items():
        attribute = fields[name]
        if attribute.validator is None:
            continue
        try:
            attribute.validator(bare, attribute, attribute.converter(element) if attribute.converter else element)
        except (ValueError, TypeError) as exc:
            collector.add(_first_argument(exc), name)
        except AttributeError:
            # It looks at a field that is missing here; constructing the object will run it again.
            continue


def _first_argument(exc: BaseException) -> str:
    return str(exc.args[0]) if exc.args else type(exc).__name__


def _structure_ref(value: Any, kind: Any) -> ComponentRef:
    if isinstance(value, ComponentRef):
        return value
    if isinstance(value, str):
        value = {"name": value}
    if not isinstance(value, Mapping):
        raise wrong_type("a component's name, or a mapping with name and options", value)
    ref = cast("ComponentRef", _REF_HOOK(value, ComponentRef))
    if (ref.name is None) == (ref.factory is None):
        raise Invalid.because("a component needs either a name or a factory")
    if ref.name is not None and not ref.name.strip():
        raise Invalid.because("a component's name cannot be empty")
    if ref.name == "auto":
        raise Invalid.because("'auto' is not possible here; write the name of a component")
    if ref.factory is not None and not is_target(ref.factory):
        raise Invalid([Problem(f"expected 'package.module:name', got {show(ref.factory)}", ("factory",))])
    return ref


_CONVERTER = cattrs.Converter(forbid_extra_keys=True, detailed_validation=True)


def hook_for(kind: Any) -> Hook:
    """What turns a plain value into one of a type, or raises ``Invalid``."""
    return _CONVERTER.get_structure_hook(kind)


def _is_union(kind: Any) -> bool:
    return typing.get_origin(kind) in (typing.Union, types.UnionType)


def _is_any(kind: Any) -> bool:
    return kind is Any or kind is object


def _is_literal(kind: Any) -> bool:
    return typing.get_origin(kind) is typing.Literal


def _is_sequence(kind: Any) -> bool:
    return (typing.get_origin(kind) or kind) in (tuple, list)


def _is_mapping(kind: Any) -> bool:
    origin = typing.get_origin(kind) or kind
    return isinstance(origin, type) and issubclass(origin, Mapping)


def _is_enum(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, enum.Enum)


def _register_hooks() -> None:
    for scalar in _SCALARS:
        _CONVERTER.register_structure_hook(scalar, _structure_scalar)
    _CONVERTER.register_structure_hook_factory(attrs.has, _class_hook)
    _CONVERTER.register_structure_hook_func(_is_enum, _structure_enum)
    _CONVERTER.register_structure_hook_func(_is_any, _structure_any)
    _CONVERTER.register_structure_hook_func(_is_literal, _structure_literal)
    _CONVERTER.register_structure_hook_factory(_is_sequence, _sequence_hook)
    _CONVERTER.register_structure_hook_factory(_is_mapping, _mapping_hook)
    _CONVERTER.register_structure_hook_factory(_is_union, _union_hook)
    _CONVERTER.register_structure_hook(ComponentRef, _structure_ref)


_REF_HOOK = _class_hook(ComponentRef)
_register_hooks()
