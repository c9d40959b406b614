/* Step 3 of the town's guide, by its labels: a parent changes what there is to
   change, agents decide, the parent reads the answer:
   file.mjs scripts | plain */

import { arrive, button, heading, link, main, ok, open, portal,
  run, signIn, signInAgent, tabTo, town } from "./guide.mjs";
import { inspect, stretched } from "./inspect.mjs";

const scripts = process.argv[2] === "scripts";
const mark = scripts ? 1 : 2;           /* each run asks for other values */
const field = (page, label) => page.getByLabel(label);
const answer = (page, question, label) =>
  page.getByRole("group", { name: question }).getByLabel(label, { exact: true });
const asked = {};

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

/* « Espace Famille », « Dossier Famille », somebody, « Modifier … » */
async function edit(page, person, section) {
  const menu = page.getByRole("navigation", { name: "Menu principal" });

  await link(menu, "Espace Famille").click();
  await arrive(page, "/famille");
  await link(menu, "Dossier Famille").click();
  await link(main(page), person).click();
  await page.getByRole("heading", { name: person, level: 1 }).waitFor();
  await page.getByRole("link", { name: section, exact: true }).click();
  await page.getByRole("button", { name: /^(Envoyer pour validation|Continuer)$/ }).waitFor();
  await look(page, section);
}

/* where the summary leads to on a telephone, the question is to be read */
async function inView(page, alert, name) {
  const size = page.viewportSize();

  await page.setViewportSize({ width: 390, height: 844 });
  for (const to of await alert.locator("a[href^='#']").all()) {
    await to.click();
    const seen = await page.evaluate(() => {
      const at = document.activeElement;
      const field = at.closest(".field");
      const asked = field?.querySelector("legend, label").getBoundingClientRect();
      return asked && [asked.top, innerHeight - at.getBoundingClientRect().bottom];
    });
    ok(seen && seen[0] >= 0 && seen[1] >= 0,
      `${name}: with its question in view`, `${await to.innerText()} ${seen}`);
  }
  await page.setViewportSize(size);
}

async function refused(page, action, words, name) {
  await button(page, action).click();
  const alert = page.getByRole("alert");
  await alert.getByText(words).first().waitFor();
  ok(/^Erreur : /.test((await page.title()).replaceAll("\u00a0", " ")),
    `${name}: the title says so`);
  await alert.getByRole("link").first().click();
  ok(await page.evaluate(() => document.activeElement.matches(
    "input, select, textarea") || document.activeElement.tagName === "A"),
  `${name}: the summary leads to the field`);
  await inView(page, alert, name);
  await look(page, `${name}, refused`);
}

/* the receipt; its number is kept under that name */
async function sent(page, name, press) {
  await (press ? press() : button(page, "Envoyer pour validation").click());
  await page.waitForURL((url) => /^\/famille\/demandes\/\d+$/.test(url.pathname));
  await page.getByText("Votre demande est envoyée à la mairie.").waitFor();
  const title = await page.getByRole("heading", { level: 1 }).innerText();
  asked[name] = { path: new URL(page.url()).pathname,
    number: title.match(/\S+$/)[0] };
  ok(await main(page).getByText("En attente de validation").first().isVisible(),
    `${name}: asked for, it waits`);
  await look(page, `${name}, receipt`);
}

/* « Continuer », the check, and on */
async function checked(page, words, name) {
  await button(page, "Continuer").click();
  await heading(page, "Vérifiez votre demande", `${name}: shown again first`);
  ok(await main(page).getByText(words).first().isVisible(),
    `${name}: with what is asked`);
  await look(page, `${name}, check`);
}

async function guardian(page, self) {
  await edit(page, self, "Modifier Informations fiscales");
  await field(page, /^Nombre de parts/).fill("99");
  await refused(page, "Envoyer pour validation", /nombre de parts possible/, "tax");
  await field(page, /^Nombre de parts/).fill(`${mark + 1},5`);
  await sent(page, "tax");
  await page.goto(portal.url + asked.tax.path);

  /* by keyboard alone */
  await edit(page, self, "Modifier Informations de base");
  await page.locator("#contenu").focus();
  await tabTo(page, field(page, /^Profession/), 40);
  await page.keyboard.press("ControlOrMeta+a");
  await page.keyboard.type(mark === 1 ? "Relieuse" : "Luthière");
  await tabTo(page, field(page, /^Employeur/), 1);
  await page.keyboard.press("ControlOrMeta+a");
  await page.keyboard.type(`Atelier ${mark}`);
  ok(await tabTo(page, button(page, "Envoyer pour validation"), 2) === 2,
    "from the last field over the message to the button");
  await sent(page, "base", () => page.keyboard.press("Enter"));

  /* on a telephone */
  await edit(page, self, "Modifier Adresse");
  await page.setViewportSize({ width: 390, height: 844 });
  await field(page, /^Code postal/).fill("12");
  await refused(page, "Continuer", /5 chiffres/, "address");
  await page.setViewportSize({ width: 390, height: 844 });
  await field(page, /^Code postal/).fill("59100");
  await field(page, /^Nom de la rue/).fill(`${mark} rue des Tilleuls`);
  await checked(page, "rue des Tilleuls", "address");
  await page.setViewportSize({ width: 390, height: 844 });
  await button(page, "Modifier ma demande").click();
  await heading(page, "Modifier « Adresse »", "address: back to the form");
  ok(await field(page, /^Nom de la rue/).inputValue()
    === `${mark} rue des Tilleuls`, "as it was filled");
  await button(page, "Continuer").click();
  await heading(page, "Vérifiez votre demande", "address: once more");
  await sent(page, "address");
  await page.setViewportSize({ width: 1280, height: 900 });

  await edit(page, self, "Modifier Données bancaires");
  await field(page, /^IBAN/).fill(mark === 1 ? "FR14 2004 1010 0505 0001 3M02 606"
    : "FR76 3000 6000 0112 3456 7890 189");
  await refused(page, "Continuer", /un mandat est nécessaire/, "bank");
  await field(page, /^Titulaire du compte/).fill(self);
  await answer(page, /J’accepte ce mandat/, "Oui").check();
  await checked(page, /•••• (2606|0189)/, "bank");
  await sent(page, "bank");

  await page.getByRole("navigation", { name: "Vous êtes ici" })
    .getByRole("link", { name: "Dossier Famille" }).click();
  await link(main(page), self).click();
  for (const words of ["Relieuse", "Luthière"].slice(mark - 1, mark)) {
    ok(await main(page).getByText(words).first().isVisible(),
      "what is asked stands beside what is there");
  }
  await look(page, "a guardian who waits");
}

async function child(page, name) {
  await edit(page, name, "Modifier Informations générales");
  await field(page, "Année").first().fill("2031");
  await refused(page, "Envoyer pour validation", /n’est pas encore arrivée/,
    "general");
  await field(page, "Année").first().fill("2017");
  await field(page, /^Lieu de naissance/).fill(`Ville ${mark === 1 ? "Une" : "Deux"}`);
  await sent(page, "general");

  await edit(page, name, "Modifier Autorisations");
  const group = page.getByRole("group", { name: /^Rentrer seul/ });
  const yes = group.getByLabel("Oui", { exact: true });
  await (await yes.isChecked() ? group.getByLabel("Non", { exact: true }) : yes).check();
  await checked(page, "Rentrer seul", "authorisations");
  await sent(page, "authorisations");

  await edit(page, name, "Modifier Données sanitaires");
  await field(page, /^Recommandations des parents/).fill("Son numéro : 1 85 05 78 006 084 91");
  await refused(page, "Envoyer pour validation", /numéro de sécurité sociale/, "health");
  await field(page, /^Recommandations des parents/).fill(`Dort avec le doudou ${mark}.`);
  await sent(page, "health");

  await edit(page, name, "Ajouter un contact");
  await refused(page, "Envoyer pour validation", /Saisissez un nom/, "contact");
  await field(page, /^Nom du contact/).fill(mark === 1 ? "Vasseur" : "Carlier");
  await field(page, /^Prénom du contact/).fill("Jeanne");
  await field(page, /^Lien avec l’enfant/).selectOption({ label: "Voisin ou voisine" });
  await field(page, /^Téléphone portable/).fill("06 12 34 56 78");
  await answer(page, /^Peut venir chercher/, "Oui").check();
  await answer(page, /^À appeler en cas/, "Non").check();
  await sent(page, "contact");

  await edit(page, name, "Ajouter un contact");
  await page.getByRole("region", { name: "Copier d’un frère ou d’une sœur" })
    .getByRole("link").first().click();
  await page.waitForURL(/copie=/);
  ok(await field(page, /^Nom du contact/).inputValue() !== "",
    "a sibling's contact begins the form");
  if (!await field(page, /^Téléphone portable/).inputValue()) {
    await field(page, /^Téléphone portable/).fill("06 12 34 56 79");
  }
  await sent(page, "copy");

  await page.goto(portal.url + "/famille");
  await link(main(page), name).click();
  const who = (await page.getByRole("link", { name: /^Retirer / }).first().innerText())
    .replace(/^Retirer\s+/, "");
  await edit(page, name, `Retirer ${who}`);
  await refused(page, "Envoyer pour validation", /Écrivez quelques mots/, "removal");
  await field(page, /^Raison de cette demande/).fill("Cette personne a déménagé.");
  await sent(page, "removal");
  await page.goto(portal.url + "/famille");
  await link(main(page), name).click();
  await page.getByText("Jeanne").first().waitFor();
  await heading(page, "Autres responsables de l’enfant", "the other household");
  await look(page, "a child who waits");
}

/* « Mes demandes »: all are there; one is taken back */
async function requests(page) {
  await link(page.getByRole("navigation", { name: "Menu principal" }), "Mes demandes")
    .click();
  await heading(page, "Mes demandes", "the requests");
  const text = await main(page).innerText();
  ok(Object.values(asked).every(({ number }) => text.includes(number)),
    "each is listed", text);
  await look(page, "requests");
  await page.getByRole("link", { name: new RegExp(asked.copy.number) }).click();
  await arrive(page, asked.copy.path);
  await button(page, "Annuler ma demande").click();
  await page.getByText("Votre demande est annulée.").waitFor();
  ok(await main(page).getByText("Annulée par vous").first().isVisible(),
    "one is withdrawn");
  await look(page, "withdrawn");
}

/* an agent finds a request in the queue and opens it */
async function take(agent, name) {
  await link(agent.getByRole("navigation", { name: "Menu principal" }),
    "Demandes à traiter").click();
  await heading(agent, "Demandes à traiter", `${name}: the queue`);
  await agent.getByLabel("Demande n°").fill(asked[name].number);
  await button(agent, "Afficher ces demandes").click();
  await link(main(agent), asked[name].number).click();
  await heading(agent, `Demande n° ${asked[name].number}`, `${name}: opened`);
}

async function decide(agent, name, words, press) {
  await press(agent);
  await agent.getByText(words).first().waitFor();
  ok(true, `${name}: decided`);
  await look(agent, `${name}, decided`);
}

async function agents(browser) {
  const agent = await open(browser, {
    javaScriptEnabled: scripts, viewport: { width: 1280, height: 900 } });

  await signInAgent(agent);
  await look(agent, "queue");

  await take(agent, "tax");
  await look(agent, "three columns");
  await decide(agent, "tax", "La demande est acceptée.", (page) =>
    button(page, "Tout accepter").click());

  await take(agent, "base");
  await agent.getByRole("group", { name: "Profession" }).getByLabel("Accepter").check();
  await agent.getByRole("group", { name: "Employeur" }).getByLabel("Refuser").check();
  await button(agent, "Accepter en partie").click();
  await agent.getByRole("alert").getByText(/la famille doit savoir pourquoi/).waitFor();
  ok(await agent.getByRole("group", { name: "Profession" }).getByLabel("Accepter")
    .isChecked(), "refused: the choices are still there");
  await look(agent, "a decision without words");
  await agent.getByRole("group", { name: "Profession" }).getByLabel("Accepter").check();
  await agent.getByRole("group", { name: "Employeur" }).getByLabel("Refuser").check();
  await field(agent, /^Réponse à la famille/).first().fill("L’employeur reste à prouver.");
  await decide(agent, "base", "La demande est acceptée en partie.", (page) =>
    button(page, "Accepter en partie").click());

  town(`update portal.address set street = '${mark} impasse du Verger'
    where guardian_id = (select guardian_id from portal.change_set
      where number = '${asked.address.number}')`);
  await take(agent, "address");
  ok(await main(agent).getByText(/^Le dossier a changé depuis la demande/).isVisible(),
    "the file has moved: it is said");
  await look(agent, "conflict");
  await field(agent, /^Réponse à la famille/).first().fill("Quel est le numéro ?");
  await decide(agent, "address", /renvoyée à la famille/, (page) =>
    button(page, "Demander une précision").click());

  await take(agent, "bank");
  await agent.getByLabel(/^Réponse toute prête/).selectOption({ index: 1 });
  await decide(agent, "bank", "La demande est refusée", (page) =>
    button(page, "Refuser et prévenir la famille").click());

  for (const name of ["general", "authorisations", "health", "contact", "removal"]) {
    await take(agent, name);
    await decide(agent, name, "La demande est acceptée.", (page) =>
      button(page, "Tout accepter").click());
  }

  await agent.goto(portal.agents_url + asked.tax.path.replace("/famille", ""));
  await field(agent, /^Réponse à la famille/).first().fill("Erreur de notre part.");
  await decide(agent, "undo", "La modification est annulée", (page) =>
    button(page, "Annuler cette modification").click());
  ok(agent.complaints.length === 0, "the agent's console is empty",
    agent.complaints.join("\n"));
}

/* what became of it */
async function answers(page, self, name) {
  await page.goto(`${portal.url}/famille/demandes`);
  await look(page, "requests, answered");
  for (const [request, state, words] of [
    ["base", "Acceptée en partie", "L’employeur reste à prouver."],
    ["bank", "Refusée", "Réponse de la mairie"],
    ["address", "À compléter", "Quel est le numéro ?"],
    ["general", "Acceptée", "Ville"]]) {
    await page.goto(portal.url + asked[request].path);
    ok(await main(page).getByText(state, { exact: true }).first().isVisible()
      && await main(page).getByText(words).first().isVisible(),
    `${request}: « ${state} », and why`);
    await look(page, `${request}, answered`);
  }

  await page.goto(portal.url + asked.address.path);
  await link(page, "Compléter ma demande").click();
  await page.getByText("Quel est le numéro ?").waitFor();
  ok(true, "the form says what is missing");
  await field(page, /^Nom de la rue/).fill(`${mark} bis rue des Tilleuls`);
  await look(page, "to be completed");
  await button(page, "Continuer").click();
  await heading(page, "Vérifiez votre demande", "completed: shown again");
  const { number } = asked.address;
  await sent(page, "address");
  ok(asked.address.number === number, "it keeps its number");

  await page.goto(`${portal.url}/famille`);
  await link(main(page), self).click();
  ok(await main(page).getByText(mark === 1 ? "Relieuse" : "Luthière").first().isVisible(),
    "what was accepted is in the file");
  await page.goto(`${portal.url}/famille`);
  await link(main(page), name).click();
  ok(await main(page).getByRole("rowheader", { name: mark === 1 ? "Jeanne Vasseur"
    : "Jeanne Carlier" }).isVisible(), "the new contact too");
  await look(page, "a child after the answers");
}

run(async (browser) => {
  const page = await open(browser, {
    javaScriptEnabled: scripts, viewport: { width: 1280, height: 900 } });

  await signIn(page, portal.account.email, portal.account.password);
  await arrive(page, "/mon-espace");
  await link(page.getByRole("navigation", { name: "Menu principal" }), "Espace Famille")
    .click();
  await heading(page, "Responsables", "the guardians");
  await heading(page, "Enfants", "the children");
  const self = await main(page).getByRole("article")
    .filter({ has: page.getByText("Vous", { exact: true }) })
    .getByRole("heading").innerText();
  const name = await main(page).getByRole("region", { name: "Enfants" })
    .getByRole("heading", { level: 3 }).first().innerText();

  await guardian(page, self);
  await child(page, name);
  await requests(page);
  await agents(browser);
  await answers(page, self, name);

  ok(page.complaints.length === 0, "the console is empty", page.complaints.join("\n"));
});
