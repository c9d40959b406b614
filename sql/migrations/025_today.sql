--
-- The sessions of the portal are in UTC, the town is not: between midnight and
-- two in the morning their days differ.
--

set role portal_owner;
set search_path = portal, pg_temp;


create or replace function day_of(p_at timestamptz) returns date
    language sql immutable
    return (p_at at time zone 'Europe/Paris')::date;

comment on function day_of(timestamptz) is
    'The day in the town at a moment, whatever the session''s time zone.';


create or replace function today() returns date
    language sql stable
    return day_of(now());

comment on function today() is
    'The day in the town, whatever the session''s time zone: what forms, periods and answers are dated with and compared to.';


alter table account alter column last_used_on set default portal.today();

-- its owner is another one since it was made

reset role;

create or replace function account_used() returns trigger
    language plpgsql set search_path = portal, pg_temp as $$
begin
    update account a
       set last_used_on = today(), warned_on = null
     where a.tenant = new.tenant
       and a.id = new.account_id
       and (a.last_used_on < today() or a.warned_on is not null);

    return null;
end
$$;
