// The browser's own player. It gives up at the first answer that it does not get: it is started again where it was.

import { recall } from "./memory.js";
import { fail, play, playlist, unsay, video } from "./page.js";

const ASK_AGAIN = 1_000; // milliseconds
const TIMES = 90;
const STUCK = 20_000; // milliseconds without any progress

export function playNatively() {
  let place = recall().position ?? 0;
  let tries = 0;
  const failed = () => fail(`Playback stopped: ${video.error?.message || video.error?.code}`);

  function load() {
    video.src = playlist;
    if (place) video.currentTime = place;
    play(); // where it fails, its error event says so
  }

  async function again() {
    tries += 1;
    const answer = await fetch(playlist).catch(() => null);
    if (answer?.ok) load();
    else if (tries < TIMES && (!answer || answer.status >= 500)) setTimeout(again, ASK_AGAIN);
    else failed();
  }

  video.addEventListener("timeupdate", () => {
    if (video.error || video.readyState < HTMLMediaElement.HAVE_FUTURE_DATA) return;
    if (video.currentTime > place) tries = 0; // it gets on
    place = video.currentTime;
  });
  video.addEventListener("playing", unsay);
  video.addEventListener("seeking", () => { if (!video.error && video.readyState) place = video.currentTime; });
  video.addEventListener("error", () => {
    // Only what it did not get may come later; what it cannot decode stays as it is.
    if (tries < TIMES && video.error?.code !== MediaError.MEDIA_ERR_DECODE) setTimeout(again, ASK_AGAIN);
    else failed();
  });
  // Chromium's player sometimes waits for ever on a busy machine. Where nothing moves, it is started again.
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
  load();
}
