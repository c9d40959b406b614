/* What few people meet: signing up, subscribing, another language in the middle
   of a form. */

import { each, fields, forms, letter } from "./portal.js";

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
      slot.querySelectorAll("[data-miscopied]").forEach(look);
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

/* A code abonné that is mistyped, by its check symbol (portal_code_make()): said
   here, since the server tells nobody what makes a code wrong, and counts it. */

const SYMBOLS = "23456789ABCDEFGHJKMNPQRSTUVWXYZ";

function miscopied(text) {
  const places = [...text.toUpperCase().replace(/[^0-9A-Z]/g, "")].map((one) => SYMBOLS.indexOf(one));

  return places.includes(-1) || places.length > 12
    || places.length === 12 && places.reduce((sum, n, i) => sum + n * (i + 1), 0) % 31 !== 1;
}

function look(note) {
  const said = miscopied(note.closest("form").elements.code.value) ? note.dataset.miscopied : "";
  if (note.textContent !== said) note.textContent = said;
}

document.addEventListener("input", ({ target }) => {
  target.form?.querySelectorAll("[data-miscopied]").forEach(look);
});

/* The same forms in another language: what was typed goes from field to field */

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

const where = (form) => form.getAttribute("action").split("#")[0];

export async function translate(form, button) {
  const old = forms(document);
  const body = new URLSearchParams(new FormData(form));

  body.set(button.name, button.value);
  const reply = await fetch(where(form), { method: "POST", headers: { Accept: "text/html" }, body });
  const page = new DOMParser().parseFromString(await reply.text(), "text/html");
  const made = forms(page);
  if (!reply.ok || made.map(where).join() !== old.map(where).join()) throw new Error();
  old.forEach((one, n) => carry(one, made[n]));
  document.title = page.title;
  document.documentElement.lang = page.documentElement.lang;
  document.body.replaceChildren(...document.adoptNode(page.body).childNodes);
}

each("[data-captcha]", captcha);
each("[data-miscopied]", look);
if (window.HTMLDialogElement) each("a[data-dialog]", dialog);
