import { parent, agent, shot, text, browser } from './zz-w.mjs';
const a = await agent('paul', { width: 1280 });
console.log(a.url()); console.log((await text(a)).slice(0, 1500));
await shot(a, 'agent-start-1280');
console.log(await a.locator('a').evaluateAll(as => as.map(a => a.getAttribute('href') + ' ' + a.innerText.trim())));
for (const u of ['/journal','/exports','/exportations','/reglages']) { const r = await a.goto(a.base+u); console.log(u, r.status()); if(r.status()==200){ console.log((await text(a)).slice(0,1200)); console.log(await a.locator('main a').evaluateAll(as => as.map(a => a.getAttribute('href') + ' ' + a.innerText.trim()).slice(0,60)));} }
await browser.close();
