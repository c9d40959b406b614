--
-- The family file, kept ready to serve: what is kept, and what makes it be made
-- anew.  sql/functions/documents.sql makes and reads it.
--

set role portal_owner;
set search_path = portal, pg_temp;


create table family_document (
    tenant        int not null,
    family_id     bigint not null,
    version       bigint not null,
    town_version  bigint not null,
    head          json,
    viewers       bigint[] not null default '{}',
    guardians     json[] not null default '{}',
    children      json,
    primary key (tenant, family_id),
    foreign key (tenant, family_id) references family on delete cascade,
    check (cardinality(viewers) = cardinality(guardians)),
    check ((version = 0) = (head is null) and (version = 0) = (children is null))
);

-- packed, three usual families to a page, and nothing to be fetched elsewhere
alter table family_document set (toast_tuple_target = 2640);

comment on table family_document is
    'The file of a family as its guardians are shown it, so that it is built once for each change and not at each reading. Nothing but a copy: may be emptied at any time.';
comment on column family_document.tenant is 'The town.';
comment on column family_document.family_id is 'The family.';
comment on column family_document.version is
    'Version of the family that it was made of; 0: a change has emptied it.';
comment on column family_document.town_version is
    'Version of the town that it was made under: it counts who sees what, and the functions that made it.';
comment on column family_document.head is 'The family itself.';
comment on column family_document.viewers is 'The accounts connected with it.';
comment on column family_document.guardians is
    'Its guardians, as each of the viewers sees them.';
comment on column family_document.children is 'Its children, as all of them do.';

alter table family_document enable row level security;
alter table family_document force row level security;
create policy tenant on family_document to portal_owner, portal_api, portal_apply
    using (tenant = current_setting('portal.tenant')::int)
    with check (tenant = current_setting('portal.tenant')::int);
create policy batch on family_document to portal_batch using (true) with check (true);

grant select, insert, update on family_document to portal_api;
grant select (tenant, family_id, version),
      update (version, head, viewers, guardians, children)
   on family_document to portal_apply, portal_batch;


-- what is no more in the file is not kept in its copy either

create function family_document_behind() returns trigger
    language plpgsql set search_path = portal, pg_temp as $$
begin
    update family_document d
       set version = 0, head = null, viewers = '{}', guardians = '{}', children = null
      from changed c
     where d.tenant = c.tenant
       and d.family_id = c.id
       and d.version <> 0
       and d.version <> c.version;

    return null;
end
$$;

comment on function family_document_behind() is
    'Trigger of family: empties the documents of those that have another version.';

create trigger family_document_behind after update on family
    referencing new table as changed for each statement
    execute function family_document_behind();


-- another household sees the names of a child's other guardians

create function other_households(p_tenant int, p_families bigint[]) returns bigint[]
    language sql stable set search_path = portal, pg_temp
    return (select array_agg(distinct y.family_id)
              from child_family x
              join child_family y on y.tenant = x.tenant and y.child_id = x.child_id
                                 and y.family_id <> x.family_id
             where x.tenant = p_tenant
               and x.family_id = any (p_families));

comment on function other_households(int, bigint[]) is
    'The families that a child of these families lives in as well.';

create function families_changed(p_tenant int, p_families bigint[], p_bumped bigint[])
    returns void
    language plpgsql set search_path = portal, pg_temp as $$
begin
    if coalesce(p_families, '{}') <@ p_bumped then
        return;
    end if;

    -- those whose own part has changed are bumped by its statement's trigger
    -- when this is done: all of them are locked now, in the usual order
    perform 1
       from family f
      where f.tenant = p_tenant
        and f.id = any (p_families || p_bumped)
      order by f.tenant, f.id
        for no key update;

    perform family_bump(array_agg(f.id), array_agg(f.tenant))
       from family f
      where f.tenant = p_tenant
        and f.id = any (p_families)
        and f.id <> all (p_bumped);
end
$$;

comment on function families_changed(int, bigint[], bigint[]) is
    'Marks families as changed. Input: town, families, and which of them another trigger marks.';

create function guardian_seen_elsewhere() returns trigger
    language plpgsql set search_path = portal, pg_temp as $$
begin
    if tg_op = 'INSERT' then
        perform families_changed(new.tenant, other_households(new.tenant,
            array[new.family_id]), array[new.family_id]);
    elsif tg_op = 'DELETE' then
        perform families_changed(old.tenant, other_households(old.tenant,
            array[old.family_id]), array[old.family_id]);
    else
        perform families_changed(new.tenant, old.family_id || other_households(new.tenant,
            array[old.family_id, new.family_id]), array[new.family_id]);
    end if;

    return null;
end
$$;

comment on function guardian_seen_elsewhere() is
    'Trigger of guardian: the other households of its children see who it is.';

create trigger guardian_seen_elsewhere after insert or delete on guardian
    for each row execute function guardian_seen_elsewhere();
create trigger guardian_seen_anew after update on guardian
    for each row
    when ((old.family_id, old.rank, old.first_name, old.last_name, old.link, old.authority)
          is distinct from
          (new.family_id, new.rank, new.first_name, new.last_name, new.link, new.authority))
    execute function guardian_seen_elsewhere();

create function child_shared() returns trigger
    language plpgsql set search_path = portal, pg_temp as $$
declare
    v_children  bigint[];
    v_row       child_family := case tg_op when 'DELETE' then old else new end;
begin
    if tg_op = 'UPDATE' then
        v_children := array[old.child_id, new.child_id];
    else
        v_children := array[v_row.child_id];
    end if;

    perform families_changed(v_row.tenant,
        case when tg_op = 'UPDATE' then array[old.family_id] else '{}' end
        || (select coalesce(array_agg(m.family_id), '{}')
              from child_family m
             where m.tenant = v_row.tenant
               and m.child_id = any (v_children)),
        array[v_row.family_id]);

    return null;
end
$$;

comment on function child_shared() is
    'Trigger of child_family: the household that a child already has sees that it has another one.';

create trigger child_shared after insert or delete on child_family
    for each row execute function child_shared();
create trigger child_shared_anew after update on child_family
    for each row
    when ((old.family_id, old.child_id) is distinct from (new.family_id, new.child_id))
    execute function child_shared();


-- the photo is a part of the child's document too; the function of an earlier
-- version is no longer the tables' owner's

reset role;

do $$
declare
    v_event  text;
begin
    foreach v_event in array array['insert', 'update', 'delete'] loop
        execute format(
            'create trigger child_photo_%1$s_bump after %1$s on portal.child_photo '
            'referencing %2$s table as changed for each statement '
            'execute function portal.child_part_changed()',
            v_event, case v_event when 'delete' then 'old' else 'new' end);
    end loop;
end
$$;

set role portal_owner;


-- a part that moves to another person leaves the file of the first one

create function family_part_left() returns trigger
    language plpgsql set search_path = portal, pg_temp as $$
begin
    perform families_changed(old.tenant, array[old.family_id], array[new.family_id]);

    return null;
end
$$;

comment on function family_part_left() is
    'Trigger of parts that name their family: the one that they were of has changed too.';

create function child_part_left() returns trigger
    language plpgsql set search_path = portal, pg_temp as $$
begin
    perform families_changed(old.tenant,
        array(select m.family_id from child_family m
               where m.tenant = old.tenant and m.child_id = old.child_id),
        array(select m.family_id from child_family m
               where m.tenant = new.tenant and m.child_id = new.child_id));

    return null;
end
$$;

comment on function child_part_left() is
    'Trigger of a child''s parts: the families of the child that they were of have changed too.';

do $$
declare
    v_table  text;
begin
    foreach v_table in array array['address', 'tax', 'bank', 'contact', 'subscription'] loop
        execute format('create trigger %1$s_left after update on portal.%1$s for each row '
            'when (old.family_id <> new.family_id) '
            'execute function portal.family_part_left()', v_table);
    end loop;

    foreach v_table in array array['schooling', 'insurance', 'authorisation', 'health',
                                   'child_photo']
    loop
        execute format('create trigger %1$s_left after update on portal.%1$s for each row '
            'when (old.child_id <> new.child_id) '
            'execute function portal.child_part_left()', v_table);
    end loop;
end
$$;


-- who sees what is a part of every document

create function visibility_changed() returns trigger
    language plpgsql set search_path = portal, pg_temp as $$
begin
    update town set version = version + 1;

    return null;
end
$$;

comment on function visibility_changed() is
    'Trigger of visibility: each town has another version, so that no document made before counts.';

create trigger visibility_changed after insert or update or delete or truncate on visibility
    for each statement execute function visibility_changed();


-- a version never comes back

reset role;

create or replace function family_changed() returns trigger
    language plpgsql set search_path = portal, pg_temp as $$
begin
    if new.version <= old.version then
        new.version := old.version + 1;
        new.updated_at := now();
    end if;

    return new;
end
$$;

comment on function family_changed() is
    'Trigger of family: its own columns count as a part too, and its version only goes up.';
