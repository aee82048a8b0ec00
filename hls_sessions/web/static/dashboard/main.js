// The dashboard: everything that the daemon does, as it happens.

import { html, render, useEffect, useState } from "../vendor/htm/htm-preact.js";
import { get, post, whenRefused } from "./api.js";
import { HealthBadge, Reasons } from "./health.js";
import { Login } from "./login.js";
import { Nodes } from "./nodes.js";
import { Plots } from "./plots.js";
import { Recordings } from "./recordings.js";
import { Session } from "./session.js";
import { Sessions } from "./sessions.js";
import { Settings } from "./settings.js";
import { Start } from "./start.js";
import { begin, hear, refuse, state, watch } from "./store.js";
import { Toasts, toast } from "./toast.js";
import { Totals } from "./totals.js";
import { Tree } from "./tree.js";

const chosen = { ids: new Set(), stopping: new Set() };
let hasLogin = false; // whether this daemon asks for one

// Nothing may be kept where the browser forbids it.
function remembered(key) {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

function remember(key, value) {
  try {
    localStorage.setItem(key, value);
  } catch {
    // It is open again the next time.
  }
}

function Folding({ id, title, children }) {
  const key = `hls_sessions.fold.${id}`;
  const [isOpen] = useState(() => remembered(key) !== "closed");
  return html`<details class="fold" id=${id} open=${isOpen} onToggle=${(event) => remember(key, event.target.open ? "open" : "closed")}>
    <summary><h2>${title}</h2></summary>${children}</details>`;
}

function App() {
  const [, redraw] = useState(0);
  const [view, setView] = useState(null); // a dialog: start, settings, or the id of a session
  useEffect(() => watch(() => redraw((number) => number + 1)), []);
  if (state.isRefused) return html`<${Login} />`;
  const close = () => setView(null);
  const { sessions, health, stats, hour, processes, recordings, nodes, isReached, flashes } = state;
  return html`
    <header id="bar">
      <h1>hls_sessions</h1>
      <span class="soft host">${location.host}</span>
      <${HealthBadge} health=${health} />
      <span class="gap"></span>
      <button class="primary" onClick=${() => setView("start")}>Start a film</button>
      <a class="button" href="record">Record</a>
      <button onClick=${() => setView("settings")}>Settings</button>
      <a class="button" href="guide">Guide</a>
      ${hasLogin && html`<button onClick=${() => post("logout").then(refuse, (problem) => toast(problem.message, { isBad: true }))}>Log out</button>`}
    </header>
    <main>
      ${!isReached && html`<p id="unreached" role="alert">The daemon cannot be reached. It is asked again until it answers.</p>`}
      <${Reasons} health=${health} />
      <${Totals} sessions=${sessions} stats=${stats} health=${health} hour=${hour} />
      ${sessions === null ? html`<p class="soft" role="status">Loading…</p>` : html`<${Sessions} sessions=${sessions} chosen=${chosen} onOpen=${setView} onStart=${() => setView("start")} />`}
      <${Recordings} recordings=${recordings} />
      <${Nodes} nodes=${nodes} />
      <${Folding} id="hour" title="The last hour"><${Plots} hour=${hour} /><//>
      <${Folding} id="processes" title="Processes"><${Tree} processes=${processes} sessions=${sessions} flashes=${flashes} onOpen=${setView} /><//>
    </main>
    ${view === "start" && html`<${Start} onClose=${close} />`}
    ${view === "settings" && html`<${Settings} onClose=${close} />`}
    ${view && !["start", "settings"].includes(view) && html`<${Session} key=${view} id=${view} chosen=${chosen}
      session=${(sessions ?? []).find((session) => session.session_id === view)} onClose=${close} />`}
    <${Toasts} />`;
}

whenRefused(refuse);
hear((kind, event) => {
  if (kind === "started again") toast("The daemon was started again");
  if (kind === "ended" && event.state === "failed") toast(`A session failed: ${event.reason}`, { isBad: true, stays: 15_000 });
});
render(html`<${App} />`, document.getElementById("app"));

async function start() {
  const login = await get("login").catch(() => ({})); // it cannot be reached: then it is asked until it can
  hasLogin = Boolean(login.is_needed);
  if (login.is_needed && !login.is_done) refuse();
  else begin();
}

start();
