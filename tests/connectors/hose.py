"""A TCP connection with a hand on it: can be squeezed shut (packets vanish, sockets stay open) or cut."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Self


class Hose:
    """Forwards a port of its own to another until told otherwise (a context manager)."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._open = threading.Event()
        self._open.set()
        self._refusing = False
        self._sockets: list[socket.socket] = []
        self._closing = False
        self.bytes_swallowed = 0

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing = True
        self._listener.close()
        self.cut()

    def squeeze(self) -> None:
        """From now on nothing passes, and nobody is told."""
        self._open.clear()

    def release(self) -> None:
        """New connections pass again; the old ones stay dead."""
        self.cut()
        self._open.set()

    def refuse(self, refusing: bool) -> None:
        """Whether new connections are closed at once."""
        self._refusing = refusing

    def cut(self) -> None:
        """Close every connection."""
        for one in self._sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        self._sockets.clear()

    def _accept(self) -> None:
        while not self._closing:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            if self._refusing:
                near.close()
                continue
            far = socket.create_connection(("127.0.0.1", self._target))
            self._sockets += [near, far]
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._forward, args=(source, sink), daemon=True).start()

    def _forward(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if self._open.is_set():
                    sink.sendall(data)
                else:
                    self.bytes_swallowed += len(data)
        for one in (source, sink):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
