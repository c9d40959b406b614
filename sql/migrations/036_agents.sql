--
-- Agents are invited by an administrator, choose their password and enrol their
-- authenticator by themselves, and have codes for the day it is lost.
--

set role portal_owner;
set search_path = portal, pg_temp;


alter table agent
    alter column password_hash drop not null,
    alter column totp drop not null,
    drop constraint agent_state_check,
    add constraint agent_state_check check (state in ('invited', 'active', 'disabled')),
    add constraint agent_active_check
        check (state <> 'active' or (password_hash is not null and totp is not null)),
    add column granted_role  text check (granted_role = 'administrator'),
    add column granted_by    bigint,
    add constraint agent_granted_check
        check ((granted_role is null) = (granted_by is null) and granted_by <> id);

comment on column agent.password_hash is 'Argon2id of the password; null: not chosen yet.';
comment on column agent.totp is
    'Secret of their authenticator (TOTP, base32), sealed; null: not enrolled yet.';
comment on column agent.state is
    'invited: has a link and no password yet; disabled: may not log in.';
comment on column agent.granted_role is
    'Role that one administrator has given and another has to confirm; null: none.';
comment on column agent.granted_by is 'Agent who has given it.';


create table agent_token (
    tenant      int not null,
    mac         mac not null,
    agent_id    bigint not null,
    created_at  timestamptz not null default now(),
    expires_at  timestamptz not null,
    used_at     timestamptz,
    primary key (tenant, mac),
    unique (tenant, agent_id),
    foreign key (tenant, agent_id) references agent on delete cascade,
    check (expires_at > created_at)
);

comment on table agent_token is
    'The link by which an agent who was invited chooses a password and enrols an authenticator; another invitation takes its place.';
comment on column agent_token.mac is 'MAC of the secret in the mail.';
comment on column agent_token.expires_at is 'When it is good for nothing.';
comment on column agent_token.used_at is 'When it was used.';


create table agent_recovery (
    tenant    int not null,
    mac       mac not null,
    agent_id  bigint not null,
    used_at   timestamptz,
    primary key (tenant, mac),
    foreign key (tenant, agent_id) references agent on delete cascade
);

create index agent_recovery_agent on agent_recovery (tenant, agent_id);

comment on table agent_recovery is
    'Codes that let an agent enrol another authenticator, each once; new ones take the place of all.';
comment on column agent_recovery.mac is 'MAC of the code: it is shown once and kept nowhere.';
comment on column agent_recovery.used_at is 'When it was used.';


-- what a trigger lets pass, whatever a function does

reset role;

create or replace function agent_changed() returns trigger
    language plpgsql set search_path = portal, pg_temp as $$
begin
    if (new.seal_id <> old.seal_id and new.totp is not distinct from old.totp)
       or new.totp_step < old.totp_step
    then
        raise exception using errcode = 'check_violation',
            message = 'what a secret is bound to stays with it, and steps only go up',
            constraint = 'agent_totp_kept';
    end if;

    if (new.role, new.state, new.email_mac, new.password_hash, new.totp)
       is distinct from (old.role, old.state, old.email_mac, old.password_hash, old.totp)
    then
        new.epoch := greatest(new.epoch, old.epoch + 1);
    end if;

    return new;
end
$$;

set role portal_owner;

create function agent_guarded() returns trigger
    language plpgsql set search_path = portal, pg_temp as $$
declare
    v_by  bigint := nullif(current_setting('portal.agent', true), '')::bigint;
begin
    -- the operator has the rights of the tables
    if current_user <> 'portal_api' then
        return new;
    end if;

    if tg_op = 'UPDATE' and (new.role, new.granted_role) is not distinct from
           (old.role, old.granted_role)
       and (new.state = old.state
            or old.state = 'invited' and new.state = 'active'
               and new.totp is distinct from old.totp)
    then
        return new;
    end if;

    if coalesce(current_setting('portal.role', true), '') <> 'administrator'
       or tg_op = 'UPDATE' and v_by is not distinct from new.id
       or new.role = 'administrator'
          and (tg_op = 'INSERT'
               or old.role <> 'administrator'
                  and (old.granted_role is null or old.granted_by = v_by))
       or tg_op = 'INSERT' and (new.state <> 'invited' or new.totp is not null)
    then
        raise exception using errcode = 'insufficient_privilege',
            message = 'an administrator changes others'' rights, two make an administrator',
            constraint = 'agent_guarded';
    end if;

    return new;
end
$$;

comment on function agent_guarded() is
    'Trigger of agent: what requests may do to rights. Only an administrator gives or takes them, never their own; an administrator is made by two.';

create trigger agent_guarded before insert or update on agent
    for each row execute function agent_guarded();


do $$
declare
    v_table  text;
begin
    foreach v_table in array array['agent_token', 'agent_recovery'] loop
        execute format('comment on column %I.tenant is %L', v_table, 'The town.');
        execute format('comment on column %I.agent_id is %L', v_table, 'The agent.');
        execute format('alter table %I enable row level security', v_table);
        execute format('alter table %I force row level security', v_table);
        execute format('create policy tenant on %I to portal_owner, portal_api '
            'using (tenant = current_setting(''portal.tenant'')::int) '
            'with check (tenant = current_setting(''portal.tenant'')::int)', v_table);
    end loop;

    comment on column agent_token.created_at is 'When it was made.';
end
$$;

grant insert (tenant, first_name, last_name, email, email_mac, role, state,
              granted_role, granted_by),
      update (role, state, totp, seal_id, granted_role, granted_by)
   on agent to portal_api;
grant select, delete on agent_token, agent_recovery to portal_api;
grant insert (tenant, mac, agent_id, expires_at), update (used_at)
   on agent_token to portal_api;
grant insert (tenant, mac, agent_id), update (used_at) on agent_recovery to portal_api;
