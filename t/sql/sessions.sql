--
-- Sessions as their owner sees them, devices, and where guesses are counted.
--

begin;
select * from no_plan();

create temp table kept (name text primary key, document jsonb);
create function pg_temp.keep(name text, document jsonb) returns void language sql as $$
    insert into kept values (name, document) on conflict (name) do update set document = excluded.document $$;
create function pg_temp.got(wanted text) returns jsonb language sql as $$
    select document from kept where name = wanted $$;

-- paths

select is(portal.local_path(p), p, 'a path: ' || p)
  from unnest(array['/', '/famille', '/famille?x=1', '/a/b/c']) p;
select is(portal.local_path(p), null, 'none: ' || p)
  from unnest(array['', '//evil.test', 'https://evil.test', '/\evil.test', E'/a\nb', '/a b', 'x', '/' || repeat('x', 512)]) p;

-- who is logged in, for how long

select is(ask('saint-aubin', 'my_session', '{}'),
    '{"status": 200, "signed_in": false, "account": null, "name": null, "roles": [], "family": null, "limits": null, "back": "/"}', 'nobody');
select pg_temp.keep('me', ask('saint-aubin', 'my_session', '{"_": {"idle": 1800, "idle_left": 900}}', account('camille.martin@exemple.fr')));
select is(pg_temp.got('me')->>'account', account('camille.martin@exemple.fr')::text, 'the account');
select is(pg_temp.got('me')->'roles', '["citizen"]', 'a citizen, as the session shows no family');
select is(pg_temp.got('me')->'limits'->>'left', '900', 'what is left of the idle limit');
select is(pg_temp.got('me')->'limits'->>'ends', 'idle', 'which comes first');
select is(pg_temp.got('me')->'limits'->>'warning', '120', 'warned two minutes before');
select is(ask('saint-aubin', 'my_session', '{"_": {"idle": 100, "idle_left": 90}}', account('camille.martin@exemple.fr'))->'limits'->>'warning', '50', 'a short limit: half of it before');
select is(ask('saint-aubin', 'my_session', '{"_": {"idle": 1800, "idle_left": 1800000}}', account('camille.martin@exemple.fr'))->'limits'->>'ends', 'absolute', 'or the absolute end');
select is(ask('saint-aubin', 'my_session', '{"_": {"idle": 1800, "idle_left": null}}', account('camille.martin@exemple.fr'))->'limits'->>'ends', 'absolute', 'which alone is known without Redis');
select pg_temp.keep('family', ask('saint-aubin', 'my_session', '{"_": {}}', account('camille.martin@exemple.fr'),
    (select family_id from portal.subscription where account_id = account('camille.martin@exemple.fr') limit 1)));
select is(pg_temp.got('family')->'roles', '["citizen", "family"]', 'with a family');
select is(pg_temp.got('family')->'family'->>'label', 'Martin', 'which is named');
select is(ask('saint-aubin', 'my_session', jsonb_build_object('back', b, '_', '{}'::jsonb), account('camille.martin@exemple.fr'))->>'back',
    '/mon-espace', 'never back to ' || b) from unnest(array['https://evil.test/x', '/x', (select origin || '.evil.test/x' from portal.town where id = 1)]) b;
select is(ask('saint-aubin', 'my_session', jsonb_build_object('back', (select origin || '/aide?x=1' from portal.town where id = 1), '_', '{}'::jsonb),
    account('camille.martin@exemple.fr'))->>'back', '/aide?x=1', 'but to a page of ours');
select is(ask('saint-aubin', 'prolong', '{"path": "//evil.test", "_": {"idle": 60, "idle_left": 120}}', account('camille.martin@exemple.fr')) - 'limits',
    '{"status": 303, "location": "/mon-espace", "notice": "prolonged", "session": {"effect": "prolong"}, "errors": []}', '« Prolonger »');

-- log-ins, and the others ended

delete from portal.session where account_id = account('ines.faure@exemple.fr');
insert into portal.session (tenant, hash, account_id, epoch, agent, opened_at, absolute_until, ended_at)
select 1, decode(mac(h), 'hex'), account('ines.faure@exemple.fr'), (select epoch from portal.account where id = account('ines.faure@exemple.fr')),
       agent, now() - age, now() - age + interval '12 hours' - shift, ended
  from (values ('a', 'Firefox', interval '2 hours', interval '0', now() - interval '1 hour'),
               ('b', 'Firefox', interval '1 hour', interval '1 hour', null),       -- a, renewed
               ('c', 'Safari', interval '3 hours', interval '0', null),
               ('d', 'Chrome', interval '2 days', interval '0', null),             -- over
               ('e', 'Edge', interval '40 days', interval '0', null)) v (h, agent, age, shift, ended);
select pg_temp.keep('list', ask('saint-aubin', 'connections', '{}', account('ines.faure@exemple.fr')));
select is(jsonb_path_query_array(pg_temp.got('list'), '$.connections[*].agent'), '["Autre", "Firefox", "Safari", "Chrome"]', 'this one, then the latest; a renewed one once');
select is(jsonb_path_query_array(pg_temp.got('list'), '$.connections[*].open'), '[false, true, true, false]', 'which are open');
select is(pg_temp.got('list')->>'others', '2', 'how many');
select pg_temp.keep('end', ask('saint-aubin', 'end_others', '{}', account('ines.faure@exemple.fr')));
select is(pg_temp.got('end')->>'location', '/mon-compte/connexions', 'the others are ended');
select ok(pg_temp.got('end')->'session'->'ended' @> jsonb_build_array(mac('b'), mac('c'))
    and not pg_temp.got('end')->'session'->'ended' @> jsonb_build_array(mac('d')), 'nginx is told which');
select is((select count(*)::int from portal.session where account_id = account('ines.faure@exemple.fr') and ended_at is null), 1, 'this one is not');
select is((select ended_at is null from portal.session where hash = decode(current_setting('portal.session'), 'hex')), true, 'indeed');
select is(portal.ended_sessions(null, '{"effect": "close"}')::jsonb, '{"effect": "close"}', 'nothing ended: the effect alone');
select is(jsonb_array_length(portal.ended_sessions(array_agg(sha256(n::text::bytea)))::jsonb->'ended'), 200, '200 at most') from generate_series(1, 300) n;

-- no more than the town allows

create function pg_temp.opened(name text, effect text default 'open') returns jsonb language sql as $$
    select portal.session_effect(effect, account('julien.martin@exemple.fr'), null,
        jsonb_build_object('_', jsonb_build_object('session', tap.mac(name), 'agent', 'Firefox'))) $$;
create function pg_temp.open_now() returns text language sql as $$
    select string_agg(n, '' order by n) from portal.session s, unnest(string_to_array('ABCDEFGHIJKLMN', null)) n
     where s.hash = decode(tap.mac('limit' || n), 'hex') and s.ended_at is null $$;
update portal.session set ended_at = now() where account_id = account('julien.martin@exemple.fr') and ended_at is null;
select ask('saint-aubin', 'sign_out', '{}');    -- enters, as nobody
select pg_temp.opened('limit' || n) from unnest(string_to_array('ABCDEFGHIJ', null)) n;
select is(pg_temp.open_now(), 'ABCDEFGHIJ', 'ten are open');
update portal.session s set opened_at = now() - age, absolute_until = now() - age + interval '12 hours'
  from (values ('C', interval '3 hours'), ('A', interval '2 hours'), ('J', interval '1 hour')) v (n, age)
 where s.hash = decode(mac('limit' || v.n), 'hex');
select pg_temp.keep('eleventh', pg_temp.opened('limitK'));
select is(pg_temp.open_now(), 'ABDEFGHIJK', 'the eleventh ends the oldest');
select is(pg_temp.got('eleventh')->'ended', jsonb_build_array(mac('limitC')), 'which nginx is told');
select is(pg_temp.got('eleventh')->>'effect', 'open', 'with the rest');
update portal.town set session_limit = 2 where id = 1;
select is(jsonb_array_length(pg_temp.opened('limitL')->'ended'), 9, 'a lower limit holds from the next log-in');
select is(right(pg_temp.open_now(), 1) || length(pg_temp.open_now()), 'L2', 'with the new one among those that are left');
insert into portal.session (tenant, hash, account_id, epoch, absolute_until)
select 1, decode(mac('limitZ'), 'hex'), id, epoch, now() + interval '1 hour' from portal.account where email = 'julien.martin@exemple.fr';
select set_config('portal.session', mac('limitZ'), true);
select is(pg_temp.opened('limitM', 'renew')->'ended', null, 'a renewed session ends no other');
select throws_ok($$select pg_temp.opened('limitY', 'renew')$$, 'PT401', null, 'one that has ended is not renewed');
select set_config('portal.session', '', true);
update portal.session set absolute_until = now() - interval '1 s' where hash = decode(mac('limitL'), 'hex');
select ok(not pg_temp.opened('limitN')->'ended' @> jsonb_build_array(mac('limitL')), 'what is over is not counted');
select throws_ok('update portal.town set session_limit = 0 where id = 1', '23514', null, 'one at least');
update portal.town set session_limit = 10 where id = 1;

-- devices

create function pg_temp.seen(device text, made text default null) returns void language sql as $$
    select portal.device_seen(a, jsonb_build_object('_', jsonb_build_object('device', tap.mac(device), 'new_device', tap.mac(made), 'agent', 'Firefox')))
      from portal.account a where a.email = 'ines.faure@exemple.fr' $$;
create function pg_temp.told() returns bigint language sql as $$
    select count(*) from portal.outbox where template = 'new_device' and recipient = 'ines.faure@exemple.fr' $$;
select pg_temp.seen(null, 'first');
select is(pg_temp.told(), 0::bigint, 'the first device is no news');
select pg_temp.seen('first');
select is(pg_temp.told(), 0::bigint, 'nor is it later');
select pg_temp.seen(null, 'second');
select is(pg_temp.told(), 1::bigint, 'another one is');
select pg_temp.seen(null, 'n' || n) from generate_series(1, 30) n;
select is(pg_temp.told(), 5::bigint, 'five times a day');

create function pg_temp.counter(address text, device text) returns text language sql as $$
    select kind from portal.guess_counter(decode(tap.mac(address), 'hex'), jsonb_build_object('_', jsonb_build_object('device', tap.mac(device)))) $$;
update portal.account set email_mac = decode(mac('ines.faure@exemple.fr'), 'hex') where email = 'ines.faure@exemple.fr';
select is(pg_temp.counter('ines.faure@exemple.fr', 'first'), 'sign_in_device', 'a known device counts apart');
select is(pg_temp.counter('ines.faure@exemple.fr', 'nobody'), 'sign_in', 'another does not');
select is(pg_temp.counter('camille.martin@exemple.fr', 'first'), 'sign_in', 'nor for another account');
select is(pg_temp.counter('ghost@exemple.fr', 'first'), 'sign_in', 'nor for none');
update portal.account set epoch = epoch + 1 where email = 'ines.faure@exemple.fr';
select is(pg_temp.counter('ines.faure@exemple.fr', 'first'), 'sign_in', 'nor after a new password');
select pg_temp.seen('first');
select is(pg_temp.counter('ines.faure@exemple.fr', 'first'), 'sign_in_device', 'until it has shown that');
update portal.device set last_at = now() - interval '91 days' where account_id = account('ines.faure@exemple.fr');
select is(pg_temp.counter('ines.faure@exemple.fr', 'first'), 'sign_in', 'nor after 90 days');
update portal.device set last_at = last_at - interval '1 day' where mac <> decode(mac('first'), 'hex');
select as_jobs('purge', '{}');
select is((select string_agg(encode(mac, 'hex'), ' ') from portal.device where account_id = account('ines.faure@exemple.fr')), mac('first'), 'the latest stays: another is news');
insert into portal.device (tenant, account_id, mac, epoch, last_at)
select 1, account('ines.faure@exemple.fr'), sha256(n::text::bytea), 1, now() from generate_series(1, 30) n;
select as_jobs('purge', '{}');
select is((select count(*) from portal.device where account_id = account('ines.faure@exemple.fr')), 20::bigint, 'twenty at most');

-- the operator ends what others have open

create function pg_temp.open_of(address text) returns bigint language sql as $$
    select (select count(*) from portal.session s join portal.account a on a.id = s.account_id where a.email = address and s.ended_at is null and s.absolute_until > now())
         + (select count(*) from portal.agent_session s join portal.agent a on a.id = s.agent_id where a.email = address and s.ended_at is null) $$;
update portal.session set ended_at = now();
update portal.agent_session set ended_at = now();
insert into portal.session (tenant, hash, account_id, epoch, absolute_until)
select 1, sha256((a.email || n)::bytea), a.id, a.epoch, now() + interval '1 hour' from portal.account a, generate_series(1, 2) n
 where a.email in ('ines.faure@exemple.fr', 'camille.martin@exemple.fr');
insert into portal.agent_session (tenant, hash, agent_id, epoch, absolute_until)
select a.tenant, sha256(a.email::bytea), a.id, a.epoch, now() + interval '1 hour' from portal.agent a where a.tenant = 1;
select is(portal.log_out_everywhere('saint-aubin', 'Ines.Faure@exemple.fr'), 2::bigint, 'of one account');
select is(pg_temp.open_of('ines.faure@exemple.fr'), 0::bigint, 'they have ended');
select is(pg_temp.open_of('camille.martin@exemple.fr'), 2::bigint, 'others have not');
select is(portal.log_out_everywhere('saint-aubin', 'ines.faure@exemple.fr'), 0::bigint, 'once');
select is(portal.log_out_everywhere('beaulieu', 'camille.martin@exemple.fr'), 0::bigint, 'nor from another town');
select is((select count(*) from portal.audit where action = 'log_out_everywhere' and object_id = account('ines.faure@exemple.fr')), 1::bigint, 'and it is in the audit');
select is(portal.log_out_everywhere('saint-aubin', (select min(email) from portal.agent where tenant = 1)), 1::bigint, 'of an agent');
select is(portal.log_out_everywhere('saint-aubin'), 2 + (select count(*) - 1 from portal.agent where tenant = 1), 'of everybody in the town');
select is((select count(*) from portal.session where ended_at is null), 0::bigint, 'nobody is left');
select throws_ok($$select portal.log_out_everywhere('nowhere')$$, 'P0001', null, 'an unknown town is an error');
select is((select count(*) from unnest(array['portal_web', 'portal_jobs']) r where has_function_privilege(r, 'portal.log_out_everywhere(text, text)', 'execute')), 0::bigint, 'and neither nginx nor a job may');

select * from finish();
rollback;
