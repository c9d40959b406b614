--
-- Last step of each migration: the owners of the functions, and the tables that
-- are files: who sees what, which sections and fields there are.
--

set search_path = portal, pg_temp;

delete from visibility v
 where not exists (select from visibility_file f
                    where (f.field_group, f.viewer) = (v.field_group, v.viewer));
insert into visibility (field_group, viewer, see, ask)
select f.field_group, f.viewer, f.see, f.ask from visibility_file f
    on conflict (field_group, viewer) do update
   set see = excluded.see, ask = excluded.ask;

delete from section s
 where not exists (select from section_file f where f.name = s.name);
insert into section (name, field_group, path, whole, checked)
select f.name, f.field_group, f.path, f.whole, f.checked from section_file f
    on conflict (name) do update
   set field_group = excluded.field_group, path = excluded.path, whole = excluded.whole,
       checked = excluded.checked;

delete from field x
 where not exists (select from field_file f
                    where (f.section, f.name) = (x.section, x.name));
insert into field (section, name, rank, policy, validation, sealed)
select f.section, f.name, f.rank, f.policy, f.validation, f.sealed from field_file f
    on conflict (section, name) do update
   set rank = excluded.rank, policy = excluded.policy, validation = excluded.validation,
       sealed = excluded.sealed;

-- documents of families that other functions made do not count any more

update town set version = version + 1;

do $$
declare
    v_function  record;
begin
    for v_function in
        select p.oid::regprocedure as name,
               exists (select from aclexplode(p.proacl) x
                        where x.grantee = 'portal_jobs'::regrole)
               and not exists (select from aclexplode(p.proacl) x
                                where x.grantee = 'portal_web'::regrole) as batch
          from pg_proc p
         where p.pronamespace = 'portal'::regnamespace
           and p.prokind = 'f'
    loop
        execute format('alter function %s owner to %I', v_function.name,
            case when v_function.batch then 'portal_batch' else 'portal_api' end);
        execute format('revoke execute on function %s from public', v_function.name);
    end loop;
end
$$;

-- the functions that write into the families' file, and what they call

alter function change_apply(change_set) owner to portal_apply;
grant execute on function change_apply(change_set) to portal_api;
alter function import_merge(bigint, boolean, int) owner to portal_apply;
grant execute on function import_merge(bigint, boolean, int) to portal_batch;
alter function put_external_id(text, bigint, text) owner to portal_apply;
grant execute on function put_external_id(text, bigint, text) to portal_api;
alter function import_analyze(text) owner to portal_owner;
grant execute on function import_analyze(text) to portal_batch;
alter function numbered() owner to portal_batch;
alter function numbered_id() owner to portal_batch;
alter function end_pais(int, int) owner to portal_apply;
grant execute on function end_pais(int, int) to portal_batch;
alter function end_children(int, int) owner to portal_apply;
grant execute on function end_children(int, int) to portal_batch;
alter function take_imported(bigint) owner to portal_apply;
grant execute on function take_imported(bigint) to portal_api;

-- and the one that reads the sealed codes of letters

alter function letter_copies(bigint) owner to portal_owner;
grant execute on function letter_copies(bigint) to portal_api;
grant execute on function my_agent() to portal_owner;

do $$
declare
    v_name  text;
begin
    for v_name in
        select p.oid::regprocedure
          from pg_proc p
         where p.pronamespace = 'portal'::regnamespace
           and p.prokind = 'f'
           and pg_get_userbyid(p.proowner) = 'portal_api'
    loop
        execute format('grant execute on function %s to portal_apply', v_name);
    end loop;
end
$$;

grant execute on function fold(text), day_of(timestamptz), today() to portal_owner, portal_batch;
grant execute on function begin_texts(int) to portal_owner;
grant execute on function luminance(text), contrast(text, text), theme_contrasts(jsonb),
    theme_faults(jsonb)
   to portal_owner, portal_batch;
grant execute on function audit_hash(audit, bigint, bytea), audit_told(bigint, bytea, int),
    audit_walk(int)
   to portal_batch;
grant execute on function family_bump(bigint[], int[]),
    families_changed(int, bigint[], bigint[]), other_households(int, bigint[])
   to portal_owner;
grant execute on function family_bump(bigint[], int[]) to portal_batch;
grant execute on function close_account(bigint, text), warn_account(bigint),
    remind_accounts(int),
    pending_matters(bigint), due_accounts(text, town, int), due_requests(town, int, text),
    due_bans(town, int, text), due_uploads(town, int, text),
    may_erase(town, text, text, text), is_kept(town, text, text), upload_kind(text),
    approved_objects(town, text[]),
    keep_figures(town), keep_family(int, bigint[]),
    erase_agents(text, town, int), is_named(int, bigint), end_eliminations(), lists_first(town), rule_holds(int, text),
    erase_accounts(text, town, int),
    erase_traces(text, town, int), erase_imports(text, town, int), job_due(text, int),
    make_codes(bigint, jsonb)
   to portal_batch;
grant execute on function here(), import_enter(int), import_note(text, text, bigint),
    import_lease(jsonb), import_lost(), import_stage(text), import_ref(jsonb),
    import_print(jsonb), guardian_places(text[]), import_step(import)
   to portal_batch;
grant execute on function place_changes(), webhook_stats(), webhook_news(int), webhook_delay(int),
    webhook_body(webhook_message), webhook_note(text, bigint), webhook_warn(bigint, text)
   to portal_batch;
grant execute on function authorisation_names(town, text) to portal_batch;
