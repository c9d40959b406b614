--
-- An agent may be for some schools and some sections alone.
--

set role portal_owner;
set search_path = portal, pg_temp;


alter table agent
    add column schools   text[] check (cardinality(schools) between 1 and 100
                                       and array_position(schools, null) is null),
    add column sections  text[] check (cardinality(sections) between 1 and 100
                                       and array_position(sections, null) is null),
    add constraint agent_limits_check
        check (role <> 'administrator' or (schools is null and sections is null));

comment on column agent.schools is
    'Schools whose children, and these children''s families, are theirs; null: all.';
comment on column agent.sections is
    'Sections whose requests and values are theirs; null: all.';

grant update (schools, sections) on agent to portal_api;


-- limits are rights: who changes them ends the sessions, and nobody their own

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

    if (new.role, new.state, new.email_mac, new.password_hash, new.totp, new.schools,
        new.sections)
       is distinct from (old.role, old.state, old.email_mac, old.password_hash, old.totp,
                         old.schools, old.sections)
    then
        new.epoch := greatest(new.epoch, old.epoch + 1);
    end if;

    return new;
end
$$;

create or replace function agent_guarded() returns trigger
    language plpgsql set search_path = portal, pg_temp as $$
declare
    v_by  bigint := nullif(current_setting('portal.agent', true), '')::bigint;
begin
    -- the operator has the rights of the tables
    if current_user <> 'portal_api' then
        return new;
    end if;

    if tg_op = 'UPDATE' and (new.role, new.granted_role, new.schools, new.sections)
           is not distinct from (old.role, old.granted_role, old.schools, old.sections)
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
