"""Requests for a Kafka broker: `kafka.py PORT REQUESTS CONNECTIONS`.

CONNECTIONS connections send REQUESTS requests; what they begin with comes in addition. Of ten of a connection three are
sent at once, and one is for a partition that is not there. Beside them a producer and a consumer of kafka-python (Debian:
python3-kafka) do their work, whose requests are counted where that library writes and reads them.
At the end comes one line of JSON: requests by operation and status, how many were errors, and quantiles of the time
that the answered ones took, in microseconds. A code that has no name here is told by its number.
"""

import collections
import json
import os
import socket
import struct
import sys
import threading
import time

# This file has the name of the library.
sys.path = [place for place in sys.path if os.path.abspath(place) != os.path.dirname(os.path.abspath(__file__))]
import kafka
from kafka.protocol.parser import KafkaProtocol

CODES = {
    0: "OK",
    3: "UNKNOWN_TOPIC_OR_PARTITION",
    16: "NOT_COORDINATOR",
    25: "UNKNOWN_MEMBER_ID",
    27: "REBALANCE_IN_PROGRESS",
    69: "GROUP_ID_NOT_FOUND",
}
# Those that are told with their first topic.
WITH_TOPIC = {"Produce", "Fetch", "ListOffsets", "OffsetCommit", "OffsetFetch"}


class Tally:
    """Requests by operation and status, and how long those took that were answered."""

    def __init__(self):
        self.lock = threading.Lock()
        self.requests = collections.defaultdict(collections.Counter)
        self.microseconds = []
        self.errors = 0

    def count(self, operation, code, began):
        took = (time.perf_counter_ns() - began) / 1000
        with self.lock:
            self.requests[operation][CODES.get(code, str(code))] += 1
            self.errors += code not in (0, 16, 25, 27, 69)
            self.microseconds.append(took)

    def report(self):
        times = sorted(self.microseconds)
        quantile = lambda share: round(times[min(len(times) - 1, int(len(times) * share))], 1)
        report = {"operations": self.requests, "errors": self.errors, "p50": quantile(0.5), "p99": quantile(0.99)}
        print(json.dumps(report), flush=True)


def string(data):
    return struct.pack(">h", len(data)) + data


class Connection:
    def __init__(self, port, tally):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.stream = self.socket.makefile("rb")
        self.tally = tally
        self.last = 0

    def frame(self, key, version, body):
        self.last += 1
        data = struct.pack(">hhi", key, version, self.last) + string(b"client") + body
        return struct.pack(">i", len(data)) + data

    def ask(self, *questions):
        """Sends requests at once: each an operation, its frame, and where the code is in its response."""
        first = self.last - len(questions) + 1
        began = time.perf_counter_ns()
        self.socket.sendall(b"".join(frame for _, frame, _ in questions))
        for _ in questions:
            length, number = struct.unpack(">ii", self.stream.read(8))
            body = self.stream.read(length - 4)
            operation, _, place = questions[number - first]
            self.tally.count(operation, struct.unpack_from(">h", body, place)[0], began)

    def produce(self, topic, partition):
        message = b"\x16\0\0\0\x01\x0ahello\0"
        data = struct.pack(">qiibIhiqqqhii", 0, 49 + len(message), -1, 2, 0, 0, 0, 0, 0, -1, -1, -1, 1) + message
        body = struct.pack(">hhii", -1, 1, 1000, 1) + string(topic) + struct.pack(">iii", 1, partition, len(data)) + data
        # The responses, the topic, the partitions, its number.
        return ("Produce " + topic.decode(), self.frame(0, 7, body), 4 + 2 + len(topic) + 4 + 4)

    def offsets(self, topic):
        body = struct.pack(">ii", -1, 1) + string(topic) + struct.pack(">iiq", 1, 0, -1)
        return ("ListOffsets " + topic.decode(), self.frame(2, 1, body), 4 + 2 + len(topic) + 4 + 4)

    def fetch(self, topic):
        body = struct.pack(">iiiibi", -1, 0, 0, 1 << 20, 0, 1) + string(topic) + struct.pack(">iiqi", 1, 0, 0, 1 << 20)
        return ("Fetch " + topic.decode(), self.frame(1, 4, body), 4 + 4 + 2 + len(topic) + 4 + 4)

    def heartbeat(self):
        body = string(b"nobody") + struct.pack(">i", 1) + string(b"stranger")
        return ("Heartbeat", self.frame(12, 1, body), 4)

    def close(self):
        self.stream.close()
        self.socket.close()


def talk(port, requests, tally):
    connection = Connection(port, tally)
    connection.ask(("ApiVersions", connection.frame(18, 0, b""), 0))
    turn = 0
    while turn < requests:
        kind = turn % 10
        if kind == 4 and turn + 3 <= requests:
            connection.ask(connection.offsets(b"clicks"), connection.heartbeat(), connection.fetch(b"clicks"))
            turn += 3
            continue
        if kind < 4:
            connection.ask(connection.produce(b"orders", 0))
        elif kind < 8:
            connection.ask(connection.fetch(b"orders"))
        elif kind == 8:
            connection.ask(connection.heartbeat())
        else:
            connection.ask(connection.produce(b"orders", 99))
        turn += 1
    connection.close()


def codes(value):
    """Every error code in a response of kafka-python, in the order of its fields."""
    if isinstance(value, dict):
        for name, field in value.items():
            if name == "error_code":
                yield field
            else:
                yield from codes(field)
    elif isinstance(value, list):
        for entry in value:
            yield from codes(entry)


def count_library(tally):
    """Counts what kafka-python asks and reads from here on."""
    send, receive = KafkaProtocol.send_request, KafkaProtocol.receive_bytes

    def counted_send(self, request, correlation_id=None):
        name = type(request).__name__.split("Request")[0].replace("ApiVersion", "ApiVersions")
        name = {"Offset": "ListOffsets", "GroupCoordinator": "FindCoordinator"}.get(name, name)
        number = send(self, request, correlation_id)
        topics = getattr(request, "topics", None)
        operation = f"{name} {topics[0][0]}" if name in WITH_TOPIC and topics else name
        self.__dict__.setdefault("counted", {})[number] = (operation, time.perf_counter_ns())
        return number

    def counted_receive(self, data):
        responses = receive(self, data)
        for number, response in responses:
            operation, began = self.counted.pop(number)
            found = list(codes(response.to_object()))
            tally.count(operation, next((code for code in found if code != 0), 0), began)
        return responses

    KafkaProtocol.send_request, KafkaProtocol.receive_bytes = counted_send, counted_receive


def library(port, tally):
    count_library(tally)
    address = f"127.0.0.1:{port}"
    producer = kafka.KafkaProducer(bootstrap_servers=address, client_id="shop")
    for number in range(20):
        producer.send("orders", b"order %d" % number).get(timeout=20)
    producer.close()
    consumer = kafka.KafkaConsumer(
        bootstrap_servers=address, client_id="mail", group_id="mail", auto_offset_reset="earliest", fetch_max_wait_ms=50
    )
    # It leaves its first connection as soon as it has another, also with a request open there: so it has it before.
    client = consumer._client
    while client.in_flight_request_count() > 0 or not client.ready(next(iter(client.cluster.brokers())).nodeId):
        client.poll(timeout_ms=20)
    consumer.subscribe(["clicks"])
    while not consumer.assignment():
        consumer.poll(timeout_ms=100)
    for _ in range(5):
        consumer.poll(timeout_ms=100)
    consumer.commit()
    # Nothing is asked at the end that nobody would read the answer of.
    consumer.pause(*consumer.assignment())
    while client.in_flight_request_count() > 0:
        consumer.poll(timeout_ms=20)
    consumer.close()


def main(port, requests, connections):
    tally = Tally()
    shares = [requests // connections + (number < requests % connections) for number in range(connections)]
    threads = [threading.Thread(target=talk, args=(port, share, tally)) for share in shares]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    library(port, tally)
    tally.report()


main(*map(int, sys.argv[1:]))
