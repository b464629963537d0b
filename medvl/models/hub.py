"""Models from the Hugging Face hub: the local cache first, then the network, and one sentence where neither has them.

Without this, an unreachable hub costs timm 47 s and transformers 23 s of retries before an error.
"""

from __future__ import annotations

import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from medvl.errors import WeightsError

CONFIG = ("*.json", "*.txt", "*.model")  # configuration and tokenizer; a few kilobytes
WEIGHTS = (("model.safetensors", "model-*.safetensors"), ("pytorch_model.bin", "pytorch_model-*.bin"))


def folder(name: str, *, weights: bool = True) -> Path:
    """The local folder of a model repository, fetched where the cache lacks it.

    Args:
        name: repository, e.g. `bert-base-uncased` or `owner/name`.
        weights: also the weights, safetensors where there are any; False for configuration and tokenizer alone.

    Raises:
        WeightsError: the hub cannot be reached, or has no such model, or the model has no weights.
    """
    from huggingface_hub import snapshot_download

    def cached() -> Path | None:
        place = Path(snapshot_download(name, local_files_only=True))
        return place if (place / "config.json").is_file() and (not weights or _has_weights(place)) else None

    def fetch() -> Path:
        place = Path(snapshot_download(name, allow_patterns=[*CONFIG, *(WEIGHTS[0] if weights else ())]))
        if weights and not _has_weights(place):
            place = Path(snapshot_download(name, allow_patterns=[*CONFIG, *WEIGHTS[1]]))
            if not _has_weights(place):
                raise WeightsError(f"model '{name}' on the hub has no weights for PyTorch. do: choose another")
        return place

    return _local_first(name, cached, fetch)


def file(name: str, filename: str) -> Path:
    """The local path of one file of a model repository, fetched where the cache lacks it.

    Raises:
        WeightsError: the hub cannot be reached, or has no such model or file.
    """
    from huggingface_hub import hf_hub_download

    return _local_first(
        name,
        lambda: Path(hf_hub_download(name, filename, local_files_only=True)),
        lambda: Path(hf_hub_download(name, filename)),
    )


def reachable(timeout: float = 3.0) -> bool:
    """Whether the hub answers within `timeout` seconds.

    Honours HF_HUB_OFFLINE, HF_ENDPOINT, and the proxies of the environment.
    """
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return False
    answers: list[bool] = []
    # a thread, because looking up a host name obeys no timeout
    probe = threading.Thread(target=lambda: answers.append(_answers(constants.ENDPOINT, timeout)), daemon=True)
    probe.start()
    probe.join(timeout)
    return bool(answers) and answers[0]


def _answers(address: str, timeout: float) -> bool:
    request = urllib.request.Request(address, method="HEAD")
    try:
        # an opener of its own: the shared one keeps the proxies of its first use
        urllib.request.build_opener().open(request, timeout=timeout).close()
    except urllib.error.HTTPError:
        return True  # somebody is there
    except urllib.error.URLError as error:
        return isinstance(error.reason, ssl.SSLError)  # there too: the hub's own client may hold other certificates
    except OSError:
        return False
    return True


def _local_first(name: str, cached: Callable[[], Path | None], fetch: Callable[[], Path]) -> Path:
    from huggingface_hub import constants
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError, RepositoryNotFoundError

    try:
        place = cached()
    except LocalEntryNotFoundError:
        place = None
    except HFValidationError as error:
        raise WeightsError(f"'{name}' is neither a local folder nor a name on the hub: {error}") from error
    if place is not None:
        return place
    if not reachable():
        why = "HF_HUB_OFFLINE is set" if constants.HF_HUB_OFFLINE else f"{constants.ENDPOINT} cannot be reached"
        raise WeightsError(
            f"the weights of '{name}' are not in the local cache ({constants.HF_HUB_CACHE}) and {why}. do: give a "
            "local file or folder, or set HF_HOME to a cache that has them, or write weights: none to start at random"
        )
    try:
        return fetch()
    except RepositoryNotFoundError as error:
        raise WeightsError(f"the hub ({constants.ENDPOINT}) has no model '{name}', or it needs a login") from error
    except OSError as error:
        raise WeightsError(f"'{name}' could not be fetched from {constants.ENDPOINT}: {error}") from error


def _has_weights(place: Path) -> bool:
    return any(next(place.glob(pattern), None) is not None for kind in WEIGHTS for pattern in kind)
