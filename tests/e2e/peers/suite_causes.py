"""Tests that have cards administered and write rows. The environment says where the servers are."""

import os
import subprocess
import sys

import psycopg
import pytest

KEYS = ("--identity", os.environ["CARD_IDENTITY"], "--key", os.environ["CARD_KEY"])


@pytest.fixture(scope="module")
def database():
    """One connection that is kept over all tests."""
    where = f"host=127.0.0.1 port={os.environ['ROWS_PORT']} user=postgres dbname=postgres sslmode=disable"
    with psycopg.connect(where, autocommit=True) as connection:
        yield connection


def card(sessions):
    program, server = os.environ["CARD_PROGRAM"], f"127.0.0.1:{os.environ['LAB_PORT']}"
    subprocess.run([program, "--connect", server, *KEYS, "--sessions", str(sessions)], check=True)


def test_card(database):
    card(1)
    database.execute("INSERT INTO results VALUES (1)")
    database.execute("UPDATE results SET a = 2")


def test_rows(database):
    words = ["card", os.environ["CLEAR_PORT"], "2", "complete"]
    subprocess.run([sys.executable, os.environ["CLEAR_CARD"], *words], check=True)
    database.execute("DELETE FROM results")


def test_nothing():
    pass


def test_wrong(database):
    card(1)
    database.execute("INSERT INTO results VALUES (1)")
    raise AssertionError("this one fails")
