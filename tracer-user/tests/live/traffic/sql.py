"""Requests to a database, and what came of them as its client saw it: `sql.py ROLE DATABASE PORT USER ARGUMENTS…`.

DATABASE is `postgres` (with psycopg) or `mysql` (with PyMySQL); USER needs no password, and may create tables.
`prepare DATABASE PORT USER` makes the table `traffic`. `ask DATABASE PORT USER REQUESTS CONNECTIONS` opens CONNECTIONS
connections, makes REQUESTS requests over all of them at once, every tenth of which fails, and closes them. It prints
JSON: how often each operation ended with which status, named as the tracer names them, also those that only begin a
connection, and quantiles of the time that the requests took, in microseconds.
"""

import collections
import json
import sys
import threading
import time

ROWS = 100


class Postgres:
    """Statements with parameters; each connection prepares one."""

    CONNECTING = [("CONNECT", "OK"), ("PREPARE SELECT traffic", "OK"), ("SELECT traffic", "OK")]
    DUPLICATE, MISSING = "23505", "42P01"

    def __init__(self, port, user):
        import psycopg

        self.error = psycopg.Error
        self.connection = psycopg.connect(
            host="127.0.0.1", port=port, user=user, dbname="postgres", autocommit=True, sslmode="disable",
            gssencmode="disable", prepare_threshold=2**30,  # Only what is said to be prepared.
        )

    def begin(self):
        self.do("SELECT item FROM traffic WHERE id = %s", (1,), prepare=True)

    def do(self, statement, values=None, **options):
        cursor = self.connection.execute(statement, values, **options)
        if cursor.description:
            cursor.fetchall()

    def select(self, number):
        self.do("SELECT item FROM traffic WHERE id = %s", (number,), prepare=True)

    def status(self, error):
        return error.sqlstate


class MySql:
    """Statements as texts, which is all that PyMySQL sends."""

    CONNECTING = [("CONNECT", "OK"), ("USE traffic", "OK")]
    DUPLICATE, MISSING = "1062", "1146"

    def __init__(self, port, user):
        import pymysql

        if hasattr(pymysql.Connection, "set_character_set"):
            # Newer versions begin with SET NAMES.
            MySql.CONNECTING = [("CONNECT", "OK"), ("SET", "OK"), ("USE traffic", "OK")]
        self.error = pymysql.Error
        self.connection = pymysql.connect(
            host="127.0.0.1", port=port, user=user, autocommit=True, ssl_disabled=True,
        )

    def begin(self):
        self.connection.select_db("traffic")

    def do(self, statement, values=None):
        with self.connection.cursor() as cursor:
            cursor.execute(statement, values)
            cursor.fetchall()

    def select(self, number):
        self.do("SELECT item FROM traffic WHERE id = %s", (number,))

    def status(self, error):
        return str(error.args[0])


DATABASES = {"postgres": Postgres, "mysql": MySql}


def say(word):
    print(word, flush=True)


def prepare(database, port, user):
    client = DATABASES[database](int(port), user)
    if database == "mysql":
        client.do("CREATE DATABASE IF NOT EXISTS traffic")
        client.begin()
    client.do("DROP TABLE IF EXISTS traffic")
    client.do("CREATE TABLE traffic (id int PRIMARY KEY, item varchar(100), amount int)")
    for number in range(ROWS):
        client.do("INSERT INTO traffic VALUES (%s, %s, 0)", (number, f"item {number}"))
    client.connection.close()
    say(json.dumps({"operations": {}, "p50_us": 0, "p99_us": 0}))


def request(client, number):
    """One request: its operation, the status that it is to have, and a function that makes it."""
    row = number % ROWS
    if number % 20 == 9:
        return "INSERT traffic", client.DUPLICATE, lambda: client.do("INSERT INTO traffic VALUES (%s, 'x', 1)", (row,))
    if number % 20 == 19:
        return "SELECT missing", client.MISSING, lambda: client.do("SELECT * FROM missing WHERE id = %s", (row,))
    if number % 5 == 3:
        change = "UPDATE traffic SET amount = amount + 1 WHERE id = %s"
        return "UPDATE traffic", "OK", lambda: client.do(change, (row,))
    if number % 5 == 1:
        # A table that is only found behind a common table expression.
        few = "WITH few AS (SELECT * FROM traffic WHERE id < %s) SELECT count(*) FROM few"
        return "SELECT traffic", "OK", lambda: client.do(few, (row,))
    return "SELECT traffic", "OK", lambda: client.select(row)


def work(client, numbers, latencies):
    for number in numbers:
        operation, expected, make = request(client, number)
        status = "OK"
        start = time.perf_counter()
        try:
            make()
        except client.error as error:
            status = client.status(error)
        latencies[operation, status].append((time.perf_counter() - start) * 1e6)
        if status != expected:
            raise RuntimeError(f"{operation} ended with {status}, not with {expected}")


def quantile(values, share):
    return round(sorted(values)[min(int(len(values) * share), len(values) - 1)]) if values else None


def ask(database, port, user, requests, connections):
    requests, connections = int(requests), int(connections)
    clients = [DATABASES[database](int(port), user) for _ in range(connections)]
    for client in clients:
        client.begin()
    shares = [collections.defaultdict(list) for _ in clients]
    threads = [
        threading.Thread(target=work, args=(client, range(place, requests, connections), shares[place]))
        for place, client in enumerate(clients)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for client in clients:
        client.connection.close()
    latencies = collections.defaultdict(list)
    for share in shares:
        for key, values in share.items():
            latencies[key] += values
    counts = collections.Counter({key: len(values) for key, values in latencies.items()})
    counts.update(DATABASES[database].CONNECTING * connections)
    everything = [value for values in latencies.values() for value in values]
    if len(everything) != requests:
        sys.exit("not every request was made")
    operations = {}
    for (operation, status), count in sorted(counts.items()):
        operations.setdefault(operation, {})[status] = count
    say(json.dumps({"operations": operations, "p50_us": quantile(everything, 0.5), "p99_us": quantile(everything, 0.99)}))


if __name__ == "__main__":
    role, *arguments = sys.argv[1:]
    globals()[role](*arguments)
