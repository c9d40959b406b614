--
-- The family file, against the table of visibility.
--

begin;
select * from no_plan();

-- the first child has a photo
insert into portal.upload (tenant, id, section, field, kind, size, pieces, stored)
select 1, gen_random_uuid(), 'child_photo', 'photo', 'jpeg', 1, 1, 1;
insert into portal.child_photo (tenant, child_id, upload_id)
select 1, m.child_id, u.id from portal.upload u, portal.child_family m
 where m.tenant = 1 and m.family_id = family('104201') and m.rank = (
       select min(x.rank) from portal.child_family x where x.tenant = 1 and x.family_id = m.family_id);

create temp table doc on commit drop as
select ask('saint-aubin', 'family', '{}', account('camille.martin@exemple.fr'), family('104201')) as d;

create function pg_temp.keys(value jsonb) returns text language sql as $$ select string_agg(k, ' ' order by k) from jsonb_object_keys($1) k $$;

select is(pg_temp.keys(d), 'asked children families family guardians status', 'the parts') from doc;
select is(jsonb_array_length(d->'guardians') || ' ' || jsonb_array_length(d->'children'), '2 2', 'two and two') from doc;
select is(pg_temp.keys(g), 'address authority bank bank_visible birth_date birth_name birth_place connected email employer first_name id last_name link payer phone_home phone_mobile phone_work profession rank self tax tax_visible title', 'each key of a guardian') from doc, jsonb_array_elements(d->'guardians') g;
select is(pg_temp.keys(c), 'authorisations birth_date birth_place contacts diet first_name health id insurance last_name other_guardians photo rank school sex shared', 'each key of a child') from doc, jsonb_array_elements(d->'children') c;
select is((select string_agg(a->>'code', ' ') from jsonb_array_elements(d->'children'->0->'authorisations') a), 'image_internal image_press image_web leave_alone transport hospital swimming', 'authorisations in order') from doc;
select matches(d->'guardians'->0->'tax'->'tax_number'->>'$sealed', '^guardian/[0-9a-f-]{36}/tax_number/[A-Za-z0-9_-]+$', 'a sealed value and its place') from doc;
select matches(d->'children'->1->'health'->'allergies'->>'$sealed', '^child/[0-9a-f-]{36}/allergies/[A-Za-z0-9_-]+$', 'a child''s too') from doc;
select is(d->'children'->0->'health'->'allergies', 'null'::jsonb, 'null stays null') from doc;

-- the document follows the table of visibility

select is((d->'guardians'->0->>'tax_visible')::boolean, (select see from portal.visibility where (field_group, viewer) = ('guardian_tax', 'self')), 'tax, of oneself') from doc;
select is((d->'guardians'->1->>'tax_visible')::boolean, (select see from portal.visibility where (field_group, viewer) = ('guardian_tax', 'same_family')), 'tax, of the other') from doc;
select is((d->'guardians'->1->>'bank_visible')::boolean, (select see from portal.visibility where (field_group, viewer) = ('guardian_bank', 'same_family')), 'bank, of the other') from doc;
select is(d->'guardians'->1->'tax', 'null'::jsonb, 'nothing is there') from doc;
select is(d->'guardians'->1->'bank', 'null'::jsonb, 'nor there') from doc;
select isnt(d->'guardians'->1->>'birth_date', null, 'basic information, of the other') from doc;
select isnt(d->'guardians'->1->'address', 'null'::jsonb, 'address, of the other') from doc;

create function pg_temp.part(name text) returns boolean language sql as $$
    select case $1 when 'guardian_name' then g->>'last_name' is not null
                   when 'guardian_basic' then g->>'birth_date' is not null
                   when 'guardian_address' then g->'address' <> 'null'
                   when 'guardian_tax' then g->'tax' <> 'null'
                   when 'guardian_bank' then (g->>'bank_visible')::boolean
                   when 'child_general' then c->>'birth_date' is not null
                   when 'child_authorisations' then c->'authorisations' <> '[]'
                   when 'child_health' then c->'health' <> 'null'
                   when 'child_photo' then c->'photo' <> 'null'
                   when 'child_contacts' then c->'contacts' <> '[]' end
      from (select x.d->'guardians'->1 as g, x.d->'children'->0 as c
              from (select tap.ask('saint-aubin', 'family', '{}', tap.account('camille.martin@exemple.fr'), tap.family('104201')) as d) x) y $$;
select is(pg_temp.part(field_group), see, field_group || ' of the same family, as the table says')
  from portal.visibility where viewer = 'same_family';

savepoint a;
update portal.visibility set see = false, ask = false where viewer = 'same_family' and field_group in ('guardian_basic', 'guardian_address', 'child_health', 'child_contacts', 'child_authorisations', 'child_photo');
update portal.town set shared_groups = '{guardian_tax,guardian_bank}';
select is(pg_temp.part(v.field_group), v.see or v.field_group in ('guardian_tax', 'guardian_bank'), v.field_group || ' when the table changes and the town shares')
  from portal.visibility v where v.viewer = 'same_family';
rollback to a;

-- separated parents

create temp table apart on commit drop as
select ask('saint-aubin', 'family', '{}', account('sophie.dubois@exemple.fr'), family('104202')) as d;
select is(d->'children'->0->>'shared', 'true', 'the child is shared') from apart;
select is(d->'children'->0->'other_guardians', '[{"first_name": "Thomas", "last_name": "Moreau", "link": "father", "authority": true}, {"first_name": "Léa", "last_name": "Garnier", "link": "other", "authority": false}]', 'of the other household: name, link, authority') from apart;
select ok(not (d::text like '%' || g.phone_mobile || '%') and not (d::text like '%' || a.street || '%'), 'no telephone, no street of theirs')
  from apart, portal.guardian g join portal.address a on a.guardian_id = g.id where g.family_id = family('104203');
select is((select count(*) from jsonb_array_elements(d->'children') c, jsonb_array_elements(c->'contacts') k join portal.contact o on o.id = (k->>'id')::bigint and o.family_id <> family('104202')), 0::bigint, 'nor contacts of theirs') from apart;
select ok(position(b.iban in (select d::text from apart)) = 0, 'no IBAN, even sealed') from portal.bank b where b.family_id = family('104202');

-- one guardian, one child; somebody else's is not there

select is(ask('saint-aubin', 'guardian', jsonb_build_object('guardian', guardian('104201', 2)::text), account('camille.martin@exemple.fr'), family('104201'))->'guardian', d->'guardians'->1, 'a guardian''s page holds the same') from doc;
select is(ask('saint-aubin', 'child', jsonb_build_object('child', d->'children'->0->>'id'), account('camille.martin@exemple.fr'), family('104201'))->'child', portal.with_texts((d->'children'->0)::json)::jsonb, 'a child''s too, with the texts that its answers were given by') from doc;
select is(ask('saint-aubin', 'guardian', jsonb_build_object('guardian', x), account('camille.martin@exemple.fr'), family('104201')), '{"status": 404, "guardian": null, "sections": null}', 'no such guardian here: ' || x)
  from unnest(array[guardian('104202', 1)::text, guardian('20301', 1)::text, '999999999', 'x', '']) x;
select is(ask('saint-aubin', 'child', jsonb_build_object('child', x), account('camille.martin@exemple.fr'), family('104201')), '{"status": 404, "child": null, "school_year": null, "may_answer": null, "answers_from": null, "sections": null}', 'no such child here: ' || x)
  from unnest(array[(select id::text from portal.child where first_name = 'Hugo'), (select id::text from portal.child where first_name = 'Alice'), '999999999', '1 or 1=1']) x;
select is(ask('saint-aubin', 'family', '{}', account('ines.faure@exemple.fr')), '{"status": 404, "family": null, "families": [], "guardians": [], "children": [], "asked": []}', 'no family');
select is(jsonb_array_length(ask('saint-aubin', 'family', '{}', account('monique.petit@exemple.fr'), family('104210'))->'families'), 2, 'two families to choose from');
select is(ask('saint-aubin', 'family', '{}', account('monique.petit@exemple.fr'), family('104210'))#>>'{guardians,0,self}', 'true', 'one is oneself in each');

select * from finish();
rollback;
