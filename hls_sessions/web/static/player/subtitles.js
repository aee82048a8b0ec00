// Subtitles stand above the controls as long as these are seen.

import { player, video } from "./page.js";

const ABOVE = 78; // percent of the height, from above
const lifted = new WeakSet();

function place() {
  const isCovered = !player.hasAttribute("userinactive") || video.paused;
  for (const track of video.textTracks) {
    if (track.mode !== "showing") continue;
    for (const cue of track.activeCues ?? []) {
      if (isCovered && cue.line === "auto") {
        cue.snapToLines = false;
        cue.line = ABOVE;
        lifted.add(cue);
      } else if (!isCovered && lifted.delete(cue)) {
        cue.snapToLines = true;
        cue.line = "auto";
      }
    }
  }
}

export function keepSubtitlesInSight() {
  player.addEventListener("userinactivechange", place);
  for (const event of ["play", "pause"]) video.addEventListener(event, place);
  const listen = ({ track }) => track.addEventListener("cuechange", place);
  for (const track of video.textTracks) listen({ track });
  video.textTracks.addEventListener("addtrack", listen);
}
