"""The one door to Bigin and the gateway: key, connection, pace, retries, errors."""

from __future__ import annotations

import contextlib
import logging
import random
from collections.abc import Mapping
from typing import IO, Final
from urllib.parse import urlencode, urlsplit

import tenacity

from bigin_client import refusals
from bigin_client.errors import (
    BiginError,
    ConnectionUnavailableError,
    NotFoundError,
    ServiceError,
    SettingsError,
)
from bigin_client.exchanges import Exchanges
from bigin_client.reply import Reply, encode
from bigin_client.retry import FEW_TRIES, Action, Fault, Outcome, decide
from bigin_client.sending import (
    AGAIN,
    PATH,
    Request,
    Sending,
    Try,
    is_broken,
    result_of,
    say_retry,
)
from bigin_client.transfers import Download, Upload

log = logging.getLogger(__name__)

#: Prefix of every Bigin path at the gateway (maton.md A2).
GATEWAY_APP: Final = "/zoho-bigin"
BIGIN_PATH: Final = "/bigin/v2/"
#: Waits between tries, in seconds, where the service asks for none.
FIRST_DELAY: Final = 0.5
LONGEST_DELAY: Final = 60.0


class Transport(Exchanges):
    """Sends requests, paced and retried, and turns refusals into typed errors."""

    # -- requests --------------------------------------------------------------------------

    def bigin(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str | int] | None = None,
        body: object = None,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        idempotent: bool | None = None,
        row_errors: bool = False,
        keep_refusals: bool = False,
        cost: int = 1,
        module: str | None = None,
        decode: bool = False,
    ) -> Reply:
        """Send one request to Bigin, through the pinned connection.

        Args:
            method: HTTP method.
            path: Below ``bigin/v2/``, for example ``Contacts``; or from the host's root, as
                ``/bigin/bulk/v2/read``.
            params: Query parameters.
            body: What to send as JSON.
            form: What to send as a form instead.
            headers: Extra headers.
            idempotent: May be sent twice. None: true for GET.
            row_errors: A refusal whose body has ``data[]`` is returned, not raised: it holds
                one result per row.
            keep_refusals: A refusal that no retry will mend is returned, not raised: the
                question is what the service says to it.
            cost: Credits (bigin-api.md section 5).
            module: For error messages.
            decode: Decode the reply at once: quicker than to check it first and decode it later.

        Raises:
            BiginError: See `bigin_client.errors`; `ServiceError.processed` says whether an
                insert may have taken place all the same.
        """
        content = None if body is None else encode(body)
        if form is not None:
            content = urlencode(form).encode("ascii")
            headers = {**(headers or {}), "Content-Type": "application/x-www-form-urlencoded"}
        return self._send(
            Request(
                method=method,
                url=self._url(path),
                label=f"{method} {path}",
                params=params,
                content=content,
                headers={**(headers or {}), **self._pinned_header()},
                idempotent=method == "GET" if idempotent is None else idempotent,
                row_errors=row_errors,
                keep_refusals=keep_refusals,
                cost=cost,
                module=module,
                decode=decode,
            )
        )

    def upload(self, path: str, file: IO[bytes], name: str, *, module: str | None = None) -> Reply:
        """Send a file as multipart/form-data, from a stream.

        It is sent again only when it was surely not processed.

        Args:
            path: As in `bigin`.
            file: Open for reading in binary; sent from where it stands, as it is read. A stream
                that cannot be rewound passes through a temporary file.
            name: File name that the service shows.
            module: For error messages.
        """
        with contextlib.closing(Upload(file, name)) as content:
            return self._send(
                Request(
                    method="POST",
                    url=self._url(path),
                    label=f"POST {path}",
                    content=content,
                    headers=self._pinned_header(),
                    idempotent=False,
                    row_errors=True,
                    cost=1,
                    module=module,
                )
            )

    def download(self, path: str, target: IO[bytes], *, module: str | None = None) -> int:
        """Write a file's bytes to a stream; returns how many.

        Args:
            path: As in `bigin`.
            target: Open for writing in binary. A file that breaks off is fetched again if this
                can be rewound.
            module: For error messages.

        Raises:
            NotFoundError: There is no such file.
            ServiceError: The file broke off; what was written by then is no whole file.
        """
        download = Download(target)
        reply = self._send(
            Request(
                method="GET",
                url=self._url(path),
                label=f"GET {path}",
                headers=self._pinned_header(),
                idempotent=True,
                cost=1,
                module=module,
                download=download,
            )
        )
        if reply.is_empty:
            raise NotFoundError(f"GET {path}: there is no such file", status=reply.status)
        return download.written

    def _url(self, path: str) -> str:
        if not PATH.fullmatch(path):
            raise SettingsError(
                "An id or a name holds characters that none has, or is empty",
                hint="Ids are digits; names are API names.",
            )
        below = path if path.startswith("/bigin/") else BIGIN_PATH + path
        return self.settings.base_url + GATEWAY_APP + below

    def _pinned_header(self) -> dict[str, str]:
        return {"Maton-Connection": self._pinned()}

    def gateway(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str | int] | None = None,
        body: object = None,
    ) -> Reply:
        """Send one request to the gateway itself, for example ``GET /connections``."""
        if not PATH.fullmatch(path):
            raise SettingsError(
                "A connection_id holds characters that none has, or is empty",
                hint="List the connections with: bigin connections list",
            )
        return self._send(
            Request(
                method=method,
                url=self.settings.base_url + path,
                label=f"{method} {path}",
                params=params,
                content=None if body is None else encode(body),
                idempotent=method in {"GET", "DELETE"},
            )
        )

    def _pinned(self) -> str:
        if self.connection_id is None:
            if self.resolve_connection is None:
                msg = "No connection is pinned"
                raise ConnectionUnavailableError(msg)
            with self._pin_lock:  # one thread looks, the others wait for what it finds
                if self.connection_id is None:
                    self.connection_id = self.resolve_connection()
        return self.connection_id

    def _send(self, request: Request) -> Reply:
        sending = Sending(request)
        try:
            last: Try = tenacity.Retrying(
                retry=tenacity.retry_if_result(lambda t: t.action in AGAIN),
                wait=_delay,
                stop=self._must_stop,
                sleep=self._sleep,
                before_sleep=lambda state: say_retry(request.label, state),
                retry_error_callback=result_of,
            )(self._try, sending)
        except BiginError as stop:
            if sending.unclear and request.method != "GET":
                # Stopped between two tries: the write before may have taken place.
                raise ServiceError(
                    f"{request.label}: stopped before its outcome was known: {stop.message}",
                    hint=stop.hint,
                ) from None
            raise
        if last.action is Action.RETURN and last.reply is not None:
            last.reply.tries = sending.tries
            last.reply.maybe_repeated = sending.unclear
            return last.reply
        error = self._error(sending, last)
        error.maybe_repeated = sending.unclear
        raise error

    def _must_stop(self, state: tenacity.RetryCallState) -> bool:
        last, tries = result_of(state), state.attempt_number
        if tries >= FEW_TRIES and (last.action is Action.RETRY_FEW or not self._reached):
            return True
        # A wait that the service asked for is kept in full or not begun.
        waited = state.seconds_since_start or 0.0
        too_long = waited + state.upcoming_sleep > self.settings.max_wait
        return too_long or refusals.is_out_of_credits(last.reply)

    # -- one try ---------------------------------------------------------------------------

    def _try(self, sending: Sending) -> Try:
        request = sending.request
        sending.tries += 1
        reply, fault = self._exchange(request)
        if reply is not None and is_broken(request, reply):
            # Cut short, or a page of some proxy: as good as no reply.
            fault = Fault.UNCLEAR
        if fault is None and reply is not None:
            if request.row_errors and reply.row_results is not None:
                return Try(reply, None, Action.RETURN)
            refused = reply.status >= 400  # noqa: PLR2004 - HTTP
            outcome = Outcome(
                status=reply.status,
                code=reply.code if refused else None,
                gateway_shape=refused and reply.is_gateway_shape,
            )
        else:
            outcome = Outcome(fault=fault)
        sending.unclear |= outcome.may_have_been_processed
        action = decide(outcome, idempotent=request.idempotent)
        failed = outcome.may_have_been_processed or (outcome.status or 0) >= 500  # noqa: PLR2004
        if request.keep_refusals and action is Action.RAISE and not failed:
            action = Action.RETURN
        return Try(reply, fault, action)

    # -- failure ---------------------------------------------------------------------------

    def _error(self, sending: Sending, last: Try) -> BiginError:
        request, reply = sending.request, last.reply
        label, host = request.label, urlsplit(self.settings.base_url).hostname
        if last.fault is Fault.NOT_SENT:
            return ServiceError(
                f"{label}: {host} cannot be reached",
                processed=sending.unclear,
                hint="Check the network, the proxy and the setting base_url.",
            )
        if reply is None or last.fault is Fault.UNCLEAR:
            return ServiceError(
                f"{label}: no usable reply from {host}",
                status=reply.status if reply else None,
                request_id=reply.request_id if reply else None,
                hint="The service or the network is in trouble; run again later.",
            )
        connection = None
        if request.to_bigin and refusals.may_be_the_connection(reply):
            connection = refusals.Connection(
                id=self.connection_id or "",
                status=self._connection_status(),
                believed_dead=sending.tries >= FEW_TRIES and last.action is Action.RETRY_FEW,
            )
        return refusals.from_reply(
            reply,
            label,
            module=request.module,
            connection=connection,
            repeatable=request.idempotent,
        )

    def _connection_status(self) -> str | None:
        """Return what the gateway says of the pinned connection; None: it does not."""
        reply, _ = self._exchange(
            Request(
                method="GET",
                url=f"{self.settings.base_url}/connections/{self.connection_id}",
                label="GET /connections",
                idempotent=True,
            )
        )
        if reply is None:
            return None
        if reply.status == 404:  # noqa: PLR2004 - HTTP
            return refusals.UNKNOWN
        body = reply.object()
        info = body.get("connection", body)
        status = info.get("status") if isinstance(info, dict) else None
        return status if isinstance(status, str) and status.isalpha() else None


def _delay(state: tenacity.RetryCallState) -> float:
    """Return what the service asked for, else an exponential wait with jitter."""
    reply = result_of(state).reply
    asked = reply.retry_after if reply else None
    if asked:  # "at once" is no answer to a client that is refused again and again
        return asked
    longest = min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** min(state.attempt_number, 16))
    return random.uniform(longest / 4, longest)  # noqa: S311 - jitter, not a secret
