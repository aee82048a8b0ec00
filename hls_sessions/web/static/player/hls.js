// hls.js, with the patience that a server needs which makes a segment when it is asked for.

import { ask } from "./life.js";
import { recall } from "./memory.js";
import { offerTracks } from "./tracks.js";
import { clock } from "../format.js";
import { fail, hint, isLowLatency, play, playlist, unsay, video } from "./page.js";

// A server that is started again is back in seconds. It is asked again this often, and for this long.
const ASK_AGAIN = 1_000; // milliseconds
const TIMES = 90;
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
const LIVE = isLowLatency ? { maxLiveSyncPlaybackRate: 1.1 } : { liveSyncDuration: 5 };

const GONE = new Set([404, 410]);

export function playWithHlsJs(Hls) {
  const policy = { default: PATIENCE };
  const { position, audio, subtitles } = recall();
  const hls = new Hls({
    fragLoadPolicy: policy,
    playlistLoadPolicy: PLAYLISTS,
    manifestLoadPolicy: policy,
    startPosition: position ?? -1,
    ...(audio && { audioPreference: { lang: audio } }),
    ...(subtitles && subtitles !== "off" && { subtitlePreference: { lang: subtitles } }),
    ...LIVE,
  });
  const toLive = document.getElementById("live");
  toLive.addEventListener("click", () => {
    video.currentTime = hls.liveSyncPosition;
    play();
  });
  hls.on(Hls.Events.LEVEL_UPDATED, (_, data) => { toLive.hidden = !data.details.live; });
  hls.on(Hls.Events.MANIFEST_PARSED, () => {
    // hls.js expects 5 Mbit/s at most of a connection that it does not know, and would begin a film that is copied with
    // a variant that an encoder has to make first. The first segment of the copy is there at once, and tells how fast
    // the connection is.
    const copy = hls.levels.findIndex(({ uri }) => uri.includes("video-copy"));
    if (copy >= 0 && hls.autoLevelEnabled && !navigator.connection?.saveData) hls.startLevel = copy;
    if (position) hint(`Going on at ${clock(position)}`);
    play();
  });
  hls.on(Hls.Events.ERROR, (_, data) => {
    if (!data.fatal) return;
    if (GONE.has(data.response?.code)) ask(); // which says what has become of the session
    else fail(`Playback stopped (${data.details}). Loading the page again may help.`);
  });
  video.addEventListener("error", () => fail(`Playback stopped: ${video.error.message || video.error.code}`));
  video.addEventListener("playing", unsay);
  offerTracks(Hls, hls);
  hls.loadSource(playlist);
  hls.attachMedia(video);
  video.hls = hls; // for the browser's console, too
}
