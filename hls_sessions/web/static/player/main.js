// The player: hls.js where Media Source Extensions are there, the browser's own player else.
// ?player=native or ?player=hls.js asks for one of them.

import { foreseeSeeks } from "./foresee.js";
import { playWithHlsJs } from "./hls.js";
import { listenToKeys } from "./keys.js";
import { live } from "./life.js";
import { showWhatIsMade } from "./made.js";
import { remember } from "./memory.js";
import { mendRoles } from "./mends.js";
import { playNatively } from "./native.js";
import { offerStatistics } from "./statistics.js";
import { keepSubtitlesInSight } from "./subtitles.js";
import { fail, film, player, video } from "./page.js";

const wanted = new URLSearchParams(location.search).get("player");
const { Hls } = window;

function begin() {
  if (document.body.dataset.kind === "audio") {
    for (const part of player.children) part.setAttribute("noautohide", ""); // there is nothing else to see
  }
  document.getElementById("back").hidden = !film; // only who may open films may see the list
  if (wanted !== "native" && Hls?.isSupported()) {
    document.body.dataset.engine = "hls.js";
    playWithHlsJs(Hls);
  } else if (video.canPlayType("application/vnd.apple.mpegurl")) {
    document.body.dataset.engine = "native";
    playNatively();
  } else {
    fail("This browser cannot play HLS: it has no Media Source Extensions. Another browser, or a newer one, can.");
    return;
  }
  remember();
  live();
  listenToKeys();
  showWhatIsMade();
  foreseeSeeks();
  offerStatistics();
  keepSubtitlesInSight();
}

begin();
mendRoles();
