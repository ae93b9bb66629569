"""The fence around an answer, and how far it holds.

    limits      CPU seconds, memory, size of a file: by the operating system, where it has them
    the fence   an audit hook refuses, and remembers: processes, threads, signals, sockets, writing
                files, reading any but those of Python and of the kit, and importing the checker
    the seal    functions and classes of all modules loaded before the answer must afterwards be the
                same; who exchanged one (`random.random`, the explorer) is found out

The fence and the seal are Python in the answer's own process.  They stop what a student writes, not
what an expert of the interpreter would: for those, grade in a container.  What no expert gets around
is that a right observation is all there is to forge, and that takes a right answer.  Only where
the observation is a verdict of the explorer, the seal is all that stands before a forged one.
"""

import _thread
import os
import sys
import types


def limit(limits):
    """Set limits of the operating system, by their names in `resource`; none can be lifted again."""
    try:
        import resource
    except ImportError:         # Windows has none of these; the parent's limit of time remains
        return
    for name, most in limits.items():
        kind = getattr(resource, name)
        soft, hard = most, most + 1
        old = resource.getrlimit(kind)[1]
        if old != resource.RLIM_INFINITY:
            soft, hard = min(soft, old), min(hard, old)
        try:
            resource.setrlimit(kind, (soft, hard))
        except (ValueError, OSError):
            pass                # macOS refuses some of them; again the limit of time remains


_REFUSED = {
    "start a process": ("os.fork", "os.forkpty", "os.posix_spawn", "os.exec", "os.system", "os.startfile",
                        "subprocess.Popen", "pty.spawn"),
    "send a signal": ("os.kill", "os.killpg", "signal.pthread_kill"),
    "use the network": ("socket.__new__", "socket.connect", "socket.bind", "socket.getaddrinfo"),
    "change files": ("os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.truncate",
                     "os.chmod", "os.chown", "os.chdir", "os.utime", "sqlite3.connect"),
    "lift its limits": ("resource.setrlimit", "resource.prlimit"),
    "look into the checker": ("sys.settrace", "sys.setprofile", "sys.addaudithook", "gc.get_objects",
                              "gc.get_referrers", "ctypes.dlopen", "ctypes.dlsym"),
}
_MODULES = frozenset(("_ctypes", "_posixsubprocess", "_multiprocessing", "_socket", "_testcapi", "_testinternalcapi"))


class Denied(PermissionError):
    """The fence said no."""


def no_threads(denied):
    """Python 3.11 asks no audit hook before it starts a thread, so the functions that do are exchanged."""
    def start(*_, **__):
        denied.append("start a thread")
        raise Denied("an answer may not start a thread")
    for name in ("start_new_thread", "start_new", "start_joinable_thread"):
        if hasattr(_thread, name):
            setattr(_thread, name, start)


def fence(denied, kit, python):
    """Refuse from now on what an answer has no business to do, and note in `denied` what was refused."""
    words = {event: what for what, events in _REFUSED.items() for event in events}
    grading, writing = kit + "grading", os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
    starts_with, modules, decode, error = str.startswith, _MODULES, os.fsdecode, Denied

    def may_read(path):
        parts = str.split(path, "/")
        if len(parts) == 1:
            return True     # in the answer's own folder, where the interpreter looks for the line of a SyntaxError
        inside = starts_with(path, python) or starts_with(path, kit) and not starts_with(path, grading)
        return inside and ".." not in parts

    def hook(event, args, kinds=(str, bytes, int)):
        what = words.get(event)
        if event == "open":
            path, _, flags = args
            if type(path) is bytes:
                path = decode(path)
            if flags & writing:
                what = "write a file"
            elif type(path) not in kinds or type(path) is str and not may_read(path):
                what = "read a file"
        elif event == "import" and (args[0] in modules or starts_with(args[0], "kit.grading")):
            what = f"import {args[0]}"
        if what:
            denied.append(what)
            raise error(f"an answer may not {what}")
    sys.addaudithook(hook)


def sealed():
    """Every function and class of the modules loaded so far, by where it stands."""
    things = {}
    for module, names in [(name, vars(module)) for name, module in list(sys.modules.items())]:
        for name, value in list(names.items()):
            _note(things, (module, name), value)
            if isinstance(value, type) and value.__module__ == module:
                for member, inner in list(vars(value).items()):
                    _note(things, (module, name, member), inner)
    return things


def _note(things, where, value):
    if callable(value) or type(value) is property:
        things[where] = value
    if isinstance(value, types.FunctionType):
        things[*where, "__code__"] = value.__code__


def broken_seal(before):
    """The name of the first thing that is not what it was, or ""."""
    after = sealed()
    for where, thing in before.items():
        if after.get(where) is not thing:
            return ".".join(where)
    return ""
