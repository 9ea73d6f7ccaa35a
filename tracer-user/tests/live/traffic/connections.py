"""One connection of each protocol, which asks one thing after the other and measures how long each takes.

The clock begins before the system call that sends a request and ends after the one that brought the first byte of its
response. What is sent is encoded by hand, so that no library lies between the clock and the wire. `operations` has the
requests by operation and status, those that begin a connection too; `milliseconds` how long each took that was answered.
"""

import collections
import json
import socket
import struct
import time

clock = time.perf_counter_ns

# What a frame may be besides the end of a response: a part of one, or nothing of it.
MORE, ELSE = object(), object()

operations = collections.defaultdict(collections.Counter)
milliseconds = []


class Connection:
    """A connection with at most one request open. Each protocol says how it begins, what it asks, how long the frame at
    the beginning of some bytes is (0: not known yet), and what a frame means: a status ends the response."""

    kind = socket.SOCK_STREAM

    def __init__(self, port, number, *more):
        self.number, self.turn, self.more = number, 0, more
        self.rest, self.since, self.asked, self.first = b"", 0, (), None
        self.socket = socket.socket(socket.AF_INET, self.kind)
        self.socket.connect(("127.0.0.1", port))
        if self.kind == socket.SOCK_STREAM:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.begin()

    def begin(self):
        pass

    def send(self, data, *asked):
        self.asked, self.first = asked, None
        self.began = clock()
        self.socket.sendall(data)

    def tell(self, data, operation):
        """Sends what has no response."""
        self.socket.sendall(data)
        operations[operation][""] += 1

    def ask(self, data, *asked):
        self.send(data, *asked)
        self.wait()

    def wait(self):
        while not self.receive():
            pass

    def next(self):
        self.turn += 1
        self.send(*self.request())

    def receive(self):
        """Takes what has come: whether a response is over with it."""
        data = self.socket.recv(1 << 16)
        now = clock()
        assert data, "the server closed"
        if not self.rest:
            self.since = now
        self.rest += data
        is_over = False
        while 0 < (length := self.length(self.rest)) <= len(self.rest):
            frame, self.rest = self.rest[:length], self.rest[length:]
            status = self.hear(frame)
            if status is not ELSE and self.first is None:
                self.first = self.since
            if status not in (MORE, ELSE):
                is_over = True
                self.count(status)
            self.since = now
        return is_over

    def count(self, status):
        for operation in self.asked:
            operations[operation][status] += 1
            milliseconds.append((self.first - self.began) / 1e6)


class Memcached(Connection):
    def begin(self):
        self.ask(b"set clock:%d 0 0 100\r\n%s\r\n" % (self.number, b"x" * 100), "set")

    def request(self):
        return b"get clock:%d\r\n" % self.number, "get"

    def length(self, data):
        return max(data.find(end) + len(end) if end in data else 0 for end in (b"STORED\r\n", b"END\r\n"))

    def hear(self, frame):
        return frame.split()[0].decode()


class MySql(Connection):
    # CLIENT_LONG_PASSWORD, CLIENT_PROTOCOL_41, CLIENT_TRANSACTIONS, CLIENT_SECURE_CONNECTION, CLIENT_PLUGIN_AUTH
    CAPABILITIES = 1 | 0x200 | 0x2000 | 0x8000 | 0x80000
    ends = 0

    def begin(self):
        self.wait()
        login = struct.pack("<IIB23x", self.CAPABILITIES, 1 << 24, 33) + b"root\0\0mysql_native_password\0"
        self.ask(self.packet(1, login), "CONNECT")
        # Of a result two packets are an end: that of the columns, and that of the rows.
        self.ends = 2

    def packet(self, number, data):
        return len(data).to_bytes(3, "little") + bytes([number]) + data

    def request(self):
        self.left = self.ends
        return self.packet(0, b"\x03SELECT SLEEP(0.01)"), "SELECT"

    def length(self, data):
        return 4 + int.from_bytes(data[:3], "little") if len(data) >= 4 else 0

    def hear(self, frame):
        if frame[4] == 0xFF:
            return str(int.from_bytes(frame[5:7], "little"))
        if self.ends:
            self.left -= frame[4] == 0xFE and len(frame) < 13
            return "OK" if self.left == 0 else MORE
        return "OK"


class ClosingMySql(MySql):
    """Says after each response that it has done with a prepared statement, as drivers do that prepare each for one
    execution. Nobody answers that."""

    def count(self, status):
        super().count(status)
        if self.ends:
            self.socket.sendall(self.packet(0, b"\x19\x01\0\0\0"))


class Nats(Connection):
    def begin(self):
        options = {"verbose": False, "headers": True, "no_responders": True, "protocol": 1}
        self.ask(b"CONNECT %s\r\nPING\r\n" % json.dumps(options).encode(), "CONNECT", "PING")
        self.subscribe()
        self.ask(b"PING\r\n", "PING")

    def subscribe(self):
        self.tell(b"SUB _INBOX.clock%dx.* 1\r\n" % self.number, "SUB _INBOX.{id}")

    def request(self):
        return b"PUB svc.time _INBOX.clock%dx.%d 1\r\n?\r\n" % (self.number, self.turn), "PUB svc.time"

    def length(self, data):
        line = data.find(b"\r\n") + 2
        if line < 2 or not data.startswith((b"MSG ", b"HMSG ")):
            return line if line >= 2 else 0
        return line + int(data[: line - 2].split()[-1]) + 2

    def hear(self, frame):
        words = frame.split()
        if words[0] == b"PING":
            self.socket.sendall(b"PONG\r\n")
        if words[0] in (b"PING", b"INFO"):
            return ELSE
        return frame.split()[-1].decode() if words[0] == b"HMSG" else "OK"


class Mqtt(Connection):
    REASONS = {0x00: "Success", 0x10: "No matching subscribers"}

    def begin(self):
        data = self.text(b"MQTT") + b"\x05\x02\0\x3c\0" + self.text(b"clock-%d" % self.number)
        self.ask(bytes([0x10, len(data)]) + data, "CONNECT")

    def text(self, data):
        return struct.pack(">H", len(data)) + data

    def request(self):
        data = self.text(b"sensors/%d/temp" % (1000 + self.number)) + struct.pack(">H", self.turn) + b"\0x"
        return bytes([0x32, len(data)]) + data, "PUBLISH sensors/{id}/temp"

    def length(self, data):
        return 2 + data[1] if len(data) >= 2 else 0

    def hear(self, frame):
        # CONNACK has its flags before the reason, PUBACK its number, and may leave the reason out.
        place = {0x20: 3, 0x40: 4}[frame[0]]
        return self.REASONS[frame[place] if len(frame) > place else 0]


class Amqp(Connection):
    def begin(self):
        self.ask(b"AMQP\0\0\x09\x01")
        login = struct.pack(">I", 0) + self.short(b"PLAIN") + struct.pack(">I", 12) + b"\0guest\0guest"
        self.ask(self.method(0, 10, 11, login + self.short(b"en_US")), "connection.start-ok")
        self.socket.sendall(self.method(0, 10, 31, struct.pack(">HIH", 100, 131072, 0)))
        self.ask(self.method(0, 10, 40, self.short(b"/") + b"\0\0"), "connection.open")
        self.ask(self.method(1, 20, 10, b"\0"), "channel.open")
        self.ask(self.method(1, 85, 10, b"\0"), "confirm.select")
        # It is gone with the connection.
        self.queue = self.short(b"clock-%d" % self.number)
        self.ask(self.method(1, 50, 10, b"\0\0" + self.queue + b"\x04\0\0\0\0"), "queue.declare clock-{id}")

    def short(self, data):
        return bytes([len(data)]) + data

    def frame(self, kind, channel, data):
        return struct.pack(">BHI", kind, channel, len(data)) + data + b"\xce"

    def method(self, channel, kind, number, data):
        return self.frame(1, channel, struct.pack(">HH", kind, number) + data)

    def request(self):
        head = self.method(1, 60, 40, b"\0\0" + self.short(b"") + self.queue + b"\0")
        data = head + self.frame(2, 1, struct.pack(">HHQH", 60, 0, 5, 0)) + self.frame(3, 1, b"hello")
        return data, "basic.publish clock-{id}"

    def length(self, data):
        return 8 + int.from_bytes(data[3:7], "big") if len(data) >= 7 else 0

    def hear(self, frame):
        # Whatever closes is a failure: of a connection, of a channel; and so is basic.nack.
        return {(10, 50): "closed", (20, 40): "closed", (60, 120): "NACK"}.get(struct.unpack(">HH", frame[7:11]), "OK")


class Dns(Connection):
    kind = socket.SOCK_DGRAM

    def request(self):
        # The server asks once for several clients that want the same: so each wants another name.
        name = b"".join(bytes([len(label)]) + label for label in (b"%d" % (1000 + self.number), b"slow", b"test"))
        query = struct.pack(">HHHHHH", self.number << 8 | self.turn & 0xFF, 0x0100, 1, 0, 0, 0)
        return query + name + struct.pack(">BHH", 0, 1, 1), "A {id}.slow.test"

    def length(self, data):
        return len(data)

    def hear(self, frame):
        assert frame[:2] == bytes([self.number, self.turn & 0xFF])
        return {0: "NOERROR"}.get(frame[3] & 15, str(frame[3] & 15))


class FastCgi(Connection):
    def request(self):
        pairs = {"REQUEST_METHOD": "GET", "REQUEST_URI": "/wait", "SCRIPT_FILENAME": self.more[0]}
        data = b"".join(bytes([len(name), len(value)]) + (name + value).encode() for name, value in pairs.items())
        # FCGI_BEGIN_REQUEST of a responder on a connection that stays, FCGI_PARAMS, FCGI_STDIN.
        records = (1, b"\0\1\1\0\0\0\0\0"), (4, data), (4, b""), (5, b"")
        return b"".join(struct.pack(">BBHHBx", 1, kind, 1, len(data), 0) + data for kind, data in records), "GET /wait"

    def length(self, data):
        return 8 + int.from_bytes(data[4:6], "big") + data[6] if len(data) >= 8 else 0

    def hear(self, frame):
        FCGI_END_REQUEST, FCGI_STDOUT = 3, 6
        if frame[1] == FCGI_STDOUT and (at := frame.find(b"Status: ")) >= 0:
            self.status = frame[at + 8 : at + 11].decode()
        return getattr(self, "status", "200") if frame[1] == FCGI_END_REQUEST else MORE


class Grpc(Connection):
    DATA, HEADERS, SETTINGS, PING = 0, 1, 4, 6
    stream = -1

    def begin(self):
        self.socket.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + self.frame(self.SETTINGS, 0, 0, b""))

    def frame(self, kind, flags, stream, data):
        return len(data).to_bytes(3, "big") + struct.pack(">BBI", kind, flags, stream) + data

    def request(self):
        self.stream, self.has_data, path = self.stream + 2, False, b"/shop.v1.Users/Wait"
        # RFC 7541: POST and http from the static table, the others as texts, of which the table knows two names.
        fields = b"\x83\x86\x01\x09localhost\x04" + bytes([len(path)]) + path
        for name, value in (b"content-type", b"application/grpc"), (b"te", b"trailers"):
            fields += b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value
        message = b"\0" + struct.pack(">I", 100) + b"x" * 100
        data = self.frame(self.HEADERS, 4, self.stream, fields) + self.frame(self.DATA, 1, self.stream, message)
        return data, path.decode()

    def length(self, data):
        return 9 + int.from_bytes(data[:3], "big") if len(data) >= 9 else 0

    def hear(self, frame):
        _, kind, flags, stream = struct.unpack(">3sBBI", frame[:9])
        if kind in (self.SETTINGS, self.PING) and not flags & 1:
            self.socket.sendall(self.frame(kind, 1, 0, frame[9:] if kind == self.PING else b""))
        if kind not in (self.HEADERS, self.DATA) or stream != self.stream:
            return ELSE
        self.has_data |= kind == self.DATA
        # A call that fails has trailers alone.
        return ("OK" if self.has_data else "failed") if flags & 1 else MORE


class Kafka(Connection):
    place = 0

    def begin(self):
        self.ask(self.frame(18, 0, b""), "ApiVersions")

    def frame(self, key, version, body):
        data = struct.pack(">hhi", key, version, self.turn) + self.string(b"client") + body
        return struct.pack(">i", len(data)) + data

    def string(self, data):
        return struct.pack(">h", len(data)) + data

    def request(self):
        topic = self.string(b"clicks")
        # Behind the length, the number, the topics, the topic, the partitions and its number.
        self.place = 4 + len(topic) + 4 + 4
        body = struct.pack(">ii", -1, 1) + topic + struct.pack(">iiq", 1, 0, -1)
        return self.frame(2, 1, body), "ListOffsets clicks"

    def length(self, data):
        return 4 + int.from_bytes(data[:4], "big") if len(data) >= 4 else 0

    def hear(self, frame):
        assert struct.unpack(">i", frame[4:8])[0] == self.turn
        (code,) = struct.unpack_from(">h", frame, 8 + self.place)
        return "OK" if code == 0 else str(code)


class MongoDb(Connection):
    def begin(self):
        self.ask(self.message(b"\x10hello\0" + struct.pack("<i", 1), b"admin"), "hello")

    def message(self, element, database):
        document = element + b"\x02$db\0" + self.string(database) + b"\0"
        body = struct.pack("<IBi", 0, 0, 4 + len(document)) + document
        return struct.pack("<iiii", 16 + len(body), self.turn, 0, 2013) + body

    def string(self, data):
        return struct.pack("<i", len(data) + 1) + data + b"\0"

    def request(self):
        return self.message(b"\x02find\0" + self.string(b"slow"), b"shop"), "find slow"

    def length(self, data):
        return int.from_bytes(data[:4], "little") if len(data) >= 4 else 0

    def hear(self, frame):
        _, _, code = frame.partition(b"\x02codeName\0")
        return code[4:].split(b"\0")[0].decode() if code else "OK"


class Cassandra(Connection):
    ERROR = 0

    def begin(self):
        version = b"".join(struct.pack(">H", len(text)) + text for text in (b"CQL_VERSION", b"3.0.0"))
        self.ask(self.frame(1, struct.pack(">H", 1) + version), "STARTUP")

    def frame(self, kind, body):
        return struct.pack(">BBhBi", 4, 0, self.turn, kind, len(body)) + body

    def request(self):
        statement = b"SELECT name FROM slow"
        # One answers for all (ONE), and there are no values.
        body = struct.pack(">i", len(statement)) + statement + struct.pack(">HB", 1, 0)
        return self.frame(7, body), "SELECT slow"

    def length(self, data):
        return 9 + int.from_bytes(data[5:9], "big") if len(data) >= 9 else 0

    def hear(self, frame):
        assert struct.unpack(">h", frame[2:4])[0] == self.turn
        return "failed" if frame[4] == self.ERROR else "OK"


PROTOCOLS = {
    "amqp": Amqp, "cassandra": Cassandra, "dns": Dns, "fastcgi": FastCgi, "grpc": Grpc, "kafka": Kafka,
    "memcached": Memcached, "mongodb": MongoDb, "mqtt": Mqtt, "mysql": MySql, "mysql-closing": ClosingMySql, "nats": Nats,
}
