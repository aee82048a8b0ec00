// The player: hls.js where it is installed and Media Source Extensions are there, the native player else.
// ?player=native or ?player=hls.js asks for one of them.
"use strict";

// A server that is started again is back in seconds. It is asked again this often, and for this long.
const ASK_AGAIN = 1_000; // milliseconds
const TIMES = 90;
const STUCK = 20_000; // milliseconds without any progress
// hls.js takes a server that cannot be reached for one that forbids its answers, and would ask it once.
const RETRY = {
  maxNumRetry: TIMES,
  retryDelayMs: ASK_AGAIN,
  maxRetryDelayMs: ASK_AGAIN,
  shouldRetry: (retry, count, isTimeout, answer, usual) => count < retry.maxNumRetry && (usual || answer?.code === 0),
};
// The server holds a segment's request until the segment is there: time for a slow encoder to make it.
const PATIENCE = { maxTimeToFirstByteMs: 60_000, maxLoadTimeMs: 120_000, timeoutRetry: null, errorRetry: RETRY };
// It also holds a playlist until something new has come. hls.js waits for that less than four seconds, whatever it is told.
const PLAYLISTS = { default: { ...PATIENCE, timeoutRetry: RETRY } };

// Of a recording that goes on, a viewer is this many seconds behind: segments of 2 seconds, and the time to make them.
// One of low latency says itself how far; a viewer who has fallen behind plays a little faster.
const LIVE = document.body.dataset.latency === "low" ? { maxLiveSyncPlaybackRate: 1.1 } : { liveSyncDuration: 5 };

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
  const policy = { default: PATIENCE };
  const hls = new Hls({ fragLoadPolicy: policy, playlistLoadPolicy: PLAYLISTS, manifestLoadPolicy: policy, ...LIVE });
  const toLive = document.getElementById("live");
  toLive.addEventListener("click", () => {
    video.currentTime = hls.liveSyncPosition;
    video.play().catch(() => {});
  });
  hls.on(Hls.Events.LEVEL_UPDATED, (_, data) => { toLive.hidden = !data.details.live; });
  hls.on(Hls.Events.MANIFEST_PARSED, () => say("Playing with hls.js"));
  hls.on(Hls.Events.ERROR, (_, data) => {
    if (!data.fatal) return;
    if (GONE.has(data.response?.code)) beat(); // which says what has become of the session
    else say(`Playback failed: ${data.details}`, true);
  });
  hls.loadSource(playlist);
  hls.attachMedia(video);
  video.hls = hls; // for the browser's console
}

// The native player gives up at the first answer it does not get: it is started again where it was.
function playNatively() {
  let place = 0;
  let tries = 0;
  const failed = () => say(`Playback failed: ${video.error?.message || video.error?.code}`, true);

  async function again() {
    tries += 1;
    const answer = await fetch(playlist).catch(() => null);
    if (answer?.ok) {
      video.src = playlist;
      if (place) video.currentTime = place;
      video.play().catch(() => {}); // where it fails, its error event says so
    } else if (tries < TIMES && (!answer || answer.status >= 500)) setTimeout(again, ASK_AGAIN);
    else failed();
  }

  video.addEventListener("timeupdate", () => {
    if (video.error || video.readyState < HTMLMediaElement.HAVE_FUTURE_DATA) return;
    if (video.currentTime > place) tries = 0; // it gets on
    place = video.currentTime;
  });
  video.addEventListener("seeking", () => { if (!video.error && video.readyState) place = video.currentTime; });
  video.addEventListener("error", () => {
    // Only what it did not get may come later; what it cannot decode stays as it is.
    if (tries < TIMES && video.error?.code !== MediaError.MEDIA_ERR_DECODE) setTimeout(again, ASK_AGAIN);
    else failed();
  });
  // Chromium's native player sometimes waits for ever on a busy machine. Where nothing moves, it is started again.
  let last = -1;
  let moved = Date.now();
  setInterval(() => {
    if (video.currentTime !== last || video.paused || video.ended || video.error) {
      last = video.currentTime;
      moved = Date.now();
    } else if (Date.now() - moved > STUCK) {
      moved = Date.now();
      place = video.currentTime;
      again();
    }
  }, ASK_AGAIN);
  video.src = playlist;
  say("Playing natively");
}

if (wanted !== "native" && window.Hls?.isSupported()) {
  video.addEventListener("error", () => say(`Playback failed: ${video.error.message || video.error.code}`, true));
  playWithHlsJs();
} else if (video.canPlayType("application/vnd.apple.mpegurl")) playNatively();
else say("This browser plays HLS only with hls.js, which is not installed on the server.", true);
