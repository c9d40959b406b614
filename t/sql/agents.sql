--
-- Agents: who enters, what a log-in wants, what only the operator can do.
--

begin;
select * from no_plan();

create temp table who (role text primary key, id bigint, mac bytea);
insert into who select role, id, email_mac from portal.agent where tenant = 1;

-- a log-in as nginx does it; the second factor's step as C has found it
create function pg_temp.try(p_mac bytea, p_step bigint, p_ok jsonb default 'true', p_new text default 'n', p_device text default null) returns jsonb
    language plpgsql as $$
declare
    v_input  jsonb := jsonb_build_object('email_mac', encode(p_mac, 'hex'), 'ok', p_ok, 'otp_step', p_step,
        '_', jsonb_build_object('ip_mac', tap.mac('ip'), 'session', tap.mac(p_new), 'agent', 'Firefox', 'device', tap.mac(p_device)));
    v_found  jsonb;
begin
    perform portal.enter_agent('saint-aubin', null, null, null, null, 1, 'r');
    v_found := portal.agent_sign_in_lookup(v_input);
    if (v_found->>'wait')::int > 0 then return v_found; end if;
    return portal.agent_sign_in(v_input || jsonb_build_object('account', v_found->'account', 'epoch', v_found->'epoch'));
end $$;
create function pg_temp.mac_of(p_role text) returns bytea language sql as $$ select mac from who where role = p_role $$;
create function pg_temp.go(town text, name text, agent bigint, epoch int) returns text language sql
    as $$ select portal.enter_agent($1, tap.mac($2), $3, $4, 999, 1, 'r')::text $$;

-- a log-in

select is(pg_temp.try(pg_temp.mac_of('validator'), null)->'errors'->0->>'code', 'agent_sign_in_failed', 'no code');
select is(pg_temp.try(pg_temp.mac_of('validator'), 5, 'false')->'errors'->0->>'code', 'agent_sign_in_failed', 'no password');
select is(pg_temp.try(pg_temp.mac_of('validator'), 5, 'null')->>'status', '503', 'not checked: busy');
select is(pg_temp.try('\x00', 5)->'errors'->0->>'code', 'agent_sign_in_failed', 'nobody');
select is((select count(*) from portal.agent_session), 0::bigint, 'no session of all that');
select is(pg_temp.try(pg_temp.mac_of('validator'), 5, 'true', 's')->>'status', '303', 'both');
select is((pg_temp.try(pg_temp.mac_of('administrator'), 5, 'true', 'a')->'session') - 'agent' - 'name' - 'epoch',
    '{"effect": "open", "roles": ["agent", "administrator"], "lang": null, "idle": 900, "absolute": 36000}', 'the session');
select is(pg_temp.try(pg_temp.mac_of('validator'), n)->'errors'->0->>'code', 'agent_sign_in_failed', 'step ' || n || ' was taken') from generate_series(4, 5) n;
select is(pg_temp.try(pg_temp.mac_of('validator'), 6, 'true', 't')->>'status', '303', 'the next was not');
select is((select totp_step from portal.agent where id = (select id from who where role = 'validator')), 6::bigint, 'and is now');
select is((select count(*) from portal.audit a where a.action = 'agent_sign_in' and a.outcome = 'ok' and a.agent_id = a.object_id and a.account_id is null), 3::bigint, 'the audit names who logged in');
select is((select count(*) from portal.audit a where a.action = 'agent_sign_in' and a.outcome = 'failed' and a.agent_id is null), 5::bigint, 'and that somebody did not');

-- guesses: the address, or a device that is known

delete from portal.attempt;
select pg_temp.try(pg_temp.mac_of('validator'), 10, 'true', 'd', 'desk');
select pg_temp.try(pg_temp.mac_of('validator'), null) from generate_series(1, 5);
select ok((pg_temp.try(pg_temp.mac_of('validator'), 11, 'true', 'e')->>'wait')::int > 0, 'after five the right one waits too');
select is(pg_temp.try(pg_temp.mac_of('validator'), 11, 'true', 'f', 'desk')->>'status', '303', 'but not at the agent''s desk');
update portal.agent set password_hash = password_hash || 'x' where id = (select id from who where role = 'validator');
select ok((pg_temp.try(pg_temp.mac_of('validator'), 12, 'true', 'g', 'desk')->>'wait')::int > 0, 'until the password is another');
delete from portal.attempt;

-- and by client, together with citizens'

create function pg_temp.client() returns int language sql as $$
    select count from portal.attempt where kind = 'sign_in_ip' and key = decode(tap.mac('ip'), 'hex') $$;
select pg_temp.try(decode(tap.mac('g' || n), 'hex'), null) from generate_series(1, 3) n;
select is(pg_temp.client(), 3, 'what fails is counted on the client, whose address it was');
select portal.take_guess('\x01', jsonb_build_object('_', jsonb_build_object('ip_mac', tap.mac('ip'))));
select is(pg_temp.client(), 4, 'as a citizen''s password is');
select pg_temp.try(pg_temp.mac_of('administrator'), 20, 'true', 'h');
select is(pg_temp.client(), 4, 'what was right is not');
update portal.attempt set count = 99 where kind = 'sign_in_ip';
select pg_temp.try(decode(tap.mac('g9'), 'hex'), null);
select ok((pg_temp.try(decode(tap.mac('ga'), 'hex'), null)->>'wait')::int > 0, 'after a hundred the client waits');
select is((select count from portal.attempt where kind = 'agent' and key = decode(tap.mac('ga'), 'hex')), 0, 'and the address is not charged');
delete from portal.attempt;

-- who enters

select is(portal.enter_agent('saint-aubin', null, null, null, 999, 1, 'r')::text, '{"town": null}', 'nobody');
select is(portal.my_agent(), null, 'is no agent');
select is(portal.my_role(), null, 'and has no role');
select throws_ok('select portal.require_agent()', 'PT403', null, 'nor may do what agents do');
select throws_ok($$select portal.enter_agent('nowhere', null, null, null, null, 1, 'r')$$, 'PT404');
select throws_ok($$select portal.enter_agent('saint-aubin', null, null, null, null, 2, 'r')$$, 'PT503');

select is(pg_temp.go('saint-aubin', 'a', id, 1), '{"town": null}', 'an agent') from who where role = 'administrator';
select is(portal.my_agent(), (select id from who where role = 'administrator'), 'who it is');
select is(portal.my_role(), 'administrator', 'and what');
select is(portal.me(), null, 'no citizen');
select is(portal.my_family(), null, 'no family');
select lives_ok('select portal.require_agent()', 'any agent');
select lives_ok($$select portal.require_agent('validator', 'administrator')$$, 'of one of these roles');
select throws_ok($$select portal.require_agent('reader')$$, 'PT403', null, 'of another');
select is(portal.agent_start('{}')->'agent'->>'role', 'administrator', 'the first page');
select is(portal.repeat_scope('{"_": {"key": "k", "print": "00"}}'), 'agent:' || (select id from who where role = 'administrator'), 'its idempotency keys are its own');

select throws_ok(format('select pg_temp.go(%L, %L, %s, %s)', town, name, who.id + other, epoch), 'PT401', null, what)
  from who, (values ('saint-aubin', 'a', 0, 2, 'another epoch'), ('saint-aubin', 'b', 0, 1, 'another session'),
                    ('saint-aubin', 'a', 1, 1, 'another agent'), ('beaulieu', 'a', 0, 1, 'another town')) v (town, name, other, epoch, what)
 where role = 'administrator';
select throws_ok($$select pg_temp.go('saint-aubin', 'a', null, 1)$$, 'PT401', null, 'no agent');

-- T200: a citizen's session here, an agent's there

insert into portal.session (tenant, hash, account_id, epoch, absolute_until)
select 1, decode(mac('c'), 'hex'), account('camille.martin@exemple.fr'), 1, now() + interval '1 hour';
select throws_ok(format('select pg_temp.go(''saint-aubin'', ''c'', %s, 1)', account('camille.martin@exemple.fr')), 'PT401', null, 'T200 a citizen''s session is no agent''s');
select throws_ok(format('select portal.enter(''saint-aubin'', %L, %s, 1, null, 999, 1, ''r'')', mac('a'), id), 'PT401', null, 'T200 nor the reverse') from who where role = 'administrator';
select pg_temp.go('saint-aubin', 'a', id, 1) from who where role = 'administrator';
select portal.enter('saint-aubin', mac('c'), account('camille.martin@exemple.fr'), 1, null, 999, 1, 'r');
select is(portal.my_agent(), null, 'T200 nothing stays of who entered before');
select throws_ok('select portal.require_agent()', 'PT403', null, 'T200 a citizen is no agent');
select throws_ok('select portal.agent_start(''{}'')', 'PT403', null, 'T200 whatever the location says');
select set_config('portal.agent', '1', true), set_config('portal.role', 'administrator', true);
select throws_ok('select portal.require_agent()', 'PT403', null, 'T200 nobody is both');

-- T059: each change of a right or a secret ends the sessions

create function pg_temp.after(change text) returns text language plpgsql as $$
declare v_state text := 'in';
begin
    execute 'update portal.agent set ' || change || ' where role = ''administrator'' and tenant = 1';
    begin
        perform pg_temp.go('saint-aubin', 'a', (select id from who where role = 'administrator'), 1);
    exception when sqlstate 'PT401' then v_state := 'out';
    end;
    return v_state;
end $$;
savepoint a;
select is(pg_temp.go('saint-aubin', 'a', id, 1), '{"town": null}', 'before') from who where role = 'administrator';
select is(pg_temp.after('first_name = ''Paule'''), 'in', 'another name');
select is(pg_temp.after('totp_step = totp_step + 1'), 'in', 'a code that is taken');
rollback to a; select is(pg_temp.after('role = ''reader'''), 'out', 'T059 another role');
rollback to a; select is(pg_temp.after('state = ''disabled'''), 'out', 'T059 disabled');
rollback to a; select is(pg_temp.after('totp = repeat(''A'', 60)'), 'out', 'T059 another secret');
rollback to a; select is(pg_temp.after('password_hash = ''$argon2id$x'''), 'out', 'T059 another password');
rollback to a; select is(pg_temp.after('email_mac = sha256(''x'')'), 'out', 'T059 another address');
rollback to a; select is(pg_temp.after('epoch = epoch + 1'), 'out', 'T059 by hand');
rollback to a;
select throws_ok($$update portal.agent set totp_step = totp_step - 1 where totp_step > 0$$, '23514', null, 'a code that was taken stays taken');
select throws_ok($$update portal.agent set seal_id = gen_random_uuid()$$, '23514', null, 'T209 a secret stays bound to its agent');
select throws_ok($$update portal.agent set role = 'king'$$, '23514', null, 'three roles');
select throws_ok($$update portal.agent set totp = 'JBSWY3DPEHPK3PXP'$$, '23514', null, 'a secret is sealed');
select throws_ok($$update portal.town set agent_origin = origin$$, '23514', null, 'a host of their own');

-- the operator

select is((portal.save_agent(jsonb_build_object('town', 'saint-aubin', 'seal_id', portal.agent_seal('saint-aubin', mac('new')), 'first_name', 'A', 'last_name', 'B',
    'email', 'a@mairie.example', 'email_mac', mac('new'), 'role', 'reader', 'password_hash', '$argon2id$x', 'totp', repeat('A', 60))))->>'role', 'reader', 'makes one');
select is(portal.agent_seal('saint-aubin', mac('new')), (select seal_id from portal.agent where email = 'a@mairie.example'), 'who keeps what their secrets are bound to');
select isnt(portal.agent_seal('beaulieu', mac('new')), (select seal_id from portal.agent where email = 'a@mairie.example'), 'in that town');
update portal.agent set state = 'disabled' where email = 'a@mairie.example';
select portal.save_agent(jsonb_build_object('town', 'saint-aubin', 'seal_id', portal.agent_seal('saint-aubin', mac('new')), 'first_name', 'A', 'last_name', 'C',
    'email', 'a@mairie.example', 'email_mac', mac('new'), 'role', 'validator', 'password_hash', '$argon2id$y', 'totp', repeat('B', 60)));
select results_eq($$select last_name::text, role, state, epoch from portal.agent where email = 'a@mairie.example'$$, $$values ('C', 'validator', 'active', 3)$$, 'or gives new rights, which end the sessions');
select throws_ok($$select portal.save_agent('{"town": "nowhere"}')$$, 'PT404', null, 'of a town that is');

-- logging out

select pg_temp.try(pg_temp.mac_of('validator'), 20, 'true', 'x');
select pg_temp.try(pg_temp.mac_of('validator'), 21, 'true', 'y');
select pg_temp.go('saint-aubin', 'x', id, (select epoch from portal.agent a where a.id = who.id)) from who where role = 'validator';
select is((portal.agent_sign_out('{}')::jsonb)->'session', '{"effect": "close"}', 'out');
select throws_ok(format('select pg_temp.go(''saint-aubin'', ''x'', %s, %s)', id, epoch), 'PT401', null, 'this one') from portal.agent where role = 'validator' and tenant = 1 and id in (select id from who);
select is(pg_temp.go('saint-aubin', 'y', id, epoch), '{"town": null}', 'not the other') from portal.agent where role = 'validator' and tenant = 1 and id in (select id from who);
select ok((portal.agent_sign_out('{"everywhere": "yes"}')::jsonb)->'session'->'ended' @> jsonb_build_array(mac('y')), 'everywhere, which nginx is told');
select is((select count(*) from portal.agent_session s join who w on w.id = s.agent_id where w.role = 'validator' and s.ended_at is null), 0::bigint, 'none is left');

-- what is past its time

update portal.agent_session set opened_at = now() - interval '40 days', absolute_until = now() - interval '31 days' where hash = decode(mac('x'), 'hex');
update portal.agent_device set last_at = now() - interval '91 days';
select as_jobs('purge', '{}');
select is((select count(*) from portal.agent_session where hash = decode(mac('x'), 'hex')), 0::bigint, 'an old session goes');
select isnt((select count(*) from portal.agent_session), 0::bigint, 'others do not');
select is((select count(*) from portal.agent_device), 0::bigint, 'an old device goes');

-- the audit's chain

select as_jobs('audit_chain', '{}');
select is(as_jobs('audit_verify', '{}')->>'status', '200', 'the chain holds');
set session_replication_role = replica;
update portal.audit set agent_id = 999 where agent_id is not null;
select is(as_jobs('audit_verify', '{}')->>'status', '409', 'not when another agent is said to have done it');

select * from finish();
rollback;
