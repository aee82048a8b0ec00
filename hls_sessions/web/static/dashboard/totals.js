// The totals, as figures.

import { html } from "../vendor/htm/htm-preact.js";
import { bytes, rate, seconds, share } from "../format.js";

function Figure({ label, value, more }) {
  return html`<div class="figure"><dt>${label}</dt><dd><b>${value}</b> <span class="soft">${more}</span></dd></div>`;
}

export function Totals({ sessions, stats, health, hour }) {
  const living = sessions?.length ?? 0;
  const onDisk = (sessions ?? []).reduce((sum, session) => sum + session.bytes_on_disk, 0);
  const viewers = (sessions ?? []).reduce((sum, session) => sum + session.subscriber_count, 0);
  const last = (column) => hour?.[column].at(-1);
  const restarts = Object.values(stats?.restarts ?? {}).reduce((sum, each) => sum + each, 0);
  return html`<dl id="totals">
    <${Figure} label="Sessions" value=${living} more=${stats ? `of ${stats.max_sessions}` : ""} />
    <${Figure} label="Viewers" value=${viewers} more=${stats?.viewers_waiting ? `${stats.viewers_waiting} wait` : "none waits"} />
    <${Figure} label="Encoders" value=${stats?.encoders ?? "–"} more=${stats?.encoders_held ? `${stats.encoders_held} held` : ""} />
    <${Figure} label="Segments on disk" value=${bytes(onDisk)} more=${health ? `disk ${share(health.disk_used)} full` : ""} />
    <${Figure} label="Sent" value=${rate(last("served_bytes"))} more=${stats ? `${bytes(stats.bytes_served)} in all` : ""} />
    <${Figure} label="First segment" value=${seconds(stats?.first_segment.median)} more=${stats?.first_segment.count ? `95 %: ${seconds(stats.first_segment.p95)}` : ""} />
    <${Figure} label="Restarts" value=${restarts} more=${stats?.by_state.failed ? `${stats.by_state.failed} failed` : "none failed"} />
  </dl>`;
}
