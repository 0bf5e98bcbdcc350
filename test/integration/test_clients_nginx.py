# SPDX-License-Identifier: BSD-3-Clause
"""nginx's memcached module reads from the server: hits, misses, long keys, large values."""

import gzip
import http.client
import subprocess
from urllib.parse import quote

import pytest

from client_table import Row
from helpers import need_tool, storage, wait_until
from lib.server import Server, free_port

NGINX = Row("nginx", "nginx", "text")
MIB = 1 << 20
GZIP_FLAG = 2

CONFIGURATION = """
daemon off;
master_process off;
pid {directory}/pid;
error_log {directory}/error.log;
events {{ worker_connections 64; }}
http {{
    access_log off;
    default_type application/octet-stream;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    upstream cache {{ server 127.0.0.1:{cache_port}; keepalive 4; }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            set $memcached_key $arg_key;
            memcached_pass cache;
            memcached_gzip_flag {gzip_flag};
            memcached_connect_timeout 60s;
            memcached_read_timeout 60s;
        }}
    }}
}}
"""


class Nginx:
    """A worker of its own on loopback, before one cache server."""

    def __init__(self, directory, cache_port):
        program = need_tool("nginx", "nginx-light")
        self.port = free_port()
        configuration = directory / "nginx.conf"
        configuration.write_text(CONFIGURATION.format(
            directory=directory, port=self.port, cache_port=cache_port, gzip_flag=GZIP_FLAG))
        self.log = directory / "error.log"
        self.process = subprocess.Popen(
            [program, "-p", directory, "-c", configuration, "-e", self.log],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def get(self, key):
        """(status, headers, body)"""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request("GET", "/?key=" + quote(key, safe=""))
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def is_up(self):
        assert self.process.poll() is None, f"nginx ended: {self.log.read_text()}"
        try:
            return self.get("up")[0] in (200, 404)
        except OSError:
            return False

    def stop(self):
        self.process.terminate()
        self.process.wait(60)


@pytest.fixture
def cache():
    # Room for a value of 1 MiB to the byte.
    with Server(["-I", "2m"]) as server:
        yield server


@pytest.fixture
def nginx(cache, tmp_path):
    process = Nginx(tmp_path, cache.port)
    try:
        assert wait_until(process.is_up), "nginx does not answer"
        yield process
    finally:
        process.stop()


def put(cache, key, value, flags=0):
    with cache.connect() as client:
        client.send(storage(key, value, flags))
        assert client.read_line() == b"STORED"


@NGINX.mark("hits")
def test_nginx_serves_a_hit(cache, nginx):
    put(cache, "page", b"<h1>hello</h1>\r\n")
    status, headers, body = nginx.get("page")
    assert (status, body) == (200, b"<h1>hello</h1>\r\n")
    assert headers["Content-Length"] == "16"


@NGINX.mark("misses")
def test_nginx_answers_404_to_a_miss(nginx):
    assert nginx.get("nothing")[0] == 404


@NGINX.mark("an empty value")
def test_nginx_serves_an_empty_value(cache, nginx):
    put(cache, "empty", b"")
    status, _, body = nginx.get("empty")
    assert (status, body) == (200, b"")


@NGINX.mark("a key of 250 bytes")
def test_nginx_fetches_a_key_of_250_bytes(cache, nginx):
    put(cache, "k" * 250, b"long key")
    assert nginx.get("k" * 250)[::2] == (200, b"long key")


@NGINX.mark("a key too long")
def test_nginx_recovers_from_a_key_that_is_too_long(cache, nginx):
    put(cache, "page", b"hello")
    assert nginx.get("k" * 251)[0] >= 400
    assert nginx.get("page")[::2] == (200, b"hello")


@NGINX.mark("a value of 1 MiB")
def test_nginx_serves_a_value_of_1_mib(cache, nginx):
    value = bytes(n % 251 for n in range(MIB))
    put(cache, "large", value)
    status, _, body = nginx.get("large")
    assert status == 200
    assert body == value


@NGINX.mark("the flag for gzip")
def test_nginx_reads_the_gzip_flag(cache, nginx):
    packed = gzip.compress(b"hello " * 100)
    put(cache, "packed", packed, GZIP_FLAG)
    put(cache, "plain", b"hello", GZIP_FLAG << 1)
    status, headers, body = nginx.get("packed")
    assert (status, headers["Content-Encoding"], body) == (200, "gzip", packed)
    assert nginx.get("plain")[1]["Content-Encoding"] is None


@NGINX.mark("connections kept open")
def test_nginx_keeps_its_connections(cache, nginx):
    put(cache, "page", b"hello")
    with cache.connect() as client:
        before = int(client.stats()["total_connections"])
        for _ in range(200):
            assert nginx.get("page")[::2] == (200, b"hello")
        assert int(client.stats()["total_connections"]) - before <= 4
