// The daemon's HTTP API. Addresses are relative to the page, so it may be mounted anywhere.

export class Problem extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status; // 0: it cannot be reached
  }
}

let onRefused = () => {};

// Have a callback called when the daemon wants a login.
export function whenRefused(callback) {
  onRefused = callback;
}

async function send(method, path, body, options = {}) {
  const headers = body === undefined ? {} : { "Content-Type": "application/json" };
  const request = { method, headers, body: body === undefined ? undefined : JSON.stringify(body), ...options };
  let answer;
  try {
    answer = await fetch(path, request);
  } catch {
    throw new Problem(0, "The daemon cannot be reached.");
  }
  if (answer.status === 401) onRefused();
  if (!answer.ok) {
    const problem = await answer.json().catch(() => ({}));
    throw new Problem(answer.status, problem.detail ?? `The daemon answered ${answer.status}.`);
  }
  return answer.status === 204 ? null : answer.json();
}

export const get = (path) => send("GET", path);
export const post = (path, body, options) => send("POST", path, body, options);
export const patch = (path, body) => send("PATCH", path, body);
export const remove = (path, options) => send("DELETE", path, undefined, options);

// Do something to many, a few at a time; return what went wrong.
export async function forEach(items, act, atOnce = 6) {
  const waiting = [...items];
  const problems = [];
  const work = async () => {
    while (waiting.length) {
      try {
        await act(waiting.shift());
      } catch (problem) {
        problems.push(problem);
      }
    }
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  return problems;
}
