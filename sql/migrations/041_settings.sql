--
-- What a town sets by itself: administrators change it on pages, and the audit
-- says which settings they changed.
--

-- it takes the names of settings now
drop function if exists portal.note(text, text, text, bigint, bigint);

set role portal_owner;
set search_path = portal, pg_temp;


alter table audit
    add column names text[]
    constraint audit_names check (array_to_string(names, ',') ~ '^[a-z_0-9]{1,60}(,[a-z_0-9]{1,60})*$');

comment on column audit.names is
    'Names of the settings that were changed, never a value; null: it was something else.';

grant insert (names) on audit to portal_api;

-- version and slug are the trigger's; who a town is and where it answers is the
-- operator's
grant update (validation_days, subscription_effect, uploads_waiting, upload_space,
              keep_unconfirmed, keep_inactive, keep_closed, keep_request, keep_document,
              keep_photo, keep_mail, keep_session, keep_token, keep_attempt, keep_audit,
              session_idle, session_absolute, session_limit, agent_idle, agent_absolute)
   on town to portal_api;

reset role;

-- whose owner is another one once a database has been migrated
create or replace function audit_kept() returns trigger
    language plpgsql set search_path = portal, pg_temp as $$
begin
    if tg_op = 'UPDATE' then
        if old.hash is null
           and (new.tenant, new.id, new.at, new.action, new.outcome)
               = (old.tenant, old.id, old.at, old.action, old.outcome)
           and (new.account_id, new.agent_id, new.family_id, new.object, new.object_id,
                new.request, new.names)
               is not distinct from
               (old.account_id, old.agent_id, old.family_id, old.object, old.object_id,
                old.request, old.names)
        then
            return new;
        end if;

    elsif tg_op = 'DELETE' then
        if old.hash is not null
           and old.at < now() - make_interval(days =>
               (select t.keep_audit from town t where t.id = old.tenant))
        then
            insert into audit_erased (tenant, chain, hash, at)
            values (old.tenant, old.chain, old.hash, old.at);

            return old;
        end if;
    end if;

    raise exception using errcode = 'insufficient_privilege',
        message = 'rows of the audit are only added', constraint = 'audit_kept';
end
$$;
