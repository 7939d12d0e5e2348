"""How every worker here connects and polls."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any, Callable, Optional

from temporalio.client import Client
from temporalio.envconfig import ClientConfig
from temporalio.worker import Worker


def connection(address: Optional[str], namespace: Optional[str]) -> dict[str, Any]:
    """What to connect with: Temporal's environment variables and profile (TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE,
    TEMPORAL_API_KEY, TEMPORAL_TLS ...), and what was given here before them."""
    given = {"target_host": address, "namespace": namespace}
    return {
        "target_host": "localhost:7233",
        **ClientConfig.load_client_connect_config(),
        **{key: value for key, value in given.items() if value is not None},
    }


def poll(
    activity: Callable[[Any], Any],
    *,
    task_queue: str,
    slots: int,
    address: Optional[str] = None,
    namespace: Optional[str] = None,
    ready: str = "",
) -> None:
    """Runs `activity` for `task_queue`, `slots` at a time, until the process is told to end; prints `ready` first."""

    async def main() -> None:
        client = await Client.connect(**connection(address, namespace))
        with ThreadPoolExecutor(max_workers=slots) as executor:
            worker = Worker(
                client,
                task_queue=task_queue,
                activities=[activity],
                activity_executor=executor,
                max_concurrent_activities=slots,
                graceful_shutdown_timeout=timedelta(seconds=1),
                max_heartbeat_throttle_interval=timedelta(seconds=1),
                default_heartbeat_throttle_interval=timedelta(seconds=1),
            )
            if ready:
                print(ready, flush=True)
            await worker.run()

    asyncio.run(main())
