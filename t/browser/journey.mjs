/* The town's guide from « Créer un compte » to the family file, by its labels:
   journey.mjs scripts | plain */

import { arrive, button, heading, link, mailLink, main, ok, open, portal, run,
  signIn, signUp } from "./guide.mjs";

const scripts = process.argv[2] === "scripts";
const email = `guide.${process.argv[2]}@parents.example`;

run(async (browser) => {
  const page = await open(browser, {
    javaScriptEnabled: scripts, viewport: { width: 1280, height: 900 },
  });

  /* step 1 */
  await signUp(page, email, scripts);
  await heading(page, "Consultez votre messagerie", "the account is asked for");

  const address = await mailLink(email);
  ok(address.startsWith(`${portal.url}/inscription/confirmation?jeton=`),
    "the mail's link leads to the portal", address);
  await page.goto(address);
  await page.goto(address);             /* opening it consumes nothing */
  await button(page, "Confirmer mon adresse").click();
  await heading(page, "Mon espace citoyen", "the link opens the account");

  /* step 2 */
  await link(page, "S'abonner à l'espace famille").click();
  await heading(page, "Mes abonnements", "the link leads to the subscriptions");
  await link(page.getByRole("navigation"), "Mon espace citoyen").first()
    .click();
  await link(main(page), "Mes abonnements").click();
  await heading(page, "Mes abonnements", "so does the menu");

  await link(page, "M'abonner").click();
  if (scripts) {
    ok(await page.getByRole("dialog").isVisible().catch(() => false)
      || await page.getByRole("dialog").waitFor().then(() => true),
      "« M'abonner » opens a dialog");
  } else {
    ok(page.url().endsWith("/mes-abonnements/nouveau"),
      "« M'abonner » is a page of its own");
  }

  const place = scripts ? page.getByRole("dialog") : main(page);
  await place.getByLabel("Code abonné", { exact: true })
    .fill("2222-2222-2222");
  if (scripts) {
    const note = place.locator("[data-miscopied][role=status]");
    await note.filter({ hasText: "Une lettre ou un chiffre est sans doute mal recopié." }).waitFor();
    await place.getByLabel("Code abonné", { exact: true }).fill(portal.code);
    ok(await note.textContent() === "", "a code that no letter has is told before it is sent, a right one not");
    await place.getByLabel("Code abonné", { exact: true }).fill("2222-2222-2222");
  }
  await button(place, "Rechercher").click();
  await place.locator("[aria-invalid=true]").first().waitFor();
  ok(true, "a wrong code is refused in place");
  if (scripts) {
    ok((await place.locator("[data-miscopied]").textContent()).includes("mal recopié"),
      "with the same hint");
  }
  await place.getByLabel("Code abonné", { exact: true })
    .fill(portal.code.toLowerCase().replaceAll("-", " "));
  await button(place, "Rechercher").click();
  await place.getByText("Abonnement trouvé").waitFor();
  ok(!(await place.innerText()).includes(portal.name),
    "only initials are shown before");
  await button(place, "Ajouter cet abonnement").click();
  await arrive(page, "/mes-abonnements");
  await page.getByRole("heading", { name: /Famille n°/ }).waitFor();
  ok(true, "the subscription is in the list");
  ok(await page.getByText("L’abonnement est ajouté à votre liste.").isVisible()
    && await main(page).evaluate((e) => e === document.activeElement),
  "it is said, and the page has the focus");

  await button(page, "Se déconnecter").click();
  await link(page, "Me connecter").first().waitFor();
  ok(true, "« Se déconnecter » is at the top");
  await signIn(page, email);
  await heading(page, "Mon espace citoyen", "in again");

  /* step 3, reading */
  await link(page.getByRole("navigation"), "Espace Famille").first().click();
  await link(page, "Dossier Famille").first().click();
  await heading(page, "Dossier Famille", "the family file");
  await heading(page, "Responsables", "its guardians");
  await heading(page, "Enfants", "its children");

  const file = page.url();
  await main(page).locator("a[href^='/famille/responsables/']").first().click();
  for (const name of ["Informations fiscales", "Informations de base",
    "Adresse", "Données bancaires"]) {
    await heading(page, name, `a guardian: ${name}`);
  }
  await page.goto(file);
  await main(page).locator("a[href^='/famille/enfants/']").first().click();
  for (const name of ["Informations générales", "Autorisations",
    "Données sanitaires", "Contacts"]) {
    await heading(page, name, `a child: ${name}`);
  }

  ok(page.complaints.length === 0, "the console is empty",
    page.complaints.join("\n"));
});
