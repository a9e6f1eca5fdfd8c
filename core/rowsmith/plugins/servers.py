"""Components that call a server: which address is called, and which host gets a key.

The address of a server and the variable that holds a key are never taken from a saved plan, and a key goes only to
a host that the caller named: with the call, or in the environment. A server that only a configuration file names is
called without a key.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from attrs import evolve, field, frozen

from rowsmith.components import ComponentRef, Kind
from rowsmith.config.defaults import BACKEND
from rowsmith.errors import ConfigError, RowsmithError

if TYPE_CHECKING:
    from rowsmith.config import RunConfig
    from rowsmith.plugins.permissions import Caller
    from rowsmith.plugins.registry import Registry

__all__ = [
    "ADDRESS_VARIABLE",
    "KEY_VARIABLES",
    "ServerOptions",
    "check_key_variable",
    "is_named",
    "server_notes",
    "with_own_servers",
    "without_servers",
]

ADDRESS_VARIABLE = "ROWSMITH_API_URL"
"""The environment variable that names a server, and the host that a key may go to."""

KEY_VARIABLES = ("ROWSMITH_API_KEY", "OPENAI_API_KEY", "VLLM_API_KEY")
"""The variables that a configuration file may take a key from."""

_DEFAULT = "http://localhost:8000/v1"
_OWN = ("url", "api_key_env")
# A secret given here by mistake must not be repeated by a message.
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")
_KINDS = {"backend": Kind.BACKEND, "model": Kind.MODEL, "processor": Kind.PROCESSOR, "stopping": Kind.STOPPING}


def _check_url(instance: object, attribute: Any, value: str | None) -> None:
    if value is None:
        return
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or parts.scheme not in ("http", "https") or not value.isprintable() or " " in value:
        raise ValueError("url must be the address of the endpoint, such as http://localhost:8000/v1")
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError("url must hold neither a password nor a query; put the API key into an environment variable")


def _check_variable(instance: object, attribute: Any, value: str) -> None:
    if not _VARIABLE.fullmatch(value):
        raise ValueError("api_key_env must be the name of an environment variable, not the key itself")


@frozen(kw_only=True)
class ServerOptions:
    """Options of a component that calls a server; neither is ever taken from a saved plan.

    Attributes:
        url: Address of the server; by default ``ROWSMITH_API_URL`` of the environment, or else
            ``http://localhost:8000/v1``.
        api_key_env: The environment variable that holds the API key.
    """

    url: str | None = field(default=None, validator=_check_url)
    api_key_env: str = field(default="ROWSMITH_API_KEY", validator=_check_variable)

    @property
    def address(self) -> str:
        """The address that is called.

        Raises:
            ConfigError: The environment holds an invalid address.
        """
        return self.url or _from_environment() or _DEFAULT


def is_named(options: ServerOptions, caller: Caller | None, component: str) -> bool:
    """Whether the caller named the host, so that it may get a key.

    Args:
        options: The server.
        caller: What the user gave with the call; None if the options were made in Python.
        component: Its configuration path.
    """
    if caller is None:
        return True
    named = (caller.options(component).get("url"), _from_environment())
    return _origin(options.address) in {_origin(each) for each in named if isinstance(each, str)}


def check_key_variable(options: ServerOptions, caller: Caller | None, component: str) -> None:
    """Refuse to take a key from a variable that only a file names.

    Args:
        options: The server.
        caller: What the user gave with the call; None if the options were made in Python.
        component: Its configuration path.

    Raises:
        ConfigError: A file must not name this variable.
    """
    name = options.api_key_env
    if caller is None or name in KEY_VARIABLES or caller.options(component).get("api_key_env") == name:
        return
    raise ConfigError(
        [
            f"a file may take a key from {', '.join(KEY_VARIABLES)} only, not from {name}; to send that one, say so "
            f"with the call: --set {component}.options.api_key_env={name} @ {component}.options.api_key_env"
        ]
    )


def without_servers(config: RunConfig, registry: Registry) -> RunConfig:
    """Remove addresses and key variables from a saved configuration.

    Args:
        config: The configuration of a saved plan.
        registry: Finds the components.
    """
    changes: dict[str, ComponentRef] = {}
    for name, ref, _ in _server_components(config, registry):
        remaining = {option: value for option, value in ref.options.items() if option not in _OWN}
        changes[name] = evolve(ref, options=remaining)
    return evolve(config, **changes)  # type: ignore[arg-type]


def with_own_servers(saved: RunConfig, config: RunConfig, registry: Registry) -> RunConfig:
    """Check that a call on a saved plan names every server that it calls.

    Args:
        saved: The saved configuration.
        config: The configuration of the call, merged over the saved one without its servers.
        registry: Finds the components.

    Returns:
        The call's configuration.

    Raises:
        ConfigError: The plan names a server, and the call does not.
    """
    before = {name: ref for name, ref, _ in _server_components(saved, registry)}
    for name, ref, options in _server_components(config, registry):
        if name in before and options.url is None and _from_environment() is None and "url" in before[name].options:
            url = before[name].options["url"]
            raise ConfigError(
                [
                    f"the saved plan uses the server {url!r:.200}, and addresses are not taken from saved plans. To "
                    f"use a server, name it: --set {name}.options.url=URL, or {ADDRESS_VARIABLE}=URL in the "
                    f"environment; from Python, {name}={{'name': {ref.name!r}, 'options': {{'url': ...}}}}. To "
                    f"generate locally: --set {name}={BACKEND} @ {name}.options.url"
                ]
            )
    return config


def server_notes(config: RunConfig, registry: Registry, caller: Caller | None) -> list[str]:
    """Describe which server each component calls and whether with a key, a line each.

    Args:
        config: The configuration.
        registry: Finds the components.
        caller: What the user gave with the call.
    """
    return [
        _server_note(name, options, is_named(options, caller, name))
        for name, _, options in _server_components(config, registry)
    ]


def _server_note(component: str, options: ServerOptions, named: bool) -> str:
    calls = f"{component}: calls {options.address}"
    name = options.api_key_env
    if not os.environ.get(name, "").strip():
        return f"{calls} without a key ({name} is not set)"
    if named:
        return f"{calls} with the key of {name}"
    return (
        f"{calls} without a key: that of {name} goes only to a host that this call names, with "
        f"--set {component}.options.url={options.address} or {ADDRESS_VARIABLE}"
    )


def _server_components(config: RunConfig, registry: Registry) -> Iterator[tuple[str, ComponentRef, ServerOptions]]:
    """Components that call a server: configuration path, reference, options; those not found are skipped."""
    for name, kind in _KINDS.items():
        ref = getattr(config, name)
        if not isinstance(ref, ComponentRef) or ref.name is None:
            continue
        try:
            options = registry.options(kind, ref)
        except RowsmithError:
            # Building the component reports this error.
            continue
        if isinstance(options, ServerOptions):
            yield name, ref, options


def _origin(url: str) -> tuple[str, str, int | None]:
    parts = urlsplit(url)
    default = {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, parts.hostname or "", parts.port or default


def _from_environment() -> str | None:
    url = os.environ.get(ADDRESS_VARIABLE, "").strip() or None
    try:
        _check_url(None, None, url)
    except ValueError as error:
        raise ConfigError([f"the environment variable {ADDRESS_VARIABLE} does not hold an address: {error}"]) from None
    return url
