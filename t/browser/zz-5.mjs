import { parent, agent, shot, text, browser } from './zz-w.mjs';
const p = await parent('camille', { js: false });
const a = await agent('jeanne', { width: 1280 });
await a.goto(a.base + '/demandes/2');
await a.getByRole('button', { name: /accepter/i }).first().click();
console.log(a.url()); console.log(await text(a));
console.log(await a.locator('main button').evaluateAll(b => b.map(x => x.innerText)));
await shot(a, 'removed-1280');
await p.goto(p.base + '/famille/enfants/2');
console.log((await text(p)).includes('Hervé Fontaine'));
const b = a.getByRole('button', { name: /nnuler/ }).or(a.getByRole('link', { name: /nnuler cette/ }));
console.log(await b.count());
if (await b.count()) { await b.first().click(); console.log(a.url(), await text(a)); await shot(a, 'undo-1280'); }
await browser.close();
