/* Every section of the file by every way a request can go, in a browser with
   scripts: accepted, refused, completed, replaced, withdrawn, in conflict.
   Without scripts and as JSON it is t/sections.t. */

import { button, heading, main, ok, open, portal, run, signIn, signInAgent, arrive, town }
  from "./guide.mjs";

const asked = /^\/famille\/demandes\/(\d+)$/;
let serial = 0;

const word = (text) => () => `${text} ${"ABCDEFGHIJKLMNOPQRSTUVWXYZ"[serial++ % 26]}`;
const ANSWERS = { yes: "Oui", no: "Non", unanswered: "Sans réponse" };

/* the form's path, the field, its next value, what the page says of it, and
   what the town's software writes meanwhile */
function sections() {
  const me = town(`select u.guardian_id from portal.subscription u
    join portal.account a on a.id = u.account_id
    where a.email = '${portal.account.email}' and u.ended_at is null limit 1`);
  const [child, contact] = town(`select c.child_id || ' ' || c.id from portal.contact c
    join portal.guardian g on g.family_id = c.family_id where g.id = ${me}
    order by c.child_id, c.rank limit 1`).split(" ");
  const guardian = `/famille/responsables/${me}`;
  const kid = `/famille/enfants/${child}`;

  return {
    guardian_basic: { page: guardian, path: "base", field: "profession",
      value: word("Métier"),
      moves: `update portal.guardian set profession = 'Mairie' where id = ${me}` },
    guardian_address: { page: guardian, path: "adresse", field: "complement",
      value: word("Bâtiment"),
      moves: `update portal.address set complement = 'Mairie' where guardian_id = ${me}` },
    guardian_tax: { page: guardian, path: "fiscales", field: "shares",
      value: () => `${2 + serial++ % 9},5`,
      moves: `update portal.tax set shares = 1 where guardian_id = ${me}` },
    guardian_bank: { page: guardian, path: "bancaires", field: "holder",
      value: word("Titulaire"),
      moves: `update portal.bank set holder = 'Mairie' where guardian_id = ${me}` },
    child_general: { page: kid, path: "generales", field: "birth_place",
      value: word("Ville"),
      moves: `update portal.child set birth_place = 'Mairie' where id = ${child}` },
    child_authorisations: { page: kid, path: "autorisations", field: "swimming",
      /* neither what the file says nor what was asked for last */
      value(last) {
        const now = ANSWERS[town(`select answer from portal.authorisation
          where child_id = ${child} and code = 'swimming'`)];
        return Object.values(ANSWERS).find((one) => one !== now && one !== last);
      },
      radio: true,
      moves(last) {
        const third = Object.keys(ANSWERS).find((one) => ANSWERS[one] === this.value(last));
        return `update portal.authorisation set answer = '${third}', answered_on =
          ${third === "unanswered" ? "null" : "current_date"},
          school_year = null, text_id = null, guardian_id = null where child_id = ${child} and code = 'swimming'`;
      } },
    child_health: { page: kid, path: "sante", field: "doctor_name",
      value: word("Docteur"),
      moves: `update portal.health set doctor_name = 'Mairie' where child_id = ${child}` },
    child_contact: { page: kid, path: `contacts/${contact}/modifier`, field: "last_name",
      value: word("Voisin"),
      moves: `update portal.contact set last_name = 'Mairie' where id = ${contact}` },
  };
}

const state = (id) =>
  town(`select state from portal.change_set where id = ${id}`);

/* what the file holds for the field, as its page's form begins with it */
async function held(page, s) {
  await page.goto(`${portal.url}${s.page}/${s.path}`);
  return s.radio
    ? await page.locator(`[name="${s.field}"]:checked`).evaluate((input) =>
      input.labels[0].innerText)
    : await page.locator(`[name="${s.field}"]`).inputValue();
}

async function ask(page, s) {
  const value = s.last = s.value(s.last);

  await page.goto(`${portal.url}${s.page}/${s.path}`);
  if (s.radio) {
    await page.getByRole("group").filter({ has: page.locator(`[name="${s.field}"]`) })
      .last().getByLabel(value, { exact: true }).check();
  } else {
    await page.locator(`[name="${s.field}"]`).fill(value);
  }
  if (await button(page, "Continuer").count()) {
    await button(page, "Continuer").click();
    await heading(page, "Vérifiez votre demande", `${s.name}: shown again first`);
  }
  await button(page, "Envoyer pour validation").click();
  await page.waitForURL((url) => asked.test(url.pathname));
  ok(true, `${s.name}: asked for`);

  return [new URL(page.url()).pathname.match(asked)[1], value];
}

async function decide(agent, id, action, reason) {
  if (!agent.url().endsWith(`/demandes/${id}`)) {
    await agent.goto(`${portal.agents_url}/demandes/${id}`);
  }
  if (reason) {
    await agent.getByLabel(/^Réponse à la famille/).first().fill(reason);
  }
  await Promise.all([agent.waitForEvent("load"), button(agent, action).click()]);
}

async function reads(page, id, words, name) {
  await page.goto(`${portal.url}/famille/demandes/${id}`);
  ok(await main(page).getByText(words).first().isVisible(), name);
}

async function goes(page, agent, s) {
  const first = await held(page, s);

  let [id, value] = await ask(page, s);
  await decide(agent, id, "Tout accepter");
  ok(state(id) === "accepted", `${s.name}: accepted`, state(id));
  ok(await held(page, s) === value && value !== first, "and read back");

  [id] = await ask(page, s);
  await decide(agent, id, "Refuser et prévenir la famille", "Il manque une pièce.");
  ok(state(id) === "refused", `${s.name}: refused`, state(id));
  await reads(page, id, "Il manque une pièce.", "the family reads why");
  ok(await held(page, s) === value, "the file is as it was");

  [id] = await ask(page, s);
  await decide(agent, id, "Demander une précision", "Lequel ?");
  ok(state(id) === "incomplete", `${s.name}: more is asked for`, state(id));
  await reads(page, id, "Lequel ?", "the family reads what");
  const [same, completed] = await ask(page, s);
  ok(same === id, "completed under its number");
  await decide(agent, id, "Tout accepter");
  ok(state(id) === "accepted" && await held(page, s) === completed, "and read back");

  const [old] = await ask(page, s);
  [id] = await ask(page, s);
  ok(state(old) === "replaced", `${s.name}: replaced`, state(old));
  await page.goto(`${portal.url}/famille/demandes/${id}`);
  await button(page, "Annuler ma demande").click();
  await page.getByText("Votre demande est annulée.").waitFor();
  ok(state(id) === "withdrawn" && await held(page, s) === completed,
    `${s.name}: withdrawn`, state(id));

  [id, value] = await ask(page, s);
  await agent.goto(`${portal.agents_url}/demandes/${id}`);
  town(typeof s.moves === "function" ? s.moves(value) : s.moves);
  await decide(agent, id, "Tout accepter");
  ok(state(id) === "sent" && await main(agent).getByText("A changé").first().isVisible(),
    `${s.name}: the file has moved, an old page decides nothing`);
  await decide(agent, id, "Tout accepter");
  ok(state(id) === "accepted" && await held(page, s) === value,
    "seen, it is decided and read back", state(id));
}

/* what other programs have left open */
async function clear(page) {
  for (;;) {
    await page.goto(`${portal.url}/famille/demandes`);
    const open = main(page).getByRole("region", { name: "En cours" })
      .getByRole("link").first();
    if (!await open.count()) return;
    await open.click();
    await button(page, "Annuler ma demande").click();
    await page.getByText("Votre demande est annulée.").waitFor();
  }
}

run(async (browser) => {
  const viewport = { width: 1280, height: 900 };
  const page = await open(browser, { viewport });
  const agent = await open(browser, { viewport });

  await signIn(page, portal.account.email, portal.account.password);
  await arrive(page, "/mon-espace");
  await clear(page);

  await signInAgent(agent);

  for (const [name, s] of Object.entries(sections())) {
    await goes(page, agent, { ...s, name });
  }

  ok(page.complaints.length + agent.complaints.length === 0, "the consoles are empty",
    [...page.complaints, ...agent.complaints].join("\n"));
});
