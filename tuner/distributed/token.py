"""The token of a chief: only workers that can read the folder of the search know it.

The chief writes it there, readable by its user alone. Every call of a worker carries
it; the chief refuses a call without it.
"""

import hmac
import secrets
from collections import namedtuple
from pathlib import Path

import grpc
from keras_tuner.src import protos

from fmkeras.errors import UserError
from fmkeras.files import replacing

FILE = "chief-token"
# gRPC takes keys of lower-case letters alone.
_KEY = "fmkeras-token"


def make_token(folder: Path) -> str:
    """Return the token of a search, made where there is none yet."""
    path = folder / FILE
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            temporary.touch(mode=0o600)
            temporary.chmod(0o600)
            temporary.write_text(secrets.token_hex(16), encoding="utf-8")
    return read_token(folder)


def read_token(folder: Path) -> str:
    """Return the token of a search; raise `UserError` where it cannot be read."""
    try:
        token = (folder / FILE).read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        raise UserError(
            "The token of the chief cannot be read; expected the folder of runs of the "
            "chief, shared with this machine and of the same user. "
            f"Received: {folder / FILE}"
        ) from error
    return token


class TokenCheck(grpc.ServerInterceptor):
    """Refuses calls that do not carry the token."""

    def __init__(self, token: str) -> None:
        self._token = token.encode()
        self._refused = grpc.unary_unary_rpc_method_handler(_refuse)

    def intercept_service(self, continuation, handler_call_details):
        given = dict(handler_call_details.invocation_metadata).get(_KEY, "")
        if isinstance(given, str):
            given = given.encode()
        if hmac.compare_digest(given, self._token):
            return continuation(handler_call_details)
        return self._refused


def sign_calls(client, address: str, folder: Path) -> None:
    """Make the calls of KerasTuner's `OracleClient` carry the token of the search."""
    channel = grpc.intercept_channel(
        grpc.insecure_channel(address), _TokenCalls(read_token(folder))
    )
    client.stub = protos.get_service_grpc().OracleStub(channel)


def _refuse(request, context):
    context.abort(grpc.StatusCode.UNAUTHENTICATED, "The token of the chief is missing.")


_CALL_FIELDS = (
    "method",
    "timeout",
    "metadata",
    "credentials",
    "wait_for_ready",
    "compression",
)


class _CallDetails(
    namedtuple("_CallDetails", _CALL_FIELDS), grpc.ClientCallDetails
):  # grpc gives no public class to make one of.
    pass


class _TokenCalls(grpc.UnaryUnaryClientInterceptor):
    def __init__(self, token: str) -> None:
        self._token = token

    def intercept_unary_unary(self, continuation, client_call_details, request):
        fields = {name: getattr(client_call_details, name) for name in _CALL_FIELDS}
        fields["metadata"] = [*(fields["metadata"] or ()), (_KEY, self._token)]
        return continuation(_CallDetails(**fields), request)
