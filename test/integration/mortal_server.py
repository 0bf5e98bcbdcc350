# SPDX-License-Identifier: BSD-3-Clause
"""A server that takes what is stored and dies of the first question: mortal_server.py PORT."""
import os
import socket
import sys
import threading


def serve(connection):
    stream = connection.makefile("rwb")
    while line := stream.readline():
        words = line.split()
        if words[0] == b"set":
            stream.read(int(words[4]) + 2)
            if len(words) == 5:
                stream.write(b"STORED\r\n")
                stream.flush()
        elif words[0] == b"get":
            print("was asked something", file=sys.stderr, flush=True)
            os._exit(3)


listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    threading.Thread(target=serve, args=[listener.accept()[0]], daemon=True).start()
