/* What only some pages of agents need. */

import { each } from "./portal.js";

/* What goes on by itself, shown anew now and then, until the person stops it.
   Asking is no use of the session. Who is within what would be replaced, with
   the keyboard, is left in peace. */

function refresh(button) {
  const every = +button.dataset.every * 1000;
  const live = document.querySelector("[data-live]");
  let timer = null;

  const next = () => {
    timer = setTimeout(ask, every);
    button.textContent = button.dataset.stop;
  };
  const stop = () => {
    clearTimeout(timer);
    timer = null;
    button.textContent = button.dataset.start;
  };

  async function ask() {
    try {
      const reply = await fetch(button.dataset.refresh, { headers: { Accept: "text/html" }, cache: "no-store" });
      if (!reply.ok || reply.redirected) return stop();
      const page = new DOMParser().parseFromString(await reply.text(), "text/html");
      const part = page.querySelector("[data-live]");
      if (part && !live.contains(document.activeElement)) {
        live.replaceChildren(...document.adoptNode(part).childNodes);
        if (!page.querySelector("[data-refresh]")) return button.parentElement.remove();
      }
    } catch { /* asked again below */ }
    if (timer !== null) next();
  }

  button.addEventListener("click", () => { if (timer === null) next(); else stop(); });
  button.hidden = false;
  next();
}

each("button[data-refresh]", refresh);
each("[data-print]", (button) => {
  button.hidden = false;
  button.addEventListener("click", () => print());
});
