"""SeaweedFS (S3), MiniStack (SQS) and moto (S3 and SQS), started for one run.

Each server listens on free loopback ports, keeps its data in a folder of its
own, and is used only after it has answered a signed request. All are stopped
when the `running_servers` block ends, however it ends.
"""

from __future__ import annotations

import json
import os
import random
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from clients import Credentials, clean_environment, client

HOST = "127.0.0.1"
READY_SECONDS = 60
# Their data is thrown away: a server that wants to end tidily (weed would take
# over 10 s) is not waited for.
STOP_SECONDS = 2
START_ATTEMPTS = 3
# weed listens on every port P and, for gRPC, on P + 10000. Below 22000 both
# are outside the range that Linux and macOS hand out to outgoing connections,
# so nothing takes a port between our look at it and the server's bind.
PORTS = range(11000, 22000)
GRPC_OFFSET = 10000


class ServerError(Exception):
    """A server that did not start, or stopped when it should not have."""


@dataclass(frozen=True)
class Launch:
    """How to run one server: its command, extra environment, and where it answers."""

    argv: list[str]
    env: dict[str, str]
    url: str
    # Files outside its folder that the server makes and does not always remove.
    litter: tuple[Path, ...] = ()


@dataclass
class Server:
    name: str
    url: str
    process: subprocess.Popen
    log: Path
    litter: tuple[Path, ...]

    def exited(self) -> bool:
        return self.process.poll() is not None

    def log_tail(self, lines: int = 25) -> str:
        text = self.log.read_text(errors="replace").splitlines()
        return "\n".join(f"    {line}" for line in text[-lines:]) or "    (empty log)"


@dataclass(frozen=True)
class Servers:
    """The running servers by name, and the credentials that they accept."""

    by_name: dict[str, Server]
    credentials: Credentials

    def url(self, name: str) -> str:
        return self.by_name[name].url

    def exited(self) -> list[Server]:
        return [server for server in self.by_name.values() if server.exited()]


def program(name: str) -> Path:
    """A program of this interpreter's virtual environment."""
    path = Path(os.path.abspath(sys.executable)).parent / name
    if not path.exists():
        raise ServerError(f"{name} is not beside {sys.executable}: run `make venv` first")
    return path


def free_ports(count: int) -> list[int]:
    """`count` loopback ports whose gRPC twins are free too."""
    found: list[int] = []
    for port in random.sample(PORTS, len(PORTS)):
        if is_free(port) and is_free(port + GRPC_OFFSET):
            found.append(port)
            if len(found) == count:
                return found
    raise ServerError(f"no {count} free ports between {PORTS.start} and {PORTS.stop}")


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def weed(folder: Path, credentials: Credentials) -> Launch:
    """SeaweedFS: the S3 server on which the demo and most tests run."""
    master, volume, filer, s3 = free_ports(4)
    data = folder / "data"
    data.mkdir(exist_ok=True)
    config = folder / "s3.json"
    identity = {
        "name": "admin",
        "credentials": [{"accessKey": credentials.access_key, "secretKey": credentials.secret_key}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    config.write_text(json.dumps({"identities": [identity]}))
    argv = [
        str(program("weed")),
        "server",
        f"-ip={HOST}",
        f"-ip.bind={HOST}",
        f"-dir={data}",
        "-master.telemetry=false",
        "-master.volumeSizeLimitMB=1024",
        # Every bucket takes volumes of its own; with the default of 8 in all,
        # the second bucket could not be written to.
        "-volume.max=500",
        # Nobody else routes to this volume server: nothing to wait for at the end.
        "-volume.preStopSeconds=0",
        f"-master.port={master}",
        f"-volume.port={volume}",
        f"-filer.port={filer}",
        f"-filer.localSocket={folder / 'filer.sock'}",
        "-s3",
        f"-s3.port={s3}",
        f"-s3.config={config}",
        f"-s3.localSocket={folder / 's3.sock'}",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
    ]
    env = {
        # One volume a bucket instead of 7: 500 buckets instead of 71.
        "WEED_MASTER_VOLUME_GROWTH_COPY_1": "1",
        # Without a key every object that asks for SSE-S3 is refused.
        "WEED_S3_SSE_KEY": secrets.token_hex(32),
    }
    # The gRPC sockets are always in /tmp; no flag moves them.
    ports = {"master": master, "volume": volume, "filer": filer, "s3": s3}
    litter = tuple(
        Path(f"/tmp/seaweedfs-{part}-grpc-{port + GRPC_OFFSET}.sock")
        for part, port in ports.items()
    )
    return Launch(argv, env, f"http://{HOST}:{s3}", litter)


def ministack(folder: Path, credentials: Credentials) -> Launch:
    """MiniStack: the SQS server."""
    (port,) = free_ports(1)
    env = {
        "BIND_HOST": HOST,
        "GATEWAY_PORT": str(port),
        "MINISTACK_HOST": HOST,
        "SERVICES": "sqs",
        "STATE_DIR": str(folder / "state"),
        "S3_DATA_DIR": str(folder / "s3"),
        # These two would listen on every interface, on fixed ports.
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "LOG_LEVEL": "WARNING",
    }
    return Launch([str(program("ministack"))], env, f"http://{HOST}:{port}")


def moto(folder: Path, credentials: Credentials) -> Launch:
    """moto: models the S3 properties that SeaweedFS lacks (ACL, KMS, archives); slow."""
    (port,) = free_ports(1)
    argv = [str(program("moto_server")), "-H", HOST, "-p", str(port)]
    return Launch(argv, {}, f"http://{HOST}:{port}")


def weed_is_ready(url: str, credentials: Credentials) -> None:
    """A write must work: listing does long before a volume can take an object."""
    s3 = client("s3", url, credentials, connect_timeout=2, read_timeout=5)
    # On a slow machine an attempt before this one may have made it and then timed out.
    with suppress(s3.exceptions.BucketAlreadyOwnedByYou):
        s3.create_bucket(Bucket="ready-probe")
    s3.put_object(Bucket="ready-probe", Key="probe", Body=b"ready")
    s3.delete_object(Bucket="ready-probe", Key="probe")
    s3.delete_bucket(Bucket="ready-probe")


def ministack_is_ready(url: str, credentials: Credentials) -> None:
    client("sqs", url, credentials, connect_timeout=2, read_timeout=5).list_queues()


def moto_is_ready(url: str, credentials: Credentials) -> None:
    client("s3", url, credentials, connect_timeout=2, read_timeout=5).list_buckets()


@dataclass(frozen=True)
class Kind:
    launch: Callable[[Path, Credentials], Launch]
    ready: Callable[[str, Credentials], None]


KINDS = {
    "weed": Kind(weed, weed_is_ready),
    "ministack": Kind(ministack, ministack_is_ready),
    "moto": Kind(moto, moto_is_ready),
}


@contextmanager
def running_servers(base: Path, names: tuple[str, ...] = tuple(KINDS)) -> Iterator[Servers]:
    """Start the named servers under `base`, wait until all are ready, stop them at the end."""
    credentials = Credentials(f"local{secrets.token_hex(6)}", secrets.token_hex(20))
    started: dict[str, Server] = {}
    try:
        for name in names:
            started[name] = start(name, base, credentials)
        for name in names:
            started[name] = wait_until_ready(started[name], base, credentials, started)
        yield Servers(started, credentials)
    finally:
        stop_all(list(started.values()))


def start(name: str, base: Path, credentials: Credentials) -> Server:
    folder = base / name
    folder.mkdir(parents=True, exist_ok=True)
    launch = KINDS[name].launch(folder, credentials)
    log = base / f"{name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            launch.argv,
            cwd=folder,
            env={**clean_environment(), "TMPDIR": str(folder), **launch.env},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            # A Ctrl-C in the terminal reaches only us: we stop the servers
            # ourselves, after whatever still uses them.
            start_new_session=True,
        )
    return Server(name, launch.url, process, log, launch.litter)


def wait_until_ready(
    server: Server, base: Path, credentials: Credentials, started: dict[str, Server]
) -> Server:
    """Poll until the server answers; start it again elsewhere if its port was taken."""
    deadline = time.monotonic() + READY_SECONDS
    attempts = 1
    while True:
        try:
            KINDS[server.name].ready(server.url, credentials)
            if not server.exited():
                return server
        except Exception as error:  # any failure means "not yet" until the deadline
            last = error
        else:
            last = ServerError("another program answers on its port")
        if server.exited():
            if "already in use" not in server.log.read_text(errors="replace").lower():
                raise ServerError(
                    f"{server.name} ended with code {server.process.returncode} "
                    f"before it was ready; its log ends:\n{server.log_tail()}"
                )
            if attempts == START_ATTEMPTS:
                raise ServerError(f"{server.name} found its ports taken {attempts} times")
            attempts += 1
            stop_all([server])  # it has ended: only its litter is left
            server = started[server.name] = start(server.name, base, credentials)
        elif time.monotonic() > deadline:
            raise ServerError(
                f"{server.name} was not ready within {READY_SECONDS} s "
                f"(last answer: {last}); its log ends:\n{server.log_tail()}"
            )
        time.sleep(0.1)


def stop_all(servers: list[Server]) -> None:
    """SIGTERM to all at once, then SIGKILL to those that have not gone in time."""
    with signals_held_back():
        for server in servers:
            signal_group(server, signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        for server in servers:
            try:
                server.process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                signal_group(server, signal.SIGKILL)
                server.process.wait()
            for path in server.litter:
                path.unlink(missing_ok=True)


def signal_group(server: Server, signum: int) -> None:
    """Signal the server and any children of its own; its process id is its group's."""
    if server.exited():
        return
    try:
        os.killpg(server.process.pid, signum)
    except ProcessLookupError:
        pass  # it ended between the look and the signal


@contextmanager
def signals_held_back() -> Iterator[None]:
    """Keep a second Ctrl-C from interrupting the clean-up and leaving servers behind."""
    kept = {s: signal.signal(s, signal.SIG_IGN) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for signum, handler in kept.items():
            signal.signal(signum, handler)


def exit_on_sigterm() -> None:
    """Let SIGTERM and SIGHUP unwind the stack as Ctrl-C does, so that clean-up runs."""

    def unwind(signum: int, _frame: object) -> None:
        raise SystemExit(128 + signum)

    signal.signal(signal.SIGTERM, unwind)
    signal.signal(signal.SIGHUP, unwind)
