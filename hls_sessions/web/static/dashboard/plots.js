// The last hour, drawn by uPlot.

import uPlot from "../vendor/uplot/uplot.js";
import { html, useEffect, useRef, useState } from "../vendor/htm/htm-preact.js";
import { rate } from "../format.js";

const HEIGHT = 130;
const PLOTS = [
  { title: "Sessions and encoders", lines: [["sessions", "Sessions"], ["encoders", "Encoders"]], show: (value) => value },
  { title: "Bytes a second", lines: [["made_bytes", "Made"], ["served_bytes", "Sent"]], show: rate },
  { title: "Seconds to the first segment", lines: [["first_segment", "Average"]], show: (value) => `${value} s`, dots: true },
  { title: "Waits and restarts", lines: [["waiting", "Sessions in which a viewer waits"], ["restarts", "Restarts"]], show: (value) => value },
];

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// A canvas cannot resolve light-dark(): an element does.
function resolved(name) {
  const probe = document.createElement("span");
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found || colour(name);
}

function options(plot, width) {
  const [text, line] = [resolved("--soft"), resolved("--line")];
  const strokes = [resolved("--accent"), resolved("--warn")];
  const axis = { stroke: text, grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1 } };
  return {
    width,
    height: HEIGHT,
    cursor: { y: false },
    legend: { live: true },
    scales: { y: { range: (_, low, high) => [0, Math.max(1, (high ?? 1) * 1.1)] } },
    axes: [axis, { ...axis, size: 64, values: (_, ticks) => ticks.map((tick) => (plot.show(tick))) }],
    series: [
      {},
      ...plot.lines.map(([, label], at) => ({
        label,
        stroke: strokes[at],
        width: 2,
        spanGaps: false,
        points: { show: Boolean(plot.dots), size: 5 },
        value: (_, value) => (value === null || value === undefined ? "–" : plot.show(Math.round(value * 100) / 100)),
      })),
    ],
  };
}

function Plot({ plot, hour, isDark }) {
  const place = useRef(null);
  const drawn = useRef(null);
  useEffect(() => {
    const element = place.current;
    drawn.current = new uPlot(options(plot, Math.max(200, element.clientWidth)), [[], ...plot.lines.map(() => [])], element);
    const sized = new ResizeObserver(() => drawn.current.setSize({ width: Math.max(200, element.clientWidth), height: HEIGHT }));
    sized.observe(element);
    return () => {
      sized.disconnect();
      drawn.current.destroy();
    };
  }, [isDark]);
  useEffect(() => {
    drawn.current.setData([hour.at, ...plot.lines.map(([column]) => hour[column])]);
  }, [hour, isDark]);
  const latest = plot.lines.map(([column, label]) => `${label}: ${hour[column].at(-1) ?? "none"}`).join(", ");
  return html`<figure class="plot"><figcaption>${plot.title}</figcaption>
    <div ref=${place} role="img" aria-label=${`${plot.title} in the last hour. Now: ${latest}`}></div></figure>`;
}

export function Plots({ hour }) {
  const scheme = matchMedia("(prefers-color-scheme: dark)");
  const [isDark, setDark] = useState(scheme.matches);
  useEffect(() => {
    const changed = () => setDark(scheme.matches);
    scheme.addEventListener("change", changed);
    return () => scheme.removeEventListener("change", changed);
  }, []);
  if (!hour) return null;
  if (hour.at.length < 2) return html`<p class="soft">The first plots are drawn when the daemon has run for half a minute.</p>`;
  return html`<div id="plots">${PLOTS.map((plot) => html`<${Plot} key=${plot.title} plot=${plot} hour=${hour} isDark=${isDark} />`)}</div>`;
}
