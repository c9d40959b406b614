--
-- An address in its parts: number, repetition index and street instead of one
-- line, and what the national address base (BAN) knows it by.  Whatever holds the
-- line is split: the file, requests, the feed, conflicts, imports that wait.
--

set role portal_owner;
set search_path = portal, pg_temp;


create function address_parts(p_line text, p_country text) returns jsonb
    language plpgsql immutable set search_path = portal, pg_temp as $$
declare
    c_types  constant text := '^(r|rue|grand|grande|av|ave|avenue|bd|bld|blvd|boulevard|imp|impasse|ch|che|chem|chemin|vieux|all|allee|allees|pl|place|placette|rte|route|quai|cours|cour|sq|square|pas|passage|lot|lotissement|res|residence|ham|hameau|lieu|voie|villa|cite|fg|faubourg|sentier|sente|ruelle|rond|esplanade|promenade|mail|parc|clos|domaine|montee|cote|traverse|venelle|za|zac|zi|porte|pont|immeuble)$';
    c_word   constant text := '^[^ ,.;:''’"()/0-9-]+';
    v_line   text := btrim(regexp_replace(p_line, '\s+', ' ', 'g'));
    v        text[];
    v_word   text;
begin
    if p_country = 'FR' then
        v := regexp_match(v_line,
                 '^([1-9][0-9]{0,3}) ?(bis|ter|quater|quinquies)(?: ?, ?| )(.+)$', 'i');
        v := coalesce(v, regexp_match(v_line,
                 '^([1-9][0-9]{0,3})([A-Za-df-z])(?: ?, ?| )(.+)$'));

        -- an index apart may be an article as well: 5 L ORÉE DU BOIS
        v := coalesce(v, regexp_match(v_line,
                 '^([1-9][0-9]{0,3}) ([A-Za-z])(?: ?, ?| )(.+)$'));

        if v is null then
            v := regexp_match(v_line, '^([1-9][0-9]{0,3})()(?: ?, ?| )(.+)$');
        elsif v_line ~ '^[0-9]+ [A-Za-z][ ,]'
              and lower(fold(substring(v[3] from c_word))) !~ c_types
        then
            v := case when v[2] ~* '^[dl]$' then array[v[1], '', v[2] || ' ' || v[3]] end;
        end if;

        v_word := lower(fold(substring(v[3] from c_word)));

        -- what begins with a figure is no number for all that: 8 mai 1945,
        -- 12 à 14 rue …, 1 er étage, 4 chemins
        if v_word is null
           or v_word ~ '^(janvier|fevrier|mars|avril|mai|juin|juillet|aout|septembre|octobre|novembre|decembre|er|ere|e|eme|ieme|nd|nde|etage|a|et|ou|au|bis|ter|quater|chemins|routes|vents)$'
           or v_word ~ '^[^dl]$'
        then
            v := null;
        end if;
    end if;

    if v is null then
        return jsonb_build_object('street_number', null, 'repetition', null,
                                  'street', p_line);
    end if;

    return jsonb_build_object('street_number', v[1],
        'repetition', case when length(v[2]) = 1 then upper(v[2])
                           else nullif(lower(v[2]), '') end,
        'street', v[3]);
end
$$;

comment on function address_parts(text, text) is
    'Number, index and street of a line, as values. Input: line, country. What cannot be told apart for certain, and any line abroad, is the street as it is. Result: {"street_number", "repetition", "street"}.';


alter table address rename column line1 to street;
alter table address rename column line2 to complement;
alter table address
    add column street_number  text,
    add column repetition     text,
    add column ban_id         text,
    add column ban_score      numeric(4, 3),
    add column ban_date       date;

comment on column address.street_number is
    'Number in the street; one that is not a number alone (12-14) stands before the street.';
comment on column address.repetition is 'Index behind the number: bis, ter, quater, quinquies or a capital.';
comment on column address.street is
    'Street. 100 characters; that a bill has 38 for number and street is a hint of the form, since what is longer is still where people live.';
comment on column address.city_code is
    'INSEE code of the town, null: unknown. Of imports, never of a family; it goes with another town or postcode.';
comment on column address.ban_id is
    'Key of the address in the BAN, null: unknown. Of imports; it goes with any change of where it is.';
comment on column address.ban_score is 'How well it was found there, 0 to 1.';
comment on column address.ban_date is 'When.';

reset role;

update portal.address a
   set street_number = p->>'street_number', repetition = p->>'repetition', street = p->>'street'
  from portal.address o
 cross join lateral portal.address_parts(o.street, o.country) p
 where (a.tenant, a.guardian_id) = (o.tenant, o.guardian_id)
   and p->>'street_number' is not null;

update portal.address set city_code = null where country <> 'FR';

set role portal_owner;

alter table address
    add check (street_number ~ '^[1-9][0-9]{0,3}$'),
    add check (repetition ~ '^([A-Z]|bis|ter|quater|quinquies)$'),
    add check (repetition is null or street_number is not null),
    add check (city_code is null or country = 'FR'),
    add check (ban_id ~ '^[0-9A-Za-z][0-9A-Za-z_-]{0,59}$'),
    add check (ban_score between 0 and 1),
    add check (ban_id is null or ban_date is not null),
    add check (ban_id is not null or ban_score is null and ban_date is null);

reset role;


-- what families have asked for, each field of the line an item of its own; of
-- those that stay as they are, none

-- the line's items, by parts; where nothing differs by parts (a comma), the street
create temp table line_items on commit drop as
with lines as (
    select i.*, coalesce(c.asked #>> '{}', a.country, 'FR') as to_country,
           coalesce(c.old #>> '{}', a.country, 'FR') as from_country,
           coalesce(c.found #>> '{}', c.old #>> '{}', a.country, 'FR') as found_country
      from portal.change_item i
      join portal.change_set s on s.tenant = i.tenant and s.id = i.set_id
      left join portal.change_item c on c.tenant = i.tenant and c.set_id = i.set_id
                                    and c.field = 'country'
      left join portal.address a on a.tenant = s.tenant and a.guardian_id = s.guardian_id
     where s.section = 'guardian_address'
       and i.field = 'line1'),
parts as (
    select l.*, f.field as part, f.rank,
           coalesce(portal.address_parts(l.old #>> '{}', l.from_country)->f.field, 'null') as o,
           coalesce(portal.address_parts(l.asked #>> '{}', l.to_country)->f.field, 'null') as n,
           case when l.found is not null then
               coalesce(portal.address_parts(l.found #>> '{}', l.found_country)->f.field,
                        'null') end as x
      from lines l
     cross join (values ('street_number', 1), ('repetition', 2), ('street', 3)) f (field, rank)),
differing as (
    select p.*, bool_or(p.o <> p.n or coalesce(p.x <> p.o, false))
                    over (partition by p.tenant, p.set_id) as any
      from parts p)
select *, row_number() over (partition by tenant, set_id order by rank) as n_of
  from differing d
 where d.o <> d.n or d.x <> d.o or not d.any and d.part = 'street';

-- parts that a newer accepted request has as well: told after that they would undo it
create temp table line_over on commit drop as
select distinct i.tenant, i.set_id, i.part
  from line_items i
  join portal.change c on c.tenant = i.tenant and c.set_id = i.set_id
                      and c.field = 'line1' and c.state in ('open', 'rejected')
  join portal.change n on n.tenant = c.tenant and n.person_kind = c.person_kind
                      and n.person_id = c.person_id and n.field = 'line1'
                      and n.id > c.id and n.set_id <> c.set_id
  join line_items l on l.tenant = n.tenant and l.set_id = n.set_id and l.part = i.part
 where i.n_of > 1;

-- what the file held of fields that were not asked about
with rests as (
    select s.tenant, s.id, s.rest,
           portal.address_parts(s.rest #>> '{line1,value}',
               coalesce(s.rest #>> '{country,value}', a.country, 'FR')) as p
      from portal.change_set s
      left join portal.address a on a.tenant = s.tenant and a.guardian_id = s.guardian_id
     where s.section = 'guardian_address'
       and s.rest ?| '{line1,line2}')
update portal.change_set s
   set rest = (r.rest - '{line1,line2}'::text[])
              || case when r.rest ? 'line1' then (
                     select jsonb_object_agg(e.key, jsonb_build_object('value', e.value))
                       from jsonb_each(r.p) e) else '{}' end
              || case when r.rest ? 'line2'
                      then jsonb_build_object('complement', r.rest->'line2') else '{}' end
  from rests r
 where (s.tenant, s.id) = (r.tenant, r.id);

-- of a line that was asked about in part, the part that stays
update portal.change_set s
   set rest = s.rest || x.rest
  from (select l.tenant, l.set_id, jsonb_object_agg(f.field, jsonb_build_object('value',
                   coalesce(portal.address_parts(l.old #>> '{}',
                       coalesce(c.old #>> '{}', a.country, 'FR'))->f.field, 'null'))) as rest
          from portal.change_item l
          join portal.change_set o on o.tenant = l.tenant and o.id = l.set_id
          left join portal.change_item c on c.tenant = l.tenant and c.set_id = l.set_id
                                        and c.field = 'country'
          left join portal.address a on a.tenant = o.tenant and a.guardian_id = o.guardian_id
         cross join (values ('street_number'), ('repetition'), ('street')) f (field)
         where l.field = 'line1'
           and o.section = 'guardian_address'
           and not exists (select from line_items i
                            where (i.tenant, i.set_id, i.part) = (l.tenant, l.set_id, f.field))
         group by l.tenant, l.set_id) x
 where (s.tenant, s.id) = (x.tenant, x.set_id)
   and s.rest is not null;

insert into portal.change_item (tenant, set_id, field, old, asked, found, state, acknowledged_at)
select i.tenant, i.set_id, i.part, i.o, i.n, i.x, i.state,
       coalesce(i.acknowledged_at, case when o.part is not null then now() end)
  from line_items i
  left join line_over o using (tenant, set_id, part);

-- the feed: the line's change goes on as that of its first part, the others are told
-- after it, unless a newer request counts; what is settled is settled for all
insert into portal.change (tenant, set_id, field, family_id, person_kind, person_id,
    external_id, decided_role, state, answered, reason, settled_at, settled_kind, settled_by,
    created_at)
select c.tenant, c.set_id, i.part, c.family_id, c.person_kind, c.person_id, c.external_id,
       c.decided_role, c.state, c.answered, c.reason, c.settled_at, c.settled_kind,
       c.settled_by, c.created_at
  from portal.change c
  join line_items i on i.tenant = c.tenant and i.set_id = c.set_id
 where c.field = 'line1'
   and i.n_of > 1
   and c.state in ('open', 'rejected')
   and not exists (select from line_over o
                    where (o.tenant, o.set_id, o.part) = (i.tenant, i.set_id, i.part))
 order by c.tenant, c.id, i.rank;

update portal.change c
   set field = i.part
  from line_items i
 where (i.tenant, i.set_id) = (c.tenant, c.set_id)
   and c.field = 'line1'
   and i.n_of = 1;

delete from portal.change_item i
 using portal.change_set s
 where (s.tenant, s.id) = (i.tenant, i.set_id)
   and s.section = 'guardian_address'
   and i.field = 'line1';

update portal.change_item i
   set field = 'complement'
  from portal.change_set s
 where (s.tenant, s.id) = (i.tenant, i.set_id)
   and s.section = 'guardian_address'
   and i.field = 'line2';

update portal.change c
   set field = 'complement'
  from portal.change_set s
 where (s.tenant, s.id) = (c.tenant, c.set_id)
   and s.section = 'guardian_address'
   and c.field = 'line2';


-- conflicts with imports; decided ones by all parts, since they are asked again by each

insert into portal.import_conflict (tenant, import_id, file, line, family_id, guardian_id,
    section, field, set_id, was, asked, imported, state, created_at, decided_at, decided_by,
    reason)
select k.tenant, k.import_id, k.file, k.line, k.family_id, k.guardian_id, k.section, f.field,
       k.set_id, coalesce(w.p->f.field, 'null'), coalesce(q.p->f.field, 'null'),
       coalesce(m.p->f.field, 'null'), k.state, k.created_at, k.decided_at, k.decided_by,
       k.reason
  from portal.import_conflict k
  left join portal.address a on a.tenant = k.tenant and a.guardian_id = k.guardian_id
 cross join lateral (select portal.address_parts(k.was #>> '{}',
                                                 coalesce(a.country, 'FR'))) w (p)
 cross join lateral (select portal.address_parts(k.asked #>> '{}',
                                                 coalesce(a.country, 'FR'))) q (p)
 cross join lateral (select portal.address_parts(k.imported #>> '{}',
                                                 coalesce(a.country, 'FR'))) m (p)
 cross join (values ('street_number'), ('repetition'), ('street')) f (field)
 where k.section = 'guardian_address'
   and k.field = 'line1'
   and (k.state <> 'open' or f.field = 'street'
        or w.p->f.field <> m.p->f.field or q.p->f.field <> m.p->f.field);

delete from portal.import_conflict where section = 'guardian_address' and field = 'line1';
update portal.import_conflict set field = 'complement'
 where section = 'guardian_address' and field = 'line2';


-- imports that wait: a line of address is split where it is read

update portal.import_line l
   set records = (select jsonb_agg(case when r->>'kind' = 'address' then
                             replace(replace(r::text, '"line1":', '"street":'),
                                     '"line2":', '"complement":')::jsonb else r end
                             order by n)
                    from jsonb_array_elements(l.records) with ordinality as x (r, n))
 where l.records @> '[{"kind": "address"}]';

update portal.import_line l
   set errors = replace(replace(l.errors::text, '"field": "line1"', '"field": "street"'),
                        '"field": "line2"', '"field": "complement"')::jsonb,
       detail = replace(replace(l.detail::text, '"field": "line1"', '"field": "street"'),
                        '"field": "line2"', '"field": "complement"')::jsonb
 where (l.errors::text || l.detail::text) ~ '"field": "line[12]"';


-- what a town lets families change: the parts as the line, which only the street has to be

insert into portal.field_policy (tenant, section, field, policy, validation)
select p.tenant, p.section, f.field,
       case when f.field <> 'street' and p.policy = 'required' then 'editable' else p.policy end,
       p.validation
  from portal.field_policy p
 cross join (values ('street_number'), ('repetition'), ('street')) f (field)
 where p.section = 'guardian_address'
   and p.field = 'line1';

delete from portal.field_policy where section = 'guardian_address' and field = 'line1';
update portal.field_policy set field = 'complement'
 where section = 'guardian_address' and field = 'line2';


-- mails that wait name fields

update portal.outbox o
   set data = jsonb_set(o.data, '{items}', (
           select coalesce(jsonb_agg(case i->>'field'
                      when 'line1' then i || '{"field": "street"}'
                      when 'line2' then i || '{"field": "complement"}' else i end
                      order by n), '[]')
             from jsonb_array_elements(o.data->'items') with ordinality as x (i, n)))
 where o.data @> '{"section": "guardian_address"}'
   and o.data ? 'items'
   and o.state in ('queued', 'sending');
