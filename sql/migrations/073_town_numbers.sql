--
-- Lists of what is to be destroyed and lots of letters are numbered by town, from 1
-- and without a gap: a number of the installation would tell one town how many
-- others have, and a record with gaps looks as if something were missing.
--

set role portal_owner;
set search_path = portal, pg_temp;


create table town_number (
    tenant  int not null references town,
    kind    text not null check (kind in ('elimination', 'letter_lot')),
    last    int not null check (last > 0),
    primary key (tenant, kind)
);

comment on table town_number is
    'The last number that a town has given to something of a kind; kept when that is erased, so that none is given twice.';
comment on column town_number.tenant is 'The town.';
comment on column town_number.kind is 'The table whose rows are numbered.';
comment on column town_number.last is 'The last number given.';

alter table town_number enable row level security;
alter table town_number force row level security;
create policy tenant on town_number to portal_owner, portal_api
    using (tenant = current_setting('portal.tenant')::int)
    with check (tenant = current_setting('portal.tenant')::int);
create policy batch on town_number to portal_batch using (true) with check (true);
grant select, insert, update on town_number to portal_batch;


alter table elimination add column number int;
alter table letter_lot add column number int;

reset role;

update portal.elimination e
   set number = n.n
  from (select tenant, id, row_number() over (partition by tenant order by id) as n
          from portal.elimination) n
 where (e.tenant, e.id) = (n.tenant, n.id);

update portal.letter_lot l
   set number = n.n
  from (select tenant, id, row_number() over (partition by tenant order by id) as n
          from portal.letter_lot) n
 where (l.tenant, l.id) = (n.tenant, n.id);

insert into portal.town_number (tenant, kind, last)
select tenant, 'elimination', max(number) from portal.elimination group by tenant
 union all
select tenant, 'letter_lot', max(number) from portal.letter_lot group by tenant;

set role portal_owner;
set search_path = portal, pg_temp;

alter table elimination
    alter column number set not null,
    add unique (tenant, number),
    add check (number > 0);
alter table letter_lot
    alter column number set not null,
    add unique (tenant, number),
    add check (number > 0);

comment on column elimination.number is 'Its number in the town, see town_number.';
comment on column letter_lot.number is 'Its number in the town, see town_number.';


-- whoever writes a row; the counter's row is held until the end, so that what is
-- undone leaves no gap

create function numbered() returns trigger
    language plpgsql security definer set search_path = portal, pg_temp as $$
begin
    insert into town_number as n (tenant, kind, last)
    values (new.tenant, tg_table_name, 1)
        on conflict (tenant, kind) do update set last = n.last + 1
    returning n.last into new.number;

    return new;
end
$$;

comment on function numbered() is
    'Trigger: gives a row the next number of its kind in its town.';

create trigger numbered before insert on elimination
    for each row execute function numbered();
create trigger numbered before insert on letter_lot
    for each row execute function numbered();

grant select (number) on elimination, letter_lot to portal_api;

reset role;
