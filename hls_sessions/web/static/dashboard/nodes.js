// The nodes of a cluster. A daemon by itself has none, and nothing is shown.

import { html } from "../vendor/htm/htm-preact.js";
import { post, remove } from "./api.js";
import { lookSoon } from "./store.js";
import { toast } from "./toast.js";

const stateOf = (node) => (!node.alive ? "gone" : node.draining ? "draining" : "alive");

function drain(node, isWanted) {
  const path = `nodes/${encodeURIComponent(node.name)}/drain`;
  (isWanted ? post(path) : remove(path)).then(
    () => {
      toast(isWanted ? `${node.name} gives its sessions away` : `${node.name} takes sessions again`);
      lookSoon();
    },
    (refusal) => toast(refusal.message, { isBad: true }),
  );
}

export function Nodes({ nodes }) {
  if (!nodes?.length) return null;
  return html`<section id="nodes" aria-label="Nodes"><h2>Nodes</h2>
    <div class="scrolls" tabindex="0" role="region" aria-label="List of nodes"><table>
      <thead><tr><th scope="col">Node</th><th scope="col">State</th><th scope="col">Sessions</th><th scope="col">Encoders</th><th scope="col">Waiting</th><th scope="col">Encoder</th><th scope="col"><span class="unseen">Actions</span></th></tr></thead>
      <tbody>${nodes.map((node) => html`<tr key=${node.name}>
        <th scope="row">${node.name}</th><td>${stateOf(node)}${node.notes.map((note) => html`<div class="soft" key=${note}>${note}</div>`)}</td>
        <td>${node.sessions}</td><td>${node.encoders} of ${node.slots}</td><td>${node.waiting}</td><td>${node.encoder}</td>
        <td class="acts">${node.alive && html`<button onClick=${() => drain(node, !node.draining)}>${node.draining ? "Undrain" : "Drain"}</button>`}</td></tr>`)}</tbody>
    </table></div></section>`;
}
