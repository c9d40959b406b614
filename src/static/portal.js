/* Every page works without this file: it only makes nine things easier. */

/* SHA-256 of an ASCII text, in hexadecimal (crypto.subtle is one promise a
   hash, and absent outside secure contexts) */

const K = [], H = [];

for (let n = 2; K.length < 64; n++) {
  let prime = true;
  for (let d = 2; d * d <= n; d++) {
    if (n % d === 0) prime = false;
  }
  if (prime) {
    const part = (x) => (x - Math.floor(x)) * 2 ** 32 | 0;
    if (H.length < 8) H.push(part(Math.sqrt(n)));
    K.push(part(Math.cbrt(n)));
  }
}

const turn = (x, n) => x >>> n | x << 32 - n;

function sha256(text) {
  const blocks = (text.length + 8 >> 6) + 1;
  const words = new Int32Array(blocks * 16);
  const h = H.slice();
  const w = new Int32Array(64);

  for (let i = 0; i < text.length; i++) {
    words[i >> 2] |= text.charCodeAt(i) << 24 - i % 4 * 8;
  }
  words[text.length >> 2] |= 0x80 << 24 - text.length % 4 * 8;
  words[blocks * 16 - 1] = text.length * 8;

  for (let b = 0; b < blocks; b++) {
    let [a, c, d, e, f, g, i, j] = h;
    for (let t = 0; t < 64; t++) {
      if (t < 16) {
        w[t] = words[b * 16 + t];
      } else {
        const x = w[t - 15], y = w[t - 2];
        w[t] = w[t - 16] + (turn(x, 7) ^ turn(x, 18) ^ x >>> 3)
          + w[t - 7] + (turn(y, 17) ^ turn(y, 19) ^ y >>> 10);
      }
      const one = j + (turn(f, 6) ^ turn(f, 11) ^ turn(f, 25))
        + (f & g ^ ~f & i) + K[t] + w[t] | 0;
      const two = (turn(a, 2) ^ turn(a, 13) ^ turn(a, 22))
        + (a & c ^ a & d ^ c & d) | 0;
      j = i; i = g; g = f; f = e + one | 0;
      e = d; d = c; c = a; a = one + two | 0;
    }
    [a, c, d, e, f, g, i, j].forEach((x, n) => { h[n] = h[n] + x | 0; });
  }
  return h.map((x) => (x >>> 0).toString(16).padStart(8, "0")).join("");
}

/* « Je ne suis pas un robot »: the box works, the question stands aside */

function captcha(box) {
  const { salt, target, max: last } = box.dataset;
  const robot = box.querySelector("[data-robot]");
  const tick = robot.querySelector("input");
  const state = robot.querySelector("[role=status]");
  const question = box.querySelector("[data-question]");
  const answer = question.querySelector("input");
  const found = box.querySelector("[name=captcha_pow]");
  const form = box.closest("form");
  let working = false, waiting = null;

  const ask = () => {
    robot.hidden = true;
    question.hidden = false;
    tick.id = "captcha-robot";
    answer.id = "captcha";
  };

  /* the summary of errors leads to « captcha »: to what is shown */
  answer.id = "captcha-answer";
  tick.id = "captcha";
  tick.nextElementSibling.htmlFor = "captcha";
  question.querySelector("label").htmlFor = "captcha-answer";
  if (answer.getAttribute("aria-invalid")) {
    tick.setAttribute("aria-invalid", "true");
    tick.setAttribute("aria-describedby", "captcha-error");
  }
  tick.checked = false;
  found.value = "";
  robot.hidden = false;
  question.hidden = true;

  const done = (n) => {
    working = false;
    found.value = n;
    state.textContent = state.dataset.done;
    waiting?.click();
  };

  const work = (from) => {
    const until = performance.now() + 40;
    let n = from;
    if (!tick.checked) {
      working = false;
      return;
    }
    for (; performance.now() < until || n === from; n++) {
      if (n > +last) {
        working = false;
        return ask();
      }
      if (sha256(salt + n) === target) return done(n);
    }
    setTimeout(work, 0, n);
  };

  tick.addEventListener("change", () => {
    if (!tick.checked) {
      found.value = state.textContent = "";
    } else if (!working && !found.value) {
      working = true;
      state.textContent = state.dataset.working;
      setTimeout(work, 60, 0);
    }
  });

  form.addEventListener("submit", (event) => {
    if (working) {
      waiting = event.submitter || form.querySelector("[type=submit]");
      event.preventDefault();
    }
  });
}

/* « Afficher » beside each password */

function passwords(root) {
  const model = document.getElementById("show-password");

  for (const input of root.querySelectorAll("input[type=password]")) {
    const button = model.content.firstElementChild.cloneNode(true);
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
}

/* « M'abonner »: the page of its own, shown in a dialog */

function dialog(link) {
  const box = document.getElementById(link.dataset.dialog);
  const slot = box.querySelector("[data-slot]");
  const leave = () => { location.href = link.href; };

  const load = async (url, init) => {
    try {
      const reply = await fetch(url, { headers: { Accept: "text/html" }, ...init });
      if (reply.redirected) {
        /* there as without scripts, and anew where that address is shown */
        history.replaceState(null, "", location.pathname);
        return location.assign(`${reply.url}#contenu`);
      }
      const page = new DOMParser().parseFromString(await reply.text(), "text/html");
      const part = page.querySelector("[data-part]");
      if (!part) return leave();
      slot.replaceChildren(document.adoptNode(part));
      if (!box.open) box.showModal();
      letter(slot);
      (slot.querySelector(".errors") || slot.querySelector("#code") || box.querySelector("h2")).focus();
    } catch {
      leave();
    }
  };

  link.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    load(link.href);
  });
  slot.addEventListener("click", (event) => {
    if (event.target.closest("[data-again]")) {
      event.preventDefault();
      load(link.href);
    }
  });
  slot.addEventListener("submit", (event) => {
    const form = event.target;
    event.preventDefault();
    const body = new URLSearchParams(new FormData(form));
    if (event.submitter?.name) body.set(event.submitter.name, event.submitter.value);
    load(form.getAttribute("action").split("#")[0], { method: "POST", body });
  });
}

/* The QR code of a letter: its link brings the code behind the "#", which no
   server is sent.  It goes from the address at once and waits in this tab, past
   a log-in if need be, for the form that asks for it. */

function letter(root) {
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

const typed = "main form[method=post]";
const where = (form) => form.getAttribute("action").split("#")[0];
const fields = (form) => [...form.elements].filter((field) => field.name && field.type !== "submit"
  && !/^(csrf$|captcha_|site_web$)/.test(field.name));

function carry(from, to) {
  const had = fields(from), has = fields(to), nth = {};

  for (const field of has) {
    const n = nth[field.name] = (nth[field.name] ?? -1) + 1;
    const same = had.filter((other) => other.name === field.name);
    if (/^(radio|checkbox)$/.test(field.type)) {
      const other = same.find((one) => one.value === field.value);
      if (same.length) field.checked = !!other && (other.type === "hidden" || other.checked);
    } else if (same[n]?.type === "file") {
      field.files = same[n].files;
    } else if (same[n]) {
      field.value = same[n].value;
    }
  }
  /* what only an answer to a form carries */
  for (const field of had) {
    if (field.type === "hidden" && !(field.name in nth)) to.append(document.adoptNode(field));
  }
}

function language(form) {
  let plain = false;

  form.addEventListener("submit", async (event) => {
    const old = [...document.querySelectorAll(typed)];
    const button = event.submitter;
    if (plain || !button || !old.some((one) => fields(one).length)) return;
    event.preventDefault();
    try {
      const body = new URLSearchParams(new FormData(form));
      body.set(button.name, button.value);
      const reply = await fetch(where(form), { method: "POST", headers: { Accept: "text/html" }, body });
      const page = new DOMParser().parseFromString(await reply.text(), "text/html");
      const made = [...page.querySelectorAll(typed)];
      if (!reply.ok || made.map(where).join() !== old.map(where).join()) throw new Error();
      old.forEach((one, n) => carry(one, made[n]));
      document.title = page.title;
      document.documentElement.lang = page.documentElement.lang;
      document.body.replaceChildren(...document.adoptNode(page.body).childNodes);
      begin();
      document.querySelector("form.language button")?.focus();
    } catch {
      plain = true;
      button.click();
    }
  });
}

function begin() {
  document.querySelectorAll("[data-captcha]").forEach(captcha);
  passwords(document);
  document.querySelectorAll("button[data-refresh]").forEach(refresh);
  letter(document);
  for (const button of document.querySelectorAll("[data-print]")) {
    button.hidden = false;
    button.addEventListener("click", () => print());
  }
  if (window.HTMLDialogElement) document.querySelectorAll("a[data-dialog]").forEach(dialog);
  if (window.HTMLDialogElement) document.querySelectorAll("dialog[data-calm]").forEach(session);
  document.querySelectorAll("form.language[method=post]").forEach(language);
}

begin();
window.addEventListener("hashchange", () => letter(document));
