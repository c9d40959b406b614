/* Every page, and every state of error that a person meets: see inspect.mjs. */

import { arrive, button, link, mailLink, main, ok, open, portal,
  run, signIn, signUp } from "./guide.mjs";
import { inspect } from "./inspect.mjs";

const email = "pages@parents.example";

async function visit(page, path, name) {
  await page.goto(portal.url + path);
  await inspect(page, name, true);
}

run(async (browser) => {
  const page = await open(browser, { viewport: { width: 1280, height: 900 } });

  for (const path of ["/", "/inscription", "/inscription/renvoi", "/connexion",
    "/accessibilite", "/donnees-personnelles", "/mentions-legales",
    "/plan-du-site", "/aide", "/langue"]) {
    await visit(page, path, "public");
  }
  await visit(page, "/nulle-part", "no such page");
  await visit(page, "/inscription/confirmation?jeton=rien", "an unknown link");

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
});
