// Statistics for the curious: what plays, from where, and how well.

import { base, film, session, video } from "./page.js";
import { nameOf } from "./tracks.js";

const EVERY = 1_000; // milliseconds
const panel = document.getElementById("statistics");
const button = document.getElementById("statistics-button");
const opened = performance.now();
let firstPicture = null;
let waits = 0;
let earlier = null; // how much was made, and when

const megabits = (bits) => `${(bits / 1e6).toFixed(1)} Mbit/s`;

function ahead() {
  const { buffered, currentTime } = video;
  for (let at = 0; at < buffered.length; at += 1) {
    if (buffered.start(at) <= currentTime + 0.1 && currentTime <= buffered.end(at)) return buffered.end(at) - currentTime;
  }
  return 0;
}

function speedOf(rendition, info) {
  const now = { at: performance.now(), id: rendition.id, made: rendition.published };
  const before = earlier;
  earlier = now;
  const run = info.runs.find((each) => each.rendition === rendition.id);
  if (!run) return info.packager && rendition.encoder === "copy" ? "when asked" : "at rest";
  if (run.held) return "far enough ahead, waits";
  if (before?.id !== now.id || now.at === before.at) return "…";
  const seconds = ((now.made - before.made) * info.duration) / rendition.segments;
  return `${((1000 * seconds) / (now.at - before.at)).toFixed(1)}×`;
}

// Only an operator is told of encoders.
async function ofTheServer(level) {
  const answer = film && (await fetch(new URL(`../${session}`, base)).catch(() => null));
  if (!answer?.ok) return {};
  const info = await answer.json();
  const id = level?.uri.match(/\/([^/]+)\/index\.m3u8/)?.[1];
  const rendition = info.renditions.find((each) => each.id === id);
  return rendition ? { Encoder: rendition.encoder ?? "none", "Encoder's speed": speedOf(rendition, info) } : {};
}

async function rows() {
  const { hls } = video;
  const level = hls?.levels[hls.currentLevel];
  const quality = video.getVideoPlaybackQuality?.();
  return {
    Rendition: level?.height ? `${nameOf(level)}, ${level.width}×${level.height}, ${megabits(level.bitrate)}` : "–",
    Codecs: level ? [level.videoCodec, level.audioCodec].filter(Boolean).join(", ") : "–",
    Player: hls ? `hls.js ${hls.constructor.version}` : "the browser's own",
    Position: `${video.currentTime.toFixed(2)} of ${Number.isFinite(video.duration) ? video.duration.toFixed(2) : "–"} s`,
    "Buffer ahead": `${ahead().toFixed(1)} s`,
    "Dropped frames": quality ? `${quality.droppedVideoFrames} of ${quality.totalVideoFrames}` : "–",
    "First picture": firstPicture === null ? "–" : `${(firstPicture / 1000).toFixed(2)} s after the page`,
    "Waits": String(waits),
    ...(hls && { Bandwidth: megabits(hls.bandwidthEstimate) }),
    ...(level?.details?.live && { "Behind live": `${hls.latency.toFixed(1)} s` }),
    ...(await ofTheServer(level)),
  };
}

async function show() {
  const list = document.createElement("dl");
  for (const [name, value] of Object.entries(await rows())) {
    const [term, definition] = [document.createElement("dt"), document.createElement("dd")];
    term.textContent = name;
    definition.textContent = value;
    list.append(term, definition);
  }
  panel.replaceChildren(list);
}

export function offerStatistics() {
  let showing = null;
  video.addEventListener("playing", () => { firstPicture ??= performance.now() - opened; });
  video.addEventListener("waiting", () => { if (firstPicture !== null && !video.seeking) waits += 1; });
  button.addEventListener("click", () => {
    panel.hidden = !panel.hidden;
    button.setAttribute("aria-pressed", String(!panel.hidden));
    clearInterval(showing);
    if (panel.hidden) return;
    show();
    showing = setInterval(show, EVERY);
  });
}
