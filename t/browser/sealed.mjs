/* Tax, bank and health as a parent asks for them: each form, refused and sent,
   the mandate, the check and the receipt, by the labels on the screen. */

import { arrive, button, main, ok, open, portal, run, signIn }
  from "./guide.mjs";
import { inspect } from "./inspect.mjs";

const field = (page, label) => page.getByLabel(label);
const answer = (page, question, label) =>
  page.getByRole("group", { name: question }).getByLabel(label, { exact: true });

async function sent(page, name) {
  await button(page, "Envoyer pour validation").click();
  await page.waitForURL((url) => /^\/famille\/demandes\/\d+$/.test(url.pathname));
  await page.getByText("Votre demande est envoyée à la mairie.").waitFor();
  await inspect(page, name);
}

async function refused(page, action, words, name) {
  await button(page, action).click();
  await page.getByRole("alert").getByText(words).first().waitFor();
  await inspect(page, name);
}

async function edit(page, person, section, path) {
  await page.goto(portal.url + person);
  await page.getByRole("link", { name: `Modifier ${section}` }).click();
  await arrive(page, `${person}/${path}`);
  await inspect(page, section, true);
}

run(async (browser) => {
  const page = await open(browser, { viewport: { width: 1280, height: 900 } });
  const shot = async (name) => process.env.PORTAL_SHOTS
    && page.screenshot({ path: `${process.env.PORTAL_SHOTS}/${name}.png`, fullPage: true });

  await signIn(page, portal.account.email, portal.account.password);
  await arrive(page, "/mon-espace");
  await page.goto(`${portal.url}/famille`);
  const child = await main(page).locator("h3 a[href^='/famille/enfants/']").first()
    .getAttribute("href");
  const guardian = await main(page).locator("h3 a[href^='/famille/responsables/']").first()
    .getAttribute("href");

  await edit(page, guardian, "Informations fiscales", "fiscales");
  await field(page, /^Numéro fiscal/).fill("3023217600054");
  await refused(page, "Envoyer pour validation", /Un chiffre de ce numéro fiscal/,
    "a wrong tax number");
  await field(page, /^Numéro fiscal/).fill("30 23 217 600 053");
  await sent(page, "tax is asked for");

  await edit(page, guardian, "Données bancaires", "bancaires");
  await page.getByRole("heading", { name: "Mandat de prélèvement SEPA" }).waitFor();
  ok(await field(page, /^IBAN/).inputValue() === "", "the IBAN is not given back");
  for (const label of ["Oui", "Non"]) {
    ok(!await answer(page, /J’accepte ce mandat/, label).isChecked(), `${label} is not ticked`);
  }
  await page.setViewportSize({ width: 390, height: 900 });
  await shot("bank");
  await field(page, /^IBAN/).fill("FR14 2004 1010 0505 0001 3M02 606");
  await refused(page, "Continuer", /un mandat est nécessaire/, "no mandate");
  await answer(page, /J’accepte ce mandat/, "Oui").check();
  await button(page, "Continuer").click();
  await page.getByRole("heading", { name: "Vérifiez votre demande", level: 1 }).waitFor();
  await inspect(page, "the account, before it is sent");
  await page.setViewportSize({ width: 390, height: 900 });
  await shot("bank-check");
  await sent(page, "the account is asked for");
  await page.goto(portal.url + guardian);
  await page.getByText("•••• 2606").first().waitFor();
  await inspect(page, "what is asked beside today's, of a guardian");
  await shot("guardian");

  await edit(page, child, "Données sanitaires", "sante");
  await page.getByText("Vaccins obligatoires pour cet enfant :").waitFor();
  await page.setViewportSize({ width: 390, height: 900 });
  await shot("health");
  await field(page, /^Recommandations des parents/).fill("Son numéro : 1 85 05 78 006 084 91");
  await refused(page, "Envoyer pour validation", /N’écrivez pas de numéro de sécurité sociale/,
    "a social security number");
  await field(page, /^Recommandations des parents/).fill("Dort avec son doudou.\nSe réveille tôt.");
  await field(page, /^Allergies/).fill("Kiwi");
  await sent(page, "health is asked for");
  await page.goto(portal.url + child);
  await page.getByText("Dort avec son doudou.").first().waitFor();
  await inspect(page, "what is asked beside today's, of a child");
  await shot("child");
});
