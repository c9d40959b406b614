--
-- « Rechercher une famille »: what an agent may know of one, each by an index
-- that serves a beginning.
--
-- Under row-level security only leakproof comparisons go along an index: so what
-- is searched is a column, compared by >= and < in bytes, and no function or LIKE
-- of one.
--

set role portal_owner;
set search_path = portal, pg_temp;


alter table guardian
    add column search_first  text generated always as (fold(first_name || last_name)) stored,
    add column search_birth  text generated always as (fold(birth_name || first_name)) stored,
    add column search_email  text generated always as (lower(email)) stored;

comment on column guardian.search_first is 'As search, with the first name in front.';
comment on column guardian.search_birth is 'As search, with the name at birth; null: there is no other.';
comment on column guardian.search_email is 'The address in small letters.';

alter table child
    add column search_first  text generated always as (fold(first_name || last_name)) stored;

comment on column child.search_first is 'As search, with the first name in front.';

alter table account
    add column search_email  text generated always as (lower(email)) stored;

comment on column account.search_email is 'The address in small letters.';


create index family_begins on family (tenant, number collate "C");
create index guardian_begins on guardian (tenant, search collate "C");
create index guardian_first_begins on guardian (tenant, search_first collate "C");
create index guardian_birth_begins on guardian (tenant, search_birth collate "C")
 where search_birth is not null;
create index guardian_email_begins on guardian (tenant, search_email collate "C")
 where search_email is not null;
create index guardian_mobile_begins on guardian (tenant, phone_mobile collate "C")
 where phone_mobile is not null;
create index guardian_home_begins on guardian (tenant, phone_home collate "C")
 where phone_home is not null;
create index guardian_work_begins on guardian (tenant, phone_work collate "C")
 where phone_work is not null;
create index child_begins on child (tenant, search collate "C");
create index child_first_begins on child (tenant, search_first collate "C");
create index account_email_begins on account (tenant, search_email collate "C")
 where search_email is not null;
