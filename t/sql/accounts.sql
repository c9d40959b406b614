--
-- Sign-up, confirmation, log-in.
--

begin;
select * from no_plan();

create temp table answers (name text primary key, value jsonb) on commit drop;
create function pg_temp.keep(name text, value jsonb) returns void language sql
    as $$ insert into pg_temp.answers values ($1, $2) on conflict (name) do update set value = excluded.value $$;
create function pg_temp.got(name text) returns jsonb language sql as $$ select value from pg_temp.answers a where a.name = $1 $$;

-- sign-up: free and taken addresses look the same

select pg_temp.keep('free', ask('saint-aubin', 'sign_up', sign_up_form('new@exemple.fr', jsonb_build_object('_', jsonb_build_object('browser', mac('b1'))))));
update portal.account set email_mac = decode(mac('camille.martin@exemple.fr'), 'hex') where email = 'camille.martin@exemple.fr';
select pg_temp.keep('taken', ask('saint-aubin', 'sign_up', sign_up_form('camille.martin@exemple.fr')));
select is(pg_temp.got('free'), pg_temp.got('taken'), 'a taken address has the same answer');
select is(pg_temp.got('free')->>'location', '/inscription/envoyee', 'and goes on');
select results_eq($$select recipient::text, template, token_sealed is not null from portal.outbox order by template$$,
    $$values ('camille.martin@exemple.fr', 'account_exists', false), ('new@exemple.fr', 'confirm', true)$$, 'the mails tell them apart');
select is((select count(*) from portal.token), 1::bigint, 'one token');
select isnt((select password_hash from portal.account where email = 'camille.martin@exemple.fr'),
    '$argon2id$v=19$m=19456,t=2,p=1$first', 'the account that was there keeps its password');
select is((select state from portal.account where email = 'new@exemple.fr'), 'unconfirmed', 'the new one waits');

select is(ask('saint-aubin', 'sign_up', sign_up_form('c@exemple.fr', '{"captcha_id": "once"}'))->>'status', '303', 'a captcha');
select is(ask('saint-aubin', 'sign_up', sign_up_form('d@exemple.fr', '{"captcha_id": "once"}'))->'errors',
    '[{"field": "captcha", "code": "captcha_used"}]', 'is good once');
select is_empty($$select 1 from portal.account where email = 'd@exemple.fr'$$, 'nothing else was stored');

-- idempotency

create function pg_temp.keyed(address text, print text) returns jsonb language sql as $$
    select tap.ask('saint-aubin', 'sign_up', tap.sign_up_form($1, jsonb_build_object('_',
        jsonb_build_object('browser', tap.mac('b9'), 'key', 'k1', 'print', tap.mac($2))))) $$;
select is(pg_temp.keyed('twice@exemple.fr', 'p')->>'status', '303', 'a form with a key');
select is(pg_temp.keyed('twice@exemple.fr', 'p')->>'location', '/inscription/envoyee', 'again: the same answer');
select is((select count(*) from portal.outbox where recipient = 'twice@exemple.fr'), 1::bigint, 'and no second mail');
select is(pg_temp.keyed('other@exemple.fr', 'q')->'errors', '[{"field": "", "code": "idempotency_mismatch"}]', 'other content: refused');

-- confirmation

select is(ask('saint-aubin', 'confirmation', jsonb_build_object('token_mac', mac('token of new@exemple.fr'), '_', jsonb_build_object('browser', mac('b1')))),
    '{"status": 200, "state": "valid", "same_browser": true, "email_hint": "n•••@exemple.fr"}', 'the link, in the browser that signed up');
select is(ask('saint-aubin', 'confirmation', jsonb_build_object('token_mac', mac('token of new@exemple.fr'))),
    '{"status": 200, "state": "valid", "same_browser": false, "email_hint": "n•••@exemple.fr"}', 'elsewhere');
select is(ask('saint-aubin', 'confirmation', jsonb_build_object('token_mac', mac('nothing')))->>'state', 'unknown', 'unknown');
select is(ask('beaulieu', 'confirmation', jsonb_build_object('token_mac', mac('token of new@exemple.fr')))->>'state', 'unknown', 'in the other town');
select is(ask('saint-aubin', 'confirmation_secret', jsonb_build_object('token_mac', mac('token of new@exemple.fr')))->>'hash',
    '$argon2id$v=19$m=19456,t=2,p=1$first', 'the secret to check against');
select is(ask('saint-aubin', 'confirmation_secret', jsonb_build_object('token_mac', mac('nothing'))),
    '{"status": 200, "hash": null, "account": null, "epoch": null}', 'nothing for an unknown link');
select is((select count(*) from portal.token where used_at is not null), 0::bigint, 'looking consumes nothing');

create function pg_temp.confirm(name text, more jsonb) returns jsonb language sql as $$
    select tap.ask('saint-aubin', 'confirm', jsonb_build_object('token_mac', tap.mac($1)) || $2) $$;

select is(pg_temp.confirm('token of new@exemple.fr', '{"ok": false, "epoch": 1}')->'errors',
    '[{"field": "password", "code": "password_wrong"}]', 'another browser, wrong password');
select is(pg_temp.confirm('token of new@exemple.fr', '{"ok": true, "epoch": 7}')->>'status', '422', 'an epoch that moved');
select is(pg_temp.confirm('token of new@exemple.fr', '{}')->>'status', '422', 'another browser, nothing');

savepoint a;
select pg_temp.keep('new', pg_temp.confirm('token of new@exemple.fr', '{"password_hash": "$argon2id$v=19$m=19456,t=2,p=1$second"}'));
select is(pg_temp.got('new')->>'location', '/mon-espace', 'a new password confirms');
select is((select epoch || password_hash from portal.account where email = 'new@exemple.fr'),
    '2$argon2id$v=19$m=19456,t=2,p=1$second', 'and voids the first');
rollback to a;
select pg_temp.keep('ok', pg_temp.confirm('token of new@exemple.fr', '{"ok": true, "epoch": 1}'));
select is(pg_temp.got('ok')->'session'->>'effect', 'open', 'the right password confirms');
rollback to a;
select pg_temp.keep('here', pg_temp.confirm('token of new@exemple.fr', jsonb_build_object('_', jsonb_build_object('browser', mac('b1')))));
select is((pg_temp.got('here')->'session') - 'account' - 'absolute',
    '{"effect": "open", "epoch": 1, "name": "Zoé O''Test", "family": null, "family_label": null, "families": 0, "roles": ["citizen"], "lang": "fr", "idle": 1800}',
    'the same browser is enough');
select is((select state from portal.account where email = 'new@exemple.fr'), 'active', 'the account is active');
select is(pg_temp.confirm('token of new@exemple.fr', jsonb_build_object('_', jsonb_build_object('browser', mac('b1'))))
    - 'location' - 'errors' - 'session',
    '{"status": 410, "state": "used", "same_browser": false, "email_hint": "n•••@exemple.fr"}', 'once');

-- newest sign-up wins; a resend stays with the sign-up's browser

select ask('saint-aubin', 'sign_up', sign_up_form('two@exemple.fr', jsonb_build_object('_', jsonb_build_object('browser', mac('b1')))));
select ask('saint-aubin', 'sign_up', sign_up_form('two@exemple.fr', jsonb_build_object('token', token('second'), '_', jsonb_build_object('browser', mac('b2')))));
select is(ask('saint-aubin', 'confirmation', jsonb_build_object('token_mac', mac('token of two@exemple.fr')))->>'state', 'replaced', 'the older link is void');
select is(ask('saint-aubin', 'confirmation', jsonb_build_object('token_mac', mac('second')))->>'state', 'valid', 'the newer is good');
select is(ask('saint-aubin', 'resend_confirmation', jsonb_build_object('email_mac', mac('two@exemple.fr'), 'token', token('third'), '_', jsonb_build_object('browser', mac('b3')))),
          ask('saint-aubin', 'resend_confirmation', jsonb_build_object('email_mac', mac('nobody@exemple.fr'), 'token', token('none'))), 'resend: the same for nobody');
select is(ask('saint-aubin', 'confirmation', jsonb_build_object('token_mac', mac('third'), '_', jsonb_build_object('browser', mac('b3'))))->>'same_browser', 'false',
    'who asks again is not thereby who signed up');
select is(ask('saint-aubin', 'resend_confirmation', jsonb_build_object('token_mac', mac('third'), 'token', token('fourth')))->>'status', '303', 'by an old link');
select is(ask('saint-aubin', 'confirmation', jsonb_build_object('token_mac', mac('fourth')))->>'state', 'valid', 'works too');
select ask('saint-aubin', 'resend_confirmation', jsonb_build_object('email_mac', mac('two@exemple.fr'), 'token', token('m' || n))) from generate_series(1, 4) n;
select is((select count(*) from portal.outbox where recipient = 'two@exemple.fr'), 5::bigint, 'five mails an hour, no more');
update portal.token set created_at = created_at - interval '2 days', expires_at = now() where voided_at is null and used_at is null;
select is(ask('saint-aubin', 'confirmation', jsonb_build_object('token_mac', mac('m1')))->>'state', 'expired', 'a day later it is too late');
select is(ask('saint-aubin', 'confirmation', jsonb_build_object('token_mac', mac('fourth')))->>'state', 'void', 'nothing newer is good: nobody is sent to it');
select is(pg_temp.confirm('m1', '{"password_hash": "$argon2id$v=19$m=19456,t=2,p=1$second"}')->>'status', '410', 'for confirming too');

-- log-in

create function pg_temp.lookup(address text, ip text default 'ip') returns jsonb language sql as $$
    select tap.ask('saint-aubin', 'sign_in_lookup', jsonb_build_object('email_mac', tap.mac($1), '_', jsonb_build_object('ip_mac', tap.mac($2)))) $$;
create function pg_temp.sign_in(address text, good boolean, more jsonb default '{}', ip text default 'ip') returns jsonb language sql as $$
    select tap.ask('saint-aubin', 'sign_in', jsonb_build_object('email_mac', tap.mac($1), 'ok', $2,
        'account', (select id from portal.account where email_mac = decode(tap.mac($1), 'hex')),
        'epoch', (select epoch from portal.account where email_mac = decode(tap.mac($1), 'hex')),
        '_', jsonb_build_object('ip_mac', tap.mac($4), 'session', tap.mac($1 || random()))) || $3) $$;

select is(pg_temp.lookup('nobody@exemple.fr'), '{"status": 200, "hash": null, "account": null, "epoch": null, "wait": 0}', 'unknown address');
select is(pg_temp.lookup('camille.martin@exemple.fr')->>'account', account('camille.martin@exemple.fr')::text, 'known address');
select is(pg_temp.sign_in('nobody@exemple.fr', false), pg_temp.sign_in('camille.martin@exemple.fr', false), 'both fail alike');
select is(pg_temp.sign_in('nobody@exemple.fr', false)->'errors', '[{"field": "", "code": "sign_in_failed"}]', 'with one message');
select is(pg_temp.sign_in('camille.martin@exemple.fr', true, '{"epoch": 9}')->>'status', '422', 'an epoch that moved');
select pg_temp.keep('in', pg_temp.sign_in('camille.martin@exemple.fr', true, '{"rehash": "$argon2id$v=19$m=19456,t=2,p=1$better"}'));
select is(pg_temp.got('in')->>'location', '/mon-espace', 'the right password');
select is(pg_temp.got('in')->'session'->'roles', '["citizen", "family"]', 'with its family');
select is(pg_temp.got('in')->'session'->>'family_label', 'Martin', 'which has a label');
select is((select password_hash from portal.account where email = 'camille.martin@exemple.fr'), '$argon2id$v=19$m=19456,t=2,p=1$better', 'the hash is renewed');
select is(pg_temp.sign_in('camille.martin@exemple.fr', true, '{"next": "/famille?x=1"}')->>'location', '/famille?x=1', 'goes on where it was going');
select is(pg_temp.sign_in('camille.martin@exemple.fr', true, jsonb_build_object('next', n))->>'location', '/mon-espace', 'but never to ' || n)
  from unnest(array['//evil.test', 'https://evil.test', '/\evil.test', E'/a\nb', 'javascript:x', '']) n;
select is(pg_temp.sign_in('two@exemple.fr', true) - 'errors' - 'location',
    '{"status": 200, "state": "unconfirmed", "email_hint": "t•••@exemple.fr", "session": null}', 'unconfirmed: told so, no session');

-- throttling: known and unknown alike

select pg_temp.keep(a || n, pg_temp.lookup(a)) from generate_series(1, 6) n, unnest(array['julien.martin@exemple.fr', 'ghost@exemple.fr']) a;
select cmp_ok(2 * pg_stat_get_xact_tuples_hot_updated('portal.attempt'::regclass), '>', pg_stat_get_xact_tuples_updated('portal.attempt'::regclass),
    'counters are written in place: no index has what each attempt changes');
update portal.account set email_mac = email_mac;
select is((pg_temp.got('ghost@exemple.fr5')->>'wait')::int, 0, 'the fifth is looked at');
select ok((pg_temp.got('ghost@exemple.fr6')->>'wait')::int between 60 and 61, 'the sixth waits more than a minute');
select is(pg_temp.got('ghost@exemple.fr6')->>'wait', pg_temp.got('julien.martin@exemple.fr6')->>'wait', 'known or not');
select is(pg_temp.got('julien.martin@exemple.fr6')->>'hash', null, 'and gets nothing to check against');
update portal.attempt set next_at = now() - interval '1 second', last_at = last_at - interval '62 seconds' where kind = 'sign_in';
select is((pg_temp.lookup('ghost@exemple.fr')->>'wait')::int, 0, 'after the wait');
select ok((pg_temp.lookup('ghost@exemple.fr')->>'wait')::int between 120 and 122, 'the next is longer');
update portal.attempt set next_at = now() - interval '1 second', count = 24 where kind = 'sign_in';
select is((pg_temp.lookup('ghost@exemple.fr')->>'wait')::int, 0, 'the 25th');
select ok((pg_temp.lookup('ghost@exemple.fr')->>'wait')::int > 80000, 'the 26th in a day waits for the next');
select pg_temp.sign_in('ghost2@exemple.fr', false), pg_temp.lookup('ok@exemple.fr') from generate_series(1, 3);
select ask('saint-aubin', 'sign_in', jsonb_build_object('email_mac', mac('ok@exemple.fr'), 'ok', null));
select is((select count from portal.attempt where kind = 'sign_in' and key = decode(mac('ok@exemple.fr'), 'hex')), 2, 'what was not checked is no attempt');
select pg_temp.lookup('a' || n || '@exemple.fr', 'crowd') from generate_series(1, 100) n;
select ok((pg_temp.lookup('b@exemple.fr', 'crowd')->>'wait')::int > 0, 'an address tries a hundred');
select is((select count from portal.attempt where kind = 'sign_in' and key = decode(mac('b@exemple.fr'), 'hex')), 0, 'which does not count against the person');

-- log-out and the personal space

select is(ask('saint-aubin', 'sign_out', '{}', account('camille.martin@exemple.fr'))->'session'->>'effect', 'close', 'log-out');
select is((select count(*) from portal.session where hash = decode(current_setting('portal.session'), 'hex') and ended_at is not null), 1::bigint, 'ends the session');
select is(ask('saint-aubin', 'my_space', '{}', account('camille.martin@exemple.fr')),
    '{"status": 200, "account": {"first_name": "Camille", "last_name": "Martin", "email": "camille.martin@exemple.fr"}, "subscriptions": 1, "has_family": true, "pending": false}', 'the personal space');
select is(ask('saint-aubin', 'my_space', '{}', account('ines.faure@exemple.fr'))->>'has_family', 'false', 'without a family');

-- the audit holds ids, never values

select ok((select count(*) > 20 and bool_and(request = 'test') from portal.audit), 'what was done is in the audit');
select is_empty($$select 1 from portal.audit a where a::text ~ '@|argon'$$, 'without a value');

select * from finish();
rollback;
