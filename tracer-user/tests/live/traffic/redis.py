"""Commands for a Redis server: `redis.py PORT REQUESTS CONNECTIONS`.

CONNECTIONS connections send REQUESTS commands one after the other; what they begin and end with comes in addition.
Every tenth of a connection fails (WRONGTYPE).
At the end comes one line of JSON: requests by operation and status, how many were errors, and quantiles of the time
that the answered ones took, in microseconds.
"""

import collections
import json
import socket
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

    def line(self):
        line = self.stream.readline()
        assert line.endswith(b"\r\n"), line
        return line[:-2]

    def take(self, length):
        data = self.stream.read(length)
        assert len(data) == length
        return data

    def close(self):
        self.stream.close()
        self.socket.close()


def command(*words):
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


def talk(port, number, requests, tally):
    connection = Connection(port)
    key = b"traffic:%d" % number
    for turn in range(requests):
        turn %= 10
        if turn < 4:
            words = (b"SET", key, b"x" * 100)
        elif turn < 8:
            words = (b"GET", key)
        else:
            words = (b"GET", key + b":none") if turn == 8 else (b"LPUSH", key, b"x")
        began = connection.send(command(*words))
        line = connection.line()
        status = "OK"
        if line == b"$-1":
            status = "nil"
        elif line.startswith(b"$"):
            connection.take(int(line[1:]) + 2)
        elif line.startswith(b"-"):
            status = line[1:].split()[0].decode()
        tally.count(words[0].decode(), status, began, line.startswith(b"-"))
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
