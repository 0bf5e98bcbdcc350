# SPDX-License-Identifier: BSD-3-Clause
"""What the benchmark drivers share: programs, servers under test, the machine, result files."""
import datetime
import json
import os
import pathlib
import platform
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
RESULTS = ROOT / "bench" / "results"


def fail(text):
    sys.exit(f"{pathlib.Path(sys.argv[0]).name}: {text}")


def output_of(*command):
    """Standard output and error of a command, or "" when it cannot be run."""
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return (done.stdout + done.stderr).strip()


def neutral(text):
    """The text without the names of this machine's directories."""
    text = str(text).replace(str(ROOT) + "/", "")
    return text.replace(str(pathlib.Path.home()), "~")


def own_command():
    """How this driver was started."""
    return " ".join([f"bench/{pathlib.Path(sys.argv[0]).name}", *sys.argv[1:]])


def subject_program():
    """larderd, or what LARDERD names."""
    path = pathlib.Path(os.environ.get("LARDERD", ROOT / "build/bin/larderd"))
    if not os.access(path, os.X_OK):
        fail(f"{neutral(path)} is not there; `make` builds it")
    return path


def peer_program():
    """What PEER names, or the reference memcached, built when needed."""
    if os.environ.get("PEER"):
        path = pathlib.Path(os.environ["PEER"])
    else:
        done = subprocess.run([ROOT / "dev/build-peer"], stdout=subprocess.PIPE, text=True,
                              check=False)
        if done.returncode != 0:
            fail("dev/build-peer cannot build the reference memcached; PEER=path names another")
        path = pathlib.Path(done.stdout.strip())
    if not os.access(path, os.X_OK):
        fail(f"{neutral(path)} cannot be run")
    return path


def version_of(program):
    """The first line that `program -V` says."""
    lines = output_of(str(program), "-V").splitlines()
    return lines[0] if lines else "unknown"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """One server under test: started, pinned, asked for its counters, and ended by its pid."""

    def __init__(self, name, program, arguments, cpu, unix_path=None):
        self.name = name
        self.program = program
        if unix_path:
            self.address = str(unix_path)
            listen = ["-s", self.address]
        else:
            port = free_port()
            self.address = f"127.0.0.1:{port}"
            listen = ["-l", "127.0.0.1", "-p", str(port), "-U", "0"]
        user = ["-u", "root"] if os.geteuid() == 0 else []
        self.command = ["taskset", "-c", str(cpu), str(program), *listen, *user, *arguments]
        self.process = None

    def start(self):
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                if self.ask(b"version\r\n", b"\r\n").startswith(b"VERSION"):
                    return
            except OSError:
                time.sleep(0.02)
        self.stop()
        fail(f"{self.name} does not answer: {self.shown_command()}")

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def ask(self, request, end):
        """Sends bytes on a connection of its own and reads until the answer ends in `end`."""
        with self.connect() as connection:
            return ask(connection, request, end)

    def connect(self):
        if "/" in self.address:
            connection = socket.socket(socket.AF_UNIX)
            connection.settimeout(10)
            connection.connect(self.address)
            return connection
        host, port = self.address.rsplit(":", 1)
        return socket.create_connection((host, int(port)), timeout=10)

    def stats(self):
        lines = self.ask(b"stats\r\n", b"END\r\n").decode().splitlines()
        return dict(line.split(" ", 2)[1:] for line in lines if line.startswith("STAT "))

    def memory_kib(self):
        """VmRSS and VmHWM: what is resident now, and what ever was."""
        text = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return {key: int(re.search(rf"{key}:\s+(\d+)", text)[1]) for key in ("VmRSS", "VmHWM")}

    def shown_command(self):
        """The command line as others would type it."""
        shown = {self.address.rsplit(":")[-1]: "SOCKET" if "/" in self.address else "PORT"}
        return " ".join(shown.get(part, neutral(part)) for part in self.command)


def ask(connection, request, end):
    connection.sendall(request)
    answer = b""
    while not answer.endswith(end):
        piece = connection.recv(1 << 16)
        if not piece:
            raise ConnectionError("end of stream")
        answer += piece
    return answer


def check_machine(server_cpu, load_cpu):
    usable = os.sched_getaffinity(0)
    if not {server_cpu, load_cpu} <= usable or server_cpu == load_cpu:
        fail(f"needs two CPUs of its own, {server_cpu} and {load_cpu} are asked for; "
             f"usable: {sorted(usable)}")
    if not shutil.which("taskset"):
        fail("taskset is missing (package util-linux)")


def field(path, name):
    """The first value of a `name : value` line in a /proc file."""
    match = re.search(rf"^{name}\s*:\s*(.*)$", pathlib.Path(path).read_text(), re.M)
    return match[1] if match else "unknown"


def compiler():
    """What built the subject, as its build folder says; otherwise the system's compiler."""
    info = ROOT / "build/release/meson-info/intro-compilers.json"
    if info.is_file():
        return json.loads(info.read_text())["host"]["c"]["full_version"]
    return output_of("cc", "--version").split("\n")[0]


def machine():
    """The machine, without anything that tells whose it is."""
    return {
        "cpu": field("/proc/cpuinfo", "model name"),
        "cpus": os.cpu_count(),
        "memory": field("/proc/meminfo", "MemTotal"),
        "kernel": f"{platform.system()} {platform.release()} {platform.machine()}",
        "compiler": compiler(),
        "load_average": " ".join(f"{value:.2f}" for value in os.getloadavg()),
        "commit": output_of("git", "describe", "--always", "--dirty", "--abbrev=10"),
    }


def publish(kind, lines, rows, servers, arguments, facts):
    """Prints the report (lines, then machine and commands) and writes it with all its rows."""
    versions = {server.name: version_of(server.program) for server in servers}
    commands = [server.shown_command() for server in servers]
    commands = [*dict.fromkeys(commands), own_command()]
    report = "\n".join([
        *lines, "## Machine", "",
        *(f"- {name.replace('_', ' ')}: {value}" for name, value in {**facts, **versions}.items()),
        "", "## Commands", "", "```", *commands, "```", ""])
    print(report)
    if not arguments.no_save:
        path = result_path(kind, facts)
        path.write_text(report)
        record = {"machine": facts, "versions": versions, "commands": commands,
                  "arguments": vars(arguments), "rows": rows}
        path.with_suffix(".json").write_text(json.dumps(record, indent=1) + "\n")
        print(f"written to {neutral(path)}")


def result_path(kind, facts):
    """A name of day, processor and kind that is not taken yet."""
    model = re.sub(r"\(r\)|\(tm\)|processor|cpu|@.*", " ", facts["cpu"].lower())
    words = re.findall(r"[a-z0-9]+", model)[:4]
    name = "-".join([datetime.date.today().isoformat(), *words, f"{facts['cpus']}cpu", kind])
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.md"
    number = 2
    while path.exists():
        path = RESULTS / f"{name}-{number}.md"
        number += 1
    return path
