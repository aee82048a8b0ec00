// Words at the edge of the page: what was done, and how it is undone.

import { html } from "../vendor/htm/htm-preact.js";
import { changed } from "./store.js";

const STAYS = 6_000; // milliseconds
export const toasts = [];
let number = 0;

function drop(toast) {
  const at = toasts.indexOf(toast);
  if (at >= 0) toasts.splice(at, 1);
  changed();
}

// Say something. With `undo`, it can be undone as long as this is seen.
export function toast(text, { undo = null, isBad = false, stays = STAYS } = {}) {
  const made = { id: (number += 1), text, undo, isBad };
  toasts.push(made);
  setTimeout(() => drop(made), stays);
  changed();
  return made;
}

// Do something a little later, so that it can be undone meanwhile. A page that is left does it at once.
export function doLater(text, act) {
  let isOpen = true;
  const settle = (options) => {
    if (!isOpen) return;
    isOpen = false;
    removeEventListener("pagehide", leaving);
    drop(shown);
    act(options);
  };
  const leaving = () => settle({ keepalive: true });
  addEventListener("pagehide", leaving);
  const undo = () => {
    isOpen = false;
    removeEventListener("pagehide", leaving);
    drop(shown);
  };
  const shown = toast(text, { undo });
  setTimeout(settle, STAYS);
  return { undo, shown };
}

export function Toasts() {
  return html`<div id="toasts" role="status" aria-live="polite">
    ${toasts.map(
      (each) => html`<div key=${each.id} class=${each.isBad ? "toast bad" : "toast"}>
        <span>${each.text}</span>
        ${each.undo && html`<button onClick=${() => { each.undo(); drop(each); }}>Undo</button>`}
      </div>`,
    )}
  </div>`;
}
