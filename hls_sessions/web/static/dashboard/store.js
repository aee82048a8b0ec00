// What the page knows of the daemon. It is asked again and again; events say when sooner than that.

import { get } from "./api.js";

const EVERY = 2_000; // milliseconds between two looks at the sessions
const FIGURES = 5_000; // between two looks at the figures
const SOON = 250; // after an event
export const FLASH = 8_000; // for which what was restarted is marked
const SHARE = 10; // a look that takes long is not repeated before this many times as long
const KINDS = ["started", "state_changed", "restarted", "ended", "updated", "reconfigured", "source_changed"];

export const state = {
  sessions: null, // null: not known yet
  health: null,
  stats: null,
  hour: null,
  processes: null,
  recordings: null,
  nodes: null, // of a cluster; none where the daemon runs by itself
  isReached: true,
  isRefused: false,
  flashes: new Map(), // what was restarted, and when
};

const watchers = new Set();
const rates = new Map(); // of each encoder: the segment it was at, when, and how many seconds of film it makes in one
let events = null;
let next = null;
let notBefore = 0;
let startedAt = null;
let onEvent = () => {};

export function watch(callback) {
  watchers.add(callback);
  return () => watchers.delete(callback);
}

export function changed() {
  for (const callback of watchers) callback();
}

// Have a callback called with each event, and when the daemon was started again.
export function hear(callback) {
  onEvent = callback;
}

// How fast an encoder makes film; null while that is not known.
export function speedOf(session, run) {
  return rates.get(`${session.session_id} ${run.rendition} ${run.run}`)?.speed ?? null;
}

function measure(sessions) {
  const now = performance.now();
  const living = new Set();
  for (const session of sessions) {
    for (const run of session.runs) {
      const key = `${session.session_id} ${run.rendition} ${run.run}`;
      const length = session.duration / (session.renditions.find((each) => each.id === run.rendition)?.segments || 1);
      const before = rates.get(key);
      living.add(key);
      if (!before) rates.set(key, { at: now, segment: run.next, speed: null });
      else if (run.next > before.segment && now > before.at) {
        rates.set(key, { at: now, segment: run.next, speed: ((run.next - before.segment) * length * 1000) / (now - before.at) });
      }
    }
  }
  for (const key of rates.keys()) if (!living.has(key)) rates.delete(key);
}

const restartsOf = (session) => Object.values(session.restarts).reduce((sum, number) => sum + number, 0);

function mark(id) {
  state.flashes.set(id, Date.now());
  changed();
  setTimeout(changed, FLASH);
}

// Keep the object of a session that is as it was, so that its row is not drawn again. What was restarted is seen here
// too, because an event may be missed while the page connects.
function merge(found) {
  const known = new Map((state.sessions ?? []).map((session) => [session.session_id, session]));
  for (const session of found) {
    const before = known.get(session.session_id);
    if (before && restartsOf(session) > restartsOf(before)) mark(session.session_id);
  }
  return found.map((session) => {
    const before = known.get(session.session_id);
    const text = JSON.stringify({ ...session, expires_in: 0, last_activity_at: 0, seconds_in: 0 });
    if (before?.text === text) return before;
    Object.defineProperty(session, "text", { value: text });
    return session;
  });
}

async function lookAtSessions() {
  clearTimeout(next);
  const begun = performance.now();
  try {
    const found = await get("sessions");
    measure(found);
    state.sessions = merge(found);
    state.isReached = true;
  } catch (problem) {
    if (problem.status === 0 || problem.status === 503) state.isReached = false;
  }
  const took = performance.now() - begun;
  notBefore = performance.now() + SHARE * took;
  schedule(Math.max(EVERY, SHARE * took));
  changed();
}

function schedule(delay) {
  clearTimeout(next);
  if (!state.isRefused) next = setTimeout(lookAtSessions, delay);
}

export function lookSoon() {
  schedule(Math.max(SOON, notBefore - performance.now()));
}

async function lookAtFigures() {
  if (document.visibilityState === "hidden" || state.isRefused) return;
  const ask = async (path, member) => {
    state[member] = await get(path).catch(() => state[member]);
  };
  await Promise.all([
    ask("health?probe=false", "health"),
    ask("stats", "stats"),
    ask("stats/hour", "hour"),
    ask("processes", "processes"),
    ask("recordings", "recordings"),
    ask("nodes", "nodes"),
  ]);
  if (state.health && state.isReached) {
    const at = performance.now() / 1000 - state.health.uptime;
    if (startedAt !== null && at - startedAt > 5) onEvent("started again", {});
    startedAt = at;
  }
  changed();
}

function listen() {
  events?.close();
  events = new EventSource(`events?${KINDS.map((kind) => `kind=${kind}`).join("&")}`);
  for (const kind of KINDS) {
    events.addEventListener(kind, (event) => {
      const data = JSON.parse(event.data);
      if (kind === "restarted") mark(data.session_id);
      onEvent(kind, data);
      lookSoon();
    });
  }
  events.addEventListener("open", lookSoon);
  events.addEventListener("error", () => {
    if (events.readyState === EventSource.CLOSED && !state.isRefused) setTimeout(listen, EVERY);
    lookSoon();
  });
}

export function refuse() {
  state.isRefused = true;
  events?.close();
  clearTimeout(next);
  changed();
}

export async function begin() {
  state.isRefused = false;
  await lookAtSessions();
  if (state.isRefused) return;
  listen();
  lookAtFigures();
}

setInterval(lookAtFigures, FIGURES);
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState !== "visible" || state.isRefused) return;
  lookSoon();
  lookAtFigures();
});
