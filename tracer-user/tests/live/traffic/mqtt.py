"""Publications for an MQTT 5 broker: `mqtt.py PORT REQUESTS CONNECTIONS`.

CONNECTIONS connections send REQUESTS commands one after the other; what they begin and end with comes in addition.
Every tenth of a connection is refused (Not authorized).
At the end comes one line of JSON: requests by operation and status, how many were errors, and quantiles of the time
that the answered ones took, in microseconds.
The broker takes anybody, and refuses the topic `secret`. A publication with QoS 0 has the status "".
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

REASONS = {0x00: "Success", 0x10: "No matching subscribers", 0x87: "Not authorized"}


def text(data):
    return struct.pack(">H", len(data)) + data


def packet(kind, data):
    assert len(data) < 128
    return bytes([kind, len(data)]) + data


def answer(connection):
    kind, length = connection.take(2)
    return kind, connection.take(length)


def reason(data):
    return REASONS[data[2] if len(data) > 2 else 0]


def talk(port, number, requests, tally):
    connection = Connection(port)
    hello = text(b"MQTT") + bytes([5, 2]) + struct.pack(">H", 60) + b"\0" + text(b"traffic-%d" % number)
    began = connection.send(packet(0x10, hello))
    kind, data = answer(connection)
    assert kind == 0x20
    tally.count("CONNECT", REASONS[data[1]], began)
    for turn in range(requests):
        identifier = struct.pack(">H", turn % 65535 + 1)
        topic = text(b"sensors/%d/temp" % (1000 + turn))
        operation = "PUBLISH sensors/{id}/temp"
        turn %= 10
        if turn == 8:
            began = connection.send(packet(0xc0, b""))
            assert answer(connection) == (0xd0, b"")
            tally.count("PINGREQ", "Success", began)
        elif turn == 7:
            connection.send(packet(0x30, topic + b"\0x"))
            tally.count(operation, "")
        elif turn in (5, 6):
            began = connection.send(packet(0x34, topic + identifier + b"\0x"))
            assert answer(connection)[0] == 0x50
            connection.send(packet(0x62, identifier))
            kind, data = answer(connection)
            assert kind == 0x70
            tally.count(operation, reason(data), began)
        else:
            if turn == 9:
                topic, operation = text(b"secret"), "PUBLISH secret"
            began = connection.send(packet(0x32, topic + identifier + b"\0x"))
            kind, data = answer(connection)
            assert kind == 0x40
            tally.count(operation, reason(data), began, turn == 9)
    connection.send(packet(0xe0, b""))
    tally.count("DISCONNECT", "")
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
