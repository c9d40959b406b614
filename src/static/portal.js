/* Every page works without this file: it makes some things easier.  What few
   pages need has files of its own, which import this one: beside one of before
   they were, which browsers keep for a day, nothing runs twice. */

const parts = [];
const begin = () => parts.forEach((part) => part());

/* for each of these, now and in every page that comes in place of this one */
export function each(selector, start) {
  const part = () => document.querySelectorAll(selector).forEach((one) => start(one));
  parts.push(part);
  part();
}

/* « Afficher » beside each password */

function password(input) {
  const button = document.getElementById("show-password").content.firstElementChild.cloneNode(true);
  const word = button.firstElementChild;
  const show = word.textContent;

  button.setAttribute("aria-controls", input.id);
  button.addEventListener("click", () => {
    const hidden = input.type === "password";
    input.type = hidden ? "text" : "password";
    word.textContent = hidden ? button.dataset.hide : show;
  });
  input.form.addEventListener("submit", () => { input.type = "password"; });
  input.after(button);
}

/* The QR code of a letter: its link brings the code behind the "#", which no
   server is sent.  It goes from the address at once and waits in this tab, past
   a log-in if need be, for the form that asks for it. */

export function letter(root) {
  try {
    const code = /^#code=([0-9A-Za-z-]{12,20})$/.exec(location.hash);
    if (code) {
      history.replaceState(null, "", location.pathname + location.search);
      sessionStorage.setItem("code", code[1]);
    }
    const field = root.querySelector("form[action^='/mes-abonnements/nouveau'] input[name=code]:not([type=hidden])");
    const kept = field && sessionStorage.getItem("code");
    if (kept) {
      field.value = kept;
      sessionStorage.removeItem("code");
    }
  } catch { /* a browser that keeps nothing: the code is typed */ }
}

/* The end of the session: a warning before it, and said so when it is over.
   Asking /session is no use of it; what other tabs do counts. */

function session(box) {
  const state = document.getElementById("session-etat");
  const left = box.querySelector("[data-left]");
  const prolong = box.querySelector("[data-prolong]");
  const account = +box.dataset.account;
  let token, timer, asked = Date.now(), shown = "", closed = "";

  const later = (seconds) => {
    clearTimeout(timer);
    timer = setTimeout(ask, Math.min(seconds, 86400) * 1000);
  };

  const words = (seconds) => {
    const unit = (n, unit) => n ? new Intl.NumberFormat(document.documentElement.lang,
      { style: "unit", unit, unitDisplay: "long" }).format(n) : "";
    return `${unit(Math.floor(seconds / 60), "minute")} ${unit(seconds % 60, "second")}`.trim();
  };

  /* "warning", "over" or "": what the person has closed stays closed */
  const show = (what) => {
    if (what === shown) return;
    shown = what;
    if (!what) {
      closed = "";
      return box.close();
    }
    for (const part of box.querySelectorAll("[data-state]")) part.hidden = part.dataset.state !== what;
    const title = box.querySelector("[data-state]:not([hidden]) h2");
    box.setAttribute("aria-labelledby", title.id);
    box.setAttribute("aria-describedby", title.nextElementSibling.id);
    if (closed === what) return;
    if (!box.open) box.showModal();
    title.focus();
  };

  const settle = (limits) => {
    if (limits.left === null) return later(60);
    if (limits.left > limits.warning) {
      if (shown) state.textContent = box.dataset.prolonged;
      show("");
      return later(limits.left - limits.warning);
    }
    const step = limits.left > 60 ? 30 : 10;
    const text = left.dataset.left.replace("{time}", words(Math.ceil((limits.left + 1) / step) * step));
    for (const part of box.querySelectorAll("[data-ends]")) part.hidden = part.dataset.ends !== limits.ends;
    prolong.hidden = limits.ends === "absolute";
    if (left.textContent !== text) left.textContent = text;
    state.textContent = "";
    show("warning");
    later(Math.min(10, limits.left + 1));
  };

  async function ask() {
    clearTimeout(timer);
    if (!box.isConnected) return;
    asked = Date.now();
    try {
      const reply = await fetch("/session", { headers: { Accept: "application/json" }, cache: "no-store" });
      if (!reply.ok) return later(30);
      const now = await reply.json();
      if (now.account !== account) return show("over");
      /* somebody may have logged in again elsewhere: this page's forms hold */
      token = now.csrf;
      for (const field of document.querySelectorAll("input[name=csrf]")) field.value = token;
      settle(now.limits);
    } catch {
      later(30);
    }
  }

  prolong.addEventListener("click", async () => {
    try {
      const reply = await fetch("/session/prolongation", { method: "POST", body: "{}", headers: {
        Accept: "application/json", "Content-Type": "application/json", "X-CSRF-Token": token } });
      if (reply.ok) return settle((await reply.json()).limits);
    } catch { /* asked again below */ }
    ask();
  });
  box.addEventListener("click", (event) => {
    const link = event.target.closest("[data-again]");
    if (link) link.href = `/connexion?suite=${encodeURIComponent(location.pathname + location.search)}`;
    if (event.target.closest("[data-close]")) box.close();
  });
  box.addEventListener("close", () => { closed = shown; });
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && (shown || Date.now() - asked > 60000)) ask();
  });
  later(+box.dataset.calm);
}

/* A link of the summary of errors leads to the field: its question, however
   long, comes into view with it. */

document.addEventListener("click", (event) => {
  const link = event.target.closest(".errors a");
  const to = link && document.getElementById(link.hash.slice(1));
  const field = to?.closest(".field, .captcha");
  if (!field) return;
  event.preventDefault();
  to.focus({ preventScroll: true });
  field.scrollIntoView();
  to.scrollIntoView({ block: "nearest" });
});

/* Another language in the middle of a form: the page comes in it, and what was
   typed goes from field to field, within this page. */

/* the forms of a page that somebody may have typed in, and where in them */
export const forms = (page) => [...page.querySelectorAll("main form[method=post]")];
export const fields = (form) => [...form.elements].filter((field) => field.name && field.type !== "submit"
  && !/^(csrf$|captcha_|site_web$)/.test(field.name));

function language(form) {
  let plain = false;

  form.addEventListener("submit", async (event) => {
    const button = event.submitter;
    if (plain || !button || !forms(document).some((one) => fields(one).length)) return;
    event.preventDefault();
    try {
      const { translate } = await import("./more.js");
      await translate(form, button);
      begin();
      document.querySelector("form.language button")?.focus();
    } catch {
      plain = true;
      button.click();
    }
  });
}

each("input[type=password]", password);
each("body", letter);
if (window.HTMLDialogElement) each("dialog[data-calm]", session);
each("form.language", language);
window.addEventListener("hashchange", () => letter(document));
