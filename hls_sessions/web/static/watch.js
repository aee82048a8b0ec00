// The player: hls.js where it is installed and Media Source Extensions are there, the native player else.
// ?player=native or ?player=hls.js asks for one of them.
"use strict";

const HEARTBEAT = 60_000; // milliseconds
// The server holds a segment's request until the segment is there: time for a slow encoder to make it.
const PATIENCE = { maxTimeToFirstByteMs: 60_000, maxLoadTimeMs: 120_000, timeoutRetry: null, errorRetry: null };

const session = document.body.dataset.session;
const playlist = new URL(`../sessions/${session}/master.m3u8`, location.href).href; // also where the app is mounted
const video = document.getElementById("video");
const wanted = new URLSearchParams(location.search).get("player");

function say(text, failed = false) {
  const status = document.getElementById("status");
  status.textContent = text;
  status.classList.toggle("error", failed);
}

function playWithHlsJs() {
  const hls = new Hls({ fragLoadPolicy: { default: PATIENCE } });
  hls.on(Hls.Events.MANIFEST_PARSED, () => say("Playing with hls.js"));
  hls.on(Hls.Events.ERROR, (_, data) => {
    if (data.fatal) say(`Playback failed: ${data.details}`, true);
  });
  hls.loadSource(playlist);
  hls.attachMedia(video);
  video.hls = hls; // for the browser's console
}

function playNatively() {
  video.src = playlist;
  say("Playing natively");
}

function beat() {
  fetch(`../sessions/${session}/heartbeat`, { method: "POST" }).then(async (answer) => {
    if (answer.ok) return;
    clearInterval(beating);
    const problem = await answer.json();
    say(problem.detail, true);
  }, () => {}); // the server cannot be reached: the player will say so when it matters
}

video.addEventListener("error", () => say(`Playback failed: ${video.error.message || video.error.code}`, true));
if (wanted !== "native" && window.Hls?.isSupported()) playWithHlsJs();
else if (video.canPlayType("application/vnd.apple.mpegurl")) playNatively();
else say("This browser plays HLS only with hls.js, which is not installed on the server.", true);
const beating = setInterval(beat, HEARTBEAT);
