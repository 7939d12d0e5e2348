"""How every worker here connects, polls and ends."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any, Callable, Optional

from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from temporalio.envconfig import ClientConfig
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import Worker

from .codec import CodecError, Refusals, data_converter

#: A server that is there answers in milliseconds; a firewall that swallows packets would take minutes.
_CONNECT_SECONDS = 10.0


class CannotConnect(Exception):
    """One line: which server was asked, what is wrong, what to set."""


def connection(address: Optional[str], namespace: Optional[str]) -> dict[str, Any]:
    """What to connect with: Temporal's environment variables and profile (TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE,
    TEMPORAL_API_KEY, TEMPORAL_TLS ...), and what was given here before them. Raises CannotConnect when they cannot be read."""
    given = {"target_host": address, "namespace": namespace}
    try:
        found = ClientConfig.load_client_connect_config()
    except (OSError, RuntimeError, TypeError, ValueError) as error:
        raise CannotConnect(
            f"Temporal's configuration cannot be read ({error}). "
            "Fix: correct TEMPORAL_PROFILE, TEMPORAL_CONFIG_FILE, TEMPORAL_TLS_* or the file itself"
        ) from None
    return {
        "target_host": "localhost:7233",
        **found,
        **{key: value for key, value in given.items() if value is not None},
    }


async def connect(settings: dict[str, Any]) -> Client:
    """Raises CannotConnect when nothing answers, and when the server has no such namespace or refuses access; CodecError
    when the file of keys is of no use."""
    address = settings["target_host"]
    converter = data_converter()
    try:
        client = await asyncio.wait_for(Client.connect(**settings, data_converter=converter), _CONNECT_SECONDS)
        request = DescribeNamespaceRequest(namespace=client.namespace)
        await client.workflow_service.describe_namespace(request, timeout=timedelta(seconds=_CONNECT_SECONDS))
    except (RuntimeError, ValueError, asyncio.TimeoutError) as error:
        if known := _access_problem(str(error), settings):
            raise CannotConnect(known) from None
        raise CannotConnect(
            f"no Temporal server answers at {address} ({_reason(error)}). Fix: set TEMPORAL_ADDRESS or give an address; "
            "`everband server` prints that of the embedded server"
        ) from None
    except RPCError as error:
        if error.status == RPCStatusCode.NOT_FOUND:
            raise CannotConnect(f"{address} has no namespace {client.namespace}. Fix: set TEMPORAL_NAMESPACE") from None
        if error.status in (RPCStatusCode.PERMISSION_DENIED, RPCStatusCode.UNAUTHENTICATED):
            raise CannotConnect(_refusal(settings)) from None
        raise CannotConnect(f"{address} does not answer as a Temporal server ({error.status.name})") from None
    return client


def poll(
    activity: Callable[[Any], Any],
    *,
    task_queue: str,
    slots: int,
    address: Optional[str] = None,
    namespace: Optional[str] = None,
    what: str = "",
) -> None:
    """Runs `activity` for `task_queue`, `slots` at a time, until SIGTERM or SIGINT; a second one ends it at once.

    Says on standard output when it is ready, and on standard error, with exit code 1, that it cannot connect.
    """

    async def main() -> None:
        settings = connection(address, namespace)
        client = await connect(settings)
        told = _told_to_end()
        with ThreadPoolExecutor(max_workers=slots) as executor:
            worker = Worker(
                client,
                task_queue=task_queue,
                activities=[activity],
                interceptors=[Refusals()],
                activity_executor=executor,
                max_concurrent_activities=slots,
                graceful_shutdown_timeout=timedelta(seconds=1),
                max_heartbeat_throttle_interval=timedelta(seconds=1),
                default_heartbeat_throttle_interval=timedelta(seconds=1),
            )
            print(f"worker ready: {what}task queue {task_queue} at {settings['target_host']}", flush=True)
            polling = asyncio.ensure_future(worker.run())
            await asyncio.wait([polling, told], return_when=asyncio.FIRST_COMPLETED)
            if not polling.done():
                await worker.shutdown()
            await polling

    try:
        asyncio.run(main())
    except (CannotConnect, CodecError) as error:
        sys.exit(str(error))
    finally:
        # Threads of the package may still be on their way out of Python, and crash an interpreter that ends meanwhile:
        # a third of all failed connections ended by SIGABRT without this.
        time.sleep(0.2)


def _told_to_end() -> asyncio.Future[None]:
    """Done on the first SIGTERM or SIGINT; the second ends the process, whatever its threads do."""
    loop = asyncio.get_running_loop()
    told: asyncio.Future[None] = loop.create_future()
    signals = (signal.SIGTERM, signal.SIGINT)

    def tell() -> None:
        for each in signals:
            loop.remove_signal_handler(each)
            signal.signal(each, signal.SIG_DFL)
        if not told.done():
            told.set_result(None)

    try:
        for each in signals:
            loop.add_signal_handler(each, tell)
    except (RuntimeError, ValueError):
        pass  # Not in the main thread: whoever started this thread hears the signals.
    return told


_CLIENT_CERTIFICATE = "TEMPORAL_TLS_CLIENT_CERT_PATH and TEMPORAL_TLS_CLIENT_KEY_PATH"


#: The server closed the connection: which of these it comes to is a matter of microseconds.
_CLOSED = ("transport error", "AlertReceived", "hyper::Error(Canceled", "ConnectionReset", "BrokenPipe", "UnexpectedEof")


def _access_problem(text: str, settings: dict[str, Any]) -> Optional[str]:
    """What TLS or an API key has to do with it, and what to set; None where it is neither. The package tells by text alone."""
    address, tls = settings["target_host"], settings.get("tls")
    secure = tls if tls is not None else settings.get("api_key") is not None
    has_certificate = bool(getattr(tls, "client_cert", None))
    if "code: Unauthenticated" in text or "code: PermissionDenied" in text:
        return _refusal(settings)
    if "NotValidForName" in text:
        return f"the certificate of {address} is for other names. Fix: set TEMPORAL_TLS_SERVER_NAME to one that it has"
    if "InvalidContentType" in text:
        return f"{address} does not speak TLS. Fix: set TEMPORAL_TLS=false, or correct TEMPORAL_ADDRESS"
    if "NoCertificatesPresented" in text or "client cert and private key" in text or "private key" in text.lower():
        return f"a certificate or key for {address} cannot be read. Fix: correct {_CLIENT_CERTIFICATE}, or the profile"
    if "InvalidCertificate" in text:
        return f"the certificate of {address} is not trusted here. Fix: set TEMPORAL_TLS_SERVER_CA_CERT_PATH to its authority's"
    if any(sign in text for sign in _CLOSED):
        if not secure:
            return f"{address} closes the connection: it may speak TLS alone. Fix: set TEMPORAL_TLS=true, or {_CLIENT_CERTIFICATE}, or TEMPORAL_API_KEY"
        if has_certificate:
            return f"{address} does not accept the client certificate. Fix: set {_CLIENT_CERTIFICATE} to one that it knows"
        return f"{address} takes no connection without a client certificate. Fix: set {_CLIENT_CERTIFICATE}"
    return None


def _refusal(settings: dict[str, Any]) -> str:
    address = settings["target_host"]
    if settings.get("api_key") is not None:
        return f"{address} refuses access with this API key. Fix: correct TEMPORAL_API_KEY, or the api_key of the profile"
    if getattr(settings.get("tls"), "client_cert", None):
        return f"{address} refuses access without an API key, with this client certificate. Fix: set TEMPORAL_API_KEY"
    return f"{address} refuses access without an API key. Fix: set TEMPORAL_API_KEY, or TEMPORAL_TLS_* for mTLS"


def _reason(error: Exception) -> str:
    """The shortest true thing to be said: the errors of the network layer are nested and long."""
    text = str(error).lower()
    for known, reason in _REASONS.items():
        if known in text:
            return reason
    return next(iter(str(error).splitlines()), "")[:200] or "no answer"


_REASONS = {
    "connection refused": "connection refused",
    "connectionrefused": "connection refused",
    "dns error": "no such host",
}
