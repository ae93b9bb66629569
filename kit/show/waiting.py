"""waiting: who waits for what, and who holds it: a circle in this graph is a deadlock.

Tasks stand at the left and what they wait for at the right.  Follow the arrows: a dashed one goes
from a task to what it waits for, a solid one from there to a task that holds some of it.
"""

from kit.errors import BadInput
from kit.machine.report import wait_for_graph
from kit.show.figure import PALETTE, picture

RIGHT_EDGE, LEFT_EDGE = 2.9, 5.2        # of the tasks, and of what they wait for


def wait_for(stuck, caption=""):
    """The wait-for graph of a machine in a deadlock, of a Result of the explorer, or of a replay."""
    graph = getattr(stuck, "wait_for", None)
    graph = wait_for_graph(stuck) if graph is None else graph() if callable(graph) else graph
    if not graph:
        raise BadInput("nobody waits for anybody there, so there is no graph to draw.")
    tasks = list(dict.fromkeys([*graph, *(name for node in graph.values() for name in node["held by"])]))
    things = list(dict.fromkeys(node["waits for"] for node in graph.values()))
    height = 1.0 * max(len(tasks), len(things))

    def paint(axes):
        left = {name: _node(axes, _task(name, graph), -_row(number, tasks, height), RIGHT_EDGE, "right", "round")
                for number, name in enumerate(tasks)}
        right = {name: _node(axes, name, -_row(number, things, height), LEFT_EDGE, "left", "square")
                 for number, name in enumerate(things)}
        for name, node in graph.items():
            _arrow(axes, (RIGHT_EDGE, left[name] - 0.1), (LEFT_EDGE, right[node["waits for"]] - 0.1), PALETTE[5], "--")
        for thing, holder in _holders(graph):
            _arrow(axes, (LEFT_EDGE, right[thing] + 0.1), (RIGHT_EDGE, left[holder] + 0.1), PALETTE[0], "-")
        for colour, style, told in ((PALETTE[5], "--", "waits for"), (PALETTE[0], "-", "is held by")):
            axes.plot([], [], color=colour, linestyle=style, label=told)
        axes.set(xlim=(0, 7.5), ylim=(-height, 0))
        axes.axis("off")
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, 0.0), ncols=2, frameon=False)

    return picture(paint, _sentence(graph), caption, (7.5, 0.6 + height))


def in_circle(graph):
    """The tasks from which following the arrows leads back to them."""
    follow = {name: node["held by"] for name, node in graph.items()}
    return [name for name in graph if name in _reached(name, follow)]


def _reached(start, follow):
    seen, todo = [], list(follow[start])
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.append(name)
            todo += follow.get(name, [])
    return seen


def _row(number, names, height):
    return height * (number + 0.5) / len(names)


def _holders(graph):
    """Each (thing, who holds some of it), once."""
    return dict.fromkeys((node["waits for"], name) for node in graph.values() for name in node["held by"])


def _task(name, graph):
    holds = ", ".join(graph[name]["holds"]) if name in graph else ""
    return name + (f"\nholds {holds}" if holds else "")


def _node(axes, text, y, edge, side, shape):
    """A box at the left or right of the arrows; returns the height at which it stands."""
    gap = 0.09 if side == "left" else -0.09
    axes.text(edge + gap, y, text, ha=side, va="center", fontsize=9.5, linespacing=1.3, zorder=4,
              bbox={"boxstyle": f"{shape},pad=0.6", "facecolor": "#E8F1F8" if shape == "square" else "white",
                    "edgecolor": "#222222"})
    return y


def _arrow(axes, start, end, colour, style):
    axes.annotate("", end, start, zorder=2, arrowprops={
        "arrowstyle": "-|>", "color": colour, "linestyle": style, "linewidth": 1.6, "shrinkA": 0, "shrinkB": 0})


def _sentence(graph):
    told = " ".join(f"{name} waits for {node['waits for']}, held by {', '.join(node['held by']) or 'nobody'}, and "
                    f"holds {', '.join(node['holds']) or 'nothing'}." for name, node in graph.items())
    circle = in_circle(graph)
    return f"Wait-for graph. {told} {'In a circle: ' + ', '.join(circle) if circle else 'There is no circle'}."
