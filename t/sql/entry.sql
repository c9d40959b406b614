--
-- enter: who asks, of which town; the town's document.
--

begin;
select * from no_plan();

select is(portal.town('nowhere')::text, null, 'no such town');
select is(portal.town('beaulieu')->>'subscription_effect', 'immediate', 'a town''s document');
select ok(json_array_length(portal.town('saint-aubin')->'captcha_questions') >= 40, 'forty questions at least');
select results_eq($$
    select x->'a'->>0, x->'a'->>1 from json_array_elements(portal.town('saint-aubin')->'captcha_questions') x
     where x->'q'->>'fr' = 'Combien font trois plus quatre ?'$$, $$values ('7', 'sept')$$, 'in words');
select is((select x->'a'->>2 from json_array_elements(portal.town('saint-aubin')->'captcha_questions') x
     where x->'q'->>'en' = 'What is three plus four?'), 'seven', 'and in English');
select matches(portal.key_check(), '^[0-9a-f]{16,64}$', 'the keys'' check value is kept');

select is(portal.enter('saint-aubin', null, null, null, null, 999, 1, 'r1')::text, '{"town": null}', 'anonymous');
select is(current_setting('portal.tenant') || current_setting('portal.account') || current_setting('portal.family'), '100', 'the settings');
select is(portal.enter('saint-aubin', null, null, null, 0, 0, 1, 'r1')->'town'->>'slug', 'saint-aubin', 'a newer document');
select throws_ok($$select portal.enter('nowhere', null, null, null, null, 0, 1, 'r')$$, 'PT404');
select throws_ok($$select portal.enter('saint-aubin', null, null, null, null, 0, 2, 'r')$$, 'PT503');
select throws_ok($$select portal.enter('saint-aubin', null, null, null, null, 0, null, 'r')$$, 'PT503');

insert into portal.session (tenant, hash, account_id, epoch, absolute_until)
values (1, decode(mac('s'), 'hex'), account('camille.martin@exemple.fr'), 1, now() + interval '1 hour');

create function pg_temp.go(town text, name text, address text, epoch int, family text) returns text language sql
    as $$ select portal.enter($1, tap.mac($2), tap.account($3), $4, tap.family($5), 999, 1, 'r')::text $$;

select is(pg_temp.go('saint-aubin', 's', 'camille.martin@exemple.fr', 1, null), '{"town": null}', 'a live session');
select is(pg_temp.go('saint-aubin', 's', 'camille.martin@exemple.fr', 1, '104201'), '{"town": null}', 'with its family');
select is(current_setting('portal.account'), account('camille.martin@exemple.fr')::text, 'sets the account');
select throws_ok($$select pg_temp.go('saint-aubin', 's', 'camille.martin@exemple.fr', 1, '104202')$$, 'PT403', null, 'another family');
select throws_ok($$select pg_temp.go('saint-aubin', 's', 'camille.martin@exemple.fr', 2, null)$$, 'PT401', null, 'another epoch');
select throws_ok($$select pg_temp.go('saint-aubin', 's', 'julien.martin@exemple.fr', 1, null)$$, 'PT401', null, 'another account');
select throws_ok($$select pg_temp.go('saint-aubin', 'x', 'camille.martin@exemple.fr', 1, null)$$, 'PT401', null, 'another session');
select throws_ok($$select pg_temp.go('beaulieu', 's', 'camille.martin@exemple.fr', 1, null)$$, 'PT401', null, 'another town');
select throws_ok($$select pg_temp.go('saint-aubin', 's', null, 1, null)$$, 'PT401', null, 'no account');

savepoint a;
update portal.session set absolute_until = now();
select throws_ok($$select pg_temp.go('saint-aubin', 's', 'camille.martin@exemple.fr', 1, null)$$, 'PT401', null, 'too old');
rollback to a;
update portal.account set state = 'closed';
select throws_ok($$select pg_temp.go('saint-aubin', 's', 'camille.martin@exemple.fr', 1, null)$$, 'PT401', null, 'account closed');
rollback to a;
update portal.account set epoch = 2;
select throws_ok($$select pg_temp.go('saint-aubin', 's', 'camille.martin@exemple.fr', 2, null)$$, 'PT401', null, 'a session of an older epoch');
rollback to a;
update portal.subscription set effective_at = null;
select throws_ok($$select pg_temp.go('saint-aubin', 's', 'camille.martin@exemple.fr', 1, '104201')$$, 'PT403', null, 'a subscription that waits');
rollback to a;
update portal.subscription set ended_at = now();
select throws_ok($$select pg_temp.go('saint-aubin', 's', 'camille.martin@exemple.fr', 1, '104201')$$, 'PT403', null, 'a subscription that ended');
rollback to a;

update portal.town set phone = '+33353010101' where id = 1;
select is(portal.town('saint-aubin')->>'version', '2', 'a change of the town is a new version');

-- versions: another one as soon as a part differs, of null too
select isnt(portal.document_version('{"a": 1}'), portal.document_version('{"a": 2}'), 'another part, another version');
select isnt(portal.document_version('1', null), portal.document_version(null, '1'), 'or another place');
select is(portal.document_version('1', null), portal.document_version('1', null), 'else the same');
select is(portal.stale('{"_": {}}', 'v')::text, null, 'no version named: go on');
select is(portal.stale('{"_": {"if_match": null}}', 'v')::text, null, 'nor a null');
select is(portal.stale('{"_": {"if_match": ["u", "v"]}}', 'v')::text, null, 'one of them is met');
select is(portal.stale('{"_": {"if_match": ["u"]}}', null)::text, null, 'what is no more is not stale');
select is(portal.stale('{"_": {"if_match": ["u"]}}', 'v')->>'status', '412', 'another one: 412');
select is(portal.stale('{"_": {"if_match": []}}', 'v')->>'status', '412', 'none that could be met: 412');

select * from finish();
rollback;
