// The supervision tree as a small picture. What has crashed is red until it is back, and is marked for a while after.

import { html } from "../vendor/htm/htm-preact.js";
import { FLASH } from "./store.js";

const MOST = 60; // sessions that are drawn; more are counted
const ROW = 30;
const WIDTH = 620;

const wordOf = (node, isFlashing) => {
  if (node.is_restarting) return "is being restarted";
  if (!node.is_running) return "does not run";
  const restarts = node.restarts ? `, restarted ${node.restarts} times` : "";
  return `${isFlashing ? "was just restarted" : "runs"}${restarts}`;
};

const kindOf = (node, isFlashing) => (node.is_restarting || !node.is_running ? "down" : isFlashing ? "flash" : node.restarts ? "again" : "up");

export function Tree({ processes, sessions, flashes, onOpen }) {
  if (!processes) return null;
  const known = new Map((sessions ?? []).map((session) => [session.session_id, session]));
  const now = Date.now();
  const isFlashing = (id) => now - (flashes.get(id) ?? 0) < FLASH;
  const supervised = processes.children.find((child) => child.id === "sessions")?.children ?? [];
  const shown = supervised.slice(0, MOST);
  const perRow = 30;
  const rows = Math.max(1, Math.ceil(shown.length / perRow));
  let y = ROW;
  const places = processes.children.map((child) => {
    const place = { child, y };
    y += child.id === "sessions" ? ROW * Math.max(1, rows * 0.8) : ROW;
    return place;
  });
  const height = y;
  return html`<svg id="tree" viewBox=${`0 0 ${WIDTH} ${height}`} role="group" aria-label="Supervision tree">
    <g class="node up"><title>root: runs</title><circle cx="16" cy="14" r="7" /><text x="30" y="18">root</text></g>
    ${places.map(
      ({ child, y: at }) => html`<g key=${child.id}>
        <path d=${`M16 21 V${at + 8} H52`} />
        <g class=${`node ${kindOf(child, false)}`}>
          <title>${`${child.id}: ${wordOf(child, false)}`}</title>
          <circle cx="60" cy=${at + 8} r="7" />
          <text x="74" y=${at + 12}>${child.id}${child.restarts ? ` (${child.restarts}×)` : ""}</text>
        </g>
        ${child.id === "sessions" &&
        shown.map((each, number) => {
          const session = known.get(each.id);
          const [cx, cy] = [180 + (number % perRow) * 14, at + 8 + Math.floor(number / perRow) * ROW * 0.8];
          const encoders = session?.runs.length ?? 0;
          return html`<g key=${each.id} class=${`node leaf ${kindOf(each, isFlashing(each.id))}`} onClick=${() => session && onOpen(each.id)}>
            <title>${`${session ? session.title : each.id}: ${wordOf(each, isFlashing(each.id))}; encoders: ${encoders}`}</title>
            <circle cx=${cx} cy=${cy} r="5" />
            ${encoders > 0 && html`<circle class="encoder" cx=${cx} cy=${cy + 9} r="2" />`}
          </g>`;
        })}
      </g>`,
    )}
    ${supervised.length > MOST && html`<text x="180" y=${height - 4}>and ${supervised.length - MOST} more sessions</text>`}
  </svg>`;
}
