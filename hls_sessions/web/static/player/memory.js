// What a viewer has chosen is remembered in the browser: for this film, and as what any other film begins with.
// The position is of this film alone.

import { filmKey, player, video } from "./page.js";

const PREFIX = "hls_sessions.";
const MOST = 200; // films
const BEGUN = 10; // seconds; who has seen less begins again
const NEARLY_OVER = 0.97; // who has seen as much has seen it
const OFTEN = 5_000; // milliseconds
const WISHES = ["mediashowsubtitlesrequest", "mediadisablesubtitlesrequest", "mediatogglesubtitlesrequest"]; // of the controls

function read(key) {
  try {
    return JSON.parse(localStorage.getItem(PREFIX + key)) ?? {};
  } catch {
    return {}; // it may not be read here, or holds something else
  }
}

function write(key, values) {
  try {
    localStorage.setItem(PREFIX + key, JSON.stringify({ ...read(key), ...values }));
  } catch {
    // It is full, or forbidden: nothing is remembered.
  }
}

// Remember choices, by name.
export function choose(values) {
  write("all", values);
  write(filmKey, { ...values, at: Date.now() });
}

export function recall() {
  const { position, ...chosen } = { ...read("all"), ...read(filmKey) };
  const asked = new URLSearchParams(location.search).get("t"); // seconds, as of other players
  const from = asked === null ? position : Number(asked);
  const last = Number(document.body.dataset.duration) || Infinity; // of a recording that goes on, nobody knows
  return { ...chosen, position: Number.isFinite(from) && from > 0 && from < last ? from : undefined };
}

function forgetTheOldest() {
  const keys = Object.keys(localStorage).filter((key) => key.startsWith(PREFIX) && key !== `${PREFIX}all`);
  const when = (key) => read(key.slice(PREFIX.length)).at ?? 0;
  for (const key of keys.sort((a, b) => when(b) - when(a)).slice(MOST)) localStorage.removeItem(key);
}

function keepPosition() {
  const { currentTime, duration } = video;
  if (!Number.isFinite(duration) || !video.readyState) return; // it still grows, or nothing is shown yet
  const isAmidst = currentTime >= BEGUN && currentTime < duration * NEARLY_OVER;
  write(filmKey, { position: isAmidst ? currentTime : null, at: Date.now() });
}

// Remember which subtitles are shown. Called when the viewer has chosen them, because players choose some unasked.
export function rememberSubtitles() {
  const texts = [...video.textTracks].filter(({ kind }) => kind === "subtitles" || kind === "captions");
  if (texts.length) choose({ subtitles: texts.find(({ mode }) => mode === "showing")?.language ?? "off" });
}

export function remember() {
  const { volume, muted, speed } = recall();
  // What is kept may be anything by now.
  if (volume >= 0 && volume <= 1) video.volume = volume;
  if (typeof muted === "boolean") video.muted = muted;
  if (speed >= 0.25 && speed <= 2) video.playbackRate = video.defaultPlaybackRate = speed;

  let kept = Date.now();
  video.addEventListener("timeupdate", () => {
    if (Date.now() - kept < OFTEN) return;
    kept = Date.now();
    keepPosition();
  });
  for (const event of ["pause", "seeked", "ended"]) video.addEventListener(event, keepPosition);
  addEventListener("pagehide", keepPosition);

  // A change is told of a moment later, and the page may be left before that.
  let heard = [video.volume, video.muted].join();
  const keepVolume = () => {
    if (heard === [video.volume, video.muted].join()) return;
    heard = [video.volume, video.muted].join();
    choose({ volume: video.volume, muted: video.muted });
  };
  video.addEventListener("volumechange", keepVolume);
  addEventListener("pagehide", keepVolume);
  video.addEventListener("ratechange", () => choose({ speed: video.playbackRate }));
  for (const wish of WISHES) player.addEventListener(wish, () => setTimeout(rememberSubtitles));
  try {
    forgetTheOldest();
  } catch {
    // There is nothing to forget where nothing may be kept.
  }
}
