// On the seek bar, what the server has made of the rendition that plays: a seek to there is answered at once.

import { on } from "./life.js";
import { base, player, video } from "./page.js";

const bar = player.querySelector("media-time-range");
const made = new Set(); // numbers of segments
let rendition = null;
let starts = []; // the beginning of each segment, in seconds
let drawing = 0;

function draw() {
  drawing = 0;
  const stops = [];
  const { duration } = video;
  if (!Number.isFinite(duration) || !starts.length) return;
  const percent = (at) => `${((100 * (starts[at] ?? duration)) / duration).toFixed(2)}%`;
  for (let at = 0; at < starts.length; at += 1) {
    if (!made.has(at)) continue;
    const first = at;
    while (made.has(at + 1)) at += 1;
    const [from, to] = [percent(first), percent(at + 1)];
    stops.push(`var(--unmade) ${from}`, `var(--made) ${from}`, `var(--made) ${to}`, `var(--unmade) ${to}`);
  }
  bar.style.setProperty("--media-range-track-background", `linear-gradient(to right, ${["var(--unmade) 0%", ...stops, "var(--unmade) 100%"].join(", ")})`);
}

function drawSoon() {
  drawing ||= requestAnimationFrame(draw);
}

async function follow(name, fragments) {
  rendition = name;
  starts = fragments.map((fragment) => fragment.start);
  const answer = await fetch(new URL(`made?rendition=${name}`, base)).catch(() => null);
  if (!answer?.ok || name !== rendition) return;
  made.clear();
  for (const [first, last] of await answer.json()) {
    for (let at = first; at <= last; at += 1) made.add(at);
  }
  drawSoon();
}

export function showWhatIsMade() {
  const { hls } = video;
  if (!hls) return; // the browser's own player does not tell which rendition it plays
  const { Events } = hls.constructor;
  hls.on(Events.FRAG_CHANGED, (_, { frag }) => {
    const details = hls.levels[frag.level]?.details;
    const name = frag.baseurl.match(/\/([^/]+)\/index\.m3u8/)?.[1];
    if (frag.type === "main" && name && name !== rendition && details && !details.live) follow(name, details.fragments);
  });
  on("segment_ready", (event) => {
    if (event.rendition !== rendition) return;
    made.add(event.segment);
    drawSoon();
  });
  on("evicted", (event) => {
    if (event.rendition === rendition && made.delete(event.segment)) drawSoon();
  });
}
