# SPDX-License-Identifier: BSD-3-Clause
"""Servers that ask who is there: SASL with a real sasldb, a password file, TLS with certificates."""

import socket
import ssl
import subprocess

import helpers

from lib.server import TREE, Client, Server

USER, PASSWORD = "anna", "secret"


class Sasl:
    """A folder with memcached.conf and a sasldb, and servers that use them."""

    def __init__(self, folder, mechanisms="plain scram-sha-1 scram-sha-256"):
        self.folder = folder
        (folder / "memcached.conf").write_text(
            f"mech_list: {mechanisms}\npwcheck_method: auxprop\n"
            f"auxprop_plugin: sasldb\nsasldb_path: {folder}/sasldb\n")
        self.add(USER, PASSWORD)

    def add(self, user, password):
        tool = helpers.need_tool("saslpasswd2", "sasl2-bin")
        subprocess.run([tool, "-p", "-c", "-a", "memcached", "-f", self.folder / "sasldb", user],
                       input=password.encode(), check=True)

    @property
    def environment(self):
        return {"SASL_CONF_PATH": str(self.folder)}

    def server(self, *arguments, **environment):
        return Server(["-S", *arguments], environment={**self.environment, **environment})


def make_certificates(folder):
    """The files of test/lib/make-certificates, in `folder`, which is returned."""
    helpers.need_tool("openssl", "openssl")
    subprocess.run([TREE / "test/lib/make-certificates", folder], check=True)
    return folder


def tls_options(files, certificate="server", **more):
    """Command line words for a server with TLS; `more`: suboptions of -o, True for bare ones."""
    given = {"ssl_chain_cert": files / f"{certificate}.pem", "ssl_key": files / f"{certificate}.key",
             **more}
    words = ",".join(name if value is True else f"{name}={value}" for name, value in given.items())
    return ["-Z", "-o", words]


def trusting(files, certificate=None, version=None):
    """A client's context. version: the only one it speaks."""
    context = ssl.create_default_context(cafile=files / "ca.pem")
    if certificate:
        context.load_cert_chain(files / f"{certificate}.pem", files / f"{certificate}.key")
    if version:
        context.minimum_version = context.maximum_version = version
    return context


class TlsServer(Server):
    """Reached with TLS, also by whoever waits until it is there. Not with its hand-shakes counted: that
    wait is a plain connection."""

    def __init__(self, files, arguments=(), **more):
        super().__init__(arguments, **more)
        self.context = trusting(files)

    def connect_tls(self, context=None, session=None, port=None):
        raw = socket.create_connection(("127.0.0.1", port or self.port), 60)
        try:
            return Client((context or self.context).wrap_socket(raw, server_hostname="localhost",
                                                                session=session))
        except BaseException:
            raw.close()
            raise
