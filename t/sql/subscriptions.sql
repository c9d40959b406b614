--
-- Codes abonné and subscriptions.
--

begin;
select * from no_plan();

create function pg_temp.send(who text, name text, step text default 'search', town text default 'saint-aubin', more jsonb default '{}') returns jsonb language sql as $$
    select tap.ask($4, 'subscribe', jsonb_build_object('code_mac', tap.mac($2), 'step', $3,
        '_', jsonb_build_object('ip_mac', tap.mac('ip'), 'session', tap.mac('n' || random())) || $5), tap.account($1)) $$;

select give_code('free', guardian('104204', 1));
select give_code('mate', guardian('104204', 2));
select give_code('old', guardian('104205', 1), '-1 day');
select give_code('taken back', guardian('104206', 1));
update portal.code set revoked_at = now() where mac = decode(mac('taken back'), 'hex');
select give_code('used', guardian('104209', 1));
update portal.code set used_at = now() where mac = decode(mac('used'), 'hex');
select give_code('theirs', guardian('20307', 1));
select give_code('same family', guardian('104203', 2));

select is(ask('saint-aubin', 'new_subscription', '{}', account('ines.faure@exemple.fr')), '{"status": 200, "found": null}', 'the page');

select is(octet_length(portal.short_label('104207 · Lefèvre-Delacroix · ' || repeat('é', 40))) <= 48, true, 'a long label fits into a session')
union all select is(portal.short_label('104207 · Petit · Léa, Tom'), '104207 · Petit · Léa, Tom', 'a short one stays')
union all select matches(portal.short_label('104207 · Petit · ' || repeat('Léa, ', 20)), '…$', 'a cut one says so');

create temp table refusals on commit drop as
select n, pg_temp.send('ines.faure@exemple.fr', n) as answer from unnest(array['unknown', 'old', 'taken back', 'used', 'theirs']) n;
select is((select count(distinct answer) from refusals), 1::bigint, 'unknown, expired, revoked, used and of another town: the same');
select is((select answer->'errors' from refusals limit 1), '[{"field": "code", "code": "code_refused"}]', 'refused');
select is((select count(*) from portal.audit where action = 'subscribe' and outcome = 'code_refused' and at = now()), 5::bigint, 'each try is in the audit');

select is(pg_temp.send('ines.faure@exemple.fr', 'free')->>'status', '429', 'five in a quarter of an hour');
select ok((pg_temp.send('ines.faure@exemple.fr', 'free')->>'wait')::int between 800 and 900, 'with the time to wait');
delete from portal.attempt;

select is(pg_temp.send('ines.faure@exemple.fr', 'free')->'found', '{"guardian": "É. L.", "children": ["M."], "family_number": "104204"}', 'initials only');
select is((select used_at from portal.code where mac = decode(mac('free'), 'hex')), null, 'looking does not use it');
select is((select sum(count) from portal.attempt where kind like 'code%'), 0::bigint, 'a good code is no guess');

-- relogin

select is(pg_temp.send('ines.faure@exemple.fr', 'free', 'add') - 'errors', '{"status": 303, "location": "/mes-abonnements", "notice": "subscribed", "session": null}', 'added');
select is(pg_temp.send('julien.martin@exemple.fr', 'free', 'add')->>'status', '422', 'once');
select is(ask('saint-aubin', 'subscriptions', '{}', account('ines.faure@exemple.fr')) #- '{subscriptions,0,id}' #- '{subscriptions,0,since}',
    jsonb_build_object('status', 200, 'subscriptions', jsonb_build_array(jsonb_build_object('family', family('104204'), 'family_number', '104204', 'current', false,
        'guardian', 'Élodie Le Goff-D’Hérouville', 'effective', false, 'children', 1, 'first_names', null)), 'effect', 'relogin', 'waiting', true), 'in the list, waiting');
select is(ask('saint-aubin', 'my_space', '{}', account('ines.faure@exemple.fr'))->>'pending', 'true', 'the space says so');
select throws_ok($$select ask('saint-aubin', 'family', '{}', account('ines.faure@exemple.fr'), family('104204'))$$, 'PT403', null, 'no right yet');
select is(ask('saint-aubin', 'sign_in', jsonb_build_object('email_mac', encode((select email_mac from portal.account where email = 'ines.faure@exemple.fr'), 'hex'),
    'account', account('ines.faure@exemple.fr'), 'epoch', 1, 'ok', true))->'session'->>'family', family('104204')::text, 'the next log-in brings it');
select is(ask('saint-aubin', 'family', '{}', account('ines.faure@exemple.fr'), family('104204'))->'family'->>'number', '104204', 'the file opens');

-- the family is told

delete from portal.outbox;
select pg_temp.send('camille.martin@exemple.fr', 'mate', 'add');
select results_eq($$select recipient::text, template, data->>'name', data->>'family_number', data->>'guardian' from portal.outbox$$,
    $$values ('ines.faure@exemple.fr', 'new_connection', 'Camille Martin', '104204', (select g.first_name || ' ' || g.last_name from portal.guardian g where g.id = tap.guardian('104204', 2)))$$, 'the other guardian gets a mail');
select is((select answer->>'code' from jsonb_array_elements(pg_temp.send('ines.faure@exemple.fr', 'unknown')->'errors') answer), 'code_refused', 'still refusing');
select give_code('again', guardian('104202', 1));
select is(pg_temp.send('julien.martin@exemple.fr', 'again')->'errors'->0->>'code', 'code_refused', 'a guardian that is connected');

-- immediate

select give_code('now', guardian('20304', 1));
select is((pg_temp.send('solene.andre@exemple.fr', 'now', 'add', 'beaulieu')->'session') - 'account' - 'absolute',
    jsonb_build_object('effect', 'renew', 'epoch', 1, 'name', 'Solène André', 'family', family('20304'), 'family_label', 'André', 'families', 1,
        'roles', '["citizen", "family"]'::jsonb, 'lang', 'fr', 'idle', 1800), 'immediate: the session is renewed');
select isnt((select ended_at from portal.session where hash = decode(current_setting('portal.session'), 'hex')), null, 'the old one ended');
select ok((select absolute_until <= now() + interval '1 hour' from portal.session where account_id = account('solene.andre@exemple.fr') and ended_at is null), 'renewing prolongs nothing');

-- idempotency of the second step

select give_code('keyed', guardian('104212', 1));
create temp table keyed on commit drop as
select n, pg_temp.send('monique.petit@exemple.fr', 'keyed', 'add', 'saint-aubin', jsonb_build_object('key', 'k', 'print', mac('p'))) as answer from generate_series(1, 2) n;
select is((select count(distinct answer - 'session') from keyed where answer->>'status' = '303'), 1::bigint, 'sent twice: one effect, the same answer');

-- one, ended, chosen

create temp table mine on commit drop as select id, family_id from portal.subscription where account_id = account('camille.martin@exemple.fr') and ended_at is null order by id;
select is(ask('saint-aubin', 'subscription', jsonb_build_object('subscription', (select min(id)::text from mine)), account('camille.martin@exemple.fr'))->'subscription'->>'family_number', '104201', 'one');
select is(ask('saint-aubin', 'subscription', jsonb_build_object('subscription', x), account('julien.martin@exemple.fr')), '{"status": 404, "version": null, "subscription": null, "open_requests": 0}', 'somebody else''s, or ' || x)
  from unnest(array[(select min(id)::text from mine), '999999999', 'x', '99999999999999999999', '-1']) x;
select is(ask('saint-aubin', 'unsubscribe', jsonb_build_object('subscription', (select min(id)::text from mine)), account('julien.martin@exemple.fr'))->>'status', '404', 'nor end it');
select is(ask('saint-aubin', 'unsubscribe', jsonb_build_object('subscription', (select min(id)::text from mine)), account('camille.martin@exemple.fr'), family('104201'))->'session'->>'family', null, 'ended: the session has no family');
select throws_ok($$select ask('saint-aubin', 'family', '{}', account('camille.martin@exemple.fr'), family('104201'))$$, 'PT403', null, 'no right any more');

select is(ask('saint-aubin', 'choose_family', jsonb_build_object('family', family('104210')), account('monique.petit@exemple.fr'), family('104207'))->'session'->>'family', family('104210')::text, 'the other family');
select is(ask('saint-aubin', 'sign_in', jsonb_build_object('email_mac', encode((select email_mac from portal.account where email = 'monique.petit@exemple.fr'), 'hex'),
    'account', account('monique.petit@exemple.fr'), 'epoch', 1, 'ok', true))->'session'->>'family', family('104210')::text, 'is the one of the next log-in');
select is(ask('saint-aubin', 'choose_family', jsonb_build_object('family', family('104201')), account('monique.petit@exemple.fr'))->>'status', '404', 'not somebody else''s');

select * from finish();
rollback;
