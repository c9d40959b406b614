/*
 * What the browser's programs share: Chromium, TAP, mails, and the guide's
 * steps as a parent takes them, by the labels on the screen.
 */

import { execFileSync } from "node:child_process";
import { createHmac } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { chromium } from "playwright-core";

/* told by t/browser.t: url, mail_dir, code, questions, name, account (of the
   demo), agents_url, agent, administrator, tool, redis and psql (command lines) */
export const portal = JSON.parse(process.env.PORTAL_BROWSER);

let count = 0;
let failed = 0;

export function ok(good, name, detail) {
  console.log(`${good ? "ok" : "not ok"} ${++count} - ${name}`);
  if (!good) {
    failed++;
    if (detail !== undefined) {
      console.log(String(detail).replace(/^/gm, "# "));
    }
  }
  return good;
}

export async function run(steps) {
  const browser = await chromium.launch({
    executablePath: "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
  });

  try {
    await steps(browser);
  } catch (error) {
    ok(false, "went to the end",
      `${error.stack}\n${await whereabouts(browser)}`);
  }
  await browser.close();
  console.log(`1..${count}`);
  process.exitCode = failed ? 1 : 0;
}

async function whereabouts(browser) {
  const seen = [];

  for (const context of browser.contexts()) {
    for (const page of context.pages()) {
      const text = await main(page).innerText().catch(() => "no main");
      seen.push(`at ${page.url()}: ${text.slice(0, 1000)}`);
    }
  }

  return seen.join("\n");
}

/* a page that remembers what its console complains of */
export async function open(browser, options) {
  const context = await browser.newContext({
    locale: "fr-FR", reducedMotion: "reduce", ...options,
  });
  const page = await context.newPage();

  page.complaints = [];
  page.setDefaultTimeout(15000);
  page.on("console", (m) => {
    /* a 4xx page is an error to the console, and meant */
    if (["error", "warning"].includes(m.type())
      && !/the server responded with a status of 4/.test(m.text())) {
      page.complaints.push(`${page.url()}: ${m.text()}`);
    }
  });
  page.on("pageerror", (e) => page.complaints.push(`${page.url()}: ${e}`));

  return page;
}

export const button = (page, name) =>
  page.getByRole("button", { name, exact: true });
export const link = (page, name) =>
  page.getByRole("link", { name, exact: true });
export const main = (page) => page.getByRole("main");

/* a redirect keeps the « #erreurs » of the form's action */
export const arrive = (page, path) =>
  page.waitForURL((url) => url.pathname === path);

export async function heading(page, name, title) {
  const h = page.getByRole("heading", { name, exact: true }).first();

  try {
    await h.waitFor();
    return ok(true, title);
  } catch {
    return ok(false, title, `${page.url()}\n${await page.title()}\n`
      + (await main(page).innerText().catch(() => "no main")).slice(0, 1500));
  }
}

/* the link of a mail to an address, to the page that is named */
export async function mailLink(address, path = "") {
  for (let i = 0; i < 100; i++) {
    const files = readdirSync(portal.mail_dir).filter((f) => /\.eml$/.test(f));
    for (const file of files) {
      const raw = readFileSync(`${portal.mail_dir}/${file}`, "utf8");
      if (!new RegExp(`^To:.*${address}`, "m").test(raw)) continue;
      /* quoted-printable: any character, as a line may not begin with F */
      const text = raw.replace(/=\r?\n/g, "").replace(/=([0-9A-F]{2})/g,
        (_, hex) => String.fromCharCode(parseInt(hex, 16)));
      const found = text.match(/https?:\/\/[^\s"<>]+jeton=[\w-]+/)
        ?? decoded(raw);
      if (found && found[0].includes(path)) return found[0];
    }
    await new Promise((wake) => setTimeout(wake, 100));
  }
  throw new Error(`no mail with a link for ${address}`);
}

function decoded(raw) {
  return raw.split(/\r?\n\r?\n/)
    .map((part) => Buffer.from(part, "base64").toString("utf8"))
    .join("\n").match(/https?:\/\/[^\s"<>]+jeton=[\w-]+/);
}

export const password = "coquelicot vélo 72 orage";

/* the captcha as a person meets it: the box, or the written question */
const robot = {
  fr: ["Je ne suis pas un robot", "Vérification réussie."],
  en: ["I am not a robot", "Check passed."],
};

export async function captcha(page, scripts) {
  const lang = await page.locator("html").getAttribute("lang");

  if (scripts) {
    await page.getByLabel(robot[lang][0]).check();
    await page.getByText(robot[lang][1]).waitFor();
    return;
  }
  for (const { q, a } of portal.questions) {
    const field = page.getByLabel(q[lang], { exact: true });
    if (await field.count()) {
      await field.fill(a[0]);
      return;
    }
  }
  throw new Error("the page asks none of the town's questions");
}

export async function signUp(page, email, scripts) {
  await page.goto(portal.url);
  await link(main(page), "Créer un compte").click();
  await page.getByLabel("Nom", { exact: true }).fill("Lefèvre");
  await page.getByLabel("Prénom", { exact: true }).fill("Anaïs");
  await page.getByLabel("Adresse électronique", { exact: true }).fill(email);
  await page.getByLabel("Mot de passe", { exact: true }).fill(password);
  await page.waitForTimeout(3200);      /* nobody reads faster */
  await captcha(page, scripts);
  await button(page, "S'inscrire").click();
}

export async function signIn(page, email, secret = password) {
  await page.goto(`${portal.url}/connexion`);
  await page.getByLabel("Adresse électronique", { exact: true }).fill(email);
  await page.getByLabel("Mot de passe", { exact: true }).fill(secret);
  await button(main(page), "Me connecter").click();
}

/* RFC 6238, as the agent's telephone does it */
export function otp(secret) {
  const bits = [...secret].map((c) =>
    "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(c).toString(2).padStart(5, "0"))
    .join("");
  const key = Buffer.from(bits.match(/.{8}/g).map((b) => parseInt(b, 2)));
  const step = Buffer.alloc(8);
  step.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30000)));
  const mac = createHmac("sha1", key).update(step).digest();
  const n = mac.readUInt32BE(mac[19] & 15) & 0x7fffffff;
  return String(n % 1000000).padStart(6, "0");
}

export async function signInAgent(page, agent = portal.agent) {
  await page.goto(portal.agents_url);
  await page.getByLabel(/^Adresse électronique/).fill(agent.email);
  await page.getByLabel("Mot de passe", { exact: true }).fill(agent.password);
  await page.getByLabel(/^Code à 6 chiffres/).fill(otp(agent.totp_secret));
  await button(main(page), "Me connecter").click();
  await heading(page, "Demandes à traiter", "an agent logs in");
}

/* « Confirmez que c'est bien vous »; a code is good once, and nobody waits for
   the next one here */
export async function stepUp(page, agent) {
  town("set session_replication_role = replica; update portal.agent set totp_step = 0");
  await heading(page, "Confirmez que c’est bien vous", "a code once more");
  await page.getByLabel(/^Code à 6 chiffres/).fill(otp(agent.totp_secret));
  await button(main(page), "Confirmer").click();
  await page.getByText(/^Votre code est accepté/).waitFor();
}

/* Tab until that has the focus; how often, or null */
export async function tabTo(page, locator, most = 20) {
  for (let i = 1; i <= most; i++) {
    await page.keyboard.press("Tab");
    if (await locator.evaluate((e) => e === document.activeElement)) return i;
  }
  return null;
}

/* what the town's own software changes */
export function town(sql) {
  return execFileSync("psql", [...portal.psql, "-qAtc", sql], { encoding: "utf8" }).trim();
}
