--
-- Tax, bank and health in change requests: what the town is called by as a
-- creditor, and how long an address that was left is still written to.
--

set role portal_owner;
set search_path = portal, pg_temp;


alter table town
    add column creditor_id text check (creditor_id ~ '^FR[0-9]{2}[0-9A-Z]{3}[0-9A-Z]{6}$');

comment on column town.creditor_id is
    'SEPA creditor identifier (ICS), which mandates name; null: they name the town alone.';

comment on column bank.iban is 'IBAN, sealed; no page opens it.';
comment on column bank.mandate_reference is
    'Reference of the SEPA mandate (RUM): random, made when the account is accepted.';
comment on column bank.mandate_date is 'Day it was agreed to.';
comment on column tax.caf_mac is 'MAC of that number alone, by which the town finds and compares it.';
