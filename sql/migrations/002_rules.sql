--
-- Row-level security, what changes by itself, and who may touch which column.
--

set role portal_owner;
set search_path = portal, pg_temp;


-- a row belongs to its town; without a town there is an error, never a row

do $$
declare
    v_table  text;
begin
    for v_table in
        select c.oid::regclass
          from pg_class c
          join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant'
         where c.relnamespace = 'portal'::regnamespace and c.relkind = 'r'
    loop
        execute format('alter table %s enable row level security', v_table);
        execute format('alter table %s force row level security', v_table);
        execute format('create policy tenant on %s to portal_owner, portal_api '
            'using (tenant = current_setting(''portal.tenant'')::int) '
            'with check (tenant = current_setting(''portal.tenant'')::int)', v_table);
    end loop;
end
$$;

-- jobs work for all towns, on these tables only

do $$
declare
    v_table  text;
begin
    foreach v_table in array array['outbox', 'audit', 'attempt', 'captcha_used',
                                   'token', 'idempotency', 'account', 'session']
    loop
        execute format('create policy batch on portal.%I to portal_batch '
            'using (true) with check (true)', v_table);
    end loop;
end
$$;


-- a family's version follows each of its parts

create function family_bump(families bigint[], tenants int[]) returns void
    language plpgsql set search_path = portal, pg_temp as $$
begin
    -- in one order everywhere, so that two changes never wait for each other
    perform 1
       from family f
      where (f.tenant, f.id) in (select * from unnest(tenants, families))
      order by f.tenant, f.id
        for no key update;

    update family f
       set version = version + 1, updated_at = now()
     where (f.tenant, f.id) in (select * from unnest(tenants, families));
end
$$;

comment on function family_bump(bigint[], int[]) is
    'Marks families as changed. Input: two arrays of the same length.';

create function family_part_changed() returns trigger
    language plpgsql set search_path = portal, pg_temp as $$
declare
    v_families  bigint[];
    v_tenants   int[];
begin
    select array_agg(family_id), array_agg(tenant) into v_families, v_tenants
      from (select distinct tenant, family_id from changed) c;

    if v_families is not null then
        perform family_bump(v_families, v_tenants);
    end if;

    return null;
end
$$;

comment on function family_part_changed() is
    'Trigger of parts that name their family: bumps family.version.';

create function child_part_changed() returns trigger
    language plpgsql set search_path = portal, pg_temp as $$
declare
    v_families  bigint[];
    v_tenants   int[];
begin
    if tg_table_name = 'child' then
        select array_agg(family_id), array_agg(tenant) into v_families, v_tenants
          from (select distinct f.tenant, f.family_id
                  from changed c
                  join child_family f on f.tenant = c.tenant and f.child_id = c.id) c;
    else
        select array_agg(family_id), array_agg(tenant) into v_families, v_tenants
          from (select distinct f.tenant, f.family_id
                  from changed c
                  join child_family f using (tenant, child_id)) c;
    end if;

    if v_families is not null then
        perform family_bump(v_families, v_tenants);
    end if;

    return null;
end
$$;

comment on function child_part_changed() is
    'Trigger of a child and its parts: bumps the version of each of its families.';

do $$
declare
    v_table  text;
    v_event  text;
begin
    foreach v_table in array array['guardian', 'address', 'tax', 'bank', 'contact',
                                   'child_family', 'subscription', 'child', 'schooling',
                                   'insurance', 'authorisation', 'health']
    loop
        foreach v_event in array array['insert', 'update', 'delete'] loop
            execute format(
                'create trigger %1$s_%2$s_bump after %2$s on portal.%1$s '
                'referencing %3$s table as changed for each statement '
                'execute function portal.%4$s()',
                v_table, v_event,
                case v_event when 'delete' then 'old' else 'new' end,
                case when v_table in ('child', 'schooling', 'insurance',
                                      'authorisation', 'health')
                     then 'child_part_changed' else 'family_part_changed' end);
        end loop;
    end loop;
end
$$;

create function family_changed() returns trigger
    language plpgsql set search_path = portal, pg_temp as $$
begin
    if new.version = old.version then
        new.version := old.version + 1;
        new.updated_at := now();
    end if;

    return new;
end
$$;

comment on function family_changed() is
    'Trigger of family: its own columns count as a part too.';

create trigger family_changed before update on family
    for each row when (old.* is distinct from new.*)
    execute function family_changed();


-- a child has all its answers from the first day

create function child_begun() returns trigger
    language plpgsql set search_path = portal, pg_temp as $$
begin
    insert into authorisation (tenant, child_id, code)
    select c.tenant, c.id, k.code
      from begun c
     cross join unnest(array['image_internal', 'image_press', 'image_web', 'leave_alone',
                             'transport', 'hospital', 'swimming']) as k (code);

    insert into health (tenant, child_id)
    select c.tenant, c.id from begun c;

    return null;
end
$$;

comment on function child_begun() is
    'Trigger of child: adds its unanswered authorisations and its health row.';

create trigger child_begun after insert on child
    referencing new table as begun for each statement
    execute function child_begun();


-- a town's document has a new version at each change

create function town_changed() returns trigger
    language plpgsql set search_path = portal, pg_temp as $$
begin
    if new.id <> old.id or new.slug <> old.slug then
        raise exception using errcode = 'check_violation',
            message = 'a town keeps its id and its slug', constraint = 'town_slug_fixed';
    end if;

    new.version := old.version + 1;
    return new;
end
$$;

comment on function town_changed() is 'Trigger of town: version goes up, slug stays.';

create trigger town_changed before update on town
    for each row when (old.* is distinct from new.*)
    execute function town_changed();


-- the audit only grows

create function audit_kept() returns trigger
    language plpgsql set search_path = portal, pg_temp as $$
begin
    if tg_op = 'UPDATE' then
        if old.hash is null
           and (new.tenant, new.id, new.at, new.action, new.outcome)
               = (old.tenant, old.id, old.at, old.action, old.outcome)
           and (new.account_id, new.family_id, new.object, new.object_id, new.request)
               is not distinct from
               (old.account_id, old.family_id, old.object, old.object_id, old.request)
        then
            return new;
        end if;
    end if;

    raise exception using errcode = 'insufficient_privilege',
        message = 'rows of the audit are only added', constraint = 'audit_kept';
end
$$;

comment on function audit_kept() is
    'Trigger of audit: no change but the hash being filled in, once; no deletion.';

create trigger audit_row_kept before update or delete on audit
    for each row execute function audit_kept();
create trigger audit_kept before truncate on audit
    for each statement execute function audit_kept();


-- who may touch what ------------------------------------------------------

-- functions that answer requests

grant select on town, visibility, setting to portal_api;

grant select on family, guardian, address, tax, child, child_family, schooling,
                insurance, authorisation, health, contact
   to portal_api;
grant update (version, updated_at) on family to portal_api;

grant select (tenant, guardian_id, family_id, holder, iban_last4, bic,
              mandate_reference, mandate_date)
   on bank to portal_api;

grant select on account to portal_api;
grant insert (tenant, first_name, last_name, email, email_mac, password_hash, lang,
              browser_mac),
      update (first_name, last_name, email, password_hash, epoch, state, lang,
              browser_mac, last_family_id, signed_up_at, confirmed_at)
   on account to portal_api;

grant select on session to portal_api;
grant insert (tenant, hash, account_id, epoch, agent, absolute_until),
      update (ended_at)
   on session to portal_api;

grant select (tenant, id, family_id, guardian_id, mac, issued_at, expires_at,
              revoked_at, used_at, used_by),
      update (used_at, used_by)
   on code to portal_api;

grant select on subscription to portal_api;
grant insert (tenant, account_id, family_id, guardian_id, code_id, effective_at),
      update (effective_at, ended_at)
   on subscription to portal_api;

grant select on token to portal_api;
grant insert (tenant, mac, purpose, account_id, epoch, outbox_id, expires_at),
      update (used_at, voided_at)
   on token to portal_api;

grant select (tenant, id, state),
      insert (tenant, id, recipient, recipient_mac, template, lang, data,
              token_sealed, expires, message_id)
   on outbox to portal_api;

grant select (tenant, id),
      insert (tenant, account_id, family_id, action, outcome, object, object_id, request)
   on audit to portal_api;

grant select, delete on idempotency to portal_api;
grant insert (tenant, scope, key, print), update (status, location, notice)
   on idempotency to portal_api;

grant select, insert on attempt to portal_api;
grant update (count, first_at, last_at, next_at) on attempt to portal_api;

grant select (tenant, id), insert on captcha_used to portal_api;

-- jobs

grant select on town, outbox, audit, setting to portal_batch;
grant update (state, attempts, next_try, lease_until, done_at, detail, token_sealed)
   on outbox to portal_batch;
grant delete on outbox to portal_batch;
grant update (chain, hash) on audit to portal_batch;
grant select, delete on attempt, captcha_used, token, idempotency, account, session
   to portal_batch;
