// The login. The token is given once; from then on a cookie stands for it, which no script can read.

import { html, useState } from "../vendor/htm/htm-preact.js";
import { post } from "./api.js";
import { begin } from "./store.js";

export function Login() {
  const [problem, setProblem] = useState("");
  const [isBusy, setBusy] = useState(false);

  async function logIn(event) {
    event.preventDefault();
    setBusy(true);
    try {
      await post("login", { token: new FormData(event.target).get("token") });
      await begin();
    } catch (refusal) {
      setProblem(refusal.message);
    }
    setBusy(false);
  }

  return html`<main class="card" id="login">
    <h1>Log in</h1>
    <p class="soft">This daemon was started with a token. Its operator knows it.</p>
    <form onSubmit=${logIn}>
      <input type="text" name="username" value="operator" autocomplete="username" hidden />
      <label>Token <input type="password" name="token" required autocomplete="current-password" autofocus /></label>
      <button class="primary" disabled=${isBusy}>Log in</button>
    </form>
    <p class="error" role="alert">${problem}</p>
  </main>`;
}
