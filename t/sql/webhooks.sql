--
-- Webhooks as the role of the jobs: what there is to tell is found after the
-- commit, in each town by itself, and is under way once at a time.
--

begin;
select * from no_plan();

create function pg_temp.hook(p_town int, p_url text, p_events text[]) returns bigint language sql as $$
    insert into portal.webhook (tenant, url, events, seal_id, secret, created_by)
    select p_town, p_url, p_events, gen_random_uuid(), repeat('A', 60), min(id) from portal.agent where tenant = p_town returning id $$;
create function pg_temp.accepted(p_town int) returns void language sql as $$
    with s as (insert into portal.change_set (tenant, number, family_id, section, action, guardian_id, subject, due_on)
        select p_town, tap.number(), g.family_id, 'guardian_basic', 'change', g.id, 'Essai', current_date
          from portal.guardian g where g.tenant = p_town order by g.id limit 1 returning *)
    insert into portal.change (tenant, set_id, field, family_id, person_kind, person_id, decided_role)
    select p_town, s.id, 'profession', s.family_id, 'guardian', s.guardian_id, 'validator' from s $$;
create function pg_temp.queued(p_town int, p_hook bigint) returns bigint language sql as $$
    select count(*) from portal.webhook_message where (tenant, webhook_id) = (p_town, p_hook) and state = 'queued' $$;
create function pg_temp.done(p_row json, p_outcome text) returns text language sql as $$
    select as_jobs('webhook_done', jsonb_build_object('id', p_row->>'id', 'lease', p_row->>'lease', 'outcome', p_outcome,
        'status', 500, 'detail', '', 'ms', 7))->>'state' $$;

select throws_ok(format($$ select pg_temp.hook(1, %L, '{changes.accepted}') $$, u), '23514', null, u || ' is no address')
  from unnest('{http://a.example/,https://a b/,https://u@a.example/,https://[::1]/,"https://a.example/\"",https://A.example/}'::text[]) u;
select throws_ok($$ select pg_temp.hook(1, 'https://a.example/', '{}') $$, '23514', null, 'nor one that is told of nothing');

select pg_temp.hook(1, 'https://a.example/', '{changes.accepted}') as one, pg_temp.hook(2, 'https://b.example/', '{changes.accepted}') as two,
       pg_temp.hook(1, 'https://c.example/', '{import.report}') as reports \gset
select throws_ok($$ select pg_temp.hook(1, 'https://a.example/', '{changes.accepted}') $$, '23505', null, 'one address once');
select is(:two::bigint, 1::bigint, 'each town''s are numbered from 1');

-- found

select as_jobs('webhook_work', '{}');
select is(pg_temp.queued(1, :one) + pg_temp.queued(2, :two), 0::bigint, 'nothing to tell');
select pg_temp.accepted(1);
select as_jobs('webhook_work', '{}');
select is(pg_temp.queued(1, :one), 1::bigint, 'a change is');
select is(pg_temp.queued(2, :two) + pg_temp.queued(1, :reports), 0::bigint, 'to nobody else');
select is((select count(*) from portal.change where position is null), 0::bigint, 'it has its place in the feed');
select pg_temp.accepted(1);
select as_jobs('webhook_work', '{}');
select is(pg_temp.queued(1, :one), 1::bigint, 'another one needs no other message');
select is((select told from portal.webhook where (tenant, id) = (1, :one)), (select max(position) from portal.change where tenant = 1), 'but is told of by it');
select pg_temp.accepted(2);
select portal.import_enter(1);
set local role portal_batch;
select portal.place_changes();
reset role;
select is((select count(*) from portal.change where tenant = 2 and position is null), 1::bigint,
    'places of another town are given under that town''s lock alone');

-- sent

create temp table taken on commit drop as select * from json_array_elements(as_jobs('webhook_claim', '{"limit": 9, "lease": 60}'));
select is((select string_agg(value->>'url', ' ') from taken), 'https://a.example/', 'it is taken');
select is((select string_agg(k, ' ' order by k) from taken, json_object_keys(value) k), 'body id lease secrets tenant url webhook', 'each key');
select is((select (value->>'body')::jsonb - 'timestamp' from taken),
    jsonb_build_object('type', 'changes.accepted', 'data', jsonb_build_object('cursor', (select told from portal.webhook where (tenant, id) = (1, :one)))),
    'what it says');
select is(as_jobs('webhook_claim', '{"limit": 9}')::text, '[]', 'once');
select as_jobs('webhook_work', '{}');
select is(pg_temp.queued(2, :two), 1::bigint, 'the other town''s is found meanwhile');
select pg_temp.accepted(1);
select as_jobs('webhook_work', '{}');
select is(pg_temp.queued(1, :one), 2::bigint, 'what comes after it was sent is another message');
select is((select string_agg(value->>'url', ' ') from json_array_elements(as_jobs('webhook_claim', '{"limit": 9}'))), 'https://b.example/',
    'which waits for the first');
select is((select as_jobs('webhook_done', jsonb_build_object('id', value->>'id', 'lease', gen_random_uuid(), 'outcome', 'delivered', 'status', 200, 'ms', 1))->>'status'
    from taken), '404', 'whose lease it is not says nothing');
select is((select pg_temp.done(value, 'retry') from taken), 'queued', 'again later');
select ok((select next_try - now() between interval '9 seconds' and interval '11 seconds' from portal.webhook where (tenant, id) = (1, :one)), 'ten seconds');
select is((select as_jobs('webhook_done', jsonb_build_object('id', value->>'id', 'lease', value->>'lease', 'outcome', 'delivered', 'status', 200, 'ms', 1))->>'status'
    from taken), '404', 'and nothing twice');
select is(as_jobs('webhook_claim', '{"limit": 9}')::text, '[]', 'nothing goes there before');

-- a lease that is over

update portal.webhook set next_try = now() where (tenant, id) = (1, :one);
create temp table first on commit drop as select * from json_array_elements(as_jobs('webhook_claim', '{"limit": 9}'));
update portal.webhook set lease_until = now() where (tenant, id) = (1, :one);
create temp table second on commit drop as select * from json_array_elements(as_jobs('webhook_claim', '{"limit": 9}'));
select ok((select f.value->>'id' = s.value->>'id' and f.value->>'body' = s.value->>'body' and f.value->>'lease' <> s.value->>'lease'
    from first f, second s), 'another takes the same message');
select is((select pg_temp.done(value, 'delivered') from first), null, 'the first is not heard any more');
select is((select pg_temp.done(value, 'delivered') from second), 'delivered', 'the second is');
select is((select string_agg(a.number::text, ' ' order by a.number) from portal.webhook_attempt a join portal.webhook_message m on m.id = a.message_id
    where (m.tenant, m.webhook_id) = (1, :one)), '1 3', 'and what nobody has heard the end of was one, too');
select is((select count(*) from json_array_elements(as_jobs('webhook_claim', '{"limit": 9}'))), 1::bigint, 'then the next goes');

-- in trouble: since when, told once after two hours, and when it is over

create function pg_temp.fails(p_outcome text default 'retry', p_event text default 'changes.accepted') returns text language plpgsql as $$
declare
    v_row  json;
begin
    update portal.webhook_message set state = 'failed', done_at = now() where state = 'queued';
    insert into portal.webhook_message (tenant, webhook_id, event)
    select tenant, id, p_event from portal.webhook where url = 'https://a.example/';
    update portal.webhook set next_try = now(), lease = null, lease_until = null where url = 'https://a.example/';
    v_row := as_jobs('webhook_claim', '{"limit": 9}')->0;
    return pg_temp.done(v_row, p_outcome);
end $$;
create function pg_temp.told() returns text language sql as $$
    select coalesce(string_agg(template || ' ' || recipient, ' ' order by template, recipient), '') from portal.outbox where template like 'webhook%' $$;
create function pg_temp.since(p_ago interval) returns void language sql as $$
    update portal.webhook set trouble_since = now() - p_ago, warned_at = null where url = 'https://a.example/' $$;
select string_agg(email, ' ' order by email) as bosses from portal.agent where tenant = 1 and role = 'administrator' and state = 'active' \gset
select isnt(:'bosses'::text, '', 'somebody administers the town');

select pg_temp.fails();
select ok((select trouble_since is not null and warned_at is null from portal.webhook where (tenant, id) = (1, :one)), 'a message in vain: in trouble since now');
select is(pg_temp.told(), '', 'which is told of nobody yet');
select pg_temp.fails('delivered');
select ok((select trouble_since is null from portal.webhook where (tenant, id) = (1, :one)), 'one that is received ends it');
select pg_temp.fails('retry', 'webhook.test');
select ok((select trouble_since is null from portal.webhook where (tenant, id) = (1, :one)), 'a test in vain is no trouble');
select pg_temp.since('1 hour 59 minutes');
select pg_temp.fails();
select is(pg_temp.told(), '', 'not before two hours');
select pg_temp.since('2 hours');
select pg_temp.fails();
select is(pg_temp.told(), (select string_agg('webhook_late ' || b, ' ' order by b) from unnest(string_to_array(:'bosses', ' ')) b), 'then each administrator of the town is told');
select ok((select bool_and(data->>'webhook' = :'one' and data ? 'since' and data->>'origin' = (select agent_origin from portal.town where id = 1)
    and data::text !~ 'a.example' and tenant = 1) from portal.outbox where template = 'webhook_late'), 'of which one, not of its address');
select pg_temp.fails(), pg_temp.fails();
select is((select count(*) from portal.outbox where template = 'webhook_late'), cardinality(string_to_array(:'bosses', ' '))::bigint, 'once');
select is((select as_jobs('mail_stats', '{}')->'webhooks'->>'late'), '1', 'it is counted');
select pg_temp.fails('gone');
select is(pg_temp.told(), (select string_agg(x, ' ' order by x) from unnest(string_to_array(:'bosses', ' ')) b, lateral (values ('webhook_late ' || b), ('webhook_over ' || b)) v (x)),
    'and told when it is over');
select is((select json_build_array(j->'active', j->'late', j->'stopped', j->'failing', j->'gone')::text from (select as_jobs('mail_stats', '{}')->'webhooks' as j) x), '[2, 0, 0, 0, 1]',
    'counted as gone');

-- the rights of who asks

select ok(not has_table_privilege('portal_api', 'portal.webhook_message', 'delete')
          and not has_column_privilege('portal_api', 'portal.webhook_message', 'body', 'update'), 'no request writes what is sent');
select portal.enter('saint-aubin', null, null, null, null, null, 1, 'r');
set local role portal_api;
select is((select count(*) from portal.webhook where tenant = 2), 0::bigint, 'a town sees its own');
reset role;

select * from finish();
rollback;
