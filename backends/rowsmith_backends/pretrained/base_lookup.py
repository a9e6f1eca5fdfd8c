"""Lookup of pretrained models: folder, commit and digest."""

from __future__ import annotations

import hashlib
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rowsmith.errors import BundleError, ConfigError
from rowsmith.model.base import BaseModel

__all__ = ["base_folder", "base_model", "digest_of", "resolve_base", "shortened", "unusable_base"]

_WEIGHTS = ("model*.safetensors",)
_FILES = (
    *_WEIGHTS,
    *("config.json", "generation_config.json", "model.safetensors.index.json"),
    *("tokenizer*", "special_tokens_map.json", "added_tokens.json", "vocab.json", "merges.txt", "*.model"),
)
_COMMIT = re.compile(r"[0-9a-f]{40}")
_HASHED_AT_ONCE = 4


def resolve_base(name: str, revision: str | None = None, *, fetch: bool = True) -> Path:
    """The folder of a pretrained model.

    Args:
        name: A folder, or the id of a model on the Hugging Face hub.
        revision: Branch, tag or commit on the hub; None for its main branch.
        fetch: Whether the hub is asked for it; otherwise it must be in the local cache.

    Returns:
        The folder; for a model of the hub, in its local cache.

    Raises:
        ConfigError: There is no such model, it cannot be fetched, or it has no safetensors weights.
    """
    local = Path(name).expanduser()
    if local.is_dir():
        if revision is not None:
            raise unusable_base(f"{name} is a folder, which has no revisions; leave it out", "revision")
        folder = local.resolve()
    else:
        folder = _fetched(name, revision, fetch=fetch)
    if not (folder / "config.json").is_file():
        raise unusable_base(f"{name} holds no config.json; name the folder of a saved model, or a model of the hub")
    if not any(folder.glob(_WEIGHTS[0])):
        raise unusable_base(f"{name} holds no weights as safetensors, the only kind that is read; convert it")
    return folder


def _fetched(name: str, revision: str | None, *, fetch: bool) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    model_at_revision = name if revision is None else f"{name} at {revision}"
    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=list(_FILES), local_files_only=not fetch))
    except HFValidationError:
        raise unusable_base(f"{name!r} is neither a folder that is there nor the id of a model of the hub") from None
    except GatedRepoError:
        raise unusable_base(f"{name} is given out on request: ask for it on its page of the hub, then log in") from None
    except RevisionNotFoundError:
        raise unusable_base(f"{name} has no revision {revision!r}; give another, or leave it out", "revision") from None
    except RepositoryNotFoundError:
        raise unusable_base(f"there is no folder {name}, and no such model on the hub (or a private one)") from None
    except LocalEntryNotFoundError:
        if not fetch:
            raise unusable_base(
                f"{model_at_revision} is not in the local cache, and is not fetched because a saved model names it. "
                "If you trust it, give --fetch-base, or Synthesizer.load(..., fetch_base=True)"
            ) from None
        raise unusable_base(
            f"{model_at_revision} is not in the local cache and the hub cannot be reached; name a folder"
        ) from None
    except Exception as error:
        # Downloads fail in the ways of networks and of disks.
        raise unusable_base(
            f"{model_at_revision} cannot be fetched ({shortened(error)}); try again, or name a folder"
        ) from error


def base_model(name: str, revision: str | None = None, folder: Path | None = None) -> BaseModel:
    """Reference to a pretrained model, for a bundle.

    Args:
        name: A folder, or the id of a model on the Hugging Face hub.
        revision: Branch, tag or commit on the hub.
        folder: What ``resolve_base`` gave for them; None resolves them.

    Returns:
        Its name, commit and digest.

    Raises:
        ConfigError: As ``resolve_base`` says.
    """
    folder = folder or resolve_base(name, revision)
    if Path(name).expanduser().is_dir():
        return BaseModel(name=str(folder), revision=None, digest=digest_of(folder))
    # The hub's cache names the folder of a snapshot by its commit.
    return BaseModel(
        name=name, revision=folder.name if _COMMIT.fullmatch(folder.name) else revision, digest=digest_of(folder)
    )


def digest_of(folder: Path) -> str:
    """SHA-256 of a model's configuration and weights, whatever its folder.

    Args:
        folder: The model's folder.
    """
    files = [folder / "config.json", *sorted(folder.glob(_WEIGHTS[0]))]
    with ThreadPoolExecutor(_HASHED_AT_ONCE) as pool:
        digests = zip(files, pool.map(_file_digest, files), strict=True)
        return hashlib.sha256("".join(f"{path.name} {digest}\n" for path, digest in digests).encode()).hexdigest()


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def base_folder(base: BaseModel, *, fetch: bool = False) -> Path:
    """Folder of a bundle's base model, checked against the weights that the adapter was trained on.

    Args:
        base: The model that the bundle names.
        fetch: Whether the hub is asked for a model that is not in the local cache.

    Raises:
        BundleError: It cannot be found, or is another one by now.
    """
    local = Path(base.name).expanduser().is_dir()
    if not local and not _COMMIT.fullmatch(base.revision or ""):
        raise BundleError(
            f"the model that this bundle's adapter was trained on is missing: {base.name!r:.200} is no folder that is "
            "there, and the bundle names no commit of the hub. Put it back where it was, or train again."
        )
    try:
        folder = resolve_base(base.name, base.revision, fetch=fetch)
    except ConfigError as error:
        reason = error.problems[0].partition(" @ ")[0]
        raise BundleError(
            f"the model that this bundle's adapter was trained on is missing: {reason}. Put it back where it was."
        ) from error
    if digest_of(folder) != base.digest:
        raise BundleError(
            f"{folder} is no longer the model that this bundle's adapter was trained on. Restore it, or train again."
        )
    return folder


def unusable_base(message: str, option: str = "base") -> ConfigError:
    """The error of a base model that cannot be used as configured.

    Args:
        message: What is wrong, and what to do.
        option: The option at fault.
    """
    return ConfigError([f"{message} @ model.options.{option}"])


def shortened(error: Exception) -> str:
    """Type and first line of an error of a library."""
    return f"{type(error).__name__}: {error}".splitlines()[0][:200]
