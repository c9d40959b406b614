/* A telephone in the hand: the bar at the thumb, for a family, for an account
   that has none yet and for agents, in both languages: phone.mjs scripts | plain */

import { arrive, button, heading, link, main, ok, open, otp, portal, run, signIn }
  from "./guide.mjs";
import { thumb } from "./inspect.mjs";

const scripts = process.argv[2] === "scripts";
const viewport = { width: 360, height: 640 };

async function family(page) {
  await signIn(page, portal.account.email, portal.account.password);
  await arrive(page, "/mon-espace");
  await thumb(page, "the citizen's space");

  const menu = page.getByRole("navigation", { name: "Menu principal" });
  await link(menu, "Espace Famille").click();
  await heading(page, "Dossier Famille", "« Espace Famille » leads to « Dossier Famille »");
  await thumb(page, "the family file");
  await link(menu, "Mes demandes").click();
  await arrive(page, "/famille/demandes");
  await link(menu, "Mon espace citoyen").click();
  for (const name of ["Mes abonnements", "Dossier Famille", "Gérer mon compte"]) {
    ok(await link(main(page), name).isVisible(),
      `« ${name} » is in « Mon espace citoyen », as the bar has no room for it`);
  }
  await main(page).getByRole("link", { name: "Dossier Famille" }).click();
  await main(page).getByRole("link", { name: /^Adresse/ }).first().click();
  await page.getByRole("link", { name: "Modifier Adresse" }).click();
  await heading(page, "Modifier « Adresse »", "a form");
  await thumb(page, "a form");

  await button(page, "English").click();
  await page.goto(`${portal.url}/famille`);
  await heading(page, "Family file", "in English");
  await thumb(page, "in English");
  await button(page, "Français").click();
}

run(async (browser) => {
  const page = await open(browser, { viewport, javaScriptEnabled: scripts });

  await family(page);

  const lone = await open(browser, { viewport, javaScriptEnabled: scripts });
  await signIn(lone, portal.lone.email, portal.lone.password);
  await arrive(lone, "/mon-espace");
  await thumb(lone, "no family yet");
  await link(lone.getByRole("navigation", { name: "Menu principal" }), "Mes abonnements").click();
  await arrive(lone, "/mes-abonnements");

  const agent = await open(browser, { viewport, javaScriptEnabled: scripts });
  await agent.goto(portal.agents_url);
  await agent.getByLabel(/^Adresse électronique/).fill(portal.agent.email);
  await agent.getByLabel("Mot de passe", { exact: true }).fill(portal.agent.password);
  await agent.getByLabel(/^Code à 6 chiffres/).fill(otp(portal.agent.totp_secret));
  await button(main(agent), "Me connecter").click();
  await heading(agent, "Demandes à traiter", "an agent logs in");
  await thumb(agent, "an agent's work");

  ok(page.complaints.length + lone.complaints.length + agent.complaints.length === 0,
    "the consoles are empty", [...page.complaints, ...lone.complaints, ...agent.complaints].join("\n"));
});
