/* What Chromium does with what the portal tells it: no frame of another site, no
   page of a person after their log-out, no script in a text. */

import { createServer } from "node:http";
import { button, main, ok, open, portal, run } from "./guide.mjs";

const { email, password } = portal.account;

async function signIn(page) {
  await page.goto(`${portal.url}/connexion`);
  await page.getByLabel("Adresse électronique", { exact: true }).fill(email);
  await page.getByLabel("Mot de passe", { exact: true }).fill(password);
  await button(main(page), "Me connecter").click();
  await page.waitForURL((url) => url.pathname === "/mon-espace");
}

run(async (browser) => {
  /* T155: another site shows the portal in a frame */
  const evil = await open(browser);
  const paths = ["/", "/connexion", "/nowhere", "/static/portal.css"];

  /* on this machine, or Chromium would stop it for another reason */
  const server = createServer((request, answer) => {
    answer.setHeader("Content-Type", "text/html");
    answer.end("<!doctype html><title>x</title>" + paths.map((path) =>
      `<iframe src="${portal.url}${path}"></iframe>`).join(""));
  });
  await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
  await evil.goto(`http://127.0.0.1:${server.address().port}/`,
    { waitUntil: "load" });

  /* the last one is a file, which may be: so frames do work here */
  for (const path of paths) {
    const frame = evil.frames()[1 + paths.indexOf(path)];
    const text = await frame.locator("body").innerText({ timeout: 5000 })
      .catch(() => "");
    const file = path.startsWith("/static");
    ok(file ? text.length > 500 : !/Portail Citoyen/.test(text),
      `T155 ${path} ${file ? "is a file" : "is in no frame"}`, text);
  }
  await evil.context().close();
  server.close();

  /* T151: names and texts of the file that want to be markup */
  const page = await open(browser);
  const dialogs = [];

  page.on("dialog", (d) => { dialogs.push(d.message()); d.dismiss(); });
  await page.addInitScript(() => {
    window.called = 0;
    window.xss = () => { window.called++; };
  });
  await signIn(page);

  const seen = new Set(["/", "/mon-espace", "/mes-abonnements", "/famille"]);
  await page.goto(`${portal.url}/famille`);
  for (const href of await main(page).getByRole("link").evaluateAll((all) =>
    all.map((a) => a.getAttribute("href")))) {
    if (/^\/famille\/(enfants|responsables)\/\d+$/.test(href)) seen.add(href);
  }
  ok(seen.size > 6, `T151 ${seen.size} pages`, [...seen].join(" "));

  let shown = 0;
  for (const path of seen) {
    await page.goto(`${portal.url}${path}`);
    ok(await page.evaluate(() => window.called) === 0 && !dialogs.length,
      `T151 ${path}: no text became a script`);
    ok(await page.locator("svg[onload], img[onerror], [onfocus]").count() === 0,
      `T151 ${path}: nor an element`);
    if (/xss\(\)/.test(await main(page).innerText())) shown++;
  }
  ok(shown > 3, `T151 they were shown, on ${shown} pages`);
  ok(page.complaints.length === 0, "T151 the policy had nothing to stop",
    page.complaints.join("\n"));

  /* T067: Back after a log-out */
  await page.goto(`${portal.url}/famille`);
  const family = await main(page).innerText();
  const number = family.match(/Famille n°\s*(\d+)/)?.[1] ?? "no number";
  ok(number !== "no number", "T067 the file was on the screen", family);
  await button(page, "Se déconnecter").first().click();
  await page.waitForURL((url) => url.pathname === "/");

  for (let back = 1; back <= 3; back++) {
    await page.goBack({ waitUntil: "load" }).catch(() => null);
    const text = await page.locator("body").innerText();
    ok(!text.includes(number) && !/Se déconnecter/.test(text),
      `T067 Back, ${back}: nothing of the file at ${new URL(page.url()).pathname}`,
      text.slice(0, 500));
  }
});
