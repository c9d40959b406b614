/* « À vérifier pour la rentrée »: one gesture for each person, and what changed
   meanwhile is shown first: verification.mjs scripts | plain */

import { arrive, button, heading, link, main, ok, open, portal, run, signIn, tabTo, town }
  from "./guide.mjs";
import { inspect, stretched } from "./inspect.mjs";

const scripts = process.argv[2] === "scripts";

/* axe needs scripts; what is cut does not */
async function look(page, name) {
  if (scripts) await inspect(page, name);
  await stretched(page, name);
  if (process.env.PORTAL_SHOTS && scripts) {
    for (const width of [390, 1280]) {
      await page.setViewportSize({ width, height: 900 });
      await page.screenshot({ fullPage: true,
        path: `${process.env.PORTAL_SHOTS}/${name.replaceAll(/[^\w]+/g, "-")}-${width}.png` });
    }
  }
}

run(async (browser) => {
  const page = await open(browser, {
    javaScriptEnabled: scripts, viewport: { width: 1280, height: 900 } });
  const block = (name) => main(page).getByRole("region", { name, exact: true });

  town("delete from portal.verification; update portal.town set verify_reminder = true");
  await signIn(page, portal.account.email, portal.account.password);
  await arrive(page, "/mon-espace");
  await link(main(page), "À vérifier pour la rentrée").click();
  await arrive(page, "/famille/verification");
  await heading(page, "À vérifier pour la rentrée", "the page");
  await look(page, "what is to be verified");

  const person = (name) => link(main(page).getByRole("navigation", { name: /^Il reste/ }), name);
  const shown = () => main(page).getByRole("heading", { level: 2 }).allInnerTexts();
  ok(await person("Nina Martin").count() === 1 && await person("Léo Martin").count() === 1, "each child");
  ok((await shown()).filter((name) => /Martin/.test(name)).length === 1, "one person at a time", await shown());
  await tabTo(page, person("Léo Martin"), 60);
  await page.keyboard.press("Enter");
  await block("Léo Martin").waitFor();

  const same = (name) => block(name).getByRole("button", { name: /^Rien n’a changé/ });
  await tabTo(page, same("Léo Martin"), 60);
  await page.keyboard.press("Enter");
  await page.getByText("C’est vérifié, merci.").waitFor();
  ok(await block("Léo Martin").count() === 0, "verified by the keyboard: it is asked no more");
  await look(page, "one child verified");

  /* somebody else changes what is on the screen */
  await person("Nina Martin").click();
  await block("Nina Martin").waitFor();
  town(`update portal.child set birth_place = 'Dunkerque ${scripts ? 1 : 2}' where first_name = 'Nina' and tenant = 1`);
  await same("Nina Martin").click();
  await page.getByRole("alert").getByText(/^Nina Martin\s: ces informations ont changé/).waitFor();
  ok(await page.evaluate(() => document.activeElement?.id) === "erreurs" || !scripts, "the reader is led there");
  ok(await block("Nina Martin").getByText(/^Dunkerque/).isVisible(), "what has changed is shown, nothing is verified");
  await look(page, "changed meanwhile");
  await same("Nina Martin").click();
  await page.getByText("C’est vérifié, merci.").waitFor();
  ok(await block("Nina Martin").count() === 0, "read again, it is");

  await button(main(page), "Ne plus recevoir ce rappel").click();
  await page.getByText("Vous ne recevrez plus ce rappel.").waitFor();
  await button(main(page), "Recevoir ce rappel").click();
  await page.getByText("Vous recevrez ce rappel chaque année.").waitFor();
  ok(true, "the reminder is stopped and taken up again");

  await main(page).getByRole("button", { name: /^Rien n’a changé/ }).click();
  await page.getByText("Tout est vérifié.").waitFor();
  await look(page, "all is verified");

  await page.goto(`${portal.url}/famille`);
  await link(main(page), "Nina Martin").click();
  ok(await main(page).getByText(/^Vérifié le/).count() >= 4, "the file says when");
  await look(page, "a child that is verified");

  ok(page.complaints.filter((c) => !/409/.test(c)).length === 0, "the console is empty", page.complaints.join("\n"));
});
