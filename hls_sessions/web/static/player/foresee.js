// Where the pointer rests on the seek bar, the viewer may seek to: the server makes that segment before, if it is idle.

import { base, player, video } from "./page.js";

const RESTS = 150; // milliseconds
let resting = 0;

function rendition(track) {
  return /\/([^/?]+)\/index\.m3u8/.exec(track?.url ?? track?.uri)?.[1];
}

function tell(at) {
  const { hls } = video;
  const plays = [hls.levels[hls.currentLevel], hls.audioTracks[hls.audioTrack]].map(rendition).filter(Boolean);
  if (plays.length) fetch(new URL(`hint?at=${at}&renditions=${plays}`, base), { method: "POST" }).catch(() => {});
}

export function foreseeSeeks() {
  if (!video.hls) return; // the browser's own player does not tell which rendition it plays
  const look = ({ detail: at }) => {
    clearTimeout(resting);
    if (Number.isFinite(at)) resting = setTimeout(tell, RESTS, at);
  };
  player.addEventListener("mediapreviewrequest", look, { capture: true });
}
