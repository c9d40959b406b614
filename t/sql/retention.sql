--
-- What is erased when its time is over, town by town, and what is not.
--

begin;
select * from no_plan();

create function pg_temp.purge(more jsonb default '{}') returns json language sql
    as $$ select tap.as_jobs('purge', more) $$;
create function pg_temp.runs(town int default 1) returns text language sql
    as $$ select string_agg(kind || ' ' || rows, ', ' order by id) from portal.retention_run where tenant = $1 $$;
create function pg_temp.visit(who text) returns void language sql as $$
    insert into portal.session (tenant, hash, account_id, epoch, absolute_until)
    select tenant, decode(mac(random()::text), 'hex'), id, epoch, now() + interval '1 hour'
      from portal.account where email = who $$;

-- the settings

select is(portal.period(7)::jsonb, '{"total": 7, "years": null, "months": null, "days": 7}', 'days');
select is(portal.period(365)::jsonb, '{"total": 365, "years": 1, "months": null, "days": null}', 'a year');
select is(portal.period(180)::jsonb, '{"total": 180, "years": null, "months": 6, "days": null}', 'six months');
select is(portal.period(30)::jsonb, '{"total": 30, "years": null, "months": null, "days": 30}', 'thirty days');
select throws_ok($$update portal.town set keep_unconfirmed = 1$$, '23514', null, 'a link lives a day: not less');
select throws_ok($$update portal.town set keep_audit = 30$$, '23514', null, 'traces: six months at least');
select throws_ok($$update portal.town set keep_inactive = 30$$, '23514', null, 'a warning needs its time');
select throws_ok($$update portal.town set keep_attempt = 1$$, '23514', null, 'attempts count over a day');
select is((select portal.town_document(1)->'retention'->'mail'->>'total'), '30', 'the town''s document tells them');

-- nothing to do, and once for all nodes

delete from portal.retention_run;
select pg_temp.purge();
select is(pg_temp.purge()::jsonb, '{"status": 200, "rows": 0, "note": null, "more": false}', 'nothing is past its time');
select is(pg_temp.runs(), null, 'and nothing is told');
insert into portal.attempt select 1, 'test', int8send(n), 1, now() - interval '3 days', now() - interval '3 days', '-infinity' from generate_series(1, 12) n;
insert into portal.attempt values (1, 'test', '\x00', 1, now() - interval '3 days', now() - interval '1 day', '-infinity');
select is(pg_temp.purge('{"every": 3600}')->>'rows', '0', 'another node has done it in this hour');
update portal.job set ran_at = now() - interval '1 hour';
select is(pg_temp.purge('{"every": 3600, "limit": 5}')::jsonb,
    '{"status": 200, "rows": 5, "note": "saint-aubin attempt 5", "more": true}', 'a batch');
select is(pg_temp.purge('{"every": 3600, "limit": 5}')->>'rows', '5', 'goes on at once');
select is(pg_temp.purge('{"every": 3600, "limit": 5}')::jsonb,
    '{"status": 200, "rows": 2, "note": "saint-aubin attempt 2", "more": false}', 'to the end');
select is(pg_temp.runs(), 'attempt 5, attempt 5, attempt 2', 'each run is kept');
select is((select count(*) from portal.attempt where kind = 'test'), 1::bigint, 'a fresh one stays');

-- each kind, by its town's period

delete from portal.session;

select ask('saint-aubin', 'sign_up', sign_up_form(n || '@exemple.fr')) from generate_series(1, 3) n;
select ask('beaulieu', 'sign_up', sign_up_form('b@exemple.fr'));
update portal.account set signed_up_at = now() - interval '8 days' where email in ('1@exemple.fr', 'b@exemple.fr');
update portal.account set signed_up_at = now() - interval '6 days' where email = '2@exemple.fr';
update portal.town set keep_unconfirmed = 20 where slug = 'beaulieu';
update portal.outbox set state = 'sent', token_sealed = null, done_at = now() - interval '31 days' where recipient = '1@exemple.fr';
update portal.outbox set state = 'sent', token_sealed = null, done_at = now() - interval '29 days' where recipient = '2@exemple.fr';
update portal.token set created_at = now() - interval '40 days', expires_at = now() - interval '31 days'
 where account_id = account('2@exemple.fr');
update portal.captcha_used set expires = now() - interval '1 minute' where tenant = 2;
insert into portal.idempotency (tenant, scope, key, print, created_at)
values (1, 'account:1', 'old', decode(mac('x'), 'hex'), now() - interval '25 hours'), (1, 'account:1', 'new', decode(mac('x'), 'hex'), now());
select pg_temp.visit('camille.martin@exemple.fr');
update portal.session set opened_at = now() - interval '40 days', absolute_until = now() - interval '31 days'
 where account_id = account('camille.martin@exemple.fr');
select pg_temp.visit('camille.martin@exemple.fr');
delete from portal.retention_run;
select pg_temp.purge();
select is(pg_temp.runs(), 'idempotency 1, token 1, session 1, outbox 1, account_unconfirmed 1', 'each kind');
select is(pg_temp.runs(2), 'captcha_used 1', 'by its town''s period');
select results_eq($$select email::text from portal.account where state = 'unconfirmed' order by 1$$,
    $$values ('2@exemple.fr'), ('3@exemple.fr'), ('b@exemple.fr')$$, 'accounts that wait yet stay');
select is((select count(*) from portal.idempotency where key in ('old', 'new')), 1::bigint, 'a fresh key stays');

-- an account that nobody uses: a warning, thirty days, closed

select results_eq($$select last_used_on from portal.account where email = 'sophie.dubois@exemple.fr'$$, 'select current_date', 'used');
update portal.account set last_used_on = current_date - 1095 where email = 'sophie.dubois@exemple.fr';
update portal.account set last_used_on = current_date - 1064 where email = 'ines.faure@exemple.fr';
delete from portal.retention_run;
select pg_temp.purge();
select is(pg_temp.runs(), 'account_warned 1', 'warned first, however long it was');
select results_eq($$select recipient::text, template, data->>'until' from portal.outbox where template like 'account_in%'$$,
    $$select 'sophie.dubois@exemple.fr', 'account_inactive', (current_date + 30)::text$$, 'by mail');
select pg_temp.purge();
select is(pg_temp.runs(), 'account_warned 1', 'once');
savepoint a;
select pg_temp.visit('sophie.dubois@exemple.fr');
select results_eq($$select last_used_on, warned_on from portal.account where email = 'sophie.dubois@exemple.fr'$$,
    'select current_date, null::date', 'a log-in is use');
set local portal.tenant = '1';
select ok(not portal.close_account(account('sophie.dubois@exemple.fr'), 'inactive'), 'who logs in while the job runs keeps the account');
select ok(not portal.warn_account(account('sophie.dubois@exemple.fr')), 'and is not warned');
rollback to a;
-- a town that keeps accounts longer has them warned again, for that end
savepoint a;
update portal.account set warned_on = current_date - 400, last_used_on = current_date - 1465 where email = 'sophie.dubois@exemple.fr';
update portal.town set keep_inactive = 1465 where id = 1;
delete from portal.retention_run;
select pg_temp.purge();
select is(pg_temp.runs(), 'account_warned 1', 'warned for another end: not closed');
select results_eq($$select warned_on from portal.account where email = 'sophie.dubois@exemple.fr'$$, 'select current_date', 'again');
select is((select count(*) from portal.outbox where template = 'account_inactive' and recipient = 'sophie.dubois@exemple.fr'), 2::bigint, 'by another mail');
rollback to a;

-- nobody is warned faster than mails go out
savepoint a;
update portal.account set warned_on = null where email = 'sophie.dubois@exemple.fr';
insert into portal.outbox (tenant, recipient, template, message_id)
select 2, n || '@exemple.fr', 'account_inactive', n || '@wait.fr' from generate_series(1, 9999) n;
analyze portal.outbox;
delete from portal.retention_run;
select pg_temp.purge();
select is(pg_temp.runs(), null, 'ten thousand mails wait: nobody is warned');
delete from portal.outbox where message_id = '1@wait.fr';
select pg_temp.purge();
select is(pg_temp.runs(), 'account_warned 1', 'one less, and somebody is');
rollback to a;

update portal.account set warned_on = current_date - 29 where email = 'sophie.dubois@exemple.fr';
select pg_temp.purge();
select ok(account('sophie.dubois@exemple.fr') is not null, 'not before the thirty days are over');
update portal.account set warned_on = current_date - 30 where email = 'sophie.dubois@exemple.fr';
select account('sophie.dubois@exemple.fr') as sophie, version as before from portal.family where number = '104202' \gset
insert into portal.token (tenant, mac, purpose, account_id, epoch, expires_at)
values (1, decode(mac('t'), 'hex'), 'confirm', :sophie, 1, now() + interval '1 day');
delete from portal.retention_run;
select pg_temp.purge();
select is(pg_temp.runs(), 'account_inactive 1', 'then it is closed');
select is((select count(*) from portal.token where account_id = :sophie and voided_at is not null), 1::bigint, 'its links are void');
select pg_temp.purge();
select is((select count(*) from portal.token where account_id = :sophie), 0::bigint, 'and go at the next run');
select results_eq($$select state, num_nonnulls(first_name, last_name, email, email_mac, password_hash, browser_mac, last_family_id), closed_at is not null
    from portal.account where id = $$ || :sophie, $$values ('closed', 0, true)$$, 'nothing names its owner');
select is((select count(*) from portal.session where account_id = :sophie and ended_at is null), 0::bigint, 'its sessions end');
select is((select count(*) from portal.subscription where account_id = :sophie and ended_at is null), 0::bigint, 'its subscriptions end');
select ok((select version > :before from portal.family where number = '104202'), 'which its family''s version tells');
select is((select count(*) from portal.guardian where first_name = 'Sophie'), 1::bigint, 'the family''s file stays');
select results_eq($$select recipient::text, data->>'inactive' from portal.outbox where template = 'account_closed'$$,
    $$values ('sophie.dubois@exemple.fr', 'true')$$, 'the last mail');
select results_eq($$select action, outcome, object_id from portal.audit where action = 'close_account'$$,
    format($$values ('close_account', 'inactive', %s::bigint)$$, :sophie), 'in the audit');

-- its remainder

update portal.account set closed_at = now() - interval '364 days' where id = :sophie;
select pg_temp.purge();
select is((select count(*) from portal.account where id = :sophie), 1::bigint, 'the remainder is kept');
update portal.account set closed_at = now() - interval '366 days' where id = :sophie;
delete from portal.retention_run;
select pg_temp.purge();
select is(pg_temp.runs(), 'account_closed 1', 'and then is not');
select is((select count(*) from portal.subscription where account_id = :sophie), 0::bigint, 'nor are its subscriptions');
select ok((select count(*) = 1 from portal.code k join portal.guardian g on g.id = k.guardian_id
            where g.first_name = 'Sophie' and k.used_at is not null and k.used_by is null), 'a code that was used stays used, by nobody');

-- a closed account cannot have a name, whoever writes

select throws_ok($$update portal.account set state = 'closed'; update portal.account set email = 'x@y.fr' where state = 'closed'$$,
    '23514', null, 'no address in a closed account');
select throws_ok($$update portal.account set email = null where state = 'active'$$, '23514', null, 'an open one has one');

-- what ended while its account goes on: subscriptions, and codes that none lives by

savepoint a;
select account('camille.martin@exemple.fr') as camille, account('julien.martin@exemple.fr') as julien \gset
update portal.code set issued_at = now() - interval '500 days', expires_at = now() - interval '400 days', used_at = now() - interval '450 days'
 where used_by in (:camille, :julien);
update portal.subscription set since = now() - interval '450 days', effective_at = now() - interval '450 days',
       ended_at = case when account_id = :julien then now() - interval '366 days' end
 where account_id in (:camille, :julien);
select k.id as expired from portal.code k where k.tenant = 1 and k.used_at is null and k.revoked_at is null and not k.printable limit 1 \gset
update portal.code set issued_at = now() - interval '500 days', expires_at = now() - interval '364 days' where id = :expired;
delete from portal.retention_run;
select pg_temp.purge();
select is(pg_temp.runs(), 'subscription 1, code 1', 'a year after its end: the code of who has left, the subscription');
select is((select count(*) from portal.code where used_by = :camille), 1::bigint, 'the code that a subscription lives by stays');
select is((select count(*) from portal.subscription where account_id = :camille), 1::bigint, 'as does that');
select is((select count(*) from portal.code where id = :expired), 1::bigint, 'one that has expired is kept as long');
update portal.code set expires_at = now() - interval '366 days' where id = :expired;
select pg_temp.purge();
select is((select count(*) from portal.code where id = :expired), 0::bigint, 'and no longer');
select is(portal.check_documents(), 0::bigint, 'the families'' documents are right');
rollback to a;

-- each table has an end: the job's, that of a row it goes with, or a reason for none

create temp table ends (name text, how text, parent text);
insert into ends
select x.name, 'purge', null
  from unnest('{account,agent,attempt,captcha_used,idempotency,token,session,device,agent_session,agent_device,code,subscription,change_set,collect_ban,removed,upload,outbox,webhook_message,audit,audit_erased,elimination,mass_export,agent_former,subscription_past,month_figure,retention_run,import_piece,import_key,import_line,import,import_conflict}'::text[]) x (name)
union all values
    ('change', 'with', 'change_set'), ('change_event', 'with', 'change_set'), ('change_item', 'with', 'change_set'),
    ('import_removed', 'with', 'change_set'), ('upload_piece', 'with', 'upload'), ('elimination_item', 'with', 'elimination'),
    ('webhook_attempt', 'with', 'webhook_message'), ('import_file', 'with', 'import'),
    ('agent_token', 'with', 'agent'), ('agent_recovery', 'with', 'agent'),
    ('address', 'with', 'guardian'), ('bank', 'with', 'guardian'), ('tax', 'with', 'guardian'), ('guardian', 'the file is the town''s', null),
    ('code_bar', 'with', 'family'), ('family_note', 'with', 'family'), ('family_document', 'with', 'family'), ('verification', 'with', 'family'),
    ('child_family', 'with', 'child'), ('child_pai', 'with', 'child'), ('authorisation', 'with', 'child'), ('child_photo', 'with', 'child'), ('contact', 'with', 'child_family'),
    ('health', 'with', 'child'), ('insurance', 'with', 'child'), ('schooling', 'with', 'child'),
    ('family', 'the file is the town''s', null), ('child', 'the file is the town''s', null),
    ('machine', 'a name, which the journal shows', null), ('webhook', 'the town takes it out', null),
    ('code_order', 'numbers, no person', null), ('letter_lot', 'numbers, no person', null),
    ('town', 'settings', null), ('town_theme', 'settings', null), ('logo', 'settings', null), ('town_number', 'settings', null), ('town_rule', 'settings', null), ('authorisation_text', 'settings', null), ('field_policy', 'settings', null),
    ('refusal', 'settings', null), ('school', 'settings', null), ('section_document', 'settings', null), ('setting', 'settings', null),
    ('field', 'the product''s', null), ('section', 'the product''s', null), ('visibility', 'the product''s', null), ('migration', 'the product''s', null), ('job', 'the product''s', null);
select results_eq($$select relname::text from pg_class where relnamespace = 'portal'::regnamespace and relkind in ('r', 'p')
    except select name from ends order by 1$$, $$select ''::text where false$$, 'each table is here');
select results_eq($$select name from ends except select relname from pg_class where relnamespace = 'portal'::regnamespace order by 1$$,
    $$select ''::text where false$$, 'and there');
select results_eq($$select e.name from ends e where e.how = 'purge' and not exists (
        select from pg_proc p where p.pronamespace = 'portal'::regnamespace
           and p.proname in ('erase_accounts', 'erase_traces', 'erase_imports', 'erase_agents', 'purge')
           and p.prosrc ~ ('delete from ' || e.name || '\M')) order by 1$$, $$select ''::text where false$$, 'the job takes what is the job''s');
select results_eq($$select e.name from ends e where e.how = 'with' and not exists (
        select from pg_constraint c where c.contype = 'f' and c.confdeltype = 'c'
           and c.conrelid = ('portal.' || e.name)::regclass and c.confrelid = ('portal.' || e.parent)::regclass) order by 1$$,
    $$select ''::text where false$$, 'the rest goes with what it belongs to');

-- agents who are named nowhere go a few at a time: each costs a look at all requests

savepoint a;
insert into portal.agent (tenant, first_name, last_name, role, state)
select 1, 'Zoé', 'Partie', 'reader', 'disabled' from generate_series(1, 7);
update portal.agent set left_at = now() - interval '800 days' where last_name = 'Partie';
delete from portal.retention_run;
select pg_temp.purge(), pg_temp.purge(), pg_temp.purge();
select is(pg_temp.runs(), 'agent_gone 5, agent_gone 2', 'five, then the rest');
rollback to a;

-- traces: in their time, and the chain holds

select as_jobs('audit_chain', '{}');
select throws_ok($$delete from portal.audit$$, '42501', null, 'not before their time');
alter table portal.audit disable trigger audit_row_kept;
update portal.audit set at = now() - interval '366 days', chain = null, hash = null where id % 2 = 0;
update portal.audit set chain = null, hash = null;
delete from portal.audit_erased;
alter table portal.audit enable trigger audit_row_kept;
select throws_ok($$delete from portal.audit where at < now() - interval '1 year'$$, '42501', null, 'nor before they are chained');
select as_jobs('audit_chain', '{}');
select count(*) as all, count(*) filter (where at < now() - interval '365 days' and tenant = 1) as old from portal.audit \gset
delete from portal.retention_run;
update portal.town set keep_audit = 1000 where slug = 'beaulieu';
select pg_temp.purge();
select is(pg_temp.runs(), 'audit ' || :old, 'traces past their time');
select is((select count(*) from portal.audit), :all::bigint - :old::bigint, 'are gone');
select is(as_jobs('audit_verify', '{}')->>'status', '200', 'and the chain holds over them');
select is(as_jobs('audit_verify', '{}')->>'rows', (:all - :old)::text, 'with all that is left');
insert into portal.audit (tenant, action, outcome) values (1, 'test', 'ok');
select as_jobs('audit_chain', '{}');
select is(as_jobs('audit_verify', '{}')->>'status', '200', 'what comes later follows');
savepoint a;
alter table portal.audit disable trigger all;
delete from portal.audit where chain = (select chain from portal.audit where chain is not null order by chain desc offset 1 limit 1);
select as_jobs('audit_verify', '{}')->>'status' as hole \gset
rollback to a;
select is(:'hole'::text, '409', 'a row that somebody took out is still seen');
update portal.town set keep_audit = 180;
alter table portal.audit disable trigger audit_row_kept;
update portal.audit set at = now() - interval '1 year', chain = null, hash = null;
delete from portal.audit_erased;
alter table portal.audit enable trigger audit_row_kept;
select as_jobs('audit_chain', '{}');
select pg_temp.purge('{"limit": 5000}');
select is((select count(*) from portal.audit), 0::bigint, 'all are past');
insert into portal.audit (tenant, action, outcome) values (1, 'test', 'ok'), (1, 'test', 'ok');
select as_jobs('audit_chain', '{}');
select pg_temp.purge();
select is((select count(*) from portal.audit_erased), 1::bigint, 'one link is left to begin at');
select is(as_jobs('audit_verify', '{}')->>'rows', '2', 'and the chain goes on');

select * from finish();
rollback;
