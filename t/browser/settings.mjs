/* « Réglages »: an administrator's pages, each looked at; a mistake is beside
   its field. */

import { arrive, button, heading, link, main, ok, open, portal, run, signInAgent, town }
  from "./guide.mjs";
import { inspect } from "./inspect.mjs";

run(async (browser) => {
  const page = await open(browser, { viewport: { width: 390, height: 844 } });
  const field = (label) => page.getByLabel(label, { exact: true });

  await signInAgent(page, portal.administrator);
  await page.goto(`${portal.agents_url}/compte`);
  await link(main(page), "Réglages").click();
  await arrive(page, "/reglages");
  await heading(page, "Réglages", "the subjects");
  await inspect(page, "settings", true);

  const paths = await main(page).getByRole("link").evaluateAll(
    (links) => links.map((a) => a.getAttribute("href")));
  ok(paths.length > 2, "there are some");

  for (const path of paths) {
    await page.goto(portal.agents_url + path);
    await inspect(page, "settings", true);
  }

  await page.goto(`${portal.agents_url}/reglages/textes`);
  await field("Éditeur (facultatif)").fill("Une ville.\n\nSon adresse.");
  await button(main(page), "Voir l’aperçu").click();
  await page.getByText("Rien n’est encore enregistré").waitFor();
  await inspect(page, "a preview");

  await page.goto(`${portal.agents_url}/reglages/theme`);
  await field("Couleur principale").fill("#5fa8ad");
  await button(main(page), "Vérifier le contraste").click();
  await page.locator("#erreurs a").first().click();
  ok(await field("Couleur principale").evaluate(
    (e) => e === document.activeElement), "a pale colour leads to its field");
  await inspect(page, "a pale colour");
  await field("Couleur principale").fill("#5b2a86");
  await field("Couleur foncée").fill("#3a1a58");
  await field("Couleur claire").fill("#f1e9f8");
  await button(main(page), "Vérifier le contraste").click();
  await arrive(page, "/reglages/theme/apercu");
  ok(await page.locator(".hero .bright").evaluate((e) => getComputedStyle(
    e.ownerDocument.documentElement).getPropertyValue("--brand").trim()) === "#5b2a86",
  "the preview has the prepared colours");
  await inspect(page, "another theme", true);
  await button(main(page), "Publier le thème").click();
  await page.getByText("toutes les pages le montrent").waitFor();
  await inspect(page, "published");
  await button(main(page), "Voir le thème précédent").click();
  await arrive(page, "/reglages/theme/apercu");
  await button(main(page), "Publier le thème").click();
  await page.getByText("toutes les pages le montrent").waitFor();

  await page.goto(`${portal.agents_url}/reglages/autorisations/transport`);
  await inspect(page, "settings", true);
  await field("Texte en français").fill("J’autorise le transport en car.");
  await page.getByRole("radio", { name: /ne comptent plus/ }).check();
  await page.getByLabel("L’autre texte dit toujours la même chose").check();
  await button(main(page), "Enregistrer").click();
  await page.getByText("Les réglages sont enregistrés").waitFor();
  await page.goto(`${portal.agents_url}/reglages/autorisations/transport`);
  await inspect(page, "a text of before");

  await page.goto(`${portal.agents_url}/reglages/autorisations/ajout`);
  await inspect(page, "settings", true);
  await field("Nom en français").fill("Sorties à vélo");
  await field("Texte en français").fill("J’autorise mon enfant à sortir à vélo.");
  await field("Nom en anglais").fill("Bicycle outings");
  await field("Texte en anglais").fill("I allow my child to go out by bicycle.");
  await button(main(page), "Ajouter à la liste").click();
  await page.getByText("Les réglages sont enregistrés").waitFor();
  const up = main(page).getByRole("button", { name: "Monter – Sorties à vélo" });
  await up.focus();
  await page.keyboard.press("Enter");
  await page.getByText("Les réglages sont enregistrés").waitFor();
  await main(page).getByRole("button", { name: "Descendre – Sorties à vélo" }).waitFor();
  await inspect(page, "authorisations");
  await main(page).getByRole("link", { name: "Sorties à vélo" }).click();
  await main(page).getByRole("link", { name: "Ne plus demander cette autorisation" }).click();
  await inspect(page, "settings", true);
  await button(main(page), "Ne plus demander cette autorisation").click();
  await page.getByText("Autorisations qui ne sont plus demandées").waitFor();
  await inspect(page, "an authorisation that is not asked any more");

  await page.goto(`${portal.agents_url}/reglages/ecoles`);
  await button(main(page), "Ajouter toutes ces écoles, avec leurs classes").click();
  await page.getByText("Les réglages sont enregistrés").waitFor();
  await inspect(page, "schools");
  await page.goto(`${portal.agents_url}/reglages/ecoles/ajout`);
  await inspect(page, "settings", true);
  await field("Nom de l’école").fill("École du Port");
  await field("Classes (facultatif)").fill("CP A\nCP B");
  await button(main(page), "Enregistrer").click();
  await page.getByText("Les réglages sont enregistrés").waitFor();
  await main(page).getByRole("link", { name: "École du Port" }).click();
  await inspect(page, "a school");

  await page.goto(`${portal.agents_url}/reglages/motifs/ajout`);
  await inspect(page, "settings", true);
  await field("En français").fill("Le justificatif est illisible.");
  await button(main(page), "Enregistrer").click();
  await page.getByText("Les réglages sont enregistrés").waitFor();
  await inspect(page, "ready words");
  await page.getByRole("link", { name: "Le justificatif est illisible." }).last().click();
  await inspect(page, "some of them");
  await button(main(page), "Retirer cette réponse").click();
  await page.getByText("La réponse est retirée").waitFor();

  await page.goto(`${portal.agents_url}/reglages/logiciel`);
  await field("Adresse du logiciel").fill("http://logiciel.example/");
  await page.getByLabel("Pour les deux", { exact: true }).check();
  await button(main(page), "Ajouter").click();
  await page.locator("#erreurs a").first().click();
  ok(await field("Adresse du logiciel").evaluate(
    (e) => e === document.activeElement), "an address that is none");
  await inspect(page, "an address that is none");
  await field("Adresse du logiciel").fill(`https://logiciel-metier.saint-aubin-les-pres.example/${"portail/".repeat(9)}messages`);
  await button(main(page), "Ajouter").click();
  await page.getByText("elle ne sera plus jamais affichée").waitFor();
  await inspect(page, "a secret, once");
  await link(main(page), "C’est noté").click();
  await button(main(page), "Envoyer un essai").click();
  await page.getByText("L’essai part").waitFor();
  for (let i = 0; i < 200 && !await page.getByText("Nom introuvable").count(); i++) {
    await page.waitForTimeout(100);
    await page.reload();
  }
  await page.getByText("Nom introuvable").first().waitFor();
  await inspect(page, "what was sent");
  await page.goto(`${portal.agents_url}/reglages/logiciel`);
  await inspect(page, "addresses", true);
  await link(main(page), /logiciel-metier/).click();
  await button(main(page), "Arrêter les envois").click();
  await page.getByText("Les envois sont arrêtés").waitFor();
  await inspect(page, "stopped");
  await button(main(page), "Retirer cette adresse").click();
  await page.getByText("L’adresse est retirée").waitFor();

  await page.goto(`${portal.agents_url}/reglages/responsables/base`);
  await field("Employeur").selectOption({ label: "Masquée" });
  await button(main(page), "Enregistrer").click();
  await page.getByText("Les réglages sont enregistrés").waitFor();
  ok(await field("Employeur").inputValue() === "hidden", "a field is hidden");
  await field("Employeur").selectOption({ label: "Modifiable, après accord" });
  await button(main(page), "Enregistrer").click();
  await page.getByText("Les réglages sont enregistrés").waitFor();

  await page.goto(`${portal.agents_url}/reglages/delais`);
  await field("Délai de réponse, en jours").fill("400");
  await button(main(page), "Enregistrer").click();
  await page.locator("#erreurs a").first().click();
  ok(await field("Délai de réponse, en jours").evaluate(
    (e) => e === document.activeElement), "a mistake leads to its field");
  await inspect(page, "a mistake");
  await field("Délai de réponse, en jours").fill("15");
  await button(main(page), "Enregistrer").click();
  await page.getByText("Les réglages sont enregistrés").waitFor();
  await inspect(page, "saved");

  /* what is destroyed with approval */
  town(`update portal.town set purge_mode = 'approval' where id = 1;
    insert into portal.change_set (tenant, number, family_id, section, action, subject, state, updated_at, due_on)
    select 1, '2020-0000001', min(id), 'guardian_basic', 'add', 'X', 'withdrawn', now() - interval '9 years', current_date
      from portal.family where tenant = 1`);
  await page.goto(`${portal.agents_url}/durees`);
  await inspect(page, "periods");
  await link(main(page), "Bordereaux d’élimination").click();
  await arrive(page, "/eliminations");
  await inspect(page, "disposal lists", true);
  await button(main(page), "Établir un bordereau").click();
  await page.getByText("Le bordereau est établi").waitFor();
  await inspect(page, "a disposal list");
  await page.getByRole("radio", { name: /2020-0000001/ }).check();
  await button(main(page), "Garder cette ligne").click();
  await page.locator("#erreurs a").first().click();
  ok(await field("Motif").evaluate((e) => e === document.activeElement), "a reason is missing");
  await inspect(page, "a disposal list, refused");
  await field("Motif").fill("Un recours est en cours.");
  await page.getByRole("radio", { name: /2020-0000001/ }).check();
  await button(main(page), "Garder cette ligne").click();
  await page.getByText("La ligne est gardée").waitFor();
  await inspect(page, "a disposal list, kept");
  town("update portal.town set purge_mode = 'automatic' where id = 1");
});
