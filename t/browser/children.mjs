/* What a parent asks for about the children: each form, refused and sent, its
   check and its receipt, by the labels on the screen. */

import { arrive, button, link, main, ok, open, portal, run, signIn }
  from "./guide.mjs";
import { inspect } from "./inspect.mjs";

const field = (page, label) => page.getByLabel(label, { exact: true });
const answer = (page, question, label) =>
  page.getByRole("group", { name: question }).getByLabel(label, { exact: true });
const receipt = (page) =>
  page.waitForURL((url) => /^\/famille\/demandes\/\d+$/.test(url.pathname));

async function send(page, name) {
  await button(page, "Envoyer pour validation").click();
  await receipt(page);
  await page.getByText("Votre demande est envoyée à la mairie.").waitFor();
  await inspect(page, name);
}

async function refused(page, words, name) {
  await button(page, "Envoyer pour validation").click();
  await page.getByRole("alert").getByText(words).waitFor();
  await inspect(page, name);
}

async function contacts(page, child) {
  await page.goto(portal.url + child);
  await link(page, "Ajouter un contact").click();
  await arrive(page, `${child}/contacts/nouveau`);
  await inspect(page, "a new contact", true);
  await refused(page, /Saisissez un nom/, "a contact without a name");
  await field(page, "Nom du contact").fill("Vasseur");
  await field(page, "Prénom du contact").fill("Jeanne");
  await page.getByLabel("Lien avec l’enfant").selectOption("neighbour");
  await page.getByLabel(/^Téléphone portable/).fill("06 12 34 56 78");
  await answer(page, "Peut venir chercher l’enfant", "Oui").check();
  await answer(page, "À appeler en cas d’urgence", "Non").check();
  await send(page, "a contact is asked for");
  await page.goto(portal.url + child);
  await page.getByText("Jeanne Vasseur").first().waitFor();
  await inspect(page, "a contact that waits");

  await page.goto(`${portal.url}${child}/contacts/nouveau`);
  await page.getByRole("region", { name: "Copier d’un frère ou d’une sœur" })
    .getByRole("link").first().click();
  await page.waitForURL(/copie=/);
  ok(await field(page, "Nom du contact").inputValue() !== "", "a copy begins the form");

  await page.goto(portal.url + child);
  await main(page).locator("a[href$='/modifier']").first().click();
  await page.waitForURL(/modifier$/);
  await inspect(page, "a contact's form");
  await page.goto(portal.url + child);
  await page.getByRole("link", { name: /^Retirer / }).first().click();
  await page.waitForURL(/retrait$/);
  await inspect(page, "a contact's removal");
  await refused(page, /Écrivez quelques mots/, "a removal without words");
  await field(page, "Raison de cette demande").fill("Elle a déménagé.");
  await send(page, "a removal is asked for");

  await page.goto(portal.url + child);
  await link(page, "Signaler une interdiction").click();
  await page.waitForURL(/interdiction$/);
  await inspect(page, "a report", true);
  await field(page, "Personne concernée et décision").fill("Jean, jugement du 3 mars.");
  await send(page, "a report is sent");
}

run(async (browser) => {
  const page = await open(browser, { viewport: { width: 1280, height: 900 } });

  await signIn(page, portal.account.email, portal.account.password);
  await arrive(page, "/mon-espace");
  await page.goto(`${portal.url}/famille`);
  await inspect(page, "the family file", true);
  const child = await main(page).locator("h3 a[href^='/famille/enfants/']").first()
    .getAttribute("href");

  await page.goto(portal.url + child);
  ok(await page.getByText("Aucun autre responsable de l’enfant n’est").isVisible()
    && !await page.getByRole("heading", { name: /^Autres responsables/ }).count()
    && !await page.getByRole("columnheader", { name: "Autorité parentale" }).count(),
  "no other guardian: one sentence, no heading, no table");
  await page.getByRole("link", { name: "Modifier Informations générales" }).click();
  await arrive(page, `${child}/generales`);
  await inspect(page, "general information", true);
  await field(page, "Année").first().fill("2031");
  await refused(page, /Cette date n’est pas encore arrivée/, "a child born tomorrow");
  await field(page, "Année").first().fill("2017");
  await page.getByLabel(/^Lieu de naissance/).fill("Roubaix");
  await send(page, "general information is asked for");
  await page.goto(portal.url + child);
  await page.getByText("Roubaix").waitFor();
  await inspect(page, "what is asked beside today's");

  await page.getByRole("link", { name: "Modifier Autorisations" }).click();
  await arrive(page, `${child}/autorisations`);
  await inspect(page, "authorisations", true);
  await answer(page, /^Rentrer seul/, "Oui").check();
  await button(page, "Continuer").click();
  await page.getByRole("heading", { name: "Vérifiez votre demande", level: 1 }).waitFor();
  await inspect(page, "authorisations, before they are sent");
  await send(page, "authorisations are asked for");

  await contacts(page, child);

  await page.goto(`${portal.url}/famille`);
  await link(page, "Ajouter un enfant").click();
  await arrive(page, "/famille/enfants/ajout");
  await inspect(page, "a child to be added", true);
  await field(page, "Nom de l’enfant").fill("Martin");
  await field(page, "Prénoms de l’enfant").fill("Zélie");
  await field(page, "Jour").first().fill("2");
  await field(page, "Mois").first().fill("5");
  await field(page, "Année").first().fill("2024");
  await send(page, "a child is asked for");
  await page.goto(`${portal.url}/famille`);
  await page.getByText("Zélie Martin").first().waitFor();
  await inspect(page, "a child that waits");
  await link(page, "Ajouter un responsable").click();
  await arrive(page, "/famille/responsables/ajout");
  await inspect(page, "a guardian to be added", true);

  await page.goto(portal.url + child);
  await page.getByRole("link", { name: /retrait de cet enfant/ }).click();
  await page.waitForURL(/retrait$/);
  await inspect(page, "a child's removal");
});
