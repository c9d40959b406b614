/* The end of a session: the warning two minutes before, « Prolonger », other
   tabs, and the end itself. */

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { arrive, button, link, main, ok, open, portal, run } from "./guide.mjs";

const axe = readFileSync(createRequire(import.meta.url)
  .resolve("axe-core/axe.min.js"), "utf8");

/* the session's key in Redis, from the browser's cookie */
async function key(page) {
  const cookie = (await page.context().cookies())
    .find((c) => c.name === "__Host-portal").value;
  const [program, ...args] = portal.tool;
  return execFileSync(program, args, { encoding: "utf8",
    input: `mac\tsaint-aubin\tsession\t${cookie}\n` }).trim();
}

function redis(...args) {
  execFileSync("redis-cli", [...portal.redis, ...args]);
}

/* as if nobody had done anything for so many of the 30 minutes */
async function idle(page, seconds) {
  const mac = await key(page);
  redis("SET", `seen:${mac}`, String(Math.floor(Date.now() / 1000) - seconds),
    "EX", String(1860 - seconds));
}

async function logIn(page) {
  await page.goto(`${portal.url}/connexion`);
  await again(page);
}

/* on the log-in page */
async function again(page) {
  await page.getByLabel("Adresse électronique", { exact: true })
    .fill(portal.account.email);
  await page.getByLabel("Mot de passe", { exact: true })
    .fill(portal.account.password);
  await button(main(page), "Me connecter").click();
}

async function inspect(page, name) {
  for (const width of [1280, 390]) {
    await page.setViewportSize({ width, height: 900 });
    await page.evaluate(axe);
    const { violations } = await page.evaluate(() => window.axe.run());
    const over = await page.evaluate(() =>
      document.documentElement.scrollWidth - innerWidth);
    ok(violations.length === 0 && over <= 0, `${name}, ${width} px`,
      JSON.stringify([over, violations.map((v) => [v.id,
        v.nodes.map((n) => n.html.slice(0, 200))])]));
  }
}

/* a form whose session has ended, in a browser with scripts and without */
async function restored(browser, scripts) {
  const page = await open(browser, { javaScriptEnabled: scripts });
  const name = scripts ? "with scripts" : "without scripts";

  await logIn(page);
  await arrive(page, "/mon-espace");
  await page.goto(`${portal.url}/mes-abonnements/nouveau`);
  await page.getByLabel("Code abonné", { exact: true }).fill("K7QF 2MXD 9HTA");
  redis("DEL", `sess:${await key(page)}`);
  await button(main(page), "Rechercher").click();
  await page.getByText(/votre formulaire n’a pas été envoyé/).waitFor();
  ok(await page.getByRole("heading", { name: "Me connecter" }).isVisible(),
    `${name}: the log-in page says that the form was not sent`);
  if (scripts) await inspect(page, "the log-in with a form");
  await again(page);
  await arrive(page, "/mes-abonnements/nouveau");
  ok(await page.getByLabel("Code abonné", { exact: true }).inputValue()
    === "K7QF 2MXD 9HTA", `${name}: the form is there again, filled`);
  ok(await page.getByText(/vérifiez-le, puis envoyez-le/).isVisible(),
    `${name}: to be looked at and sent`);
  ok(page.complaints.length === 0, `${name}: the console is empty`,
    page.complaints.join("\n"));
}

run(async (browser) => {
  await restored(browser, true);
  await restored(browser, false);

  const page = await open(browser, { viewport: { width: 1280, height: 900 } });
  const dialog = page.getByRole("dialog");

  await page.clock.install();
  await logIn(page);
  await arrive(page, "/mon-espace");
  await page.goto(`${portal.url}/session`);
  await inspect(page, "« Ma session »");
  await page.goto(`${portal.url}/mon-compte/connexions`);
  await inspect(page, "« Connexions récentes »");
  await page.setViewportSize({ width: 1280, height: 900 });

  await page.goto(`${portal.url}/mes-abonnements/nouveau`);
  const code = page.getByLabel("Code abonné", { exact: true });
  await code.fill("K7QF");
  await page.clock.runFor(60000);
  ok(!await dialog.isVisible(), "no warning in good time");

  await idle(page, 1750);
  await page.clock.fastForward(1680000);
  await dialog.waitFor();
  ok(true, "a warning before the end");
  ok(await dialog.getAttribute("aria-labelledby") === "session-titre"
    && await page.evaluate(() => document.activeElement.id === "session-titre"),
  "focus is on its title, which names it");
  const text = await dialog.getByRole("status").innerText();
  ok(/^Il reste moins de (2 minutes|1 minute 30 secondes)\.$/
    .test(text.replaceAll(/\s+/g, " ")), "it says how long is left", text);
  await page.evaluate(axe);
  const found = await page.evaluate(() => window.axe.run("#session"));
  ok(found.violations.length === 0, "axe finds nothing",
    JSON.stringify(found.violations.map((v) => v.id)));
  await page.keyboard.press("Tab");
  ok(await button(dialog, "Prolonger").evaluate(
    (b) => b === document.activeElement), "Tab leads to « Prolonger »");

  await page.keyboard.press("Enter");
  await dialog.waitFor({ state: "hidden" });
  ok(true, "« Prolonger » closes it");
  ok(await page.getByText("Votre session est prolongée.").count() === 1,
    "and it is said");
  ok(await code.evaluate((f) => f === document.activeElement)
    && await code.inputValue() === "K7QF", "back in the field, as it was");

  await idle(page, 1750);
  await page.clock.fastForward(1760000);
  await dialog.waitFor();
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "hidden" });
  await page.clock.runFor(11000);
  ok(!await dialog.isVisible(), "closed by the person it stays closed");
  await idle(page, 5);
  await page.clock.runFor(11000);
  await page.getByText("Votre session est prolongée.").waitFor(
    { state: "attached" });

  await idle(page, 1750);
  await page.clock.fastForward(1760000);
  await dialog.waitFor();
  await idle(page, 5);
  await page.clock.runFor(11000);
  await dialog.waitFor({ state: "hidden" });
  ok(true, "a use in another tab closes it");

  const mac = await key(page);
  redis("DEL", `sess:${mac}`, `seen:${mac}`);
  await page.clock.fastForward(1760000);
  await dialog.waitFor();
  ok(await page.getByRole("dialog", { name: "Votre session est terminée" })
    .isVisible(), "over: it is said");
  const back = link(dialog, "Me connecter");
  ok(await back.getAttribute("href") === "/connexion",
    "with the way in again");
  await button(dialog, "Fermer").click();
  await dialog.waitFor({ state: "hidden" });
  ok(await code.inputValue() === "K7QF", "and the form is still there");

  ok(page.complaints.length === 0, "the console is empty",
    page.complaints.join("\n"));
});
