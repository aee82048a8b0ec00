// The life of the player page: it keeps its session while somebody is there, and the screen awake while it plays.
// Where the session has ended meanwhile, it says so, and opens another at the same place.
"use strict";

const HEARTBEAT = 60_000; // milliseconds
const GONE = new Set([404, 410]);
const ENDS = { expired: "Session timed out", completed: "The recording is over" };

const again = document.getElementById("again");
const film = document.body.dataset.film; // what to open again; empty where that takes a token
let lock = null;
let hasEnded = false;

const isVisible = () => document.visibilityState === "visible";

// A page that nobody looks at and that does not play lets its session time out.
async function beat() {
  if (hasEnded || !(isVisible() || !video.paused)) return;
  const answer = await fetch(`../sessions/${session}/heartbeat`, { method: "POST" }).catch(() => null);
  if (answer && GONE.has(answer.status)) end(await answer.json()); // else it is there, or will be again
}

function end(problem) {
  if (hasEnded) return;
  hasEnded = true;
  clearInterval(beating);
  video.hls?.stopLoad();
  video.pause();
  if (problem.state === "failed") say(problem.detail, true);
  else say(ENDS[problem.state] ?? "The session was stopped");
  again.hidden = !film;
}

again.addEventListener("click", async () => {
  const body = JSON.stringify({ ...JSON.parse(film), start_at: video.currentTime });
  const headers = { "Content-Type": "application/json" };
  const answer = await fetch("../sessions", { method: "POST", headers, body }).catch(() => null);
  if (!answer) {
    say("The server cannot be reached. Try again in a moment.", true);
    return;
  }
  const made = await answer.json();
  if (answer.ok) location.replace(made.player_url);
  else say(made.detail, true);
});

// Not having a wake lock is no fault: the screen turns dark as it always does.
async function stayAwake() {
  if (lock || video.paused || !isVisible() || !navigator.wakeLock) return;
  lock = await navigator.wakeLock.request("screen").catch(() => null);
  lock?.addEventListener("release", () => { lock = null; });
}

video.addEventListener("playing", stayAwake);
for (const event of ["pause", "ended"]) video.addEventListener(event, () => lock?.release());
document.addEventListener("visibilitychange", () => {
  if (!isVisible()) return;
  beat();
  stayAwake();
});
if (navigator.mediaSession) navigator.mediaSession.metadata = new MediaMetadata({ title: document.title });
const beating = setInterval(beat, HEARTBEAT);
