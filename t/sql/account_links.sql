--
-- A forgotten password, another one, another address and the way back.
--

begin;
select * from no_plan();

create temp table answers (name text primary key, value jsonb) on commit drop;
create function pg_temp.keep(name text, value jsonb) returns void language sql
    as $$ insert into pg_temp.answers values ($1, $2) on conflict (name) do update set value = excluded.value $$;
create function pg_temp.got(name text) returns jsonb language sql as $$ select value from pg_temp.answers a where a.name = $1 $$;

create function pg_temp.made(address text, wanted text default 'active') returns bigint language sql as $$
    insert into portal.account (tenant, first_name, last_name, email, email_mac, password_hash, state, confirmed_at)
    values (1, 'Odile', 'Essai', $1, decode(tap.mac($1), 'hex'), '$argon2id$v=19$m=19456,t=2,p=1$first', 'active', now());
    update portal.account set state = $2, confirmed_at = case when $2 <> 'unconfirmed' then now() end
     where email = $1 and state <> $2;
    select max(id) from portal.account $$;
create function pg_temp.forgot(address text, name text default 'reset') returns jsonb language sql as $$
    select tap.ask('saint-aubin', 'forgot_password', jsonb_build_object('email', $1, 'email_mac', tap.mac($1), 'token', tap.token($2))) $$;
create function pg_temp.link(function text, name text, who bigint default null) returns jsonb language sql as $$
    select tap.ask('saint-aubin', $1, jsonb_build_object('token_mac', tap.mac($2)), $3) $$;
create function pg_temp.change(who bigint, address text, name text, more jsonb default '{"ok": true, "epoch": 1}') returns jsonb language sql as $$
    select tap.ask('saint-aubin', 'change_address', jsonb_build_object('email', $2, 'email_mac', tap.mac($2),
        'token', tap.token($3), 'undo', tap.token('undo ' || $3)) || $4, $1) $$;
create function pg_temp.confirm(name text, more jsonb, who bigint default null) returns jsonb language sql as $$
    select tap.ask('saint-aubin', 'confirm_address', jsonb_build_object('token_mac', tap.mac($1), 'undo', tap.token('left ' || $1)) || $2, $3) $$;
create function pg_temp.undo(name text, who bigint default null) returns jsonb language sql as $$
    select tap.ask('saint-aubin', 'undo_address', jsonb_build_object('token_mac', tap.mac($1), 'token', tap.token('after ' || $1)), $2) $$;
create function pg_temp.of(who bigint) returns portal.account language sql as $$ select a from portal.account a where id = $1 $$;

create temp table people (name text primary key, id bigint) on commit drop;
insert into people select n, pg_temp.made(n || '@exemple.fr', case when n in ('unconfirmed', 'closed') then n else 'active' end)
  from unnest(array['one', 'two', 'three', 'unconfirmed', 'closed', 'thief']) n;
create function pg_temp.id(name text) returns bigint language sql as $$ select id from pg_temp.people p where p.name = $1 $$;

-- the link's table says what it is about

select throws_ok(format($$insert into portal.token (tenant, mac, purpose, account_id, epoch, expires_at) values (1, decode(mac('x'), 'hex'), 'address', %s, 1, now() + interval '1 h')$$, pg_temp.id('one')),
    '23514', null, 'an address link names the address');
select throws_ok(format($$insert into portal.token (tenant, mac, purpose, account_id, epoch, expires_at, email, email_mac) values (1, decode(mac('x'), 'hex'), 'reset', %s, 1, now() + interval '1 h', 'a@b.fr', decode(mac('a'), 'hex'))$$, pg_temp.id('one')),
    '23514', null, 'no other link does');
select throws_ok(format($$insert into portal.token (tenant, mac, purpose, account_id, epoch, expires_at) values (1, decode(mac('x'), 'hex'), 'other', %s, 1, now() + interval '1 h')$$, pg_temp.id('one')),
    '23514', null, 'nor is there another purpose');

-- forgotten: one answer

select is(pg_temp.forgot(a || '@exemple.fr', a), '{"status": 303, "location": "/mot-de-passe/envoye", "notice": null, "session": null, "errors": []}', 'forgotten by ' || a)
  from unnest(array['one', 'unconfirmed', 'closed', 'nobody']) a;
select results_eq($$select recipient::text, template from portal.outbox where recipient::text like any (array['one@%', 'unconfirmed@%', 'closed@%', 'nobody@%']) order by 1$$,
    $$values ('one@exemple.fr', 'reset'), ('unconfirmed@exemple.fr', 'confirm')$$, 'two are written to');
select results_eq($$select purpose, expires_at - created_at from portal.token where mac in (decode(mac('one'), 'hex'), decode(mac('unconfirmed'), 'hex')) order by 1$$,
    $$values ('confirm', interval '24 hours'), ('reset', interval '60 minutes')$$, 'for so long');

select is(pg_temp.link('reset_link', 'one'), '{"status": 200, "state": "valid", "email_hint": "o•••@exemple.fr"}', 'the link');
select is(pg_temp.link('reset_link', 'nothing'), '{"status": 200, "state": "unknown", "email_hint": null}', 'none');
select is(pg_temp.link(f, 'one')->>'state', 'unknown', 'no link of ' || f) from unnest(array['confirmation', 'address_link', 'undo_link']) f;
select is(ask('beaulieu', 'reset_link', jsonb_build_object('token_mac', mac('one')))->>'state', 'unknown', 'nor in the other town');
select is(pg_temp.forgot('one@exemple.fr', 'newer')->>'status', '303', 'asked again');
select is(pg_temp.link('reset_link', 'one')->>'state', 'replaced', 'the older is void');
select is(pg_temp.link('reset_link', 'newer')->>'state', 'valid', 'the newer good');
select is((select count(*) from portal.token where used_at is not null), 0::bigint, 'looking consumes nothing');

-- chosen anew

select pg_temp.keep('reset', ask('saint-aubin', 'reset_password', jsonb_build_object('token_mac', mac('newer'), 'password_hash', '$argon2id$v=19$m=19456,t=2,p=1$second'), pg_temp.id('one')));
select is(pg_temp.got('reset')->>'location', '/connexion', 'to the log-in');
select is(pg_temp.got('reset')->'session'->>'effect', 'close', 'the session that was there ends');
select is((pg_temp.of(pg_temp.id('one'))).password_hash, '$argon2id$v=19$m=19456,t=2,p=1$second', 'another password');
select is((pg_temp.of(pg_temp.id('one'))).epoch, 2, 'another epoch');
select is_empty(format('select 1 from portal.session where account_id = %s and ended_at is null', pg_temp.id('one')), 'no session left');
select is((select template from portal.outbox where recipient = 'one@exemple.fr' and template = 'password_changed'), 'password_changed', 'a mail says so');
select is(ask('saint-aubin', 'reset_password', jsonb_build_object('token_mac', mac('newer'), 'password_hash', '$argon2id$v=19$m=19456,t=2,p=1$third'))->>'status', '410', 'once');
select is((pg_temp.of(pg_temp.id('one'))).epoch, 2, 'and no more');

select ask('saint-aubin', 'sign_in_lookup', jsonb_build_object('email_mac', mac('one@exemple.fr'))) from generate_series(1, 5);
select ok((ask('saint-aubin', 'sign_in_lookup', jsonb_build_object('email_mac', mac('one@exemple.fr')))->>'wait')::int > 0, 'locked');
select pg_temp.forgot('one@exemple.fr', 'locked');
select ask('saint-aubin', 'reset_password', jsonb_build_object('token_mac', mac('locked'), 'password_hash', '$argon2id$v=19$m=19456,t=2,p=1$third'));
select is(ask('saint-aubin', 'sign_in_lookup', jsonb_build_object('email_mac', mac('one@exemple.fr')))->>'wait', '0', 'the link unlocks');

-- changed from within

select is(ask('saint-aubin', 'my_password', '{}', pg_temp.id('two')) - 'account', '{"status": 200, "hash": "$argon2id$v=19$m=19456,t=2,p=1$first", "epoch": 1, "wait": 0}', 'what to check against');
select is(ask('saint-aubin', 'change_password', '{"ok": false, "epoch": 1, "password_hash": "$argon2id$v=19$m=19456,t=2,p=1$n"}', pg_temp.id('two'))->'errors', '[{"field": "current_password", "code": "password_wrong"}]', 'wrong');
select is(ask('saint-aubin', 'change_password', '{"password_hash": "$argon2id$v=19$m=19456,t=2,p=1$n"}', pg_temp.id('two'))->>'status', '422', 'none');
select is(ask('saint-aubin', 'change_password', '{"ok": true, "epoch": 7, "password_hash": "$argon2id$v=19$m=19456,t=2,p=1$n"}', pg_temp.id('two'))->>'status', '422', 'an epoch that moved');
select is((select count from portal.attempt where kind = 'sign_in' and key = decode(mac('two@exemple.fr'), 'hex')), 1, 'one guess counted');
select is(ask('saint-aubin', 'change_password', '{"ok": null, "epoch": 1}', pg_temp.id('two'))->>'status', '503', 'no room to check');
select is((select count from portal.attempt where kind = 'sign_in' and key = decode(mac('two@exemple.fr'), 'hex')), 0, 'is no guess');
select pg_temp.keep('changed', ask('saint-aubin', 'change_password', '{"ok": true, "epoch": 1, "password_hash": "$argon2id$v=19$m=19456,t=2,p=1$n"}', pg_temp.id('two')));
select is(pg_temp.got('changed')->'session'->>'effect', 'renew', 'right: the session is renewed');
select is(pg_temp.got('changed')->'session'->>'epoch', '2', 'with the new epoch');
select is((select count(*) from portal.session where account_id = pg_temp.id('two') and ended_at is null), 1::bigint, 'it alone is left');

-- another address: free or taken

select pg_temp.keep('free', pg_temp.change(pg_temp.id('three'), 'moved@exemple.fr', 'move'));
select pg_temp.keep('taken', pg_temp.change(pg_temp.id('thief'), 'camille.martin@exemple.fr', 'steal'));
select is(pg_temp.got('free'), '{"status": 303, "location": "/mon-compte", "notice": "address_sent", "session": null, "errors": []}', 'asked');
update portal.account set email_mac = decode(mac('camille.martin@exemple.fr'), 'hex') where email = 'camille.martin@exemple.fr';
select is(pg_temp.change(pg_temp.id('thief'), 'camille.martin@exemple.fr', 'steal2'), pg_temp.got('free'), 'a taken one has the same answer');
select results_eq($$select template from portal.outbox where recipient = 'camille.martin@exemple.fr' order by created_at desc, template limit 1$$,
    $$values ('account_exists')$$, 'and its owner a mail');
select is((select count(*) from portal.outbox where id = (select outbox_id from portal.token where mac = decode(mac('steal2'), 'hex'))), 0::bigint, 'the link goes to nobody');
select is(ask('saint-aubin', 'my_account', '{}', pg_temp.id('three'))->'pending'->>'email', 'moved@exemple.fr', 'one waits');
select is(ask('saint-aubin', 'my_account', '{}', pg_temp.id('thief'))->'pending'->>'email', 'camille.martin@exemple.fr', 'so it seems with the taken one');
select is(pg_temp.change(pg_temp.id('three'), 'three@exemple.fr', 'same')->'errors', '[{"field": "email", "code": "address_same"}]', 'the same one');
select is(pg_temp.change(pg_temp.id('three'), 'x@exemple.fr', 'x', '{"ok": false, "epoch": 1}')->'errors', '[{"field": "current_password", "code": "password_wrong"}]', 'without the password');

select is(pg_temp.link('address_link', 'move'), '{"status": 200, "state": "valid", "known": false, "email_hint": "m•••@exemple.fr"}', 'the link, elsewhere');
select is(pg_temp.link('address_link', 'move', pg_temp.id('three'))->>'known', 'true', 'logged in');
select is(pg_temp.link('address_link', 'move', pg_temp.id('two'))->>'known', 'false', 'as somebody else');
select is(pg_temp.link('address_password', 'move')->>'hash', '$argon2id$v=19$m=19456,t=2,p=1$first', 'what to check against');
select is(pg_temp.link('address_password', 'nothing'), '{"status": 200, "hash": null, "account": null, "epoch": null, "wait": 0}', 'nothing for no link');
select is(pg_temp.confirm('move', '{}')->'errors', '[{"field": "current_password", "code": "required"}]', 'elsewhere without the password');
select is(pg_temp.confirm('move', '{"ok": false, "epoch": 1}')->>'status', '422', 'wrong');
select is(pg_temp.confirm('move', '{}', pg_temp.id('two'))->>'status', '422', 'as somebody else');
select is(pg_temp.confirm('move', '{"ok": null, "epoch": 1}')->>'status', '503', 'no room to check');
insert into portal.attempt select 1, 'sign_in_ip', decode(mac('here'), 'hex'), 7, now(), now(), '-infinity';
select is(pg_temp.confirm('nothing', jsonb_build_object('ok', null, '_', jsonb_build_object('ip_mac', mac('here'))))->>'status', '410', 'no room, and no link');
select is((select count from portal.attempt where kind = 'sign_in_ip' and key = decode(mac('here'), 'hex')), 7, 'what was not counted is not given back');

savepoint a;
select is(pg_temp.confirm('move', '{"ok": true, "epoch": 1}')->>'location', '/connexion', 'elsewhere with the password');
rollback to a;
update portal.account set email_mac = decode(mac('moved@exemple.fr'), 'hex') where id = pg_temp.id('two');
select is(pg_temp.confirm('move', '{}', pg_temp.id('three'))->>'state', 'taken', 'somebody was faster');
select is(pg_temp.link('address_link', 'move')->>'state', 'void', 'that ends it');
select is((pg_temp.of(pg_temp.id('three'))).epoch, 1, 'nothing else changed');
rollback to a;
update portal.account set email_mac = decode(mac('moved@exemple.fr'), 'hex') where id = pg_temp.id('unconfirmed');
select is(pg_temp.confirm('move', '{}', pg_temp.id('three'))->>'status', '303', 'a sign-up never confirmed gives way');
select is((pg_temp.of(pg_temp.id('unconfirmed'))).state, 'closed', 'and is closed');
select isnt((pg_temp.of(pg_temp.id('unconfirmed'))).email_mac::bytea, decode(mac('moved@exemple.fr'), 'hex'), 'without the address');
select is(ask('saint-aubin', 'resend_confirmation', jsonb_build_object('token_mac', mac('unconfirmed'), 'token', token('again')))->>'status', '303', 'its old link');
select is((select count(*) from portal.token where mac = decode(mac('again'), 'hex')), 0::bigint, 'brings no other');
rollback to a;
update portal.account set epoch = 2 where id = pg_temp.id('three');
select is(pg_temp.confirm('move', '{"ok": true, "epoch": 2}')->>'state', 'void', 'the identity changed: refused');
select is(pg_temp.link('undo_link', 'undo move')->>'state', 'valid', 'but it can still be undone');
rollback to a;

select pg_temp.keep('moved', pg_temp.confirm('move', '{}', pg_temp.id('three')));
select is(pg_temp.got('moved')->>'location', '/mon-compte', 'confirmed');
select is(pg_temp.got('moved')->'session'->>'effect', 'renew', 'the session is renewed');
select is((pg_temp.of(pg_temp.id('three'))).email::text, 'moved@exemple.fr', 'the address');
select is((select count(*) from portal.session where account_id = pg_temp.id('three') and ended_at is null), 1::bigint, 'other sessions end');
select results_eq($$select recipient::text, template from portal.outbox where template in ('address_changed', 'address_left') order by 2$$,
    $$values ('moved@exemple.fr', 'address_changed'), ('three@exemple.fr', 'address_left')$$, 'both addresses are told');
select is(pg_temp.forgot('moved@exemple.fr', 'fresh')->>'location', '/mot-de-passe/envoye', 'a fresh address: the same answer');
select is(pg_temp.link('reset_link', 'fresh')->>'state', 'unknown', 'and no link');
select is((select template from portal.outbox where recipient = 'moved@exemple.fr' and template like 'reset%'), 'reset_later', 'but a mail that says when');

-- and back

select is(pg_temp.link('undo_link', 'undo move'), '{"status": 200, "state": "valid", "changed": true, "email_hint": "t•••@exemple.fr"}', 'the way back');
select is((select expires_at - created_at from portal.token where mac = decode(mac('undo move'), 'hex')), interval '7 days', 'for seven days');
savepoint b;
update portal.account set email_mac = decode(mac('three@exemple.fr'), 'hex') where id = pg_temp.id('two');
select is(pg_temp.undo('undo move')->>'state', 'taken', 'another account has it by now');
rollback to b;
select pg_temp.keep('undone', pg_temp.undo('undo move', pg_temp.id('three')));
select is(pg_temp.got('undone')->>'location', '/connexion', 'undone');
select is(pg_temp.got('undone')->'session'->>'effect', 'close', 'the session there ends');
select is((pg_temp.of(pg_temp.id('three'))).email::text, 'three@exemple.fr', 'the old address');
select is((pg_temp.of(pg_temp.id('three'))).address_since, null, 'which is no fresh one');
select isnt((pg_temp.of(pg_temp.id('three'))).password_hash, '$argon2id$v=19$m=19456,t=2,p=1$first', 'without its password');
select is_empty(format('select 1 from portal.session where account_id = %s and ended_at is null', pg_temp.id('three')), 'no session left');
select is(pg_temp.link('reset_link', 'after undo move')->>'state', 'valid', 'a link to choose another');
select is(pg_temp.link('undo_link', 'left move')->>'state', 'void', 'the other way back is closed');
select is(pg_temp.undo('undo move')->>'status', '410', 'once');
select is_empty($$select 1 from portal.token where (used_at is not null or voided_at is not null) and (email is not null or email_mac is not null)$$,
    'what is over names no address any more');
select isnt_empty($$select 1 from portal.token where voided_at is not null and purpose = 'undo'$$, 'though it was there');
select results_eq($$select recipient::text, template from portal.outbox where template in ('address_undone', 'address_lost') order by 2$$,
    $$values ('moved@exemple.fr', 'address_lost'), ('three@exemple.fr', 'address_undone')$$, 'both addresses are told');
select ok(portal.no_password() ~ '^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$'
          and portal.no_password() <> portal.no_password(), 'a hash of no password looks like any');

-- the audit holds ids, never values

select is_empty($$select 1 from portal.audit a where a::text ~ '@|argon'$$, 'the audit holds no value');

select * from finish();
rollback;
