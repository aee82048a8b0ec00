// What all modules of the player page share: the elements, what the server has said of the film, and messages.

const { dataset } = document.body;

export const video = document.getElementById("video");
export const player = document.getElementById("player");
export const session = dataset.session;
export const base = new URL(`../sessions/${session}/`, location.href).href; // also where the app is mounted
export const playlist = new URL("master.m3u8", base).href;
export const film = dataset.film ? JSON.parse(dataset.film) : null; // what opens it again; null where that takes a token
export const filmKey = dataset.key; // the film and its viewer, in a word that tells neither
export const isLowLatency = dataset.latency === "low";

const notice = document.getElementById("notice");
const status = document.getElementById("status");
const toast = document.getElementById("toast");
let fading = null;

// A message in place of the picture. It stays.
export function say(text) {
  status.textContent = text;
  notice.classList.remove("error");
  notice.hidden = false;
}

export function fail(text) {
  say(text);
  notice.classList.add("error");
}

export function unsay() {
  notice.hidden = true;
}

// A word over the picture, for a moment.
export function hint(text) {
  toast.textContent = text;
  toast.classList.add("shown");
  clearTimeout(fading);
  fading = setTimeout(() => toast.classList.remove("shown"), 1_500);
}

// A browser may forbid sound before the viewer has touched the page.
export async function play() {
  try {
    await video.play();
  } catch (error) {
    if (error.name !== "NotAllowedError" || video.muted) return;
    video.muted = true;
    await video.play().catch(() => {});
    hint("Sound is off: press M");
  }
}
