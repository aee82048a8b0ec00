// The life of the player page: it holds its session by listening to its events, and the screen awake while it plays.
// Where the session has ended meanwhile, it says so, and opens another at the same place.

import { base, fail, film, say, video } from "./page.js";

const HIDDEN = 5 * 60_000; // milliseconds; a page that nobody looks at for so long lets its session end
const GONE = new Set([404, 410]);
const ENDS = { expired: "Session timed out", completed: "The recording is over" };

const again = document.getElementById("again");
let lock = null;
let events = null;
let leaving = null;
let hasEnded = false;

const isVisible = () => document.visibilityState === "visible";
const listeners = new Map();

// Have a callback called with each event of a kind, as long as the page listens.
export function on(kind, callback) {
  listeners.set(kind, [...(listeners.get(kind) ?? []), callback]);
  events?.addEventListener(kind, (event) => callback(JSON.parse(event.data)));
}

function subscribe() {
  if (events || hasEnded) return;
  events = new EventSource(new URL("events", base));
  for (const [kind, callbacks] of listeners) {
    for (const callback of callbacks) events.addEventListener(kind, (event) => callback(JSON.parse(event.data)));
  }
  events.addEventListener("ended", ask);
  events.addEventListener("error", () => {
    // The browser connects again by itself, unless it was answered with an error.
    if (events?.readyState !== EventSource.CLOSED) return;
    unsubscribe();
    ask();
  });
}

function unsubscribe() {
  events?.close();
  events = null;
}

// Ask whether the session lives; if so, listen to it.
export async function ask() {
  if (hasEnded) return;
  const answer = await fetch(new URL("heartbeat", base), { method: "POST" }).catch(() => null);
  if (answer && GONE.has(answer.status)) end(await answer.json());
  else if (answer?.ok && isVisible()) subscribe();
  else if (isVisible()) setTimeout(ask, 5_000); // the server will be back
}

function end(problem) {
  if (hasEnded) return;
  hasEnded = true;
  unsubscribe();
  video.hls?.stopLoad();
  video.pause();
  if (problem.state === "failed") fail(problem.detail);
  else say(ENDS[problem.state] ?? "The session was stopped");
  again.hidden = !film;
}

async function openAgain() {
  const body = JSON.stringify({ ...film, start_at: video.currentTime });
  const headers = { "Content-Type": "application/json" };
  const answer = await fetch(new URL("../../sessions", base), { method: "POST", headers, body }).catch(() => null);
  if (!answer) {
    fail("The server cannot be reached. Try again in a moment.");
    return;
  }
  const made = await answer.json();
  if (answer.ok) location.replace(`${made.player_url}?t=${video.currentTime}`);
  else fail(made.detail);
}

// Not having a wake lock is no fault: the screen turns dark as it always does.
async function stayAwake() {
  if (lock || video.paused || !isVisible() || !navigator.wakeLock) return;
  lock = await navigator.wakeLock.request("screen").catch(() => null);
  lock?.addEventListener("release", () => { lock = null; });
}

function lookedAt() {
  clearTimeout(leaving);
  if (isVisible()) {
    if (!events) ask();
  } else leaving = setTimeout(unsubscribe, HIDDEN);
}

// The keys of a keyboard, a headset and a lock screen.
function offerMediaKeys() {
  const { mediaSession } = navigator;
  if (!mediaSession) return;
  const artwork = document.body.dataset.pictures ? [{ src: new URL("thumbnail?at=60", base).href, type: "image/jpeg" }] : [];
  mediaSession.metadata = new MediaMetadata({ title: document.title, artwork });
  mediaSession.setActionHandler("seekbackward", () => { video.currentTime -= 10; });
  mediaSession.setActionHandler("seekforward", () => { video.currentTime += 10; });
  mediaSession.setActionHandler("seekto", ({ seekTime }) => { video.currentTime = seekTime; });
}

export function live() {
  again.addEventListener("click", openAgain);
  video.addEventListener("playing", stayAwake);
  for (const event of ["pause", "ended"]) video.addEventListener(event, () => lock?.release());
  document.addEventListener("visibilitychange", () => {
    lookedAt();
    stayAwake();
  });
  subscribe();
  offerMediaKeys();
}
