--
-- Undoing brings back what the file held when it was decided, which need not be
-- what the family had seen; and who had asked reads that it was undone.  What is
-- decided whole is compared whole.
--

set role portal_owner;
set search_path = portal, pg_temp;


alter table change_item
    add column found           jsonb check (jsonb_typeof(found) in ('string', 'number', 'null')),
    add column found_mac       mac,
    add column found_hint      text check (length(found_hint) <= 10),
    add column found_agreement jsonb check (jsonb_typeof(found_agreement) = 'object');

comment on column change_item.found is
    'What the file held when it was accepted, sealed where the file''s is: what undoing brings back. Null where that is old: it counted in the moment it was asked for, or was decided before this was kept.';
comment on column change_item.found_mac is 'MAC of that value, where it is sealed.';
comment on column change_item.found_hint is 'What may be shown of it, where it is never opened.';
comment on column change_item.found_agreement is
    'What that value was given by: as agreement of an answer to an authorisation; of an IBAN {"reference", "date"} of its mandate.';
comment on column change_item.agreement is
    'Of an answer to an authorisation: {"text": id of what was read, "year": school year, "date": null for the day of the request}; of an IBAN that comes back {"reference", "date"} of the mandate that it had.';

grant update (found, found_mac, found_hint, found_agreement) on change_item to portal_api;


-- what undoes a request belongs to who asked for that; it is decided as it is
-- made, beside whatever they have asked for meanwhile

drop index change_set_open;

create unique index change_set_open
    on change_set (tenant, account_id, section, action, coalesce(guardian_id, 0),
                   coalesce(child_id, 0), coalesce(contact_id, 0))
 where state in ('sent', 'taken', 'incomplete') and action <> 'add' and reverses is null
       and account_id is not null and (guardian_id is not null or child_id is not null)
       and (section <> 'child_contact' or action not in ('change', 'remove')
            or contact_id is not null);

create index change_set_reverses on change_set (tenant, reverses)
 where reverses is not null;

comment on column change_set.account_id is
    'Who asked, of what undoes a request who had asked for that; null: the account is no more.';



-- half an address is none: what was not asked for has its say too

alter table change_set
    add column rest jsonb check (jsonb_typeof(rest) = 'object');

comment on column change_set.rest is
    'Of an open change of a section that is decided whole, what its other fields were when it was asked for: {field: {"value"}, of a sealed one {"mac", "hint"}}. Null of all else, and of what was asked for before this was kept.';

grant update (rest) on change_set to portal_api;

reset role;

-- the rows of all towns are looked through, which no town's owner may
with recursive undone as (
    select r.tenant, r.id, o.account_id
      from portal.change_set r
      join portal.change_set o on o.tenant = r.tenant and o.id = r.reverses
     where o.reverses is null
     union all
    select r.tenant, r.id, u.account_id
      from undone u
      join portal.change_set r on r.tenant = u.tenant and r.reverses = u.id)
update portal.change_set c
   set account_id = u.account_id
  from undone u
 where c.tenant = u.tenant
   and c.id = u.id
   and c.account_id is null;
