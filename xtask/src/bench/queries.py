"""Answers lines `sqlite COUNT` and `postgres COUNT` with the nanoseconds that the statement in the middle took: queries.py PORT."""

import sqlite3
import sys
import time

import psycopg


def middle(count, execute):
    times = []
    for number in range(count):
        start = time.perf_counter_ns()
        execute(number)
        times.append(time.perf_counter_ns() - start)
    return sorted(times)[count // 2]


def sqlite(count):
    base = sqlite3.connect(":memory:", isolation_level=None)
    base.execute("CREATE TABLE cards (number INTEGER PRIMARY KEY, status TEXT)")
    base.executemany("INSERT INTO cards VALUES (?, 'good')", ((number,) for number in range(1000)))
    query = "SELECT status FROM cards WHERE number = ?"
    took = middle(count, lambda number: base.execute(query, (number % 1000,)).fetchone())
    base.close()
    return took


def postgres(count):
    # The agent reads a connection from its first byte.
    with psycopg.connect(f"host=127.0.0.1 port={sys.argv[1]} user=postgres dbname=postgres sslmode=disable") as base:
        query = "SELECT count(*) FROM pg_class WHERE oid = %s"
        return middle(count, lambda number: base.execute(query, (number,)).fetchone())


for line in sys.stdin:
    system, count = line.split()
    print({"sqlite": sqlite, "postgres": postgres}[system](int(count)), flush=True)
