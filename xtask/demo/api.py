#!/usr/bin/python3
"""The service in the middle of the demo: each request costs one Redis GET and one PostgreSQL SELECT.

The pool has a fixed number of backends. Each is one Redis and one PostgreSQL connection over TCP, opened when it is
first used, and they are handed out in turn, so that after a few requests the number of connections is constant.
A request that finds every backend in use waits: requests are answered late, never lost.

A stopped PostgreSQL or Redis costs an answer of 503 and a new attempt at the next request. A Redis that is silent
(stopped by a signal) is waited for without a limit: a hanging call is something that the demo wants to show.
"""

import argparse
import json
import queue
import socketserver
import sys
from http.server import BaseHTTPRequestHandler

import psycopg2
import redis

CACHE_KEY = "greeting"
QUERY = "SELECT 'hello from the database'"
POOL_WAIT_SECONDS = 120.0


class Backend:
    """One connection to each of the two stores. Used by one thread at a time."""

    def __init__(self, redis_port: int, postgres_port: int) -> None:
        self._postgres_port = postgres_port
        self._database = None
        # redis-py connects at the first command, and again after an error.
        self._cache = redis.Redis(
            host="127.0.0.1",
            port=redis_port,
            max_connections=1,
            socket_timeout=None,
        )

    def look_up(self) -> dict:
        """Ask both stores. Raises redis.RedisError or psycopg2.Error."""
        # Nobody sets the key: a miss is the same exchange as a hit.
        cached = self._cache.get(CACHE_KEY)
        return {"cached": cached is not None, "stored": self._select()}

    def _select(self) -> str:
        try:
            if self._database is None:
                self._database = psycopg2.connect(
                    host="127.0.0.1",
                    port=self._postgres_port,
                    user="api",
                    dbname="postgres",
                    sslmode="disable",
                    gssencmode="disable",
                    connect_timeout=5,
                )
                # Without a transaction around it, a SELECT is one exchange.
                self._database.autocommit = True
            with self._database.cursor() as cursor:
                cursor.execute(QUERY)
                return cursor.fetchone()[0]
        except psycopg2.Error:
            if self._database is not None:
                self._database.close()
                self._database = None
            raise


class Handler(BaseHTTPRequestHandler):
    """HTTP/1.1 with keep-alive; header and body leave in one send."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True

    def do_GET(self) -> None:  # the name that http.server asks for
        try:
            backend = self.server.backends.get(timeout=POOL_WAIT_SECONDS)
        except queue.Empty:
            self._answer(503, {"error": "every backend is in use"})
            return
        try:
            status, answer = 200, backend.look_up()
        except (redis.RedisError, psycopg2.Error) as error:
            status, answer = 503, {"error": str(error).strip()}
        finally:
            self.server.backends.put(backend)
        self._answer(status, answer)

    def _answer(self, status: int, answer: dict) -> None:
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args) -> None:  # a line for each request helps nobody here
        pass


class Server(socketserver.ThreadingTCPServer):
    """A thread for each connection. Not http.server.HTTPServer: that one asks the DNS for its own name."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, options: argparse.Namespace) -> None:
        self.backends: queue.Queue = queue.Queue()
        for _ in range(options.pool):
            self.backends.put(Backend(options.redis, options.postgres))
        super().__init__(("127.0.0.1", options.listen), Handler)

    def handle_error(self, request, client_address) -> None:
        """A client that went away is normal; everything else belongs into the log."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--listen", type=int, required=True, metavar="PORT")
    parser.add_argument("--redis", type=int, required=True, metavar="PORT")
    parser.add_argument("--postgres", type=int, required=True, metavar="PORT")
    parser.add_argument("--pool", type=int, default=4, help="connections to each store (default: 4)")
    with Server(parser.parse_args()) as server:
        server.serve_forever()


if __name__ == "__main__":
    main()
