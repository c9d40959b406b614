--
-- How many sessions an account may have at a time.
--

set role portal_owner;
set search_path = portal, pg_temp;


alter table town add column session_limit int not null default 10
    constraint town_session_limit_check check (session_limit between 1 and 100);

comment on column town.session_limit is
    'Sessions that an account may have at a time: a log-in beyond ends the one that would have ended first.';
