"""Forty tests, four of each outcome that pytest knows; parameters that look like PINs are secrets to the agent."""

import sys
import time

import pytest

PIN = "SecretPin7391"


@pytest.fixture
def broken():
    raise RuntimeError("set-up")


@pytest.fixture
def left_broken():
    yield
    raise RuntimeError("tear-down")


class TestEvery:
    @pytest.mark.parametrize("pin", [f"{PIN}-{n}" for n in range(3)] + ["a::b[c] (call)"])
    def test_passes(self, pin):
        time.sleep(0.002)

    @pytest.mark.parametrize("n", range(4))
    def test_fails(self, n):
        assert n == PIN

    @pytest.mark.skip(reason="not here (today)")
    @pytest.mark.parametrize("n", range(4))
    def test_is_skipped(self, n):
        pass

    @pytest.mark.parametrize("n", range(4))
    def test_skips(self, n):
        pytest.skip("no reader")


@pytest.mark.parametrize("n", range(4))
def test_set_up_fails(n, broken):
    pass


@pytest.mark.parametrize("n", range(4))
def test_tear_down_fails(n, left_broken):
    pass


@pytest.mark.xfail(reason="known")
@pytest.mark.parametrize("n", range(4))
def test_fails_as_expected(n):
    assert n is None


@pytest.mark.xfail(run=False, reason="hangs")
@pytest.mark.parametrize("n", range(4))
def test_is_not_run(n):
    raise SystemExit


@pytest.mark.xfail
@pytest.mark.parametrize("n", range(4))
def test_passes_unexpectedly(n):
    pass


@pytest.mark.parametrize("n", range(4))
def test_talks(n):
    print("PASSED" if n % 2 else "done.F")
    sys.stdout.write("E" * n * 4000)
    assert n != 2
