--
-- The schema: comments, row-level security, rights, constraints.
--

begin;
select * from no_plan();

select is_empty($$
    select c.relname from pg_class c
     where c.relnamespace = 'portal'::regnamespace and c.relkind in ('r', 'v')
       and obj_description(c.oid, 'pg_class') is null
$$, 'each table has a comment');

select is_empty($$
    select c.relname, a.attname from pg_class c join pg_attribute a on a.attrelid = c.oid
     where c.relnamespace = 'portal'::regnamespace and c.relkind in ('r', 'v')
       and a.attnum > 0 and not a.attisdropped and col_description(c.oid, a.attnum) is null
$$, 'each column has a comment');

select is_empty($$
    select p.oid::regprocedure from pg_proc p
     where p.pronamespace = 'portal'::regnamespace and obj_description(p.oid, 'pg_proc') is null
$$, 'each function has a comment');

select is_empty($$
    select c.relname from pg_class c
      join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant'
     where c.relnamespace = 'portal'::regnamespace and c.relkind = 'r'
       and not (c.relrowsecurity and c.relforcerowsecurity)
$$, 'row-level security is forced wherever there is a town');

select is_empty($$
    select c.relname from pg_class c
     where c.relnamespace = 'portal'::regnamespace and c.relkind = 'r'
       and not exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant')
       and c.relname not in ('town', 'setting', 'visibility', 'migration', 'job', 'section', 'field')
$$, 'only these tables know no town');

select is_empty($$
    select c.conname from pg_constraint c
      join pg_class r on r.oid = c.conrelid
      join pg_attribute a on a.attrelid = c.conrelid and a.attname = 'tenant'
     where r.relnamespace = 'portal'::regnamespace and c.contype in ('p', 'f')
       and c.conkey[1] <> a.attnum
$$, 'T092 each primary and foreign key begins with the town');

select is_empty($$
    select i.indexrelid::regclass from pg_index i
      join pg_class r on r.oid = i.indrelid
      join pg_attribute a on a.attrelid = r.oid and a.attname = 'tenant'
     where r.relnamespace = 'portal'::regnamespace and r.relkind = 'r' and i.indisunique
       and not a.attnum = any (i.indkey::int2[])
       and not exists (select from pg_attribute k
                        where k.attrelid = r.oid and k.attnum = any (i.indkey::int2[])
                          and k.atttypid in ('uuid'::regtype, 'bytea'::regtype))
       -- the chain is the installation's, and no request writes it; a Message-ID
       -- begins with a random UUID
       and i.indexrelid::regclass::text not in ('portal.audit_chain_key',
           'portal.audit_erased_chain', 'portal.outbox_message_id_key')
$$, 'T091 what there is once is once in a town, or nobody can guess it');

select is_empty($$
    select c.relname from pg_class c
     where c.relnamespace = 'portal'::regnamespace and c.relkind = 'r'
       and pg_get_userbyid(c.relowner) <> 'portal_owner'
$$, 'tables belong to portal_owner');

-- roles

select is_empty($$
    select rolname from pg_roles where rolname like 'portal\_%'
       and (rolsuper or rolbypassrls or rolcreaterole or rolcreatedb or rolreplication)
$$, 'no role of the portal has more than it needs');

select results_eq($$
    select rolname::text collate "default" from pg_roles where rolname like 'portal\_%' and rolcanlogin order by 1
$$, $$ values ('portal_jobs'), ('portal_web') $$, 'two roles log in');

select is_empty($$
    select * from pg_auth_members m
     where m.member in (select oid from pg_roles where rolname like 'portal\_%')
$$, 'none is a member of another');

select is_empty($$
    select r.rolname, c.relname, p.name
      from pg_roles r, pg_class c, unnest(array['select', 'insert', 'update', 'delete', 'truncate']) p (name)
     where r.rolname in ('portal_web', 'portal_jobs')
       and c.relnamespace = 'portal'::regnamespace and c.relkind = 'r'
       and has_table_privilege(r.oid, c.oid, p.name)
$$, 'who logs in has no right on a table');

select is_empty($$
    select r.rolname, c.relname from pg_roles r, pg_class c
     where r.rolname in ('portal_web', 'portal_jobs')
       and c.relnamespace = 'portal'::regnamespace and c.relkind = 'r'
       and has_any_column_privilege(r.oid, c.oid, 'select, insert, update, references')
$$, 'nor on a column');

select results_eq($$
    select p.proname::text collate "default" from pg_proc p
     where p.pronamespace = 'portal'::regnamespace
       and has_function_privilege('portal_web', p.oid, 'execute') order by 1
$$, $$ select unnest(array['acknowledge_changes', 'add_authorisation', 'add_note', 'add_webhook', 'address_link', 'address_password', 'agent_accept', 'agent_account',
    'agent_child_photo', 'agent_document_file', 'agent_family', 'agent_health', 'agent_iban', 'agent_invitation', 'agent_note',
    'agent_pai_file', 'agent_photo', 'agent_recover', 'agent_recovery_codes', 'agent_request', 'agent_sign_in',
    'agent_sign_in_lookup', 'agent_sign_out', 'agent_start', 'agent_step_up', 'agent_step_up_lookup', 'agent_tax', 'agents', 'ask_change', 'ask_export',
    'authorisation_form', 'authorisation_list', 'ban',
    'bans', 'change_address', 'change_agent', 'change_password', 'change_webhook', 'changes', 'child', 'child_pai_file', 'child_photo',
    'choose_family', 'close_my_account', 'closing', 'code_attempts', 'code_guardians', 'codes', 'confirm',
    'confirm_address', 'confirmation', 'confirmation_secret', 'conflict', 'connections', 'copied', 'copies',
    'counter', 'counter_change', 'counter_form', 'counter_guardian_page',
    'decide', 'decide_conflict', 'decide_elimination', 'decide_export', 'decide_import', 'elimination_list', 'elimination_sheet', 'eliminations', 'end_ban', 'end_others', 'enter', 'enter_agent',
    'enter_machine', 'export_request', 'exports', 'family', 'family_search', 'forget_import', 'forgot_password', 'guardian', 'guardian_code',
    'import_conflicts', 'import_report', 'import_sheet', 'imports', 'invite_agent', 'journal', 'journal_sheet', 'key_check', 'letters', 'listed_authorisation', 'logo_file', 'logo_form', 'make_elimination',
    'may_machine', 'move_authorisation', 'my_account', 'my_agent_session', 'my_data', 'my_password', 'my_request', 'my_requests',
    'my_session', 'my_space', 'new_authorisation', 'new_subscription', 'order_codes', 'periods', 'print_letters', 'prolong', 'publish_theme', 'queue', 'refusal_form',
    'refusal_list', 'refused_changes', 'request_document_file', 'request_iban', 'request_photo', 'resend_change', 'resend_confirmation', 'reset_link',
    'reset_password', 'save_authorisation', 'save_fields', 'save_guardian_code', 'save_logo', 'save_refusal', 'save_school', 'save_settings', 'save_theme', 'schema_version',
    'school_form', 'school_list', 'seal_place', 'search_families',
    'section_form', 'session_lost', 'session_owner', 'set_language', 'set_reminders', 'settings', 'settings_fields',
    'settings_form', 'sign_in', 'sign_in_lookup', 'sign_out', 'sign_up', 'sign_up_sent', 'start_import', 'statistics',
    'store_import', 'store_logo', 'store_upload', 'subscribe', 'subscription', 'subscriptions', 'take_schools', 'theme_form', 'theme_preview', 'town', 'undo_address',
    'undo_link', 'unsubscribe', 'verification', 'verify', 'webhook', 'webhooks', 'withdraw_authorisation', 'withdraw_note', 'withdraw_request']) $$, 'what portal_web may call');

select results_eq($$
    select p.proname::text collate "default" from pg_proc p
     where p.pronamespace = 'portal'::regnamespace
       and has_function_privilege('portal_jobs', p.oid, 'execute') order by 1
$$, $$ select unnest(array['audit_chain', 'audit_verify', 'code_work', 'get_import_piece',
    'import_claim', 'import_lines', 'import_places', 'import_read', 'import_work', 'key_check', 'mail_claim', 'mail_done', 'mail_stats', 'purge', 'schema_version', 'town', 'webhook_claim', 'webhook_done', 'webhook_work']) $$, 'what portal_jobs may call');

select is_empty($$
    select p.proname from pg_proc p
     where p.pronamespace = 'portal'::regnamespace
       and (has_function_privilege('portal_web', p.oid, 'execute')
            or has_function_privilege('portal_jobs', p.oid, 'execute'))
       and p.proname <> 'schema_version'
       and not (p.prosecdef and 'search_path=portal, pg_temp' = any (p.proconfig)
                and pg_get_userbyid(p.proowner) in ('portal_api', 'portal_batch'))
$$, 'what may be called is SECURITY DEFINER with a fixed search_path');

select is_empty($$
    select c.relname from pg_class c
     where c.relnamespace = 'portal'::regnamespace and c.relkind = 'r'
       and (has_table_privilege('portal_api', c.oid, 'truncate')
            or (has_table_privilege('portal_api', c.oid, 'delete')
                and c.relname not in ('idempotency', 'change_item', 'upload', 'agent_token', 'agent_recovery', 'logo', 'refusal', 'town_theme', 'webhook')))
$$, 'the functions delete nothing but idempotency keys, what is asked and sent anew, what an agent gets anew, ready words, what is being prepared and webhooks');

select is_empty($$
    select c.relname, p.name from pg_class c, unnest(array['insert', 'update', 'delete']) p (name)
     where c.relnamespace = 'portal'::regnamespace
       and c.relname in ('guardian', 'address', 'tax', 'bank', 'child', 'child_family', 'schooling',
                         'insurance', 'authorisation', 'health', 'contact', 'child_photo', 'child_pai')
       and (has_table_privilege('portal_api', c.oid, p.name)
            or p.name <> 'delete' and has_any_column_privilege('portal_api', c.oid, p.name))
$$, 'what answers requests writes nothing into the families'' file');

select results_eq($$
    select p.proname::text collate "default" from pg_proc p
     where p.pronamespace = 'portal'::regnamespace and pg_get_userbyid(p.proowner) = 'portal_apply' order by 1
$$, $$ values ('change_apply'), ('end_children'), ('end_pais'), ('import_merge'), ('put_external_id'), ('take_imported') $$,
    'six functions do: requests, children who are in no household and plans that are over, imports, where they do not agree, and what the software calls whom it is told of');

select ok(not has_any_column_privilege('portal_api', 'portal.audit', 'update'),
    'the functions cannot change the audit');
select ok(not has_column_privilege('portal_api', 'portal.outbox', 'token_sealed', 'select'),
    'nor a mail''s token');
select ok(not has_column_privilege('portal_api', 'portal.code', 'copy', 'select'),
    'nor the copy of a code');
select results_eq($$
    select p.proname::text collate "default" from pg_proc p
     where p.pronamespace = 'portal'::regnamespace and p.prosecdef and p.prosrc ~ '\mcopy\M'
       and has_column_privilege(p.proowner, 'portal.code', 'copy', 'select') order by 1
$$, $$ values ('letter_copies') $$, 'but by one function, for letters');
select ok(not has_table_privilege('portal_batch', 'portal.family', 'select')
          and not has_table_privilege('portal_batch', 'portal.health', 'select'),
    'jobs do not see the files');

-- what the superuser's hand may not do either

select portal.enter('saint-aubin', null, null, null, null, null, 1, 'r');
insert into portal.audit (tenant, action, outcome) values (1, 'test', 'ok');
select throws_ok('update portal.audit set outcome = ''x''', '42501', null, 'T211 audit: no update');
select throws_ok('delete from portal.audit', '42501', null, 'T211 audit: no delete');
select throws_ok('truncate portal.audit', '42501', null, 'T211 audit: no truncate');
select throws_ok($$update portal.town set slug = 'autre' where id = 1$$, '23514', null,
    'a town keeps its slug');

-- row-level security, as the functions' owner

set local role portal_api;
select throws_ok('alter table portal.audit disable trigger all', '42501', null, 'T211 audit: its triggers stay');
select throws_ok('drop trigger audit_row_kept on portal.audit', '42501', null, 'T211 and are not dropped');
set local portal.tenant = '';
select throws_ok('select 1 from portal.family', '22P02', null, 'town empty: an error, no row');
select throws_ok('select 1 from portal.child where id = 1', '22P02', null, 'by index too');
set local portal.tenant = '1';
select ok((select count(*) = 28 and bool_and(tenant = 1) from portal.family), 'one town''s families');
set local portal.tenant = '2';
select ok((select count(*) = 12 and bool_and(tenant = 2) from portal.family), 'the other''s');
select is_empty('select 1 from portal.child where tenant = 1', 'asking for another town''s gives nothing');
select throws_ok($$insert into portal.attempt values (1, 'x', '', 1, now(), now(), now())$$, '42501', null,
    'writing to another town is refused');
reset role;

set local role portal_owner;
set local portal.tenant = '2';
select is((select count(*) from portal.family), 12::bigint, 'the owner is under it as well');
reset role;

set local role portal_web;
select throws_ok('select * from portal.town', '42501', null, 'portal_web reads no table');
select throws_ok('select portal.purge()', '42501', null, 'portal_web runs no job');
select throws_ok('select portal.me()', '42501', null, 'portal_web calls nothing internal');
reset role;

-- constraints

select throws_ok($$insert into portal.child_family (tenant, family_id, rank, child_id)
    select 1, (select min(id) from portal.family where tenant = 1), 9, min(id) from portal.child where tenant = 2$$,
    '23503', null, 'a child of another town');
select throws_ok($$insert into portal.guardian (tenant, family_id, rank, last_name, first_name, link)
    select 2, id, 8, 'A', 'B', 'mother' from portal.family where tenant = 1 limit 1$$, '23503', null,
    'a guardian in a family of another town');
select throws_ok($$update portal.guardian set last_name = E'A\r\nB' where rank = 1$$, '23514', null,
    'no line end in a name');
select throws_ok($$update portal.guardian set phone_mobile = '06 12 34 56 78'$$, '23514', null, 'E.164 only');
select throws_ok($$update portal.guardian set email = E'a@b.fr\r\nBcc: c@d.fr'$$, '23514', null, 'no header in an address');
select throws_ok($$update portal.guardian set email = 'a@b.fr,c@d.fr'$$, '23514', null, 'one address');
select throws_ok($$update portal.health set allergies = 'arachide'$$, '23514', null, 'health is sealed or nothing');
select throws_ok($$update portal.tax set shares = 1.3$$, '23514', null, 'shares by quarters');
select throws_ok($$update portal.address set postal_code = '00100'$$, '23514', null, 'French postal code');
select throws_ok($$update portal.account set password_hash = 'clear'$$, '23514', null, 'Argon2id only');
select throws_ok($$update portal.town set subscription_effect = 'x'$$, '23514', null, 'two effects');
select throws_ok($$update portal.town set shared_groups = '{child_health}'$$, '23514', null, 'what a town may share');
select throws_ok($$insert into portal.subscription (tenant, account_id, family_id, guardian_id)
    select tenant, account_id, family_id, guardian_id from portal.subscription limit 1$$, '23505', null,
    'one subscription by guardian');
select throws_ok($$update portal.outbox set state = 'sent', token_sealed = repeat('A', 60); insert into portal.outbox
    (tenant, recipient, template, message_id, state, token_sealed, done_at) values (1, 'a@b.fr', 'confirm', 'x@b.fr', 'sent', repeat('A', 60), now())$$,
    '23514', null, 'no token in a mail that is sent');
select is(portal.fold('D’Hérouville-Bœuf O''Çelik'), 'DHEROUVILLEBOEUFOCELIK', 'names are compared folded');

-- versions

select is((select version from portal.family where number = '104204'),
          (select version from portal.family where number = '104204'), 'unchanged');
create temp table before on commit drop as select id, number, version from portal.family;
update portal.child set diet = 'standard' where first_name = 'Hugo';
select results_eq($$select f.number from portal.family f join before b using (id) where f.version = b.version + 1 order by 1$$,
    $$values ('104202'), ('104203')$$, 'a change of a shared child bumps both families');
delete from before; insert into before select id, number, version from portal.family;
update portal.contact set rank = rank where false;
select is_empty('select 1 from portal.family f join before b using (id) where f.version <> b.version', 'no change, no bump');
update portal.address set complement = 'x' where family_id = (select id from portal.family where number = '104201');
select results_eq($$select f.number from portal.family f join before b using (id) where f.version <> b.version$$,
    $$values ('104201')$$, 'an address bumps its family');
select is((select count(*) from portal.authorisation a where child_id = (select min(id) from portal.child)), 7::bigint,
    'each child has all its authorisations');

select has_index('portal', 'change_set', 'change_set_' || c, array['tenant', c]::name[],
    'a request that is erased is found by its number in those that name it: ' || c) from unnest(array['replaces', 'reverses']) c;

select * from finish();
rollback;
