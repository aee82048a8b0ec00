// The page's policy allows no inline style but those with its nonce. Custom elements write theirs into shadow roots, from
// texts that are their own; here they get the nonce. It comes before the elements are defined.
"use strict";

{
  const { nonce } = document.currentScript;
  const { get, set } = Object.getOwnPropertyDescriptor(ShadowRoot.prototype, "innerHTML");
  const withNonce = (html) => String(html).replaceAll("<style", `<style nonce="${nonce}"`);
  Object.defineProperty(ShadowRoot.prototype, "innerHTML", { configurable: true, get, set(html) { set.call(this, withNonce(html)); } });
  const { setHTMLUnsafe } = ShadowRoot.prototype;
  if (setHTMLUnsafe) ShadowRoot.prototype.setHTMLUnsafe = function (html) { setHTMLUnsafe.call(this, withNonce(html)); };
}
