// The recordings that are kept.

import { html } from "../vendor/htm/htm-preact.js";
import { post, remove } from "./api.js";
import { ago, bytes, clock } from "../format.js";
import { lookSoon } from "./store.js";
import { doLater, toast } from "./toast.js";

async function watchIt(recording) {
  try {
    const session = await post("sessions", { recording: recording.id });
    lookSoon();
    open(session.player_url, "_blank", "noopener");
  } catch (refusal) {
    toast(refusal.message, { isBad: true });
  }
}

function forget(recording) {
  doLater(`Deleting ${recording.title}`, (options) =>
    remove(`recordings/${recording.id}`, options).then(lookSoon, (refusal) => toast(refusal.message, { isBad: true })));
}

export function Recordings({ recordings }) {
  if (!recordings?.length) return null;
  return html`<section id="recordings" aria-label="Recordings"><h2>Recordings</h2>
    <div class="scrolls" tabindex="0" role="region" aria-label="List of recordings"><table>
      <thead><tr><th scope="col">Title</th><th scope="col">Length</th><th scope="col">Size</th><th scope="col">Begun</th><th scope="col">State</th><th scope="col"><span class="unseen">Actions</span></th></tr></thead>
      <tbody>${recordings.map((each) => html`<tr key=${each.id}>
        <th scope="row">${each.title}</th><td>${clock(each.duration)}</td><td>${bytes(each.size)}</td><td>${ago(new Date(each.created_at * 1000).toISOString())}</td><td>${each.over ?? "goes on"}</td>
        <td class="acts"><button onClick=${() => watchIt(each)}>Watch</button> <a class="button" href=${`sessions/${each.id}/files/original`} download>Download</a>
          <button class="danger" onClick=${() => forget(each)}>Delete</button></td></tr>`)}</tbody>
    </table></div></section>`;
}
