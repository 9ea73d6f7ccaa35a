#!/usr/bin/python3
"""A TCP proxy that can make a server look slow.

Bytes pass unchanged in both directions. While the delay is on, what the server answers is held back for that long;
SIGUSR1 switches it on and off, and it begins switched off. Each read is held back on its own, so an answer that
arrives in several pieces is late by more than one delay.
"""

import argparse
import signal
import socket
import threading
import time

CHUNK = 65536


class Delay:
    """How long answers are held back now."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._on = False

    def switch(self, *_) -> None:
        self._on = not self._on

    def wait(self) -> None:
        if self._on:
            time.sleep(self._seconds)


def pump(source: socket.socket, sink: socket.socket, delay: Delay | None) -> None:
    """Copy until the source ends or either side fails, then pass the end on."""
    try:
        while chunk := source.recv(CHUNK):
            if delay is not None:
                delay.wait()
            sink.sendall(chunk)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        # Broken on one side: end both, so that neither peer waits for a connection that is gone.
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def serve(client: socket.socket, target: tuple[str, int], delay: Delay) -> None:
    """Carry one connection, both directions, to its end."""
    with client:
        try:
            server = socket.create_connection(target)
        except OSError:
            return
        with server:
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            requests = threading.Thread(target=pump, args=(client, server, None), daemon=True)
            requests.start()
            pump(server, client, delay)
            requests.join()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--listen", type=int, required=True, metavar="PORT")
    parser.add_argument("--to", required=True, metavar="HOST:PORT")
    parser.add_argument("--delay", type=float, default=2.0, metavar="SECONDS")
    options = parser.parse_args()
    host, _, port = options.to.rpartition(":")
    if not host or not port.isdigit():
        parser.error(f"--to {options.to!r} is not HOST:PORT")

    delay = Delay(options.delay)
    signal.signal(signal.SIGUSR1, delay.switch)
    with socket.create_server(("127.0.0.1", options.listen), backlog=128) as listener:
        while True:
            client, _ = listener.accept()
            threading.Thread(target=serve, args=(client, (host, int(port)), delay), daemon=True).start()


if __name__ == "__main__":
    main()
