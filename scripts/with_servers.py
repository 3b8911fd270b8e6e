"""Run a command with the three local servers up: with_servers.py -- COMMAND [ARG...]

The command finds the servers through its environment:

    REBUCKET_TEST_S3          URL of SeaweedFS
    REBUCKET_TEST_SQS         URL of MiniStack
    REBUCKET_TEST_MOTO        URL of moto
    REBUCKET_TEST_ACCESS_KEY  credentials that SeaweedFS checks
    REBUCKET_TEST_SECRET_KEY
    REBUCKET_TEST_WEED        path of the weed program, for tests that start their own
    REBUCKET_TEST_BIN         folder with the built `rebucket` and `rebucket-worker`

The exit code is the command's. Servers are stopped however the command ends.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from binaries import binary_folder
from clients import clean_environment
from servers import (
    Server,
    ServerError,
    Servers,
    exit_on_sigterm,
    program,
    running_servers,
    signals_held_back,
)

WATCH_SECONDS = 0.5
COMMAND_STOP_SECONDS = 30


def main(arguments: list[str]) -> int:
    if arguments[:1] == ["--"]:
        arguments = arguments[1:]
    if not arguments or arguments[0] in ("-h", "--help"):
        print(__doc__)
        return 0 if arguments else 2
    exit_on_sigterm()
    base = Path(tempfile.mkdtemp(prefix="rebucket-servers-"))
    try:
        with running_servers(base) as servers:
            return run(arguments, servers)
    except ServerError as error:
        say(str(error))
        return 1
    finally:
        with signals_held_back():
            shutil.rmtree(base, ignore_errors=True)


def run(command: list[str], servers: Servers) -> int:
    try:
        child = subprocess.Popen(command, env=environment(servers))
    except OSError as error:
        say(f"cannot run {command[0]}: {error.strerror}")
        return 127
    try:
        code, lost = watch(child, servers)
    finally:
        stop(child)
    if lost and code == 0:
        say("the command succeeded, but without all its servers: counted as failed")
        return 1
    return code


def environment(servers: Servers) -> dict[str, str]:
    return {
        **clean_environment(),
        "REBUCKET_TEST_S3": servers.url("weed"),
        "REBUCKET_TEST_SQS": servers.url("ministack"),
        "REBUCKET_TEST_MOTO": servers.url("moto"),
        "REBUCKET_TEST_ACCESS_KEY": servers.credentials.access_key,
        "REBUCKET_TEST_SECRET_KEY": servers.credentials.secret_key,
        "REBUCKET_TEST_WEED": str(program("weed")),
        "REBUCKET_TEST_BIN": str(binary_folder()),
    }


def watch(child: subprocess.Popen, servers: Servers) -> tuple[int, list[Server]]:
    """Wait for the command; report, once each, the servers that end before it does."""
    lost: list[Server] = []
    while True:
        try:
            code = child.wait(WATCH_SECONDS)
        except subprocess.TimeoutExpired:
            code = None
        for server in servers.exited():
            if server not in lost:
                lost.append(server)
                say(
                    f"{server.name} ended with code {server.process.returncode} while the "
                    f"command ran; its log ends:\n{server.log_tail()}"
                )
        if code is not None:
            # A command killed by signal N is reported as a shell would.
            return (code if code >= 0 else 128 - code), lost


def stop(child: subprocess.Popen) -> None:
    """End a command that is still running because we were interrupted."""
    with signals_held_back():
        if child.poll() is None:
            child.terminate()
            try:
                child.wait(COMMAND_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


def say(message: str) -> None:
    print(f"with_servers: {message}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
