"""Commands for a document store: `mongodb.py server PORT` and `mongodb.py client PORT REQUESTS CONNECTIONS`.

The server is a script: no server of MongoDB is in a Debian package. It speaks the wire protocol, and what it answers
depends on the collection. The client is PyMongo (Debian: python3-pymongo): up to CONNECTIONS connections of one pool,
and as many threads that do REQUESTS things each, of which four of ten fail and one moves a hundred kilobytes both ways.
At the end comes one line of JSON: commands by operation and status as PyMongo's own listeners told them, and quantiles of the
time that the commands took, in microseconds.
"""

import collections
import json
import socketserver
import struct
import sys
import threading
import time

import bson

MSG, QUERY, REPLY = 2013, 2004, 1
MORE_TO_COME = 1 << 1
HELLO = ("hello", "isMaster", "ismaster")
# Longer than what is told of one input or output.
PICTURE = b"p" * 100_000
USERS = [{"_id": number, "name": f"user {number}"} for number in range(3)]


def error(code, name):
    return {"ok": 0.0, "errmsg": f"{name}, as always", "code": code, "codeName": name}


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128


class Connection(socketserver.BaseRequestHandler):
    answered = 0

    def take(self, length):
        data = b""
        while len(data) < length:
            more = self.request.recv(length - len(data))
            if not more:
                raise EOFError
            data += more
        return data

    def send(self, kind, body, answers):
        Connection.answered += 1
        header = struct.pack("<4i", 16 + len(body), Connection.answered, answers, kind)
        self.request.sendall(header + body)

    def handle(self):
        try:
            while True:
                length, number, _, kind = struct.unpack("<4i", self.take(16))
                body = self.take(length - 16)
                if kind == QUERY:
                    after = body.index(b"\0", 4) + 9
                    answer = self.answer(bson.decode(body[after:]), {})
                    self.send(REPLY, struct.pack("<iqii", 8, 0, 0, 1) + bson.encode(answer), number)
                    continue
                assert kind == MSG, kind
                self.command(number, body)
        except (EOFError, ConnectionError):
            pass

    def command(self, number, body):
        flags, place, command, rows = struct.unpack("<I", body[:4])[0], 4, None, {}
        while place < len(body) - 4 * (flags & 1):
            section = body[place]
            (length,) = struct.unpack("<i", body[place + 1 : place + 5])
            data = body[place + 1 : place + 1 + length]
            if section == 0:
                command = bson.decode(data)
            else:
                name, documents = data[4:].split(b"\0", 1)
                rows[name.decode()] = bson.decode_all(documents)
            place += 1 + length
        answer = self.answer(command, rows)
        if not flags & MORE_TO_COME:
            self.send(MSG, struct.pack("<IB", 0, 0) + bson.encode(answer), number)

    def batch(self, collection, cursor, name="nextBatch"):
        return {"cursor": {name: USERS, "id": bson.Int64(cursor), "ns": f"shop.{collection}"}, "ok": 1.0}

    def answer(self, command, rows):
        name = next(iter(command))
        collection = command[name]
        if name in HELLO:
            return {
                "ismaster": True, "maxBsonObjectSize": 16 << 20, "maxMessageSizeBytes": 48_000_000,
                "maxWriteBatchSize": 100_000, "minWireVersion": 0, "maxWireVersion": 9, "ok": 1.0,
            }
        if collection == "slow":
            time.sleep(0.01)
            return error(50, "MaxTimeMSExpired")
        if collection == "secret":
            return error(13, "Unauthorized")
        if collection == "broken":
            return error(1, "InternalError")
        if collection == "taken":
            return {"n": 0, "writeErrors": [{"index": 0, "code": 11000, "errmsg": "E11000 duplicate key"}], "ok": 1.0}
        if name == "find" and collection == "pictures":
            return {"cursor": {"firstBatch": [{"data": PICTURE}], "id": bson.Int64(0), "ns": "shop.pictures"}, "ok": 1.0}
        if name in ("find", "aggregate"):
            return self.batch(collection, 7 if "batchSize" in command else 0, "firstBatch")
        if name == "getMore":
            return self.batch(command["collection"], 0)
        if name in ("insert", "update", "delete"):
            return {"n": len(next(iter(rows.values()), [])), "nModified": 1, "ok": 1.0}
        return error(59, "CommandNotFound")


def server(port):
    with Server(("127.0.0.1", port), Connection) as listener:
        print("ready", flush=True)
        listener.serve_forever()


class Tally:
    """Commands by operation and status, as PyMongo tells them."""

    def __init__(self):
        self.lock = threading.Lock()
        self.operations = collections.defaultdict(collections.Counter)
        self.asked = {}
        self.microseconds = []

    def count(self, operation, status):
        with self.lock:
            self.operations[operation][status] += 1

    def started(self, event):
        name = event.command_name
        collection = event.command["collection" if name == "getMore" else name]
        operation = f"{name} {collection}" if isinstance(collection, str) else name
        is_answered = event.command.get("writeConcern", {}).get("w") != 0
        self.asked[event.request_id] = operation, is_answered

    def succeeded(self, event):
        self.ended(event, event.reply)

    def failed(self, event):
        self.ended(event, event.failure)

    def ended(self, event, reply):
        operation, is_answered = self.asked.pop(event.request_id)
        status = "OK"
        if reply.get("ok") == 0:
            status = reply["codeName"]
        elif "writeErrors" in reply:
            status = {11000: "DuplicateKey"}[reply["writeErrors"][0]["code"]]
        self.count(operation, status if is_answered else "")
        if is_answered:
            self.microseconds.append(event.duration_micros)

    def report(self):
        times = sorted(self.microseconds)
        quantile = lambda share: times[min(len(times) - 1, int(len(times) * share))]
        report = {"operations": self.operations, "p50_us": quantile(0.5), "p99_us": quantile(0.99)}
        print(json.dumps(report), flush=True)


def listeners(tally):
    from pymongo import monitoring

    class Commands(monitoring.CommandListener):
        started = staticmethod(tally.started)
        succeeded = staticmethod(tally.succeeded)
        failed = staticmethod(tally.failed)

    class Heartbeats(monitoring.ServerHeartbeatListener):
        started = staticmethod(lambda event: None)
        succeeded = staticmethod(lambda event: tally.count("ismaster", "OK"))
        failed = staticmethod(lambda event: tally.count("ismaster", "failed"))

    class Pool(monitoring.ConnectionPoolListener):
        # What each begins with is one command.
        connection_ready = staticmethod(lambda event: tally.count("ismaster", "OK"))

    ignored = "pool_created", "pool_cleared", "pool_closed", "connection_created", "connection_closed"
    ignored += "connection_check_out_started", "connection_check_out_failed", "connection_checked_out"
    for name in (*ignored, "connection_checked_in"):
        setattr(Pool, name, staticmethod(lambda event: None))
    Pool.__abstractmethods__ = frozenset()
    return [Commands(), Heartbeats(), Pool()]


def work(database, requests):
    from pymongo import WriteConcern, errors

    unacknowledged = database.events.with_options(write_concern=WriteConcern(w=0))
    for number in range(requests):
        turn = number % 10
        try:
            if turn == 0:
                database.users.find_one({"name": "anna"})
            elif turn == 5:
                assert database.pictures.find_one({})["data"] == PICTURE
                database.pictures.insert_one({"data": PICTURE})
            elif turn == 1:
                database.orders.insert_one({"_id": number})
            elif turn == 2:
                database.orders.update_one({"_id": number}, {"$set": {"paid": True}})
            elif turn == 3:
                unacknowledged.insert_one({"kind": "seen"})
            elif turn == 4:
                # Two batches: the second is a command of its own.
                list(database.users.find({}, batch_size=3))
            elif turn == 6:
                database.secret.find_one({})
            elif turn == 7:
                database.broken.delete_one({"_id": number})
            elif turn == 8:
                database.slow.count_documents({})
            else:
                database.taken.insert_one({"_id": number})
        except (errors.OperationFailure, errors.DuplicateKeyError):
            assert turn in (6, 7, 8, 9), turn


def client(port, requests, connections):
    import pymongo

    tally = Tally()
    listening = listeners(tally)
    store = pymongo.MongoClient(
        "127.0.0.1", port, maxPoolSize=connections, event_listeners=listening, retryWrites=False, retryReads=False
    )
    threads = [threading.Thread(target=work, args=(store.shop, requests)) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    store.close()
    tally.report()


if __name__ == "__main__":
    role, *arguments = sys.argv[1:]
    globals()[role](*map(int, arguments))
