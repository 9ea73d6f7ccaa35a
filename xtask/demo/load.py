#!/usr/bin/python3
"""A load client that knows exactly what it did.

Each connection sends its requests one after the other with keep-alive, and nothing is ever sent twice. The report
(JSON, written at the end and on SIGTERM or SIGINT) says what was sent and what came back. Latency is measured from the
send to the last byte of the answer. A request that is late does not make the next ones hurry: after a stall the client
goes on at its rate and does not catch up.
"""

import argparse
import collections
import http.client
import json
import os
import signal
import threading
import time

TIMEOUT_SECONDS = 60.0
# How long a request that is under way at SIGTERM may still take before it is reported as unanswered.
LAST_ANSWER_SECONDS = 2.0


class Tally:
    """What all connections did together. Bounded: at most one latency for each request asked for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sent = 0
        self._latencies: list[float] = []
        self._statuses: collections.Counter = collections.Counter()
        self._errors: collections.Counter = collections.Counter()
        self._connections_opened = 0

    def opened(self) -> None:
        with self._lock:
            self._connections_opened += 1

    def sent(self) -> None:
        with self._lock:
            self._sent += 1

    def answered(self, status: int, seconds: float) -> None:
        with self._lock:
            self._statuses[str(status)] += 1
            self._latencies.append(seconds * 1000.0)

    def failed(self, error: Exception) -> None:
        with self._lock:
            self._errors[type(error).__name__] += 1

    def report(self, seconds: float) -> dict:
        with self._lock:
            answered = len(self._latencies)
            return {
                "sent": self._sent,
                "answered": answered,
                "unanswered": self._sent - answered,
                "statuses": dict(self._statuses),
                "errors": dict(self._errors),
                "connections_opened": self._connections_opened,
                "seconds": round(seconds, 3),
                "latency_ms": summary(sorted(self._latencies)),
            }


def summary(ordered: list[float]) -> dict | None:
    """Mean, percentiles by nearest rank, and maximum; None without any."""
    if not ordered:
        return None

    def rank(share: float) -> float:
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]

    figures = {
        "mean": sum(ordered) / len(ordered),
        "p50": rank(0.5),
        "p90": rank(0.9),
        "p99": rank(0.99),
        "max": ordered[-1],
    }
    return {name: round(value, 3) for name, value in figures.items()}


def send_all(options: argparse.Namespace, tally: Tally, stop: threading.Event) -> None:
    """One connection's share: `options.requests` requests at its part of the rate."""
    interval = options.connections / options.rate
    connection = http.client.HTTPConnection("127.0.0.1", options.port, timeout=TIMEOUT_SECONDS)
    due = time.monotonic()
    for _ in range(options.requests):
        if stop.wait(max(0.0, due - time.monotonic())):
            break
        try:
            if connection.sock is None:
                connection.connect()
                tally.opened()
            begin = time.monotonic()
            tally.sent()
            connection.request("GET", options.path)
            answer = connection.getresponse()
            answer.read()
            tally.answered(answer.status, time.monotonic() - begin)
        except (OSError, http.client.HTTPException) as error:
            tally.failed(error)
            connection.close()
        # One interval late is made good; what is later than that is given up.
        due = max(due + interval, time.monotonic() - interval)
    connection.close()


def write(report: dict, path: str) -> None:
    """Write the report so that a reader finds all of it or nothing."""
    unfinished = f"{path}.new"
    with open(unfinished, "w", encoding="utf-8") as file:
        json.dump(report, file, indent=2)
        file.write("\n")
    os.replace(unfinished, path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, required=True, help="of the HTTP server on 127.0.0.1")
    parser.add_argument("--path", default="/greeting", help="what to GET (default: /greeting)")
    parser.add_argument("--requests", type=int, required=True, help="for each connection")
    parser.add_argument("--rate", type=float, required=True, help="requests per second, all connections together")
    parser.add_argument("--connections", type=int, default=1, help="keep-alive connections (default: 1)")
    parser.add_argument("--report", required=True, metavar="FILE")
    options = parser.parse_args()
    if options.requests < 1 or options.connections < 1 or options.rate <= 0:
        parser.error("--requests, --connections and --rate must be positive")

    tally, stop = Tally(), threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    begin = time.monotonic()
    # Daemon threads: a request that hangs does not keep the process alive after SIGTERM.
    threads = [
        threading.Thread(target=send_all, args=(options, tally, stop), daemon=True) for _ in range(options.connections)
    ]
    for thread in threads:
        thread.start()
    # In short steps, so that the signal handler, which runs between them, is seen at once.
    while any(thread.is_alive() for thread in threads) and not stop.wait(0.05):
        pass
    last = time.monotonic() + LAST_ANSWER_SECONDS
    for thread in threads:
        thread.join(max(0.0, last - time.monotonic()) if stop.is_set() else None)
    write(tally.report(time.monotonic() - begin), options.report)


if __name__ == "__main__":
    main()
