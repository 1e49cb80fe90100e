"""What an error of an endpoint means: try again, and when, or not at all."""

import random
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

# Errors that every further call would meet as well: they end the work.
_HOPELESS = {
    "AuthenticationError": "the key is not accepted",
    "PermissionDeniedError": "the key may not use this model",
    "NotFoundError": "there is no such model or path (base_url usually ends in /v1)",
}
# The longest wait between two tries where the server names none.
LONGEST_BACKOFF_SECONDS = 60.0


class Failure(NamedTuple):
    """`said`: the error's words. `wait`: seconds until another try, None where that would be in vain; `everybody` waits,
    or the question alone. `may_count`: the server may have worked on the request. `hopeless`: why no question can be
    answered; `unsent`: the server could not be reached.
    """

    said: str
    wait: float | None = None
    everybody: bool = False
    may_count: bool = False
    hopeless: str | None = None
    unsent: bool = False


def failure(error: Any, attempt: int, backoff_seconds: float, longest_wait_seconds: float) -> Failure:  # noqa: ANN401 - openai's, which loads late
    """What an `openai.APIError` of the `attempt`-th try means."""
    import openai

    kind = type(error).__name__
    if isinstance(error, openai.APIConnectionError):
        unsent = type(error.__cause__).__name__ == "ConnectError"
        said = f"{kind}: {error.__cause__ or error}" if unsent else f"{kind}: {error}"
        return Failure(said, _backoff(attempt, backoff_seconds), may_count=not unsent, unsent=unsent)
    if not isinstance(error, openai.APIStatusError):
        return Failure(f"{kind}: {error}", may_count=True)
    said = f"{kind}: {error.response.text}"
    if kind in _HOPELESS:
        return Failure(said, hopeless=_HOPELESS[kind])
    if error.code == "insufficient_quota":
        return Failure(said, hopeless="the account has no credit left")
    headers = error.response.headers
    if not _is_passing(error.status_code, headers.get("x-should-retry")):
        return Failure(said)
    asked = retry_after(headers)
    if asked is None:
        return Failure(said, _backoff(attempt, backoff_seconds))
    if asked > longest_wait_seconds:
        return Failure(f"asks to wait {asked:,.0f} s: {said}")
    return Failure(said, asked, everybody=True)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that a server asks to wait (RFC 9110, section 10.2.3: seconds or a date); None where it names none."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            seconds = float(headers.get(name, "")) * unit
        except ValueError:
            continue
        # A NaN is not greater than anything.
        return seconds if seconds >= 0 else None
    try:
        return max(0.0, parsedate_to_datetime(headers.get("retry-after", "")).timestamp() - time.time())
    except (ValueError, TypeError):
        return None


def _backoff(attempt: int, first: float) -> float:
    # Down to three quarters, so that workers who failed together do not come back together.
    return float(min(first * 2.0 ** (attempt - 1), LONGEST_BACKOFF_SECONDS) * (1 - random.random() / 4))


def _is_passing(status: int, should_retry: str | None) -> bool:
    """Whether another try may go better, as the openai client has it; the server's own word goes before."""
    if should_retry in ("true", "false"):
        return should_retry == "true"
    return status in (408, 409, 429) or status >= 500
