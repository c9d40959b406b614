--
-- The document of a child's plan (PAI) is a part of its file, and so is the day
-- until which compulsory vaccines that are missing are due or excused.
--

set role portal_owner;
set search_path = portal, pg_temp;


create table child_pai (
    tenant     int not null,
    child_id   bigint not null,
    upload_id  uuid not null,
    set_id     bigint not null,
    since      timestamptz not null default now(),
    until      date,
    primary key (tenant, child_id, upload_id),
    unique (tenant, upload_id),
    foreign key (tenant, child_id) references child on delete cascade,
    foreign key (tenant, upload_id) references upload
);

create index child_pai_until on child_pai (tenant, until) where until is not null;

comment on table child_pai is
    'The documents of a child''s plan (PAI), as the file holds them: those of the request about it that was accepted last.';
comment on column child_pai.tenant is 'The town.';
comment on column child_pai.child_id is 'The child.';
comment on column child_pai.upload_id is 'The file.';
comment on column child_pai.set_id is
    'The request that has put it there, or back; no reference, since a request that is erased changes nothing of the file.';
comment on column child_pai.since is 'When it was accepted.';
comment on column child_pai.until is 'The plan''s last day, health.pai_end.';

alter table child_pai enable row level security;
alter table child_pai force row level security;
create policy tenant on child_pai to portal_owner, portal_api, portal_apply
    using (tenant = current_setting('portal.tenant')::int)
    with check (tenant = current_setting('portal.tenant')::int);
create policy batch on child_pai to portal_batch using (true);

grant select on child_pai to portal_api;
grant select, insert, update, delete on child_pai to portal_apply;
grant select (tenant, upload_id) on child_pai to portal_batch;


-- the rows of all towns are looked through, which no town's owner may

reset role;

alter table portal.upload
    add column left_by bigint,
    add foreign key (tenant, left_by) references portal.change_set on delete set null (left_by);

set role portal_owner;

create index upload_left_by on upload (tenant, left_by) where left_by is not null;

comment on column upload.left_at is
    'Since when a photo, or the document of a plan, is no longer the child''s.';
comment on column upload.left_by is
    'The request by which the document of a plan left the file: undoing that brings it back.';

grant update (left_by) on upload to portal_apply;


alter table health
    add column vaccines_until date,
    add constraint health_vaccines_until
        check (vaccines = 'no' or vaccines_until is null);

comment on column health.vaccines_until is
    'Of compulsory vaccines that are missing, the day until which they are due or excused; null: none is missing, or no day is known.';


-- without a plan its documents go, whoever writes; what has left is erased in time

create function child_pai_left() returns trigger
    language plpgsql set search_path = portal, pg_temp as $$
begin
    if exists (select from child c where c.tenant = old.tenant and c.id = old.child_id) then
        update upload u
           set left_at = now()
         where u.tenant = old.tenant and u.id = old.upload_id;
    else
        delete from upload u where u.tenant = old.tenant and u.id = old.upload_id;
    end if;

    return null;
end
$$;

comment on function child_pai_left() is
    'Trigger of child_pai: a document that is no more of the file is kept for town.keep_photo days; with the child it is erased at once.';

create function health_plan() returns trigger
    language plpgsql set search_path = portal, pg_temp as $$
begin
    if new.pai = 'yes' then
        update child_pai p
           set until = new.pai_end
         where p.tenant = new.tenant and p.child_id = new.child_id
           and p.until is distinct from new.pai_end;
    else
        delete from child_pai p where p.tenant = new.tenant and p.child_id = new.child_id;
    end if;

    return null;
end
$$;

comment on function health_plan() is
    'Trigger of health: the documents of a plan go with it, and have its last day.';

reset role;

create trigger child_pai_left after delete on portal.child_pai
    for each row execute function portal.child_pai_left();
create trigger health_plan after update on portal.health
    for each row when ((old.pai, old.pai_end) is distinct from (new.pai, new.pai_end))
    execute function portal.health_plan();

-- the documents are a part of the child's document

do $$
declare
    v_event  text;
begin
    foreach v_event in array array['insert', 'update', 'delete'] loop
        execute format(
            'create trigger child_pai_%1$s_bump after %1$s on portal.child_pai '
            'referencing %2$s table as changed for each statement '
            'execute function portal.child_part_changed()',
            v_event, case v_event when 'delete' then 'old' else 'new' end);
    end loop;
end
$$;

create trigger child_pai_left_child after update on portal.child_pai for each row
    when (old.child_id <> new.child_id)
    execute function portal.child_part_left();
