--
-- A child who is in no household any more was kept for ever, with health data and
-- photo, though nobody sees it: it is erased when its removal can no more be undone.
--

set role portal_owner;
set search_path = portal, pg_temp;


alter table child add column left_at timestamptz;

comment on column child.left_at is
    'Since when it is in no household any more, see end_children(); null: it is in one, or has never been.';

create index child_left on child (tenant, left_at) where left_at is not null;


create function child_household() returns trigger
    language plpgsql set search_path = portal, pg_temp as $$
begin
    if tg_op = 'INSERT' then
        update child c
           set left_at = null
          from changed x
         where c.tenant = x.tenant and c.id = x.child_id
           and c.left_at is not null;
    else
        update child c
           set left_at = now()
          from changed x
         where c.tenant = x.tenant and c.id = x.child_id
           and not exists (select from child_family m
                            where m.tenant = c.tenant and m.child_id = c.id);
    end if;

    return null;
end
$$;

comment on function child_household() is
    'Trigger of child_family: keeps since when a child is in no household.';

grant delete on child to portal_apply;
grant select on collect_ban to portal_apply;

reset role;

create trigger child_household_joined after insert on portal.child_family
    referencing new table as changed for each statement
    execute function portal.child_household();
create trigger child_household_left after delete on portal.child_family
    referencing old table as changed for each statement
    execute function portal.child_household();

-- of those who are in none today nobody knows since when; the rows of all towns
-- are looked through, which no town's owner may

update portal.child c
   set left_at = now()
 where not exists (select from portal.child_family m
                    where m.tenant = c.tenant and m.child_id = c.id);
