/* The agents' host: the log-in by keyboard alone on a narrow screen, its
   mistakes, and every page looked at. */

import { arrive, button, heading, link, mailLink, main, ok, open, otp, portal, run,
  signInAgent, stepUp, tabTo } from "./guide.mjs";
import { inspect } from "./inspect.mjs";

run(async (browser) => {
  const page = await open(browser, { viewport: { width: 390, height: 844 } });
  const field = (label) => page.getByLabel(label, { exact: true });
  const { agent } = portal;

  await page.goto(portal.agents_url);
  await arrive(page, "/connexion");
  await heading(page, "Connexion des agents", "the log-in of agents");
  ok(await page.getByText("Réservé aux agents").isVisible(), "is marked");

  ok(await tabTo(page, field("Adresse électronique")) !== null,
    "Tab leads to the address");
  await page.keyboard.press("Enter");
  await page.locator("#erreurs").waitFor();
  ok(await page.locator("#erreurs a").count() === 3,
    "Enter on an empty form: three mistakes, each with its link");
  await tabTo(page, page.locator("#erreurs a").first());
  await page.keyboard.press("Enter");
  ok(await field("Adresse électronique").evaluate(
    (e) => e === document.activeElement), "which leads to the field");

  await page.keyboard.type(agent.email);
  ok(await tabTo(page, field("Mot de passe"), 2) !== null, "to the password");
  await page.keyboard.type(agent.password);
  ok(await tabTo(page, field("Code à 6 chiffres"), 2) !== null,
    "past « Afficher » to the code");
  await page.keyboard.type("000000");
  await page.keyboard.press("Enter");
  await page.getByText(/ou le code n’est pas le bon/).first().waitFor();
  ok(await field("Adresse électronique").inputValue() === agent.email
    && await field("Mot de passe").inputValue() === ""
    && await field("Code à 6 chiffres").inputValue() === "",
  "a wrong code: the address is there again, neither secret is");
  const box = await button(main(page), "Me connecter").boundingBox();
  ok(box.x >= 0 && box.x + box.width <= 390 && box.height >= 44,
    "the button fits the screen and the finger");
  await inspect(page, "a wrong code");
  await page.setViewportSize({ width: 390, height: 844 });

  await tabTo(page, field("Mot de passe"), 40);
  await page.keyboard.type(agent.password);
  await tabTo(page, field("Code à 6 chiffres"), 2);
  await page.keyboard.type(otp(agent.totp_secret));
  ok(await tabTo(page, button(main(page), "Me connecter"), 1) === 1,
    "then the button");
  await page.keyboard.press("Enter");
  await arrive(page, "/");
  await heading(page, "Demandes à traiter", "logged in");
  await inspect(page, "the first page", true);

  await page.goto(`${portal.agents_url}/familles`);
  await inspect(page, "the search of a family", true);
  await page.setViewportSize({ width: 390, height: 844 });
  await field("Nom, numéro de dossier, adresse ou téléphone").fill("zzzzq");
  await page.keyboard.press("Enter");
  await page.getByText("Aucune famille ne correspond").waitFor();
  await field("Nom, numéro de dossier, adresse ou téléphone").fill("martin");
  await page.keyboard.press("Enter");
  await heading(page, "Rechercher une famille", "searched");
  await inspect(page, "families found", true);
  await page.setViewportSize({ width: 390, height: 844 });
  await link(main(page), /^104201/).click();
  await page.waitForURL(/\/familles\/\d+$/);
  await inspect(page, "a family's file", true);
  await page.setViewportSize({ width: 390, height: 844 });
  await field("Nouvelle note").fill("A rappelé ce matin.");
  await button(main(page), "Ajouter la note").click();
  await page.getByText("La note est ajoutée.").waitFor();
  await inspect(page, "a family's file with a note", true);
  await page.setViewportSize({ width: 390, height: 844 });
  await link(main(page), /^Retirer cette note/).click();
  await heading(page, "Note d’un agent", "a note");
  await inspect(page, "a note to be withdrawn", true);
  await page.goBack();
  await link(main(page), /^Voir les données de santé/).first().click();
  await page.waitForURL(/\/sante$/);
  await inspect(page, "health data", true);
  await page.setViewportSize({ width: 390, height: 844 });
  await page.goBack();
  await link(main(page), /^Voir l’IBAN entier/).first().click();
  await arrive(page, "/connexion/confirmation");
  await inspect(page, "another code", true);
  await page.setViewportSize({ width: 390, height: 844 });
  await button(main(page), "Confirmer").click();
  await page.locator("#erreurs").waitFor();
  await inspect(page, "no other code");
  await page.setViewportSize({ width: 390, height: 844 });
  await stepUp(page, agent);
  await page.waitForURL(/\/iban\?/);
  ok(/\b[A-Z]{2}\d{2}/.test(await main(page).innerText()), "the number, whole");
  await inspect(page, "an account number", true);

  for (const path of ["/interdictions", "/recopie", "/refus", "/statistiques", "/compte", "/session", "/langue", "/nulle-part"]) {
    await page.goto(portal.agents_url + path);
    await inspect(page, "agents", path !== "/nulle-part");
  }
  await page.goto(`${portal.agents_url}/session`);
  await page.setViewportSize({ width: 390, height: 844 });
  await button(main(page), "Se déconnecter partout").click();
  await arrive(page, "/connexion");
  ok(await page.getByText(/^Vous êtes déconnecté/).isVisible(),
    "out everywhere, and told so");
  await inspect(page, "the log-in", true);
  ok(await link(page, "Portail Citoyen").first().getAttribute("href")
    === `${portal.url}/`, "the families' portal is one link away");

  /* an administrator invites somebody, who enrols */
  const boss = await open(browser, { viewport: { width: 390, height: 844 } });
  await signInAgent(boss, portal.administrator);
  await boss.goto(`${portal.agents_url}/agents`);
  await inspect(boss, "the agents", true);
  await boss.getByLabel("Prénom", { exact: true }).fill("Inès");
  await boss.getByLabel("Nom", { exact: true }).fill("Neuve");
  await boss.getByLabel("Adresse électronique", { exact: true }).fill("ines.neuve@mairie.example");
  await boss.getByRole("radio", { name: "Administration" }).check();
  await button(main(boss), "Envoyer l’invitation").click();
  await boss.waitForURL(/\/agents\/\d+/);
  await inspect(boss, "an agent who is invited", true);
  await boss.goto(`${portal.agents_url}/compte/codes-de-secours`);
  await inspect(boss, "recovery codes", true);
  await boss.setViewportSize({ width: 390, height: 844 });
  await button(main(boss), "Recevoir dix codes").click();
  await boss.getByText(/Ils ne seront plus affichés/).waitFor();
  ok(await main(boss).locator(".code-shown").count() === 10, "ten of them");
  await inspect(boss, "ten codes");

  const ines = await open(browser, { viewport: { width: 390, height: 844 } });
  await ines.goto(await mailLink("ines.neuve@mairie.example", "/invitation"));
  await heading(ines, "Votre accès d’agent", "the link of the mail");
  await inspect(ines, "an invitation", true);
  await ines.setViewportSize({ width: 390, height: 844 });
  await ines.getByLabel("Mot de passe", { exact: true }).fill("falaise-mandarine-tricot-57");
  await button(main(ines), "Enregistrer").click();
  await heading(ines, "Préparez votre téléphone", "a password, then the telephone");
  ok(await ines.getByRole("img", { name: "Carré à viser avec l’application d’authentification" })
    .evaluate((e) => e.getBoundingClientRect().width >= 200), "with a code to scan");
  await inspect(ines, "the authenticator");
  const secret = await ines.locator(".code-shown").innerText();
  await link(main(ines), "Me connecter").click();
  await ines.getByLabel("Adresse électronique", { exact: true }).fill("ines.neuve@mairie.example");
  await ines.getByLabel("Mot de passe", { exact: true }).fill("falaise-mandarine-tricot-57");
  await ines.getByLabel("Code à 6 chiffres", { exact: true }).fill(otp(secret));
  await button(main(ines), "Me connecter").click();
  await arrive(ines, "/compte/codes-de-secours");
  ok(true, "and the log-in leads to the recovery codes");
  await ines.goto(`${portal.agents_url}/invitation?jeton=x`);
  await inspect(ines, "a link that is none");
  await ines.goto(`${portal.agents_url}/connexion/secours`);
  await inspect(ines, "a telephone lost", true);
});
