"""Refuse connections beyond this machine.  Python imports this at its start when it is on the path."""

import sys


def refuse_the_network(event, arguments):
    """An audit hook: Python tells it of every connection and look-up before it is made."""
    if event in ("socket.connect", "socket.sendto"):
        host = arguments[1][0] if isinstance(arguments[1], tuple) else ""    # else the path of a local socket
    elif event == "socket.getaddrinfo":
        host = arguments[0]
    else:
        return
    host = host.decode() if isinstance(host, bytes) else host or ""
    if not (host == "" or host.startswith(("127.", "::1", "localhost", "0.0.0.0"))):
        raise PermissionError(f"nothing in the kit may need a network, but this asks for {host}")


if not getattr(sys, "_network_is_refused", False):      # a hook cannot be taken back: one is enough
    sys._network_is_refused = True
    sys.addaudithook(refuse_the_network)
