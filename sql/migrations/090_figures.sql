--
-- How many families were connected at the end of a month is kept as a number, and
-- the journal knows whose a connection was as long as it tells of it.
--

drop function if exists portal.linked_chart(timestamptz[], bigint);

set role portal_owner;
set search_path = portal, pg_temp;


create table month_figure (
    tenant  int not null references town,
    month   date not null check (extract(day from month) = 1),
    linked  int not null check (linked >= 0),
    primary key (tenant, month)
);

comment on table month_figure is
    'Numbers of a month that is over, for charts: what they were counted from may be erased. No person, no family.';
comment on column month_figure.tenant is 'The town.';
comment on column month_figure.month is 'The first day of the month, in the town.';
comment on column month_figure.linked is 'Families with an account connected at its end.';


create table subscription_past (
    tenant     int not null,
    id         bigint not null,
    family_id  bigint not null,
    primary key (tenant, id),
    foreign key (tenant, family_id) references family on delete cascade
);

create index subscription_past_family on subscription_past (tenant, family_id);

comment on table subscription_past is
    'Which family a connection was with that is erased, as long as the audit tells of it; not whose it was.';
comment on column subscription_past.tenant is 'The town.';
comment on column subscription_past.id is 'The id that it had, by which the audit names it.';
comment on column subscription_past.family_id is 'The family.';


do $$
declare
    v_table  text;
begin
    foreach v_table in array array['month_figure', 'subscription_past'] loop
        execute format('alter table portal.%I enable row level security', v_table);
        execute format('alter table portal.%I force row level security', v_table);
        execute format('create policy tenant on portal.%I to portal_owner, portal_api '
            'using (tenant = current_setting(''portal.tenant'')::int) '
            'with check (tenant = current_setting(''portal.tenant'')::int)', v_table);
        execute format('create policy batch on portal.%I to portal_batch using (true) '
            'with check (true)', v_table);
        execute format('grant select on portal.%I to portal_api', v_table);
        execute format('grant select, insert, delete on portal.%I to portal_batch', v_table);
    end loop;
end
$$;

reset role;
