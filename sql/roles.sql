--
-- The roles and the place of the portal.  Everything here may run again.
--
--   portal_owner   owns the tables, under forced row-level security
--   portal_api     owns the functions that answer requests: column rights
--   portal_apply   owns change_apply(): the only way into the families' file
--   portal_batch   owns the functions of the jobs, which cross the towns
--   portal_web     what nginx logs in as for requests: EXECUTE only
--   portal_jobs    what nginx logs in as for jobs: EXECUTE only
--

do $$
declare
    v_role  text;
begin
    foreach v_role in array array['portal_owner', 'portal_api', 'portal_apply',
                                  'portal_batch', 'portal_web', 'portal_jobs']
    loop
        begin
            if not exists (select from pg_roles where rolname = v_role) then
                execute format('create role %I', v_role);
            end if;

        exception when duplicate_object or unique_violation then
            null;   -- another database of this server was faster
        end;
    end loop;
end
$$;

do $$
declare
    v_role  text;
begin
    foreach v_role in array array['portal_web', 'portal_jobs'] loop
        if not (select rolcanlogin from pg_roles where rolname = v_role) then
            execute format('alter role %I login', v_role);
        end if;

        execute format('alter role %I in database %I set statement_timeout = %L',
            v_role, current_database(),
            case v_role when 'portal_web' then '2s' else '30s' end);
        execute format('alter role %I in database %I set lock_timeout = %L',
            v_role, current_database(), '500ms');
        execute format('alter role %I in database %I '
            'set idle_in_transaction_session_timeout = %L',
            v_role, current_database(), '5s');
        execute format('alter role %I in database %I '
            'set client_connection_check_interval = %L',
            v_role, current_database(), '500ms');
        execute format('alter role %I in database %I set jit = off',
            v_role, current_database());

        -- the plan of the family file costs more to make than to run
        execute format('alter role %I in database %I '
            'set plan_cache_mode = force_generic_plan',
            v_role, current_database());
        execute format('alter role %I in database %I set timezone = %L',
            v_role, current_database(), 'UTC');

        -- what people type must not reach the server's log, also not as the
        -- row that a constraint refuses
        if (select rolsuper from pg_roles where rolname = current_user) then
            execute format('alter role %I in database %I '
                'set log_parameter_max_length = 0',
                v_role, current_database());
            execute format('alter role %I in database %I '
                'set log_parameter_max_length_on_error = 0',
                v_role, current_database());
            execute format('alter role %I in database %I '
                'set log_error_verbosity = terse',
                v_role, current_database());
        end if;
    end loop;

    execute format('revoke all on database %I from public', current_database());
    execute format('grant connect on database %I to portal_web, portal_jobs',
        current_database());
end
$$;

create schema if not exists portal authorization portal_owner;

revoke all on schema portal from public;
grant usage on schema portal
   to portal_api, portal_batch, portal_web, portal_jobs;

create table if not exists portal.migration (
    number      int primary key check (number > 0),
    name        text not null,
    applied_at  timestamptz not null default now()
);

alter table portal.migration owner to portal_owner;

comment on table portal.migration is
    'Numbered migrations that this database has had; written by sql/migrate.';
comment on column portal.migration.number is 'Number of the file.';
comment on column portal.migration.name is 'Rest of the file''s name.';
comment on column portal.migration.applied_at is 'When it ran here.';

alter default privileges in schema portal revoke execute on functions from public;
