// All sessions, as rows of which only those in sight are in the page: a thousand stay fluid.

import { html, useEffect, useLayoutEffect, useRef, useState } from "../vendor/htm/htm-preact.js";
import { forEach, post, remove } from "./api.js";
import { bytes, clock, count } from "../format.js";
import { Icon } from "./icons.js";
import { lookSoon, speedOf } from "./store.js";
import { doLater, toast } from "./toast.js";

const CHUNK = 12; // rows are made so many at a time, before they come into sight
const STAYS = 200; // milliseconds for which a row is in sight before its picture is asked for
const STATES = ["pending", "active", "paused"];

export function stop(sessions, chosen) {
  const ids = sessions.map((session) => session.session_id);
  for (const id of ids) chosen.stopping.add(id);
  const { undo, shown } = doLater(`Stopping ${count(ids.length, "session")}`, async (options) => {
    // A page that is left has no time to send one after another.
    const atOnce = options?.keepalive ? ids.length : undefined;
    const problems = await forEach(ids, (id) => remove(`sessions/${id}`, options), atOnce);
    for (const id of ids) chosen.stopping.delete(id);
    const real = problems.filter(({ status }) => status !== 404 && status !== 410); // else it has ended already
    if (real.length) toast(`${count(real.length, "session")} could not be stopped: ${real[0].message}`, { isBad: true });
    lookSoon();
  });
  shown.undo = () => {
    undo();
    for (const id of ids) chosen.stopping.delete(id);
  };
}

async function each(sessions, verb, path, back) {
  const done = [];
  const problems = await forEach(sessions, async (session) => {
    await post(`sessions/${session.session_id}/${path}`);
    done.push(session);
  });
  lookSoon();
  if (done.length) toast(`${verb} ${count(done.length, "session")}`, { undo: back && (() => back(done)) });
  if (problems.length) toast(problems[0].message, { isBad: true });
}

export const pause = (sessions) => each(sessions, "Paused", "pause", (done) => resume(done, false));
export const resume = (sessions, canBack = true) => each(sessions, "Resumed", "resume", canBack ? (done) => pause(done) : null);

function encoderOf(session) {
  const working = session.runs.filter((run) => !run.held);
  const [run] = working.length ? working : session.runs;
  if (run) {
    const speed = speedOf(session, run);
    const length = session.duration / (session.renditions.find(({ id }) => id === run.rendition)?.segments || 1);
    const lead = Math.max(0, run.next * length - session.position);
    const how = run.held ? "held" : speed === null ? "encodes" : `${speed.toFixed(1)}×`;
    return { text: `${run.rendition} · ${how}`, more: `${run.encoder}, ${clock(lead)} ahead` };
  }
  if (session.packager) return { text: "packager", more: "copies when asked" };
  return { text: "at rest", more: "" };
}

const restartsOf = (session) => Object.values(session.restarts).reduce((sum, number) => sum + number, 0);

// A picture of a row that is passed by is not asked for.
function Picture({ src }) {
  const [isWanted, want] = useState(false);
  useEffect(() => {
    const staying = setTimeout(() => want(true), STAYS);
    return () => clearTimeout(staying);
  }, []);
  return isWanted ? html`<img alt="" width="64" height="36" src=${src} />` : html`<span class="no-picture"></span>`;
}

function Row({ session, index, isChosen, isStopping, onChoose, onOpen, onStop }) {
  const encoder = encoderOf(session);
  const part = session.duration ? Math.min(1, session.position / session.duration) : 0;
  const restarts = restartsOf(session);
  const at = Math.floor(session.position / 60) * 60;
  const label = `${session.title}${session.user ? `, ${session.user}` : ""}`;
  // Each row has a place of its own, so that none moves, and is painted again, when others come into sight.
  return html`<div role="row" class=${isStopping ? "row stopping" : "row"} aria-rowindex=${index + 2} style=${{ top: `calc(var(--row) * ${index})` }}>
    <div role="cell" class="choose"><input type="checkbox" aria-label=${`Choose ${label}`} checked=${isChosen} onChange=${(event) => onChoose(session.session_id, event.target.checked)} /></div>
    <div role="cell" class="picture">${session.source === null && session.renditions.some(({ kind }) => kind === "video")
      ? html`<${Picture} src=${`sessions/${session.session_id}/thumbnail?at=${at}`} />`
      : html`<span class="no-picture" aria-hidden="true">${session.source === null ? "♪" : "●"}</span>`}</div>
    <div role="cell" class="film"><button class="plain" title=${session.media} onClick=${() => onOpen(session.session_id)}>${session.title}</button>
      <span class="soft">${session.user ?? "no user"}</span></div>
    <div role="cell" class="state"><span class=${`badge ${session.state}`}>${isStopping ? "stopping" : session.source ?? session.state}</span></div>
    <div role="cell" class="position"><div class="bar" role="img" aria-label=${`at ${clock(session.position)} of ${clock(session.duration)}`}><span style=${{ width: `${100 * part}%` }}></span></div>
      <span class="soft">${clock(session.position)} / ${clock(session.duration)}</span></div>
    <div role="cell" class="encoder">${encoder.text}<span class="soft">${encoder.more}</span></div>
    <div role="cell" class="numbers">${bytes(session.bytes_on_disk)}<span class="soft">${restarts ? count(restarts, "restart") : ""}</span></div>
    <div role="cell" class="viewers">${count(session.subscriber_count, "viewer")}<span class=${session.viewers_waiting ? "waits" : "soft"}>${session.viewers_waiting ? `${session.viewers_waiting} wait` : ""}</span></div>
    <div role="cell" class="acts">
      <a class="button" href=${session.player_url} target="_blank" rel="noopener" aria-label=${`Watch ${label}`} title="Watch"><${Icon} name="watch" /></a>
      ${session.source === null && (session.state === "paused"
        ? html`<button onClick=${() => resume([session])} aria-label=${`Resume ${label}`} title="Resume"><${Icon} name="resume" /></button>`
        : html`<button onClick=${() => pause([session])} aria-label=${`Pause ${label}`} title="Pause"><${Icon} name="pause" /></button>`)}
      <button class="danger" disabled=${isStopping} onClick=${() => onStop([session])} aria-label=${`Stop ${label}`} title="Stop"><${Icon} name="stop" /></button>
    </div>
  </div>`;
}

function useWindow(rows) {
  const body = useRef(null);
  const [seen, setSeen] = useState([0, 30]);
  useLayoutEffect(() => {
    const look = () => {
      const element = body.current;
      if (!element) return;
      const { top: above, height: all } = element.getBoundingClientRect();
      const height = all / rows || 1;
      const top = -above;
      const first = Math.max(0, (Math.floor(top / height / CHUNK) - 1) * CHUNK);
      const last = Math.min(rows, (Math.ceil((top + innerHeight) / height / CHUNK) + 1) * CHUNK);
      setSeen((before) => (before[0] === first && before[1] === last ? before : [first, last]));
    };
    look();
    addEventListener("scroll", look, { passive: true });
    addEventListener("resize", look);
    return () => {
      removeEventListener("scroll", look);
      removeEventListener("resize", look);
    };
  }, [rows]);
  return [body, seen];
}

export function Sessions({ sessions, chosen, onOpen, onStart }) {
  const [text, setText] = useState("");
  const [state, setState] = useState("");
  const [, redraw] = useState(0);
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const shown = sessions.filter((session) => {
    const named = `${session.media} ${session.user ?? ""} ${session.session_id}`.toLowerCase();
    return words.every((word) => named.includes(word)) && (!state || session.state === state);
  });
  const [body, [first, last]] = useWindow(shown.length);
  const ids = new Set(shown.map((session) => session.session_id));
  useEffect(() => {
    for (const id of chosen.ids) if (!sessions.some((session) => session.session_id === id)) chosen.ids.delete(id);
  }, [sessions]);
  const picked = shown.filter((session) => chosen.ids.has(session.session_id));
  const choose = (id, isWanted) => {
    if (isWanted) chosen.ids.add(id);
    else chosen.ids.delete(id);
    redraw((number) => number + 1);
  };
  const chooseAll = (event) => {
    for (const id of ids) {
      if (event.target.checked) chosen.ids.add(id);
      else chosen.ids.delete(id);
    }
    redraw((number) => number + 1);
  };
  const stopThese = (these) => {
    stop(these, chosen);
    for (const session of these) chosen.ids.delete(session.session_id);
    redraw((number) => number + 1);
  };

  if (!sessions.length) {
    return html`<section id="sessions" class="empty" aria-label="Sessions">
      <h2>No sessions yet</h2>
      <p class="soft">A session is made when somebody opens a film: here, by <code>hls-sessions start FILE</code>, or by <code>POST /sessions</code>.</p>
      <button class="primary" onClick=${onStart}>Start a film</button>
    </section>`;
  }
  return html`<section id="sessions" aria-label="Sessions">
    <div class="tools">
      <h2>Sessions</h2>
      <label class="unseen" for="filter">Filter sessions</label>
      <input id="filter" type="search" placeholder="File, user or id" value=${text} onInput=${(event) => setText(event.target.value)} />
      <label class="unseen" for="state">State</label>
      <select id="state" value=${state} onChange=${(event) => setState(event.target.value)}>
        <option value="">any state</option>${STATES.map((each) => html`<option key=${each} value=${each}>${each}</option>`)}
      </select>
      <span class="soft">${shown.length === sessions.length ? "" : `${shown.length} of ${sessions.length}`}</span>
      <span class="gap"></span>
      ${picked.length > 0 && html`<span>${picked.length} chosen</span>
        <button onClick=${() => pause(picked.filter((each) => each.state === "active"))}>Pause</button>
        <button onClick=${() => resume(picked.filter((each) => each.state === "paused"))}>Resume</button>
        <button class="danger" onClick=${() => stopThese(picked)}>Stop</button>`}
    </div>
    <div role="table" aria-label="Sessions" aria-rowcount=${shown.length + 1}>
      <div role="row" class="row head" aria-rowindex="1">
        <div role="columnheader" class="choose"><input type="checkbox" aria-label="Choose all" checked=${shown.length > 0 && picked.length === shown.length} onChange=${chooseAll} /></div>
        <div role="columnheader" class="picture"><span class="unseen">Picture</span></div>
        <div role="columnheader" class="film">File and user</div>
        <div role="columnheader" class="state">State</div>
        <div role="columnheader" class="position">Position</div>
        <div role="columnheader" class="encoder">Encoder</div>
        <div role="columnheader" class="numbers">On disk</div>
        <div role="columnheader" class="viewers">Viewers</div>
        <div role="columnheader" class="acts"><span class="unseen">Actions</span></div>
      </div>
      <div role="rowgroup" class="rows" ref=${body} style=${{ height: `calc(var(--row) * ${shown.length})` }}>
          ${shown.slice(first, last).map((session, at) => html`<${Row} key=${session.session_id} session=${session} index=${first + at}
            isChosen=${chosen.ids.has(session.session_id)} isStopping=${chosen.stopping.has(session.session_id)}
            onChoose=${choose} onOpen=${onOpen} onStop=${stopThese} />`)}
      </div>
    </div>
  </section>`;
}
