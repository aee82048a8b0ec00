// Icons, drawn here because not every system's fonts have them.

import { html } from "../vendor/htm/htm-preact.js";

const PATHS = {
  watch: "M5 3 L13 8 L5 13 Z",
  pause: "M4 3 H7 V13 H4 Z M9 3 H12 V13 H9 Z",
  resume: "M3 3 H5 V13 H3 Z M7 3 L14 8 L7 13 Z",
  stop: "M4 4 H12 V12 H4 Z",
  folder: "M1 4 H6 L8 6 H15 V13 H1 Z",
};

export const Icon = ({ name }) => html`<svg class="icon" viewBox="0 0 16 16" aria-hidden="true"><path d=${PATHS[name]} /></svg>`;
