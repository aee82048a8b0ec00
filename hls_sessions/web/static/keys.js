// The keyboard of players, wherever on the page the focus is.
"use strict";

const SEEKS = { ArrowLeft: -5, ArrowRight: 5, j: -10, l: 10 }; // seconds
const SPEEDS = [0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75, 2];

function seek(time) {
  const { seekable } = video;
  if (seekable.length) video.currentTime = Math.min(Math.max(time, seekable.start(0)), seekable.end(seekable.length - 1));
}

function faster(step) {
  const at = SPEEDS.indexOf(video.playbackRate);
  video.playbackRate = SPEEDS[Math.min(Math.max(at + step, 0), SPEEDS.length - 1)];
  say(`Speed ${video.playbackRate}`);
}

function showCaptions() {
  const texts = [...video.textTracks].filter((track) => track.kind === "subtitles" || track.kind === "captions");
  const isShown = texts.some((track) => track.mode === "showing");
  if (texts.length) texts[0].mode = "showing";
  if (isShown) for (const track of texts) track.mode = "disabled";
}

const KEYS = {
  " ": () => (video.paused ? video.play().catch(() => {}) : video.pause()),
  m: () => { video.muted = !video.muted; },
  f: () => (document.fullscreenElement ? document.exitFullscreen() : video.requestFullscreen().catch(() => {})),
  c: showCaptions,
  ArrowUp: () => { video.volume = Math.min(1, video.volume + 0.1); },
  ArrowDown: () => { video.volume = Math.max(0, video.volume - 0.1); },
  "<": () => faster(-1),
  ">": () => faster(1),
  "?": () => { document.getElementById("keys").open = true; },
};
KEYS.k = KEYS[" "];

document.addEventListener("keydown", (event) => {
  // A button's own keys stay its own, and so do those of the browser.
  if (event.ctrlKey || event.altKey || event.metaKey || (event.key === " " && event.target.closest("button, summary"))) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (key in SEEKS) seek(video.currentTime + SEEKS[key]);
  else if (/^\d$/.test(key)) seek((video.duration * Number(key)) / 10);
  else if (key in KEYS) KEYS[key]();
  else return;
  event.preventDefault();
}, true);
