--
-- The outbox and the chain of the audit, as the role of the jobs.
--

begin;
select * from no_plan();

delete from portal.outbox;
insert into portal.outbox (tenant, recipient, template, token_sealed, expires, message_id, created_at)
values (1, 'a@exemple.fr', 'confirm', repeat('A', 60), now() + interval '1 day', 'a@x.fr', now() - interval '3 minutes'),
       (2, 'b@exemple.fr', 'account_exists', null, null, 'b@x.fr', now() - interval '2 minutes'),
       (1, 'late@exemple.fr', 'confirm', repeat('A', 60), now(), 'c@x.fr', now() - interval '1 day'),
       (1, 'old@exemple.fr', 'new_connection', null, null, 'd@x.fr', now() - interval '4 days');

create temp table claimed on commit drop as select * from json_array_elements(as_jobs('mail_claim', '{"limit": 10, "lease": 60}'));
select is((select string_agg(value->>'recipient', ' ') from claimed), 'a@exemple.fr b@exemple.fr', 'what is due, of all towns');
select is((select string_agg(k, ' ' order by k) from claimed, json_object_keys(value) k where value->>'recipient' = 'a@exemple.fr'),
    'attempt data from from_name id lang message_id names office origin phone recipient service template tenant token town town_name', 'each key');
select is(as_jobs('mail_claim', '{"limit": 10}')::text, '[]', 'taken once');
select is((select as_jobs('mail_done', json_build_object('id', value->>'id', 'outcome', 'retry', 'detail', '451')::jsonb)->>'state' from claimed where value->>'recipient' = 'a@exemple.fr'), 'queued', 'again later');
select is((select as_jobs('mail_done', json_build_object('id', value->>'id', 'town', 1, 'outcome', 'sent')::jsonb)->>'status' from claimed where value->>'recipient' = 'b@exemple.fr'), '404', 'not the other town''s');
select is((select as_jobs('mail_done', json_build_object('id', value->>'id', 'town', value->'town', 'outcome', 'sent')::jsonb)->>'state' from claimed where value->>'recipient' = 'b@exemple.fr'), 'sent', 'sent');
select is((select as_jobs('mail_done', json_build_object('id', value->>'id', 'outcome', 'sent')::jsonb)->>'status' from claimed where value->>'recipient' = 'b@exemple.fr'), '404', 'once');
select is(as_jobs('mail_done', '{"id": "00000000-0000-0000-0000-000000000000", "outcome": "x"}')->>'status', '422', 'an outcome that does not exist');

select results_eq($$select recipient::text, state, token_sealed is null from portal.outbox order by message_id$$,
    $$values ('a@exemple.fr', 'queued', false), ('b@exemple.fr', 'sent', true), ('late@exemple.fr', 'expired', true), ('old@exemple.fr', 'failed', true)$$, 'tokens are erased at the end');
select is((select next_try - now() from portal.outbox where message_id = 'a@x.fr'), interval '1 minute', 'a minute');
update portal.outbox set state = 'sending', lease_until = now() - interval '1 second', attempts = 3, tries = 3, next_try = now() where message_id = 'a@x.fr';
select is(json_array_length(as_jobs('mail_claim', '{}')), 1, 'a lease that is over');
select is(as_jobs('mail_stats', '{}')::jsonb - '{oldest,unchained,webhooks}'::text[], '{"status": 200, "queued": 0, "sending": 1, "sent": 1, "failed": 1, "expired": 1}', 'counted');
select is(as_jobs('mail_stats', '{"ended": false}')::jsonb - '{oldest,unchained,webhooks}'::text[], '{"status": 200, "queued": 0, "sending": 1}', 'those that wait alone');
select is((select as_jobs('mail_done', json_build_object('id', value->>'id', 'outcome', 'retry')::jsonb)->>'state' from claimed where value->>'recipient' = 'a@exemple.fr'), 'queued', 'once more');
select is((select next_try - now() from portal.outbox where message_id = 'a@x.fr'), interval '8 minutes', 'longer each time');

savepoint away;
-- no server: it is not the mail that waits
update portal.outbox set state = 'sending', lease_until = now() + interval '1 minute', attempts = 40, next_try = now() where message_id = 'a@x.fr';
select is((select as_jobs('mail_done', json_build_object('id', value->>'id', 'outcome', 'away', 'detail', 'connect')::jsonb)->>'state' from claimed where value->>'recipient' = 'a@exemple.fr'), 'queued', 'no server is there');
select results_eq($$select next_try <= now(), token_sealed is null from portal.outbox where message_id = 'a@x.fr'$$,
    $$values (true, false)$$, 'due at once');
update portal.outbox set state = 'sending', lease_until = now() + interval '1 minute', attempts = 41, tries = 0 where message_id = 'a@x.fr';
select is((select as_jobs('mail_done', json_build_object('id', value->>'id', 'outcome', 'retry')::jsonb)->>'state' from claimed where value->>'recipient' = 'a@exemple.fr'), 'queued', 'there again, it puts the mail off');
select is((select next_try - now() from portal.outbox where message_id = 'a@x.fr'), interval '1 minute', 'for the first time, however long none was there');
update portal.outbox set state = 'sending', lease_until = now() + interval '1 minute', created_at = now() - interval '73 hours' where message_id = 'a@x.fr';
select is((select as_jobs('mail_done', json_build_object('id', value->>'id', 'outcome', 'away')::jsonb)->>'state' from claimed where value->>'recipient' = 'a@exemple.fr'), 'failed', 'for three days');
rollback to away;

-- who was slow, and whose mail another has taken since

update portal.outbox set next_try = now() where message_id = 'a@x.fr';
create temp table slow on commit drop as select value from json_array_elements(as_jobs('mail_claim', '{"lease": 60}'));
update portal.outbox set lease_until = now() - interval '1 second' where message_id = 'a@x.fr';
create temp table quick on commit drop as select value from json_array_elements(as_jobs('mail_claim', '{"lease": 60}'));
create function pg_temp.says(p_who text, p_outcome text) returns text language plpgsql as $$
declare
    v_row  json;
begin
    execute format('select value from %I', p_who) into v_row;
    return as_jobs('mail_done', jsonb_build_object('id', v_row->>'id', 'town', v_row->'town', 'attempt', v_row->'attempt', 'outcome', p_outcome))->>'state';
end $$;
select is(pg_temp.says('slow', 'retry'), null, 'who was slow sends nobody to it again');
select is(pg_temp.says('slow', 'failed'), null, 'nor gives it up');
select is((select state || ' ' || (lease_until > now()) from portal.outbox where message_id = 'a@x.fr'), 'sending true', 'another is sending it');
savepoint s;
select is(pg_temp.says('slow', 'sent'), 'sent', 'but may say that it went out');
select is(pg_temp.says('quick', 'retry'), null, 'then it is not tried again');
rollback to s;
select is(pg_temp.says('quick', 'retry'), 'queued', 'the other one could not');
select is(pg_temp.says('slow', 'sent'), 'sent', 'and it went out after all');

-- what all of a town are told lets pass what one waits for

delete from portal.outbox;
insert into portal.outbox (tenant, recipient, template, message_id, created_at, next_try)
select 1, n || '@exemple.fr', case n % 2 when 0 then 'verification_reminder' else 'account_inactive' end, n || '@y.fr', now() - interval '2 hours', now() - interval '2 hours'
  from generate_series(1, 20) n;
insert into portal.outbox (tenant, recipient, template, token_sealed, expires, message_id)
values (1, 'awaited@exemple.fr', 'reset', repeat('A', 60), now() + interval '1 hour', 'z@y.fr');
select is((select string_agg(value->>'template', ' ') from json_array_elements(as_jobs('mail_claim', '{"limit": 1}'))), 'reset', 'a link passes what many get');
select is(json_array_length(as_jobs('mail_claim', '{"limit": 8}')), 8, 'which goes when no other waits');
select is(json_array_length(as_jobs('mail_claim', '{"limit": 100}')), 12, 'all of it');
delete from portal.outbox;

insert into portal.audit (tenant, action, outcome, object_id) select 1 + n % 2, 'test', 'ok', n from generate_series(1, 20) n;
select ok((as_jobs('audit_chain', '{}')->>'chained')::int >= 20, 'the audit is chained');
select is(as_jobs('audit_verify', '{}')->>'status', '200', 'and holds');
savepoint a;
alter table portal.audit disable trigger all;
update portal.audit set object_id = 99 where object_id = 7 and action = 'test';
select as_jobs('audit_verify', '{}')->>'bad' as bad, (select id from portal.audit where object_id = 99) as changed \gset
rollback to a;
alter table portal.audit disable trigger all;
delete from portal.audit where object_id = 8 and action = 'test';
select as_jobs('audit_verify', '{}')->>'status' as missing \gset
rollback to a;
alter table portal.audit disable trigger all;
update portal.audit a set action = b.action, object_id = b.object_id from portal.audit b
 where a.action = 'test' and a.object_id in (11, 12) and b.action = 'test' and b.object_id = 23 - a.object_id;
select as_jobs('audit_verify', '{}')->>'bad' as swapped, (select min(id) from portal.audit where action = 'test' and object_id in (11, 12)) as first \gset
rollback to a;
select is(:'bad'::text, :'changed', 'T212 a row that was changed is named');
select is(:'missing'::text, '409', 'T212 a row that is missing is seen');
select is(:'swapped'::text, :'first', 'T212 of two that changed places the first is named');


-- the end that the log was told

update portal.job set ran_at = '-infinity', mark = 0 where name = 'audit_head';
select is(as_jobs('audit_chain', '{}')->>'note', null, 'who keeps no log is told nothing');
select as_jobs('audit_chain', '{"every": 5}')->>'note' as note \gset
select matches(:'note'::text, '^the audit ends with \d+:[0-9a-f]{64}$', 'the log is told the end');
select is(as_jobs('audit_chain', '{"every": 0}')->>'note', null, 'and nothing while it has not moved');
insert into portal.audit (tenant, action, outcome, object_id) values (1, 'test', 'ok', 50), (2, 'test', 'ok', 51);
select is(as_jobs('audit_chain', '{"every": 5}')->>'note', null, 'nor in the same hour');
update portal.job set ran_at = now() - interval '61 minutes' where name = 'audit_head';
select as_jobs('audit_chain', '{"every": 5}')->>'note' as later \gset
select isnt(:'later'::text, :'note'::text, 'an hour later what it is then');

create function pg_temp.verify(p_note text) returns text language sql as $$
    select concat_ws(' ', v->>'status', v->>'bad', v->>'head')
      from as_jobs('audit_verify', jsonb_build_object('head', substring(p_note from '\S+$'))) v $$;
select is(pg_temp.verify(:'note') || ', ' || pg_temp.verify(:'later'), '200 there, 200 there', 'both are in the chain');
select is(pg_temp.verify('1:' || repeat('0', 64)), '409 missing', 'another hash is not');
select is(pg_temp.verify(x), '422', 'nor what is no end: ' || x) from unnest(array['', '1', 'x:' || repeat('0', 64), '1:' || repeat('0', 63)]) x;
savepoint a;
alter table portal.audit disable trigger all;
delete from portal.audit where object_id = 51 and action = 'test';
select as_jobs('audit_verify', '{}')->>'status' as blind, pg_temp.verify(:'later') as cut, pg_temp.verify(:'note') as before \gset
insert into portal.audit (tenant, action, outcome, object_id) values (1, 'test', 'ok', 52), (1, 'test', 'ok', 53);
select as_jobs('audit_chain', '{}');
select pg_temp.verify(:'later') as anew \gset
rollback to a;
select is(:'blind'::text, '200', 'the chain alone does not know its end');
select is(:'cut'::text, '409 missing', 'T212 the newest rows cut off: the end that was told is missing');
select is(:'before'::text, '200 there', 'T212 an end before the cut is there');
select is(:'anew'::text, '409 missing', 'T212 nor does it come back when others take their place');
savepoint a;
alter table portal.audit disable trigger all;
insert into portal.audit_erased (tenant, chain, hash, at) select tenant, chain, hash, at from portal.audit
 where chain = (select max(chain) - 1 from portal.audit);
delete from portal.audit where chain < (select max(chain) from portal.audit);
delete from portal.audit_erased where chain < (select max(chain) from portal.audit_erased);
select pg_temp.verify(:'note') as older \gset
rollback to a;
select is(:'older'::text, '200 older', 'an end before all that is kept says nothing');

select * from finish();
rollback;
