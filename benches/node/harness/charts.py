"""Charts as SVG, in colours that both a light and a dark page can be behind."""

from html import escape

STYLE = """
text { font: 13px system-ui, sans-serif; fill: #24292f }
.title { font-weight: 600 }
.small { font-size: 11px; fill: #57606a }
.ours { fill: #1a7f5a } .peer { fill: #8c959f } .floor { fill: #c4cad0 }
.axis { stroke: #57606a; stroke-width: 1; stroke-dasharray: 3 3 }
.quartiles { stroke: #24292f; stroke-width: 1.5 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } .small { fill: #9198a1 }
  .ours { fill: #3fb985 } .peer { fill: #768390 } .floor { fill: #444c56 }
  .axis { stroke: #9198a1 } .quartiles { stroke: #e6edf3 }
}
"""
ROW, BAR, NAMES, TOP = 24, 15, 200, 46


class Panel:
    """Bars from one zero: [(name, value, (low, high) or None, class)]."""

    def __init__(self, title, bars, mark=None, digits=2):
        self.title, self.bars, self.mark, self.digits = title, bars, mark, digits

    def draw(self, left, width):
        room = width - 62
        scale = room / max(bar[1] for bar in self.bars if bar)
        yield f'<text class="title" x="{left}" y="34">{escape(self.title)}</text>'
        for at, bar in enumerate(self.bars):
            if not bar:
                continue
            _, value, spread, kind = bar
            top, long = TOP + at * ROW, value * scale
            yield f'<rect class="{kind}" x="{left}" y="{top}" width="{long:.1f}" height="{BAR}" rx="2"/>'
            end = long
            if spread:
                low, high = (min(quartile * scale, room) for quartile in spread)
                middle = top + BAR / 2
                yield f'<path class="quartiles" d="M{left + low:.1f} {middle}H{left + high:.1f}"/>'
                end = max(long, high)
            yield f'<text x="{left + end + 5:.1f}" y="{top + 12}">{value:,.{self.digits}f}</text>'
        if self.mark:
            at, about = self.mark
            x, bottom = left + at * scale, TOP + len(self.bars) * ROW
            yield f'<path class="axis" d="M{x:.1f} {TOP - 4}V{bottom}"/>'
            yield f'<text class="small" x="{x + 4:.1f}" y="{bottom + 8}">{escape(about)}</text>'


def chart(title, names, panels, width=860):
    """Panels side by side, whose rows have the same names."""
    height = TOP + len(names) * ROW + 16
    each = (width - NAMES) / len(panels)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" role="img">',
        f"<title>{escape(title)}</title><style>{STYLE}</style>",
        f'<text class="title" x="0" y="14">{escape(title)}</text>',
    ]
    for at, name in enumerate(names):
        parts.append(f'<text x="{NAMES - 10}" y="{TOP + at * ROW + 12}" text-anchor="end">{escape(name)}</text>')
    for at, panel in enumerate(panels):
        parts.extend(panel.draw(NAMES + at * each, each))
    return "\n".join([*parts, "</svg>", ""])


def kind(name):
    return "ours" if name.startswith("zerocache") else "floor" if name.startswith("raw") else "peer"


def processor_time(visits, servers):
    panels = []
    for load, title in (("get128", "GET"), ("mix", "9 GETs to a PUT"), ("pipe16", "GET, 16 pipelined")):
        bars = []
        for name in servers:
            ratio = visits.ratio(load, name, "raw tokio")
            bars.append(ratio and (name, ratio[1], (ratio[0], ratio[2]), kind(name)))
        panels.append(Panel(title, bars, mark=(1, "")))
    title = "Processor time a request of 128 bytes: multiples of a tokio server that answers a constant"
    return chart(title, servers, panels)


def memory(measured):
    names = list(measured)
    bars = [(name, measured[name]["bytes"], None, kind(name)) for name in names]
    title = "Resident bytes an entry, with a million of them: key of 9 bytes, value of 128, a life of its own"
    return chart(title, names, [Panel("", bars, mark=(137, "key and value"), digits=0)])


def spread(rows):
    names, bars = [], {"p50": [], "cpu": []}
    chosen = {"p50": 1, "cpu": 64}
    for peers in sorted({row["peers"] for row in rows}):
        for of, key in (("zerocache", ""), ("the least possible", "floor_")):
            names.append(f"{peers} peer{'s' * (peers > 1)}: {of}")
            for figure, clients in chosen.items():
                row = next(row for row in rows if (row["peers"], row["clients"]) == (peers, clients))
                bars[figure].append((of, row[key + figure], None, "ours" if not key else "floor"))
    panels = [
        Panel("median of one client, us", bars["p50"], digits=0),
        Panel("processor time with 64 clients, us", bars["cpu"]),
    ]
    return chart("A PUT of 128 bytes that every peer has acknowledged", names, panels)
