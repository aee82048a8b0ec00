// The keyboard of players, wherever on the page the focus is.

import { rememberSubtitles } from "./memory.js";
import { hint, player, video } from "./page.js";

const SEEKS = { ArrowLeft: -5, ArrowRight: 5, j: -10, l: 10 }; // seconds
const SPEEDS = [0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75, 2];
const FRAMES = { ",": -1, ".": 1 };
const FRAME = 1 / 25; // seconds

const keys = document.getElementById("keys");
// What has keys of its own: a button its space, a slider and a menu their arrows.
const OWN = { " ": "button, summary, [role=button], [role^=menuitem]", Arrow: "[role^=menu], [role=menuitemradio], select, input" };

function seek(time) {
  const { seekable } = video;
  if (seekable.length) video.currentTime = Math.min(Math.max(time, seekable.start(0)), seekable.end(seekable.length - 1));
}

function faster(step) {
  const at = SPEEDS.indexOf(video.playbackRate);
  video.playbackRate = SPEEDS[Math.min(Math.max(at + step, 0), SPEEDS.length - 1)];
  hint(`Speed ${video.playbackRate}×`);
}

function louder(step) {
  video.volume = Math.min(1, Math.max(0, video.volume + step));
  hint(`Volume ${Math.round(video.volume * 100)} %`);
}

function showCaptions() {
  const texts = [...video.textTracks].filter(({ kind }) => kind === "subtitles" || kind === "captions");
  const isShown = texts.some((track) => track.mode === "showing");
  if (texts.length) texts[0].mode = "showing";
  if (isShown) for (const track of texts) track.mode = "disabled";
  rememberSubtitles();
  hint(texts.length ? `Subtitles ${isShown ? "off" : "on"}` : "There are no subtitles");
}

export function fullScreen() {
  if (document.fullscreenElement) document.exitFullscreen();
  else if (player.requestFullscreen) player.requestFullscreen().catch(() => {});
  else video.webkitEnterFullscreen?.(); // a phone that shows nothing but a video on its full screen
}

const KEYS = {
  " ": () => (video.paused ? video.play().catch(() => {}) : video.pause()),
  m: () => {
    video.muted = !video.muted;
    hint(video.muted ? "Sound off" : "Sound on");
  },
  f: fullScreen,
  c: showCaptions,
  i: () => document.getElementById("statistics-button").click(),
  p: () => (document.pictureInPictureElement ? document.exitPictureInPicture() : video.requestPictureInPicture?.().catch(() => {})),
  Home: () => seek(0),
  End: () => seek(video.duration),
  ArrowUp: () => louder(0.1),
  ArrowDown: () => louder(-0.1),
  "<": () => faster(-1),
  ">": () => faster(1),
  "?": () => (keys.open ? keys.close() : keys.showModal()),
};
KEYS.k = KEYS[" "];

// The innermost element with the focus, through shadow roots.
function focused() {
  let element = document.activeElement;
  while (element?.shadowRoot?.activeElement) element = element.shadowRoot.activeElement;
  return element;
}

function isTakenBy(element, key) {
  const own = key === " " ? OWN[" "] : key.startsWith("Arrow") ? OWN.Arrow : null;
  return Boolean(own && (element?.closest(own) || element?.getRootNode().host?.closest(own)));
}

export function listenToKeys() {
  document.addEventListener("keydown", (event) => {
    // The browser's own stay its own.
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (isTakenBy(focused(), key)) return;
    if (key in SEEKS) seek(video.currentTime + SEEKS[key]);
    else if (key in FRAMES && video.paused) seek(video.currentTime + FRAMES[key] * FRAME);
    else if (/^\d$/.test(key)) seek((video.duration * Number(key)) / 10);
    else if (key in KEYS) KEYS[key]();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }, true);
  for (const button of document.querySelectorAll("button[data-key]")) {
    button.addEventListener("click", () => KEYS[button.dataset.key]());
  }
}
