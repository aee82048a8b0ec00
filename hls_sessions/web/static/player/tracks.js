// The levels and audio tracks of hls.js as the lists that the controls know: videoRenditions and audioTracks of a media
// element (HTML, "Media resources with multiple media tracks"; github.com/muxinc/media-elements). The controls look for
// them once, when they are defined: so this page's script comes before theirs.

import { choose, recall } from "./memory.js";
import { hint, player, video } from "./page.js";

const SURROUND = "surround"; // the group of the audio with more than two channels

// A list as array-likes of the DOM are.
class List extends EventTarget {
  length = 0;

  replace(items, event) {
    for (let at = 0; at < this.length; at += 1) delete this[at];
    items.forEach((item, at) => { this[at] = item; });
    this.length = items.length;
    this.dispatchEvent(new Event(event));
  }

  *[Symbol.iterator]() {
    for (let at = 0; at < this.length; at += 1) yield this[at];
  }
}

class Renditions extends List {
  constructor(hls) {
    super();
    this.hls = hls;
  }

  get selectedIndex() {
    return this.hls.manualLevel; // -1 where hls.js chooses
  }

  set selectedIndex(at) {
    this.hls.nextLevel = at; // what is in the buffer plays on
    this.dispatchEvent(new Event("change"));
    const level = this.hls.levels[at];
    choose({ quality: level ? nameOf(level) : null });
    hint(level ? `Quality: ${nameOf(level)}` : "Quality: automatic");
  }
}

// A level as viewers call it. What is not encoded is the original.
export function nameOf(level) {
  const height = `${Math.min(level.width, level.height)}p`;
  const name = level.uri.includes("/video-copy/") ? `Original (${height})` : height;
  return level.audioGroups?.includes(SURROUND) ? `${name}, 5.1` : name;
}

function languageName(code) {
  try {
    return new Intl.DisplayNames(["en"], { type: "language" }).of(code);
  } catch {
    return null; // it is no code
  }
}

// The file's own name of a track, with its language where the name does not tell it.
function audioName({ name, lang }) {
  const language = lang ? languageName(lang) : null;
  if (!language || name.toLowerCase().includes(language.toLowerCase())) return name;
  return name.length <= 3 ? language : `${name} (${language})`;
}

export function offerTracks(Hls, hls) {
  const renditions = new Renditions(hls);
  const audioTracks = new List();
  Object.defineProperty(video, "videoRenditions", { value: renditions });
  Object.defineProperty(video, "audioTracks", { value: audioTracks, configurable: true });
  const menu = player.querySelector("media-rendition-menu");
  menu.formatRendition = ({ id }) => nameOf(hls.levels[id]);

  hls.on(Hls.Events.MANIFEST_PARSED, (_, { levels }) => {
    const items = levels.map((level, at) => ({
      id: String(at),
      src: level.uri,
      width: level.width,
      height: level.height,
      bitrate: level.bitrate,
      frameRate: level.frameRate,
      codec: level.videoCodec,
    }));
    renditions.replace(items.filter((item) => item.height), "addrendition");
    const { quality } = recall();
    const remembered = levels.findIndex((level) => level.height && nameOf(level) === quality);
    if (remembered >= 0) hls.nextLevel = remembered;
  });
  hls.on(Hls.Events.LEVEL_SWITCHED, () => renditions.dispatchEvent(new Event("change")));

  hls.on(Hls.Events.AUDIO_TRACKS_UPDATED, (_, { audioTracks: tracks }) => {
    const items = tracks.map((track, at) => ({
      id: String(at),
      kind: track.default ? "main" : "alternative",
      label: audioName(track),
      language: track.lang ?? "",
      get enabled() { return hls.audioTrack === at; },
      set enabled(isWanted) {
        if (!isWanted || hls.audioTrack === at) return;
        hls.audioTrack = at;
        choose({ audio: track.lang });
      },
    }));
    audioTracks.replace(items, "addtrack");
  });
  hls.on(Hls.Events.AUDIO_TRACK_SWITCHED, () => audioTracks.dispatchEvent(new Event("change")));

  const noSubtitles = () => {
    if (recall().subtitles === "off") hls.subtitleTrack = -1;
  };
  hls.on(Hls.Events.SUBTITLE_TRACK_SWITCH, noSubtitles); // that it chooses unasked, until the film plays
  video.addEventListener("playing", () => hls.off(Hls.Events.SUBTITLE_TRACK_SWITCH, noSubtitles), { once: true });
}
