import os
import re
import subprocess
import sys

import pytest
from tests.cli.conftest import Result

import tombola as package

VERBS = (
    "demo",
    "train",
    "prune",
    "imp",
    "search",
    "sweep",
    "construct",
    "recommend",
    "verify",
    "info",
    "explain",
    "compare",
    "flow",
    "transfer",
    "predict-transfer",
    "size",
    "speed",
    "export",
    "list",
    "universal",
    "runs",
)


def process(*words, **options):
    """The command line in a process of its own."""
    command = [sys.executable, "-m", "tombola", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, **options)
    return Result(done.returncode, done.stdout, done.stderr)


def test_the_version_is_that_of_the_package(tombola):
    assert tombola("--version") == (0, f"tombola {package.__version__}\n", "")


@pytest.mark.parametrize("words", [(), ("--help",)])
def test_help_names_every_verb_and_every_exit_code(tombola, words):
    code, out, err = tombola(*words)
    assert (code, err) == (0, "")
    assert re.findall(r"^  ([\w-]+)  ", out.partition("Commands:")[2], re.MULTILINE) == list(VERBS)
    assert "0 done, 1 a check failed, 2 bad input, 130" in out
    assert max(map(len, out.splitlines())) <= 80


@pytest.mark.parametrize("verb", VERBS)
def test_the_help_of_a_verb_fits_a_terminal_and_ends_in_an_example(tombola, verb):
    code, out, err = tombola(verb, "--help")
    assert (code, err) == (0, "")
    assert f"Example: tombola {verb}" in out.splitlines()[-1]
    assert max(map(len, out.splitlines())) <= 80
    assert "..." not in out.partition("Options:")[2]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["conjure"], "'conjure'"),
        (["construct"], "TARGET"),
        (["construct", "x", "--sed", "1"], "--seed"),
        (["construct", "x", "--seed", "one"], "--seed"),
        (["construct", "x", "--depth", "three"], "'two-layer', 'one-extra'"),
        (["construct", "x", "--objective", "best"], "'sparsest', 'nearest', 'lightest'"),
        (["construct", "x", "--inputs", "sphere"], "'positive-box'"),
        (["construct", "x", "--threads", "0"], "--threads"),
        (["train", "digits", "mlp:64-10", "-o", "x", "--epochs", "0"], "--epochs"),
        (["list", "things"], "'models', 'data'"),
    ],
)
def test_a_command_line_that_makes_no_sense_is_bad_input(tombola, words, said):
    result = tombola(*words)
    assert (result.code, result.out) == (2, "")
    assert said in result.complaint
    assert "--help`" in result.complaint


def test_an_error_that_nobody_thought_of_is_no_failed_check(tombola, monkeypatch):
    def broken(path):
        raise AssertionError("a bug")

    monkeypatch.setattr("tombola.ticket.load_ticket", broken)
    result = tombola("info", "x.ticket")
    assert result.code == 70
    assert "Traceback" in result.err
    assert "AssertionError" in result.err.splitlines()[-1]


def test_a_traceback_is_there_for_those_who_ask(tombola, monkeypatch):
    assert "Traceback" not in tombola("info", "x.ticket").err
    monkeypatch.setenv("TOMBOLA_DEBUG", "1")
    result = tombola("info", "x.ticket")
    assert result.code == 2
    assert "Traceback" in result.err


@pytest.mark.parametrize("words", [["--help"], ["construct", "--help"], ["--version"], ["list", "constructions"]])
def test_help_does_not_wait_for_torch(words):
    script = (
        "import sys\n"
        "from tombola.cli import main\n"
        "try:\n"
        f"    main({words})\n"
        "finally:\n"
        "    heavy = {'torch', 'numba', 'scipy', 'sklearn', 'numpy'} & set(sys.modules)\n"
        "    sys.stderr.write(' '.join(sorted(heavy)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert done.stdout


def test_a_process_has_the_exit_code_of_its_verb():
    result = process("info", "nowhere.ticket")
    assert (result.code, result.out) == (2, "")
    assert result.complaint == "tombola: nowhere.ticket: No such file or directory\n"


def test_a_reader_that_has_left_is_no_reason_to_complain():
    read, written = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "tombola", "list", "constructions"]
    done = subprocess.run(command, stdout=written, stderr=subprocess.PIPE, check=False)
    os.close(written)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="the system has no device that is always full")
def test_output_that_cannot_be_written_is_one_line():
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "tombola", "list", "constructions"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 2
    assert Result(2, "", done.stderr).complaint == "tombola: standard output: No space left on device\n"
