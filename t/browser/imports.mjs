/* « Importer des familles »: by the labels, with the keyboard's buttons; the page
   of one under way refreshes by itself and can be stopped; each page is looked
   at. */

import { arrive, button, heading, main, ok, open, otp, portal, run } from "./guide.mjs";
import { inspect } from "./inspect.mjs";

run(async (browser) => {
  const page = await open(browser, { viewport: { width: 1280, height: 900 } });
  const field = (label) => page.getByLabel(label, { exact: true });
  const { chief } = portal;

  await page.goto(portal.agents_url);
  await field("Adresse électronique").fill(chief.email);
  await field("Mot de passe").fill(chief.password);
  await field("Code à 6 chiffres").fill(otp(chief.totp_secret));
  await button(main(page), "Me connecter").click();
  await arrive(page, "/");
  await page.getByRole("link", { name: "Importer", exact: true }).click();
  await heading(page, "Importer des familles", "the page");
  await inspect(page, "imports", true);

  ok(await field("Vérifier sans rien changer").isChecked(), "a check is chosen");
  await page.locator("#archive").setInputFiles(portal.sample);
  await button(main(page), "Envoyer les fichiers").click();
  await page.getByText("Les fichiers sont bien arrivés.").waitFor();
  ok(new URL(page.url()).pathname.startsWith("/imports/"), "leads to the import");

  /* what is under way is shown anew, sooner here than in 20 seconds */
  const stop = page.getByRole("button", { name: "Arrêter l’actualisation automatique" });
  if (await stop.count()) {
    ok(await stop.isVisible(), "it can be stopped");
    await stop.click();
    ok(await page.getByRole("button", { name: "Actualiser toutes les 20 secondes" }).isVisible(), "and begun again");
  }
  for (let n = 0; n < 60 && await page.getByText("Vérifié, rien n’a été changé").count() === 0; n++) {
    await page.waitForTimeout(500);
    await page.reload();
  }
  ok(await button(main(page), "Importer").isVisible(), "« Importer » waits");
  ok(await page.getByText(/Corrigez-/).count() > 3, "lines say what to do");
  await inspect(page, "a report", true);

  /* as if it were under way still, however fast it was: the page asks by itself, and ends when it is done */
  const { pathname } = new URL(page.url());
  const under = `<p class="refresh"><button class="button small plain" type="button" data-refresh="${pathname}/avancement" data-every="2" data-stop="Arrêter" data-start="Actualiser" hidden></button></p>`;
  const html = await page.evaluate(async () => (await fetch(location, { headers: { Accept: "text/html" } })).text());
  await page.route((url) => url.pathname === pathname, (route) => route.fulfill({
    contentType: "text/html; charset=utf-8", body: html.replace("<div data-live>", `${under}$&`) }));
  await page.reload();
  ok(await button(main(page), "Arrêter").isVisible(), "what refreshes can be stopped");
  await page.locator(".refresh").waitFor({ state: "detached" });
  ok(await page.getByText("Vérifié, rien n’a été changé").isVisible(), "what is done is no longer asked for");
  await page.goto(`${portal.agents_url}/imports/conflits`);
  await inspect(page, "no conflict", true);
});
