--
-- A contact that a family has had taken out of the file does not come back with
-- the next import either: who may collect a child no more stays so.
--

set role portal_owner;
set search_path = portal, pg_temp;


alter table import_removed
    drop constraint import_removed_kind_check,
    add constraint import_removed_kind_check
        check (kind in ('guardian', 'child_family', 'contact'));

alter table import_removed add column names text[];

comment on column import_removed.names is
    'Of a guardian the first names, folded, that imports may call them by, see guardian_names(): their number may be given to another person. Null: who was taken out before this was kept.';
comment on table import_removed is
    'Whom an accepted request has taken out of a family, as imports know them: as long as the request is kept an import does not bring them back.';
comment on column import_removed.kind is
    'guardian; child_family: a child out of one household; contact.';
comment on column import_removed.key is
    'External id of the guardian or child; of a contact, which has none, the id of its child.';
comment on column import_removed.ref is
    'External id of the family; of a contact contact_ref().';


comment on column import_line.records is
    'What the line says, see import_lines(); erased when it is applied, of a refused one a day after the import.';
comment on column import_key.kind is
    'Kind of the record; wrong_guardian: a guardian of a line that the reader found wrong.';
comment on column town.keep_document is
    'Days that documents are kept once their request is decided, replaced or withdrawn, 0: until the next purge; null: as long as the request.';
comment on column change.state is
    'open, recorded (the software holds it), rejected (it will not, and an agent has to act), superseded (an agent has undone it, has sent it again or has taken the software''s value instead, or a later change of the same was recorded).';

reset role;

-- those that were taken out of late; the rows of all towns are looked through, which
-- no town's owner may
insert into portal.import_removed (tenant, kind, key, ref, set_id)
select c.tenant, 'contact', c.child_id::text,
       c.family_id || chr(31) || portal.fold((k->>'last_name') || (k->>'first_name')), c.id
  from portal.removed r
  join portal.change_set c on c.tenant = r.tenant and c.id = r.set_id
 cross join lateral jsonb_array_elements(r.rows->'contacts') k
 where c.section = 'child_contact'
   and c.child_id is not null
    on conflict do nothing;
