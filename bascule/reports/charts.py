"""The charts of a wave, as SVG that stands in a page: it asks for nothing, and wears the page's colours, light or dark."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from xml.etree import ElementTree as ET

import matplotlib as mpl
import pandas as pd
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from bascule.reports.account import Account
from bascule.reports.language import Language
from bascule.reports.times import SPENT

INKS = (
    "ink line rule ok ok-with-reservations partial failed blocked unknown none excluded working turn person remote main other"
).split()
"""Each is a class of the page's style sheet, which knows its colour in light and in dark."""
INK = {name: f"#{number:06x}" for number, name in enumerate(INKS, start=0xB0B001)}
NAME = {colour: name for name, colour in INK.items()}

WIDE = 8.2
"""Inches, at 72 to the inch: what stands in the page is as large as it is drawn."""
STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "bascule",
    "font.size": 12,
    "font.family": "DejaVu Sans",
    "text.color": INK["ink"],
    "axes.edgecolor": INK["line"],
    "axes.labelcolor": INK["ink"],
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": INK["rule"],
    "xtick.color": INK["line"],
    "ytick.color": INK["line"],
    "xtick.labelcolor": INK["ink"],
    "ytick.labelcolor": INK["ink"],
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "legend.frameon": False,
}
BEAUTIFUL_SECONDS = (1, 5, 15, 60, 300, 900, 3_600, 4 * 3_600, 86_400, 7 * 86_400)
LAST_WAVES = 8
"""Of this wave and the earlier ones, as many as can be told apart; the table has all."""
WIDTHS = pd.to_timedelta(
    "1s 2s 5s 10s 30s 1min 2min 5min 10min 30min 1h 2h 3h 6h 12h 1D 2D 4D 7D 14D 28D 56D 112D 224D".split()
)
"""Between two instants that are written beside a chart."""
SVG = "{http://www.w3.org/2000/svg}"
LINK = "{http://www.w3.org/1999/xlink}href"

Draw = Callable[[Axes], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    name: str
    title: str
    says: str
    svg: Markup
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    """The figures, as the language writes them."""


def charts_of(account: Account, language: Language) -> tuple[Chart, ...]:
    """Those that have something to show."""
    makers = (_outcomes, _spent, _durations, _lock_outs, _arrivals, _earlier)
    return tuple(chart for make in makers if (chart := make(account, language)) is not None)


def _outcomes(account: Account, language: Language) -> Chart:
    counted = list(account.totals.outcomes.items())
    names = [language.word(f"outcome.{outcome}") for outcome, _ in counted]
    counts = [count for _, count in counted]

    def draw(axes: Axes) -> None:
        bars = axes.barh(names, counts, color=[INK[outcome] for outcome, _ in counted], height=0.62)
        axes.bar_label(bars, [language.number(count) for count in counts], padding=4)
        _lying(axes, len(names))
        axes.xaxis.set_visible(False)
        axes.grid(visible=False)
        axes.spines["bottom"].set_visible(False)

    rows = [(name, language.number(count)) for name, count in zip(names, counts, strict=True)]
    header = (language.word("head.stands"), language.word("head.cabinets"))
    title, says = language.word("chart.outcomes"), language.word("chart.outcomes_says")
    return _chart("outcomes", title, says, header, rows, draw, high=0.5 + 0.42 * len(names))


def _spent(account: Account, language: Language) -> Chart | None:
    everyone = account.more[list(SPENT)]
    groups = [(language.word("chart.everyone"), everyone.sum())]
    sizes = [size for size in ("small", "medium", "large") if (account.more["size"] == size).any()]
    if len(sizes) > 1:
        groups += [
            (
                language.word("chart.size", size=language.word(f"size.{size}")),
                everyone[account.more["size"] == size].sum(),
            )
            for size in sizes
        ]
    groups = [(name, spent) for name, spent in groups if spent.sum() > 0]
    if not groups:
        return None
    names = [name for name, _ in groups]

    def draw(axes: Axes) -> None:
        before = [0.0] * len(groups)
        for what in SPENT:
            shares = [float(spent[what] / spent.sum()) for _, spent in groups]
            bars = axes.barh(
                names, shares, left=before, color=INK[what], height=0.62, label=language.word(f"spent.{what}")
            )
            axes.bar_label(
                bars, [language.percent(share) if share >= 0.06 else "" for share in shares], label_type="center"
            )
            before = [left + share for left, share in zip(before, shares, strict=True)]
        _lying(axes, len(names))
        axes.set_xlim(0, 1)
        axes.xaxis.set_visible(False)
        axes.grid(visible=False)
        axes.spines["bottom"].set_visible(False)
        axes.legend(loc="lower left", bbox_to_anchor=(-0.02, 1), ncols=2, handlelength=1, handleheight=1)

    rows = [
        (
            name,
            language.word(f"spent.{what}"),
            language.duration(spent[what]),
            language.percent(spent[what] / spent.sum(), 1),
        )
        for name, spent in groups
        for what in SPENT
    ]
    header = (
        language.word("head.cabinets"),
        language.word("head.what"),
        language.word("chart.time"),
        language.word("chart.share"),
    )
    title, says = language.word("chart.spent"), language.word("chart.spent_says")
    return _chart("spent", title, says, header, rows, draw, high=1.2 + 0.42 * len(names))


def _durations(account: Account, language: Language) -> Chart | None:
    took = account.durations
    if took.empty:
        return None
    names = [language.word(f"step.{step}") for step in took.index]
    shares = ("p50", "p90", "p95")
    # A logarithm has no nought; what took less than a tenth of a second is drawn as that.
    seen = took[list(shares)].clip(lower=0.1)

    def draw(axes: Axes) -> None:
        axes.hlines(names, seen["p50"], seen["p95"], color=INK["main"], linewidth=2)
        axes.plot(seen["p50"], names, "o", color=INK["main"], markersize=8, label="P50")
        axes.plot(seen["p90"], names, "D", color=INK["other"], markersize=6, label="P90")
        axes.plot(seen["p95"], names, "|", color=INK["main"], markersize=12, markeredgewidth=2, label="P95")
        axes.set_xscale("log")
        axes.set_xlim(seen["p50"].min() / 1.6, seen["p95"].max() * 1.6)
        _lying(axes, len(names))
        _told_in_seconds(axes, language)
        axes.grid(visible=False, axis="y")
        axes.legend(loc="lower left", bbox_to_anchor=(-0.02, 1), ncols=3, handlelength=1.2)

    rows = [
        (name, *(language.duration(row[share]) for share in shares), language.number(row["cabinets"]))
        for name, (_, row) in zip(names, took.iterrows(), strict=True)
    ]
    header = (language.word("head.step"), "P50", "P90", "P95", language.word("head.cabinets"))
    title, says = language.word("chart.durations"), language.word("chart.durations_says")
    return _chart("durations", title, says, header, rows, draw, high=0.9 + 0.3 * len(names))


def _lock_outs(account: Account, language: Language) -> Chart | None:
    seconds = account.more.loc[account.more["locked_out"] > 0, "locked_out"]
    if seconds.empty:
        return None
    unit, size = ("minutes", 60) if seconds.max() > 120 else ("seconds", 1)
    edges = _edges(float(seconds.max()) / size)
    counts = pd.cut(seconds / size, edges).value_counts(sort=False).to_list()

    def draw(axes: Axes) -> None:
        axes.stairs(counts, edges, fill=True, color=INK["main"])
        axes.set_xlabel(language.word(f"chart.{unit}"))
        axes.set_ylabel(language.word("chart.cabinets"))
        axes.xaxis.set_major_locator(MaxNLocator(nbins=8, steps=[1, 2, 5, 10]))
        axes.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=5))
        _written(axes, language)
        axes.grid(visible=False, axis="x")

    rows = [
        (f"{language.number(first, 1)} – {language.number(last, 1)}", language.number(count))
        for (first, last), count in zip(pairwise(edges), counts, strict=True)
    ]
    header = (language.word(f"chart.{unit}"), language.word("head.cabinets"))
    title, says = language.word("chart.lock_outs"), language.word("chart.lock_outs_says")
    return _chart("lock-outs", title, says, header, rows, draw, high=3.2)


def _arrivals(account: Account, language: Language) -> Chart | None:
    over = account.cabinets[(account.cabinets["lifecycle"] == "ended") & account.cabinets["ended_at"].notna()]
    if over.empty:
        return None
    arrived_at = over[["code"]].merge(account.more[["code", "arrived_at"]], on="code", how="left")["arrived_at"]
    arrived = pd.to_datetime(arrived_at, utc=True).set_axis(over.index).dropna()
    at = arrived.reindex(over.index).fillna(pd.to_datetime(over["ended_at"], utc=True))
    series = {language.word("chart.ended"): at.sort_values(), language.word("chart.arrived"): arrived.sort_values()}
    first, last = at.min(), at.max()

    def draw(axes: Axes) -> None:
        # The dashes lie on the line, so that both are seen where they are the same.
        looks = (("other", "--", 3), ("main", "-", 2))
        for (label, times), (ink, line, above) in zip(series.items(), looks, strict=True):
            instants = [first, *times, last]
            counts = [0, *range(1, len(times) + 1), len(times)]
            axes.step(
                instants, counts, where="post", color=INK[ink], linewidth=2, label=label, linestyle=line, zorder=above
            )
        axes.set_ylim(bottom=0)
        axes.set_ylabel(language.word("chart.cabinets"))
        axes.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=5))
        ticks = _even_instants(first, last)
        axes.set_xticks(ticks.tz_localize(None).to_numpy(), _as_clocks_say(ticks))
        days = dict.fromkeys(language.date(day) for day in (first, last))
        axes.set_xlabel(f"{' – '.join(days)} (UTC)")
        axes.yaxis.set_major_formatter(FuncFormatter(lambda count, _: language.number(count)))
        axes.legend(loc="lower left", bbox_to_anchor=(-0.02, 1), ncols=2, handlelength=1.6)
        axes.grid(visible=False, axis="x")

    rows = [
        (language.instant(instant), *(language.number(int((times <= instant).sum())) for times in series.values()))
        for instant in pd.date_range(first, last, periods=min(len(over), 10))
    ]
    header = (language.word("chart.instant"), *series)
    title, says = language.word("chart.arrivals"), language.word("chart.arrivals_says")
    return _chart("arrivals", title, says, header, rows, draw, high=3.2)


def _earlier(account: Account, language: Language) -> Chart | None:
    waves = _up_to_this_one(account)
    if len(waves) < 2:
        return None
    shown = waves.tail(LAST_WAVES)
    places = range(len(shown))

    def draw(axes: Axes) -> None:
        rates = (
            ("success_rate", "chart.success", "main", "o-", {"markersize": 13, "markerfacecolor": "none"}),
            ("first_time_rate", "chart.first_time", "other", "D--", {"markersize": 5}),
        )
        # Where both are the same, a full mark stands in a ring and dashes lie on a line.
        for column, key, ink, how, mark in rates:
            axes.plot(places, shown[column], how, color=INK[ink], linewidth=2, label=language.word(key), **mark)
        axes.set_ylim(-0.04, 1.04)
        axes.set_xlim(-0.4, len(shown) - 0.6)
        axes.set_xticks(list(places), [_short(str(wave)) for wave in shown["wave"]])
        axes.yaxis.set_major_locator(FixedLocator([0, 0.25, 0.5, 0.75, 1]))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: language.percent(share)))
        axes.legend(loc="lower left", bbox_to_anchor=(-0.02, 1), ncols=2, handlelength=1.8)
        axes.grid(visible=False, axis="x")

    rows = [
        (
            str(row["wave"]),
            language.number(row["planned"]),
            language.percent(row["success_rate"], 1),
            language.percent(row["first_time_rate"], 1),
            language.number(row["runs"]),
            language.duration(row["p50"]),
            language.duration(row["p90"]),
            row["top_cause"] if isinstance(row["top_cause"], str) else "",
        )
        for row in waves.to_dict("records")
    ]
    header = (
        language.word("chart.wave"),
        language.word("chart.to_move"),
        language.word("chart.success"),
        language.word("chart.first_time"),
        language.word("chart.runs"),
        "P50",
        "P90",
        language.word("chart.top_cause"),
    )
    title, says = language.word("chart.earlier"), language.word("chart.earlier_says")
    return _chart("earlier", title, says, header, rows, draw, high=3.2)


def _up_to_this_one(account: Account) -> pd.DataFrame:
    """This wave and those that began before it; nothing where all of this one is excluded."""
    waves = account.earlier
    here = waves.index[waves["wave"] == account.wave]
    return waves.loc[: here[0]] if len(here) else waves.head(0)


def _chart(
    name: str, title: str, says: str, header: Sequence[str], rows: Iterable[tuple[str, ...]], draw: Draw, *, high: float
) -> Chart:
    with mpl.rc_context(STYLE):  # type: ignore[arg-type]
        figure = Figure(figsize=(WIDE, high), layout="constrained")
        draw(figure.subplots())
        drawn = io.BytesIO()
        figure.savefig(drawn, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    svg = _in_page(drawn.getvalue(), name, title, says)
    return Chart(name=name, title=title, says=says, svg=svg, header=tuple(header), rows=tuple(rows))


def _lying(axes: Axes, bars: int) -> None:
    """The first bar on top, names without a tick."""
    axes.set_ylim(bars - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)


def _written(axes: Axes, language: Language) -> None:
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(
            FuncFormatter(lambda figure, _: language.number(figure, 0 if figure == int(figure) else 1))
        )


def _told_in_seconds(axes: Axes, language: Language) -> None:
    first, last = axes.get_xlim()
    inside = [seconds for seconds in (0.1, *BEAUTIFUL_SECONDS) if first <= seconds <= last]
    axes.xaxis.set_major_locator(FixedLocator(inside))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda seconds, _: language.duration(seconds)))


def _edges(most: float) -> list[float]:
    """At most fifteen classes of equal and even width, from nought to what holds the largest."""
    width = next(width for width in _even_widths() if most <= 15 * width)
    return [width * number for number in range(int(most / width) + 2)]


def _even_widths() -> Iterator[float]:
    size = 0.1
    while True:
        yield from (size, 2 * size, 5 * size)
        size *= 10


def _even_instants(first: pd.Timestamp, last: pd.Timestamp) -> pd.DatetimeIndex:
    width = next((width for width in WIDTHS if (last - first) / width <= 7), WIDTHS[-1])
    ticks = pd.date_range(first.ceil(width), last, freq=width)
    return ticks if len(ticks) else pd.DatetimeIndex([first])


def _as_clocks_say(instants: pd.DatetimeIndex) -> list[str]:
    """No more than tells them apart; a midnight is its day."""
    time = "%H:%M" if (instants.second == 0).all() and (instants.microsecond == 0).all() else "%H:%M:%S"
    return [f"{at:%d/%m}" if at == at.normalize() else at.strftime(time) for at in instants]


def _short(name: str) -> str:
    return name if len(name) <= 12 else f"{name[:11]}…"


# What matplotlib draws, made fit for a page with a strict content security policy: no style attribute, no foreign name


def _in_page(drawn: bytes, name: str, title: str, says: str) -> Markup:
    svg = ET.fromstring(drawn)  # noqa: S314  # our own, a moment old
    del svg.attrib["width"], svg.attrib["height"]
    svg.attrib |= {"role": "img", "aria-labelledby": f"{name}-title {name}-says", "class": "chart"}
    for parent in list(svg.iter()):
        for child in list(parent):
            if child.tag in {f"{SVG}metadata", f"{SVG}style"}:
                parent.remove(child)
    for element in svg.iter():
        _dress(element)
        _rename(element, name)
    for place, (tag, text) in enumerate((("title", title), ("desc", says))):
        element = ET.Element(f"{SVG}{tag}", id=f"{name}-{'title' if tag == 'title' else 'says'}")
        element.text = text
        svg.insert(place, element)
    ET.register_namespace("", SVG[1:-1])
    # Inside HTML an SVG needs no names of spaces, and what Markup holds was escaped by the serialiser.
    text = re.sub(r'\sxmlns(:\w+)?="[^"]*"', "", ET.tostring(svg, encoding="unicode"))
    return Markup(re.sub(r">\s+<", "><", text))  # noqa: S704


def _dress(element: ET.Element) -> None:
    """Colours by class, so that the page sets them; everything else of the style as attributes."""
    style = [part.split(":", 1) for part in element.attrib.pop("style", "").split(";") if ":" in part]
    said = {key.strip(): value.strip() for key, value in style}
    classes = []
    for paint, prefix in (("fill", "f"), ("stroke", "l")):
        colour = said.get(paint, element.get(paint, ""))
        if colour in NAME:
            said.pop(paint, None)
            element.attrib.pop(paint, None)
            classes.append(f"{prefix}-{NAME[colour]}")
    if classes:
        element.set("class", " ".join(classes))
    font = said.pop("font", "")
    if font:
        said["font-size"] = font.split()[0]
    element.attrib |= said


def _rename(element: ET.Element, name: str) -> None:
    """Names are unique in the page, not only in the chart; those that nothing asks for are left out."""
    own = element.attrib.pop("id", None)
    if own is not None and element.tag in {f"{SVG}path", f"{SVG}clipPath"}:
        element.set("id", f"{name}-{own}")
    target = element.attrib.pop(LINK, None)
    if target is not None:
        element.set("href", f"#{name}-{target.removeprefix('#')}")
    clip = element.get("clip-path", "")
    if clip:
        element.set("clip-path", clip.replace("url(#", f"url(#{name}-"))
