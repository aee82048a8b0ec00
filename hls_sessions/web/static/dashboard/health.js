// Health: a word, the reasons, and what can be done.

import { html } from "../vendor/htm/htm-preact.js";

export function HealthBadge({ health }) {
  if (!health) return null;
  return html`<span class=${`badge ${health.status}`}>${health.status}</span>`;
}

export function Reasons({ health }) {
  if (!health?.reasons.length) return null;
  return html`<section id="reasons" aria-label="Health">
    <ul>
      ${health.reasons.map((reason, at) => html`<li key=${reason}><strong>${reason}</strong> ${health.advice[at]}</li>`)}
    </ul>
  </section>`;
}
