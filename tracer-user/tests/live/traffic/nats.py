"""Publications and requests for a NATS server: `nats.py PORT REQUESTS CONNECTIONS`.

CONNECTIONS connections send REQUESTS commands one after the other; what they begin and end with comes in addition.
Every tenth of a connection is a request that nobody serves (503).
At the end comes one line of JSON: requests by operation and status, how many were errors, and quantiles of the time
that the answered ones took, in microseconds.
One more connection answers requests. A publication without a response has the status "".
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


def connect(port, tally):
    connection = Connection(port)
    assert connection.line().startswith(b"INFO ")
    options = {"verbose": False, "pedantic": False, "headers": True, "no_responders": True, "protocol": 1}
    began = connection.send(b"CONNECT %s\r\nPING\r\n" % json.dumps(options).encode())
    assert connection.line() == b"PONG"
    tally.count("CONNECT", "OK", began)
    tally.count("PING", "OK", began)
    return connection


def ping(connection, tally):
    began = connection.send(b"PING\r\n")
    assert connection.line() == b"PONG"
    tally.count("PING", "OK", began)


def serve(connection, tally):
    while True:
        words = connection.line().split()
        if words == [b"PONG"]:
            return
        if words == [b"PING"]:
            connection.send(b"PONG\r\n")
            continue
        connection.take(int(words[-1]) + 2)
        connection.send(b"PUB %s 3\r\nyes\r\n" % words[3])
        tally.count("PUB _INBOX.{id}", "")


def talk(port, number, requests, tally):
    connection = connect(port, tally)
    connection.send(b"SUB _INBOX.client%dx.* 1\r\n" % number)
    tally.count("SUB _INBOX.{id}", "")
    ping(connection, tally)
    for turn in range(requests):
        inbox = b"_INBOX.client%dx.%d" % (number, turn)
        if 6 <= turn % 10 < 9:
            connection.send(b"PUB orders.new 5\r\nhello\r\n")
            tally.count("PUB orders.new", "")
            continue
        subject = b"svc.nobody" if turn % 10 == 9 else b"svc.time"
        began = connection.send(b"PUB %s %s 1\r\n?\r\n" % (subject, inbox))
        words = connection.line().split()
        while words == [b"PING"]:
            connection.send(b"PONG\r\n")
            words = connection.line().split()
        assert words[1] == inbox
        payload = connection.take(int(words[-1]) + 2)
        status = payload.split()[1].decode() if words[0] == b"HMSG" else "OK"
        tally.count("PUB " + subject.decode(), status, began, status == "503")
    ping(connection, tally)
    connection.close()


def main(port, requests, connections):
    tally = Tally()
    shares = [requests // connections + (number < requests % connections) for number in range(connections)]
    tasks = [(port, number, share, tally) for number, share in enumerate(shares)]
    threads = [threading.Thread(target=talk, args=task) for task in tasks]
    service = connect(port, tally)
    service.send(b"SUB svc.time 1\r\n")
    tally.count("SUB svc.time", "")
    ping(service, tally)
    server = threading.Thread(target=serve, args=(service, tally))
    server.start()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    began = service.send(b"PING\r\n")
    server.join()
    tally.count("PING", "OK", began)
    service.close()
    tally.report()


main(*map(int, sys.argv[1:]))
