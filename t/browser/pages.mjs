/* Every page, and every state of error that a person meets: see inspect.mjs. */

import { arrive, button, link, mailLink, main, ok, open, password, portal,
  run, signIn, signUp } from "./guide.mjs";
import { inspect } from "./inspect.mjs";

const email = "pages@parents.example";
const moved = "pages.ailleurs@parents.example";
const secret = "escargot violet 88 lampe";

async function visit(page, path, name) {
  await page.goto(portal.url + path);
  await inspect(page, name, true);
}

/* « Mon compte »: another password, another address, and back */
async function account(page, other) {
  const field = (on, label) => on.getByLabel(label, { exact: true });

  await page.goto(`${portal.url}/mon-espace`);
  await link(page.getByRole("navigation"), "Mon compte").click();
  await arrive(page, "/mon-compte");
  await inspect(page, "my account", true);
  await link(main(page), "Changer de mot de passe").click();
  await arrive(page, "/mon-compte/mot-de-passe");
  await inspect(page, "another password", true);
  await field(page, "Mot de passe actuel").fill("pas le bon du tout");
  await field(page, "Nouveau mot de passe").fill("court");
  await button(page, "Enregistrer").click();
  await page.waitForLoadState();
  await inspect(page, "refused");
  await field(page, "Mot de passe actuel").fill(password);
  await field(page, "Nouveau mot de passe").fill(secret);
  await button(page, "Enregistrer").click();
  await arrive(page, "/mon-compte");
  await inspect(page, "the password has changed");

  await link(main(page), "Changer d’adresse électronique").click();
  await arrive(page, "/mon-compte/adresse");
  await inspect(page, "another address", true);
  await field(page, "Nouvelle adresse électronique").fill(email);
  await field(page, "Mot de passe actuel").fill(secret);
  await button(page, "Recevoir un lien").click();
  await page.waitForLoadState();
  await inspect(page, "the address it has");
  await field(page, "Nouvelle adresse électronique").fill(moved);
  await field(page, "Mot de passe actuel").fill(secret);
  await button(page, "Recevoir un lien").click();
  await arrive(page, "/mon-compte");
  await inspect(page, "an address that waits");

  const confirmation = await mailLink(moved, "/adresse/confirmation");
  const undo = await mailLink(email, "/adresse/annulation");
  await other.goto(confirmation);
  await inspect(other, "the new address, elsewhere");
  await button(other, "Confirmer cette adresse").click();
  await other.waitForLoadState();
  await inspect(other, "without the password");
  await other.goto(undo);
  await inspect(other, "the way back, before");
  await page.goto(confirmation);
  await inspect(page, "the new address");
  await button(page, "Confirmer cette adresse").click();
  await arrive(page, "/mon-compte");
  await inspect(page, "the address has changed");

  await other.goto(undo);
  await inspect(other, "the way back, after");
  await button(other, "Annuler le changement").click();
  await arrive(other, "/connexion");
  await inspect(other, "the change is undone");
  await other.goto(undo);
  await inspect(other, "the way back, used");

  const reset = await mailLink(email, "/mot-de-passe/nouveau");
  await other.goto(reset);
  await inspect(other, "a new password");
  await field(other, "Nouveau mot de passe").fill("court");
  await button(other, "Enregistrer").click();
  await other.waitForLoadState();
  await inspect(other, "too short");
  await field(other, "Nouveau mot de passe").fill(`${secret} 2`);
  await button(other, "Enregistrer").click();
  await arrive(other, "/connexion");
  await inspect(other, "a new password is set");
  await signIn(other, email, `${secret} 2`);
  await arrive(other, "/mon-espace");
  ok(true, "which logs in");
  await other.goto(reset);
  await inspect(other, "the link to it, used");
}

async function close(page, right) {
  const field = page.getByLabel("Mot de passe actuel", { exact: true });

  await visit(page, "/mes-donnees/fermeture", "about to close the account");
  await field.fill("un autre mot de passe");
  await button(main(page), "Fermer mon compte").click();
  await page.waitForLoadState();
  await inspect(page, "not closed");
  await field.fill(right);
  await button(main(page), "Fermer mon compte").click();
  await page.getByText("Votre compte est fermé.").waitFor();
  await inspect(page, "the account is closed");
}

run(async (browser) => {
  const page = await open(browser, { viewport: { width: 1280, height: 900 } });

  for (const path of ["/", "/inscription", "/inscription/renvoi", "/connexion",
    "/mot-de-passe/oubli", "/mot-de-passe/envoye",
    "/accessibilite", "/donnees-personnelles", "/mentions-legales",
    "/plan-du-site", "/aide", "/langue"]) {
    await visit(page, path, "public");
  }
  await visit(page, "/nulle-part", "no such page");

  /* a thumb meets one of its many links */
  await page.setViewportSize({ width: 390, height: 844 });
  await page.goto(`${portal.url}/plan-du-site`);
  const tops = await page.$$eval("main .sheet a", (links) => links.map((link) => link.getBoundingClientRect().top));
  ok(tops.length > 20 && tops.every((top, n) => n === 0 || top - tops[n - 1] >= 44), "the links of the site map are 44 pixels apart");
  await page.setViewportSize({ width: 1280, height: 900 });

  for (const path of ["/inscription/confirmation", "/mot-de-passe/nouveau",
    "/mon-compte/adresse/confirmation", "/mon-compte/adresse/annulation"]) {
    await visit(page, `${path}?jeton=rien`, "an unknown link");
  }

  await page.goto(`${portal.url}/inscription`);
  await button(page, "S'inscrire").click();
  await inspect(page, "an empty sign-up");
  await page.goto(`${portal.url}/connexion`);
  await page.getByLabel("Adresse électronique", { exact: true })
    .fill("personne@parents.example");
  await page.getByLabel("Mot de passe", { exact: true }).fill("faux mot secret");
  await button(main(page), "Me connecter").click();
  await page.waitForLoadState();
  await inspect(page, "a refused log-in");

  await signUp(page, email, true);
  await arrive(page, "/inscription/envoyee");
  await inspect(page, "signed up");
  await signIn(page, email);
  await page.waitForLoadState();
  await inspect(page, "not confirmed yet");

  const address = await mailLink(email);
  const other = await open(browser);
  await other.goto(address);
  await inspect(other, "the link in another browser");
  await button(other, "Confirmer mon adresse").click();
  await other.waitForLoadState();
  await inspect(other, "without the password");

  await page.goto(address);
  await inspect(page, "the link");
  await button(page, "Confirmer mon adresse").click();
  await arrive(page, "/mon-espace");
  await inspect(page, "the citizen's space");
  await other.goto(address);
  await inspect(other, "the link, used");

  await visit(page, "/mes-abonnements", "no subscription");
  await visit(page, "/mes-abonnements/sans-code", "no code");
  await visit(page, "/famille", "no family yet");
  await visit(page, "/mes-abonnements/nouveau", "the code");
  await page.getByLabel("Code abonné", { exact: true }).fill("2222");
  await button(page, "Rechercher").click();
  await page.waitForLoadState();
  await inspect(page, "a wrong code");
  await page.getByLabel("Code abonné", { exact: true }).fill(portal.code);
  await button(page, "Rechercher").click();
  await page.getByText("Abonnement trouvé").waitFor();
  await inspect(page, "found");
  await button(page, "Ajouter cet abonnement").click();
  await arrive(page, "/mes-abonnements");
  await inspect(page, "a subscription that waits");
  await link(page, "M'abonner").click();
  await page.getByRole("dialog").getByLabel("Code abonné").waitFor();
  await inspect(page, "the dialog");

  await page.goto(`${portal.url}/mon-espace`);
  await button(page, "Se déconnecter").click();
  await page.waitForLoadState();
  await signIn(page, email);
  await arrive(page, "/mon-espace");
  await visit(page, "/", "home, logged in");
  await visit(page, "/mon-espace", "with a family");
  await visit(page, "/mes-donnees", "all that is held");
  await visit(page, "/mes-abonnements", "a subscription");
  await visit(page, "/famille", "the family file");

  const people = await main(page).locator("h3 a[href^='/famille/']")
    .evaluateAll((all) => all.map((a) => a.getAttribute("href")));
  ok(people.some((p) => /responsables/.test(p))
    && people.some((p) => /enfants/.test(p)), "the file names people", people);
  for (const path of people) await visit(page, path, "a person");

  await page.goto(`${portal.url}/mes-abonnements`);
  await page.getByRole("link", { name: /^Résilier/ }).click();
  await inspect(page, "about to unsubscribe");

  await account(page, other);
  await close(other, `${secret} 2`);
});
