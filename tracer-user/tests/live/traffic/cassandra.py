"""Statements for a CQL database: `cassandra.py server PORT` and `cassandra.py client PORT REQUESTS CONNECTIONS`.

The server is a script: no server of CQL is in a Debian package. It speaks versions 4 and 5 of the native protocol, the latter in
segments, and what it answers depends on the table. The client is the driver of DataStax (Debian: python3-cassandra): half of its
sessions speak version 4 and half version 5, each with a connection for statements and one for itself, CONNECTIONS in all. Every
session makes REQUESTS requests for each of its connections, eight at once.
At the end comes one line of JSON: requests by operation and status, also those that the driver makes for itself, as they
were given to its connections and came back from them, and quantiles of the time that they took, in microseconds.
"""

import sys

# The driver has this script's name, and the script's folder comes before it.
sys.path.pop(0)

import collections
import hashlib
import json
import re
import socketserver
import struct
import threading
import time

from cassandra.segment import CRC32_INITIAL, compute_crc24, compute_crc32

ERROR, STARTUP, READY, OPTIONS, SUPPORTED, QUERY, RESULT = 0, 1, 2, 5, 6, 7, 8
PREPARE, EXECUTE, REGISTER, EVENT, BATCH = 9, 10, 11, 12, 13
TEXT, UUID, INET = 0x0D, 0x0C, 0x10
LOCAL = {
    "key": (TEXT, b"local"), "cluster_name": (TEXT, b"traffic"), "data_center": (TEXT, b"here"), "rack": (TEXT, b"one"),
    "partitioner": (TEXT, b"org.apache.cassandra.dht.Murmur3Partitioner"), "release_version": (TEXT, b"4.0.0"),
    "rpc_address": (INET, bytes([127, 0, 0, 1])), "host_id": (UUID, b"h" * 16), "schema_version": (UUID, b"s" * 16),
}
SLOW = 0.01
# Longer than a segment, and than what is told of one input or output.
PICTURE = "p" * 200_000
LONGEST = (1 << 17) - 1


def string(text):
    return struct.pack(">H", len(text)) + text.encode()


def failure(code, more=b""):
    return ERROR, struct.pack(">i", code) + string("as always") + more


FAILURES = {
    "broken": failure(0x0000),
    "busy": failure(0x1001),
    "down": failure(0x1000, struct.pack(">Hii", 6, 2, 1)),
    "late": failure(0x1100, struct.pack(">Hii", 6, 1, 2) + string("SIMPLE")),
    "secret": failure(0x2100),
    "wrong": failure(0x2200),
    "peers_v2": failure(0x2200),
}


def rows(table, columns, values):
    body = struct.pack(">iii", 2, 1, len(columns)) + string("system") + string(table)
    body += b"".join(string(name) + struct.pack(">H", kind) for name, kind in columns)
    body += struct.pack(">i", len(values))
    return RESULT, body + b"".join(struct.pack(">i", len(value)) + value for row in values for value in row)


def segments(frame):
    """A frame in as many segments as it needs; whole in one."""
    data = b""
    for place in range(0, len(frame), LONGEST):
        part = frame[place : place + LONGEST]
        header = len(part) | (len(part) == len(frame)) << 17
        data += header.to_bytes(3, "little") + compute_crc24(header, 3).to_bytes(3, "little")
        data += part + compute_crc32(part, CRC32_INITIAL).to_bytes(4, "little")
    return data


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128


class Connection(socketserver.BaseRequestHandler):
    statements = {}

    def setup(self):
        self.lock, self.segmented, self.forgot = threading.Lock(), False, False

    def take(self, length):
        data = b""
        while len(data) < length:
            more = self.request.recv(length - len(data))
            if not more:
                raise EOFError
            data += more
        return data

    def frames(self):
        """Frames, one after the other: version, stream, opcode, body."""
        ready = b""
        while True:
            if self.segmented:
                word = int.from_bytes(self.take(6)[:3], "little")
                ready += self.take(word & 0x1FFFF)
                self.take(4)
            else:
                ready = self.take(9)
                ready += self.take(struct.unpack(">i", ready[5:])[0])
            while len(ready) >= 9:
                version, _, stream, opcode, length = struct.unpack(">BBhBi", ready[:9])
                if len(ready) < 9 + length:
                    break
                yield version, stream, opcode, ready[9 : 9 + length]
                ready = ready[9 + length :]

    def send(self, version, stream, answer):
        opcode, body = answer
        frame = struct.pack(">BBhBi", version | 0x80, 0, stream, opcode, len(body)) + body
        with self.lock:
            data = segments(frame) if self.segmented else frame
            self.request.sendall(data)
            self.segmented |= version == 5 and opcode == READY

    def handle(self):
        try:
            for version, stream, opcode, body in self.frames():
                answer, after = self.answer(version, opcode, body)
                if after:
                    threading.Timer(after, self.send, (version, stream, answer)).start()
                else:
                    self.send(version, stream, answer)
                if opcode == REGISTER:
                    change = string("SCHEMA_CHANGE") + string("CREATED") + string("KEYSPACE") + string("shop")
                    self.send(version, -1, (EVENT, change))
        except (EOFError, ConnectionError):
            pass

    def answer(self, version, opcode, body):
        if opcode == OPTIONS:
            options = string("CQL_VERSION") + struct.pack(">H", 1) + string("3.4.5") + string("COMPRESSION")
            return (SUPPORTED, struct.pack(">H", 2) + options + struct.pack(">H", 0)), 0
        if opcode in (STARTUP, REGISTER):
            return (READY, b""), 0
        if opcode == BATCH:
            return (RESULT, struct.pack(">i", 1)), 0
        if opcode == EXECUTE:
            number = body[2:18]
            statement = self.statements[number]
            if "forgotten" in statement and not self.forgot:
                self.forgot = True
                return failure(0x2500, struct.pack(">H", 16) + number), 0
            return self.result(statement)
        (length,) = struct.unpack(">i", body[:4])
        statement = body[4 : 4 + length].decode()
        if opcode == QUERY:
            return self.result(statement)
        number = hashlib.md5(statement.encode()).digest()
        self.statements[number] = statement
        prepared = struct.pack(">iH", 4, 16) + number
        if version == 5:
            prepared += struct.pack(">H", 16) + b"m" * 16
        # One value to bind, a text, and no columns in the result.
        prepared += struct.pack(">iii", 1, 1, 0) + string("shop") + string("users") + string("name") + struct.pack(">H", TEXT)
        return (RESULT, prepared + struct.pack(">ii", 4, 0)), 0

    def result(self, statement):
        table = table_of(statement)
        if table in FAILURES:
            return FAILURES[table], 0
        if table == "local":
            return rows("local", [(name, kind) for name, (kind, _) in LOCAL.items()], [[value for _, value in LOCAL.values()]]), 0
        if statement.startswith("SELECT"):
            name = PICTURE.encode() if table == "pictures" else b"anna"
            columns, values = [("name", TEXT)], [] if table == "peers" else [[name]]
            return rows(table, columns, values), SLOW if table == "slow" else 0
        return (RESULT, struct.pack(">i", 1)), 0


def table_of(statement):
    return re.search(r"(?:FROM|INTO|UPDATE)\s+(?:\w+\.)?(\w+)", statement)[1]


def server(port):
    with Server(("127.0.0.1", port), Connection) as listener:
        print("ready", flush=True)
        listener.serve_forever()


def operation_of(statement):
    table = re.search(r"(?:FROM|INTO|UPDATE)\s+([\w.]+)", statement)[1]
    return f"{statement.split()[0]} {table}"


class Tally:
    """Requests by operation and status, as they pass through the driver's connections."""

    def __init__(self):
        self.lock = threading.Lock()
        self.operations = collections.defaultdict(collections.Counter)
        self.microseconds = []
        # By connection and number: drivers prepare on one and execute on any.
        self.prepared = {}

    def operation(self, connection, message):
        kind = type(message).__name__
        if kind == "QueryMessage":
            return operation_of(message.query)
        if kind == "PrepareMessage":
            return "PREPARE " + operation_of(message.query)
        if kind == "ExecuteMessage":
            return self.prepared.get((id(connection), message.query_id), "?")
        return kind.removesuffix("Message").upper()

    def watch(self, send):
        from cassandra.protocol import ErrorMessage

        names = {0x0: "ServerError", 0x1001: "Overloaded", 0x1000: "Unavailable", 0x1100: "WriteTimeout"}
        names |= {0x2100: "Unauthorized", 0x2200: "Invalid", 0x2500: "Unprepared"}

        def watched(connection, message, request_id, cb, *args, **kwargs):
            operation, began = self.operation(connection, message), time.perf_counter()

            def answered(response, *more, **named):
                is_error = isinstance(response, ErrorMessage)
                # Anything else that is an exception is the driver's own.
                if is_error or not isinstance(response, Exception):
                    with self.lock:
                        self.operations[operation][names[response.code] if is_error else "OK"] += 1
                        self.microseconds.append((time.perf_counter() - began) * 1e6)
                    if operation.startswith("PREPARE ") and not is_error:
                        self.prepared[id(connection), response.query_id] = operation.removeprefix("PREPARE ")
                return cb(response, *more, **named)

            return send(connection, message, request_id, answered, *args, **kwargs)

        return watched

    def report(self):
        times = sorted(self.microseconds)
        quantile = lambda share: round(times[min(len(times) - 1, int(len(times) * share))])
        report = {"operations": self.operations, "p50_us": quantile(0.5), "p99_us": quantile(0.99)}
        print(json.dumps(report), flush=True)


def connect(port, version):
    from cassandra.cluster import Cluster, ExecutionProfile, EXEC_PROFILE_DEFAULT
    from cassandra.policies import FallthroughRetryPolicy, RoundRobinPolicy

    profile = ExecutionProfile(
        load_balancing_policy=RoundRobinPolicy(), retry_policy=FallthroughRetryPolicy(), request_timeout=60
    )
    cluster = Cluster(
        ["127.0.0.1"], port, protocol_version=version, execution_profiles={EXEC_PROFILE_DEFAULT: profile},
        schema_metadata_enabled=False, token_metadata_enabled=False, idle_heartbeat_interval=0, compression=False,
    )
    return cluster, cluster.connect()


def work(session, requests):
    from cassandra.query import BatchStatement

    users = session.prepare("SELECT name FROM users WHERE name = ?")
    orders = session.prepare("INSERT INTO shop.orders (name) VALUES (?)")
    forgotten = session.prepare("SELECT name FROM forgotten WHERE name = ?")
    batch = BatchStatement()
    batch.add("INSERT INTO orders (name) VALUES ('a')")
    batch.add("UPDATE users SET seen = 1 WHERE name = 'a'")
    session.execute(forgotten, ["a"])
    session.execute(f"INSERT INTO pictures (name) VALUES ('{PICTURE}')")
    assert session.execute("SELECT name FROM pictures").one().name == PICTURE
    kinds = [
        (users, ["anna"]), ("SELECT name FROM slow WHERE name = 'anna'",), (orders, ["anna"]), (batch,),
        ("DELETE seen FROM users WHERE name = 'anna'",), ("SELECT * FROM secret",), ("SELECT * FROM down",),
        ("INSERT INTO late (name) VALUES ('from users')",), ("UPDATE busy SET name = 'x'",), ("SELECT * FROM broken",),
    ]
    waiting = collections.deque()
    for number in range(requests):
        if len(waiting) == 8:
            ended(waiting.popleft())
        kind = kinds[number % len(kinds)]
        waiting.append((session.execute_async(*kind), kind[0]))
    for asked in waiting:
        ended(asked)


def ended(asked):
    future, statement = asked
    try:
        future.result()
        failed = False
    except Exception:
        failed = True
    is_to_fail = isinstance(statement, str) and table_of(statement) in FAILURES
    assert failed == is_to_fail, statement


def client(port, requests, connections):
    from cassandra.connection import Connection as DriverConnection

    tally = Tally()
    DriverConnection.send_msg = tally.watch(DriverConnection.send_msg)
    sessions = [connect(port, 4 + number % 2) for number in range(connections // 2)]
    threads = [threading.Thread(target=work, args=(session, 2 * requests)) for _, session in sessions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for cluster, _ in sessions:
        cluster.shutdown()
    tally.report()


if __name__ == "__main__":
    role, *arguments = sys.argv[1:]
    globals()[role](*map(int, arguments))
