"""What nobody but the two ends may know: `canaries.py http PORT`, `canaries.py names`, `canaries.py ask NAME=PORT…`.

`http` serves HTTP, with secrets in what it answers. `names` is a name server at 127.0.0.1, of which it asks itself; it runs
in a network namespace of its own. `ask` talks to the servers of these protocols, and has a secret in each place that a
protocol has for one. Both tell all secrets at the end, as JSON. Nearly all of them begin with the same word, so that a
part of one is found as well.
"""

import base64
import contextlib
import json
import socket
import struct
import sys
import threading
import time

SECRETS = []


def secret(place):
    return keep(f"kanarie-{place}")


def keep(text):
    SECRETS.append(text)
    return text


def tell():
    print(json.dumps(sorted(set(SECRETS))), flush=True)


class Wire:
    """A connection of which each answer is waited for: as many bytes as there are, or up to some that end it."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.settimeout(20)

    def ask(self, data, end=b""):
        self.socket.sendall(data if isinstance(data, bytes) else data.encode())
        answer = self.socket.recv(65536)
        while answer and end not in answer:
            answer += self.socket.recv(65536)
        return answer

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()


def requests(place):
    """HTTP requests with secrets in all their parts."""
    number, identifier = keep("7316254980"), keep("3f2b8c1e-9d47-4a60-b5c2-7e1f0d9a8b63")
    path = f"/orders/{number}/{identifier}/{secret(place + '.mail')}@example.com"
    path += f";session={secret(place + '-session')}?token={secret(place + '-query')}#{secret(place + '-fragment')}"
    body = secret(place + "-body")
    basic = keep(base64.b64encode(f"user:{secret(place + '-basic')}".encode()).decode())
    # What is coded is not there in plain text.
    SECRETS.remove(f"kanarie-{place}-basic")
    yield (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {secret(place + '-bearer')}\r\n"
        f"Cookie: sid={secret(place + '-cookie')}\r\nX-Api-Key: {secret(place + '-header')}\r\n"
        f"Content-Type: text/plain\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    )
    yield (
        f"GET /search/{secret(place + '-word')}%20more?q=1 HTTP/1.1\r\nHost: localhost\r\n"
        f"Authorization: Basic {basic}\r\n\r\n"
    )
    yield f"GET http://user:{secret(place + '-userinfo')}@localhost/orders HTTP/1.1\r\nHost: localhost\r\n\r\n"


def ask_http(port, place="http"):
    for request in requests(place):
        with Wire(port) as wire:
            assert wire.ask(request, b"\r\n\r\n").startswith(b"HTTP/1.1 "), request
    if place == "http":
        for part in "reason", "set-cookie", "answer":
            secret("http-" + part)


def ask_fastcgi(port):
    ask_http(port, "fastcgi")


def ask_redis(port):
    def command(*words):
        words = [word.encode() for word in words]
        return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)

    key = secret("redis-key")
    with Wire(port) as wire:
        for words in (
            ("AUTH", secret("redis-user"), secret("redis-password")),
            ("SET", key, secret("redis-value")),
            ("GET", key),
            ("HSET", "hash", secret("redis-field"), secret("redis-content")),
            ("LPUSH", key, secret("redis-element")),
            ("EVAL", f"return redis.error_reply('ERR {secret('redis-error')}')", "0"),
        ):
            wire.ask(command(*words), b"\r\n")
        wire.ask(f"SET inline {secret('redis-inline')}\r\n", b"\r\n")


def ask_memcached(port):
    key, value = secret("memcached-key"), secret("memcached-value")
    with Wire(port) as wire:
        assert wire.ask(f"set {key} 0 0 {len(value)}\r\n{value}\r\n", b"\r\n") == b"STORED\r\n"
        assert value.encode() in wire.ask(f"get {key}\r\n", b"END\r\n")
        wire.ask(f"delete {secret('memcached-other')}\r\n", b"\r\n")


def ask_mqtt(port):
    text = lambda data: struct.pack(">H", len(data)) + data.encode()
    length = lambda count: bytes([count] if count < 0x80 else [0x80 | count & 0x7F, count >> 7])
    packet = lambda kind, data: bytes([kind]) + length(len(data)) + data
    names = "client", "will-topic", "will", "user", "password"
    client, topic, will, user, password = (secret("mqtt-" + name) for name in names)
    hello = text("MQTT") + bytes([4, 0xC6]) + struct.pack(">H", 60)
    with Wire(port) as wire:
        login = packet(0x10, hello + text(client) + text(topic) + text(will) + text(user) + text(password))
        assert wire.ask(login) == b"\x20\x02\0\0"
        for number in 1, 2, 3:
            publication = text("sensors/4711/temp") + struct.pack(">H", number) + secret("mqtt-payload").encode()
            assert wire.ask(packet(0x32, publication))[0] == 0x40


def ask_amqp(port):
    short = lambda data: bytes([len(data)]) + data.encode()
    long = lambda data: struct.pack(">I", len(data)) + data
    frame = lambda kind, channel, data: struct.pack(">BHI", kind, channel, len(data)) + data + b"\xce"
    method = lambda channel, kind, number, data=b"": frame(1, channel, struct.pack(">HH", kind, number) + data)

    def begin(wire, user, password):
        assert wire.ask(b"AMQP\0\0\x09\x01", b"\xce")
        login = long(b"") + short("PLAIN") + long(f"\0{user}\0{password}".encode()) + short("en_US")
        return wire.ask(method(0, 10, 11, login))

    with Wire(port) as wire, contextlib.suppress(ConnectionResetError):
        # Nobody is called so.
        begin(wire, secret("amqp-user"), secret("amqp-password"))
    with Wire(port) as wire:
        assert begin(wire, "guest", "guest")
        wire.socket.sendall(method(0, 10, 31, struct.pack(">HIH", 100, 131072, 0)))
        wire.ask(method(0, 10, 40, short("/") + b"\0\0"))
        wire.ask(method(1, 20, 10, b"\0"))
        wire.ask(method(1, 50, 10, b"\0\0" + short("orders") + b"\x04" + long(b"")))
        wire.ask(method(1, 85, 10, b"\0"))
        body = secret("amqp-body").encode()
        # A property: the id of the message.
        head = struct.pack(">HHQH", 60, 0, len(body), 1 << 7) + short(secret("amqp-property"))
        publication = method(1, 60, 40, b"\0\0" + short("") + short("orders") + b"\0")
        assert wire.ask(publication + frame(2, 1, head) + frame(3, 1, body))
        assert body in wire.ask(method(1, 60, 70, b"\0\0" + short("orders") + b"\x01"), body)


def ask_nats(port):
    login = {"verbose": True, "user": secret("nats-user"), "pass": secret("nats-password"), "auth_token": secret("nats-token")}
    payload = secret("nats-payload")
    with Wire(port) as wire:
        wire.socket.recv(4096)
        assert wire.ask(f"CONNECT {json.dumps(login)}\r\n") == b"+OK\r\n"
        wire.ask("SUB orders.new 1\r\n")
        wire.ask(f"PUB orders.new {len(payload)}\r\n{payload}\r\n", payload.encode())


def statements(do, place, again):
    """Statements with secrets in what is no name; `again` is what is raised where a key is there already."""
    do("CREATE TABLE orders (id varchar(100) PRIMARY KEY, item varchar(100))")
    key = secret(place + "-key")
    for _ in range(2):
        try:
            do(f"INSERT INTO orders VALUES ('{key}', '{secret(place + '-literal')}')")
        except again:
            pass
    do(f"SELECT item FROM orders WHERE id = '{key}' AND 7316254980 > 1 /* {secret(place + '-comment')} */")
    do(f"UPDATE orders SET item = 'it''s {secret(place + '-quoted')}' WHERE id = 'x' -- {secret(place + '-remark')}")
    do("SELECT item FROM orders WHERE id = %s AND item <> %s", (key, secret(place + "-parameter")))


def ask_postgres(port):
    import psycopg

    place = {"host": "127.0.0.1", "port": port, "dbname": "postgres", "sslmode": "disable", "gssencmode": "disable"}
    password = secret("postgres-password")
    with psycopg.connect(**place, user="postgres", autocommit=True) as connection:
        do = connection.execute
        statements(do, "postgres", psycopg.errors.UniqueViolation)
        do(f"SELECT $q${secret('postgres-dollar')}$q$, E'{secret('postgres-escape')}', U&'{secret('postgres-unicode')}'")
        do("SELECT item FROM orders WHERE id = %s", (secret("postgres-prepared"),), prepare=True)
        do(f"CREATE ROLE reader LOGIN PASSWORD '{password}'")
        do("GRANT SELECT ON orders TO reader")
        do("SELECT pg_reload_conf()")
        with connection.cursor().copy("COPY orders FROM STDIN") as copy:
            copy.write(f"1\t{secret('postgres-copied')}\n")
    # Until the server has read that it is to ask for the password.
    for _ in range(100):
        with psycopg.connect(**place, user="reader", password=password) as connection:
            connection.execute("SELECT item FROM orders")
            if connection.pgconn.used_password:
                return
        time.sleep(0.1)
    sys.exit("the server does not ask for a password")


def ask_mysql(port):
    import pymysql

    connection = pymysql.connect(host="127.0.0.1", port=port, user="root", autocommit=True, ssl_disabled=True)

    def do(statement, values=None):
        with connection.cursor() as cursor:
            cursor.execute(statement, values)
            cursor.fetchall()

    do("CREATE DATABASE canaries")
    connection.select_db("canaries")
    statements(do, "mysql", pymysql.err.IntegrityError)
    do(f'SELECT "{secret("mysql-double")}", x\'{keep("6b616e61726965")}\' # {secret("mysql-hash")}')
    do(f"CREATE USER reader IDENTIFIED BY '{secret('mysql-password')}'")
    connection.close()


def ask(*servers):
    print("ready", flush=True)
    for server in servers:
        name, port = server.split("=")
        globals()["ask_" + name](int(port))
    tell()


def http(port):
    listener = socket.create_server(("127.0.0.1", int(port)))
    answer = secret("http-answer")
    head = f"HTTP/1.1 200 {secret('http-reason')}\r\nSet-Cookie: sid={secret('http-set-cookie')}\r\n"
    answer = f"{head}Content-Length: {len(answer)}\r\nConnection: close\r\n\r\n{answer}".encode()
    print("ready", flush=True)
    while True:
        with listener.accept()[0] as connection:
            connection.recv(65536)
            connection.sendall(answer)


def names():
    """A text, and an address with a text beside it, both asked for on the port on which answers name addresses."""
    name = b"\x02db\x07example\x03com\0"
    record = lambda kind, data: b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 60, len(data)) + data
    text = lambda place: record(16, bytes([len(secret(place))]) + secret(place).encode())
    address = record(1, socket.inet_aton("198.51.100.1"))
    answers = {16: (1, 0, text("dns-text")), 1: (1, 1, address + text("dns-additional"))}

    def serve(server):
        while True:
            question, client = server.recvfrom(512)
            (kind,) = struct.unpack("!H", question[-4:-2])
            found, more, records = answers[kind]
            head = question[:2] + struct.pack("!5H", 0x8180, 1, found, 0, more)
            server.sendto(head + question[12:] + records, client)

    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 53))
    threading.Thread(target=serve, args=(server,), daemon=True).start()
    print("ready", flush=True)
    for kind in (16, 1) * 3:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.sendto(struct.pack("!6H", 7, 0x0100, 1, 0, 0, 0) + name + struct.pack("!HH", kind, 1), ("127.0.0.1", 53))
            client.recvfrom(512)
    tell()


if __name__ == "__main__":
    role, *arguments = sys.argv[1:]
    globals()[role](*arguments)
