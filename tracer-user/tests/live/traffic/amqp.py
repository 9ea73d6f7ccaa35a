"""Publications and polls for an AMQP 0-9-1 broker: `amqp.py PORT REQUESTS CONNECTIONS`.

CONNECTIONS connections send REQUESTS commands one after the other; what they begin and end with comes in addition.
Every tenth of a connection is a publication that comes back because no queue is there (NO_ROUTE).
At the end comes one line of JSON: requests by operation and status, how many were errors, and quantiles of the time
that the answered ones took, in microseconds.
The broker knows `guest` and the virtual host `/`.
"""

import collections
import json
import socket
import struct
import sys
import threading
import time


class Tally:
    """Requests by operation and status, and how long those took that were answered."""

    def __init__(self):
        self.lock = threading.Lock()
        self.requests = collections.defaultdict(collections.Counter)
        self.microseconds = []
        self.errors = 0

    def count(self, operation, status, began=None, error=False):
        took = None if began is None else (time.perf_counter_ns() - began) / 1000
        with self.lock:
            self.requests[operation][status] += 1
            self.errors += error
            if took is not None:
                self.microseconds.append(took)

    def report(self):
        times = sorted(self.microseconds)
        quantile = lambda share: round(times[min(len(times) - 1, int(len(times) * share))], 1)
        report = {"operations": self.requests, "errors": self.errors, "p50": quantile(0.5), "p99": quantile(0.99)}
        print(json.dumps(report), flush=True)


class Connection:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.stream = self.socket.makefile("rb")

    def send(self, data):
        began = time.perf_counter_ns()
        self.socket.sendall(data)
        return began

    def take(self, length):
        data = self.stream.read(length)
        assert len(data) == length
        return data

    def close(self):
        self.stream.close()
        self.socket.close()


def short(data):
    return bytes([len(data)]) + data


def frame(kind, channel, data):
    return struct.pack(">BHI", kind, channel, len(data)) + data + b"\xce"


def method(channel, kind, number, data=b""):
    return frame(1, channel, struct.pack(">HH", kind, number) + data)


def answer(connection):
    """The next frame: its type, and of a method the class and the method."""
    kind, _, length = struct.unpack(">BHI", connection.take(7))
    data = connection.take(length)
    assert connection.take(1) == b"\xce"
    return (kind, struct.unpack(">HH", data[:4]) if kind == 1 else None)


def content(connection):
    """A header and one body."""
    assert answer(connection)[0] == 2
    assert answer(connection)[0] == 3


def ask(connection, tally, operation, data, reply):
    began = connection.send(data)
    kind, got = answer(connection)
    assert (kind, got) == (1, reply), (kind, got)
    tally.count(operation, "OK", began)


def publication(key, mandatory):
    head = method(1, 60, 40, b"\0\0" + short(b"") + short(key) + bytes([mandatory]))
    return head + frame(2, 1, struct.pack(">HHQH", 60, 0, 5, 0)) + frame(3, 1, b"hello")


def talk(port, number, requests, tally):
    connection = Connection(port)
    connection.send(b"AMQP\0\0\x09\x01")
    assert answer(connection) == (1, (10, 10))
    login = struct.pack(">I", 0) + short(b"PLAIN") + struct.pack(">I", 12) + b"\0guest\0guest" + short(b"en_US")
    ask(connection, tally, "connection.start-ok", method(0, 10, 11, login), (10, 30))
    connection.send(method(0, 10, 31, struct.pack(">HIH", 100, 131072, 0)))
    ask(connection, tally, "connection.open", method(0, 10, 40, short(b"/") + b"\0\0"), (10, 41))
    ask(connection, tally, "channel.open", method(1, 20, 10, b"\0"), (20, 11))
    ask(connection, tally, "confirm.select", method(1, 85, 10, b"\0"), (85, 11))
    full, empty = b"traffic-%d" % number, b"empty-%d" % number
    for queue in full, empty:
        # It is gone with the connection.
        declaration = b"\0\0" + short(queue) + b"\x04" + struct.pack(">I", 0)
        operation = "queue.declare %s-{id}" % queue.split(b"-")[0].decode()
        ask(connection, tally, operation, method(1, 50, 10, declaration), (50, 11))
    for turn in range(requests):
        turn %= 10
        if turn < 6 or turn == 9:
            key = b"nobody" if turn == 9 else full
            operation = "basic.publish " + ("nobody" if turn == 9 else "traffic-{id}")
            began = connection.send(publication(key, turn == 9))
            got = answer(connection)
            if turn == 9:
                assert got == (1, (60, 50)), got
                content(connection)
                got = answer(connection)
            assert got == (1, (60, 80)), got
            tally.count(operation, "NO_ROUTE" if turn == 9 else "OK", began, turn == 9)
            continue
        queue = empty if turn == 8 else full
        began = connection.send(method(1, 60, 70, b"\0\0" + short(queue) + b"\x01"))
        got = answer(connection)
        assert got == (1, (60, 72) if turn == 8 else (60, 71)), got
        if turn == 8:
            tally.count("basic.get empty-{id}", "EMPTY", began)
        else:
            content(connection)
            tally.count("basic.get traffic-{id}", "OK", began)
    farewell = struct.pack(">H", 200) + short(b"") + struct.pack(">HH", 0, 0)
    ask(connection, tally, "channel.close", method(1, 20, 40, farewell), (20, 41))
    ask(connection, tally, "connection.close", method(0, 10, 50, farewell), (10, 51))
    connection.close()


def main(port, requests, connections):
    tally = Tally()
    shares = [requests // connections + (number < requests % connections) for number in range(connections)]
    tasks = [(port, number, share, tally) for number, share in enumerate(shares)]
    threads = [threading.Thread(target=talk, args=task) for task in tasks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    tally.report()


main(*map(int, sys.argv[1:]))
