--
-- Administrators write the texts of authorisations; another text may ask families
-- again, whatever they have answered.
--

set role portal_owner;
set search_path = portal, pg_temp;


alter table authorisation_text
    add column asks_again boolean not null default false;

comment on column authorisation_text.asks_again is
    'Answers given by a text of before count no more: families are asked again. They keep what they have answered, with its text.';

grant insert (tenant, code, lang, text, asks_again) on authorisation_text to portal_api;

reset role;
