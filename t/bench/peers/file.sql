--
-- What the peers of the bench read: the families' own tables, under a role that
-- has the rights and the rows of those functions that answer requests.  Sealed
-- values are there opened: the peers have no keys and nothing to open, which
-- spares them work.
--

\set ON_ERROR_STOP 1
set client_min_messages = warning;

select id as town from portal.town where slug = 'grandville' \gset

drop schema if exists peers cascade;
create schema peers;
grant usage on schema peers to portal_api;

select not exists (select from pg_roles where rolname = 'peers') as lacks \gset
\if :lacks
create role peers login in role portal_api;
\endif
grant connect on database portal to peers;
alter role peers in database portal set search_path = peers, portal;
alter role peers in database portal set portal.tenant = :'town';
alter role peers in database portal set plan_cache_mode = force_generic_plan;
alter role peers in database portal set jit = off;
alter role peers in database portal set timezone = 'UTC';


-- the sealed values, opened

create temp table to_open as
select row_number() over () as n, x.*
  from (select 'guardian' as kind, g.id, g.seal_id, v.field, v.value::text
          from portal.tax t
          join portal.guardian g on g.tenant = t.tenant and g.id = t.guardian_id
         cross join lateral (values ('tax_number', t.tax_number),
                                    ('notice_reference', t.notice_reference),
                                    ('reference_income', t.reference_income),
                                    ('caf_number', t.caf_number)) as v (field, value)
         where t.tenant = :town
        union all
        select 'child', c.id, c.seal_id, v.field, v.value
          from portal.health h
          join portal.child c on c.tenant = h.tenant and c.id = h.child_id
         cross join lateral (values ('allergies', h.allergies),
                                    ('allergy_action', h.allergy_action),
                                    ('treatment', h.treatment),
                                    ('notes', h.notes)) as v (field, value)
         where h.tenant = :town) x
 where x.value is not null;

\copy (select 'open', 'grandville', kind, seal_id, field, value from to_open order by n) to program '"$PORTAL_TOOL" -k "$PORTAL_KEYS" batch > "$PORTAL_WORK/opened"'
create temp table opened (n bigint generated always as identity, value text);
\copy opened (value) from program 'cat "$PORTAL_WORK/opened"; : > "$PORTAL_WORK/opened"'

select (select count(*) from opened) = (select count(*) from to_open) as whole \gset
\if :whole
\else
\warn portal-tool did not answer each line
select 1 / 0;
\endif

create temp table plain as
select t.kind, t.id, jsonb_object_agg(t.field, o.value) as v
  from to_open t
  join opened o using (n)
 group by t.kind, t.id;

create table peers.tax as
select t.tenant, t.guardian_id, p.v->>'tax_number' as tax_number,
       p.v->>'notice_reference' as notice_reference,
       p.v->>'reference_income' as reference_income,
       p.v->>'caf_number' as caf_number,
       t.shares, t.quotient, t.quotient_date, t.scheme
  from portal.tax t
  left join plain p on p.kind = 'guardian' and p.id = t.guardian_id
 where t.tenant = :town;
alter table peers.tax add primary key (guardian_id);

create table peers.health as
select h.tenant, h.child_id, h.doctor_name, h.doctor_phone, h.vaccines, h.vaccines_until,
       h.pai, h.pai_start, h.pai_end, p.v->>'allergies' as allergies,
       p.v->>'allergy_action' as allergy_action, p.v->>'treatment' as treatment,
       p.v->>'notes' as notes, h.glasses, h.hearing_aid, h.swims
  from portal.health h
  left join plain p on p.kind = 'child' and p.id = h.child_id
 where h.tenant = :town;
alter table peers.health add primary key (child_id);

grant select on peers.tax, peers.health to portal_api;


-- The file from the tables by one query, in the form that is fastest: its plan
-- is kept, though who asks sends plain text.  It leaves out what the portal
-- asks of the database as well: whether the session still lives, what the town
-- hides and which authorisations it asks for, who sees what.

set search_path = peers, portal;

create function family_file(p_account bigint, p_family bigint) returns json
    language plpgsql stable as $$
begin
    return (
select json_build_object(
    'status', 200,
    'family', json_build_object('id', f.id, 'number', f.number, 'version', f.version,
        'updated', day_of(f.updated_at)),
    'families', (
        select json_agg(json_build_object('id', o.id, 'number', o.number, 'label', o.label,
                   'current', o.id = f.id) order by u.id)
          from subscription u
          join family o on o.id = u.family_id
         where u.account_id = p_account
           and u.ended_at is null
           and u.effective_at is not null),
    'guardians', (
        select json_agg(json_build_object(
                   'id', g.id, 'rank', g.rank, 'self', s.self,
                   'title', g.title, 'last_name', g.last_name, 'birth_name', g.birth_name,
                   'first_name', g.first_name, 'birth_date', g.birth_date,
                   'birth_place', g.birth_place, 'link', g.link, 'authority', g.authority,
                   'payer', g.payer, 'connected', u.id is not null, 'email', g.email,
                   'phone_mobile', g.phone_mobile, 'phone_home', g.phone_home,
                   'phone_work', g.phone_work, 'profession', g.profession,
                   'employer', g.employer,
                   'address', case when a.guardian_id is not null then
                       json_build_object('street_number', a.street_number,
                           'repetition', a.repetition, 'street', a.street,
                           'complement', a.complement, 'locality', a.locality,
                           'postal_code', a.postal_code, 'city', a.city,
                           'country', a.country, 'hosted_by', a.hosted_by) end,
                   'tax', case when s.self and t.guardian_id is not null then
                       json_build_object('tax_number', t.tax_number,
                           'notice_reference', t.notice_reference,
                           'reference_income', t.reference_income,
                           'shares', trim_scale(t.shares)::text, 'quotient', t.quotient,
                           'quotient_date', t.quotient_date, 'scheme', t.scheme,
                           'caf_number', t.caf_number) end,
                   'bank', case when s.self and b.guardian_id is not null then
                       json_build_object('holder', b.holder, 'iban_last4', b.iban_last4,
                           'bic', b.bic, 'mandate_reference', b.mandate_reference,
                           'mandate_date', b.mandate_date) end,
                   'tax_visible', s.self, 'bank_visible', s.self) order by g.rank)
          from guardian g
          left join subscription u on u.guardian_id = g.id and u.ended_at is null
          left join address a on a.guardian_id = g.id
          left join tax t on t.guardian_id = g.id
          left join bank b on b.guardian_id = g.id
         cross join lateral (select coalesce(u.account_id = p_account, false) as self) s
         where g.family_id = f.id),
    'children', coalesce((
        select json_agg(json_build_object(
                   'id', c.id, 'rank', m.rank, 'first_name', c.first_name,
                   'last_name', c.last_name, 'birth_date', c.birth_date,
                   'birth_place', c.birth_place, 'sex', c.sex,
                   'photo', case when p.child_id is not null then
                       json_build_object('path', '/famille/enfants/' || c.id || '/photo.jpg',
                           'since', day_of(p.since)) end,
                   'school', (
                       select json_build_object(
                                  'name', coalesce((select h.name from school h
                                                     where h.name = s.name
                                                        or s.name = any (h.others)
                                                     order by h.name <> s.name
                                                     limit 1), s.name),
                                  'level', s.level, 'class', s.class, 'year', s.year)
                         from schooling s
                        where s.child_id = c.id
                        order by s.year desc
                        limit 1),
                   'diet', c.diet,
                   'insurance', case when i.child_id is not null then
                       json_build_object('insurer', i.insurer, 'policy', i.policy,
                           'until', i.until) end,
                   'authorisations', (
                       select json_agg(json_build_object('code', z.code, 'answer', z.answer,
                                  'date', z.answered_on, 'school_year', z.school_year)
                                  order by array_position(
                                      '{image_internal,image_press,image_web,leave_alone,'
                                      'transport,hospital,swimming}', z.code))
                         from authorisation z
                        where z.child_id = c.id),
                   'health', json_build_object('doctor_name', h.doctor_name,
                       'doctor_phone', h.doctor_phone, 'vaccines', h.vaccines,
                       'vaccines_until', h.vaccines_until, 'pai', h.pai,
                       'pai_start', h.pai_start, 'pai_end', h.pai_end,
                       'pai_documents', case when h.pai = 'yes' then pai_documents(c.id)
                                             else '[]' end,
                       'allergies', h.allergies, 'allergy_action', h.allergy_action,
                       'treatment', h.treatment, 'notes', h.notes, 'glasses', h.glasses,
                       'hearing_aid', h.hearing_aid, 'swims', h.swims),
                   'contacts', coalesce((
                       select json_agg(json_build_object('id', k.id, 'rank', k.rank,
                                  'last_name', k.last_name, 'first_name', k.first_name,
                                  'link', k.link, 'phone_mobile', k.phone_mobile,
                                  'phone_home', k.phone_home, 'collect', k.collect,
                                  'emergency', k.emergency, 'valid_from', k.valid_from,
                                  'valid_until', k.valid_until, 'to_come', null,
                                  'ended', null) order by k.rank)
                         from contact k
                        where k.family_id = f.id and k.child_id = c.id), '[]'),
                   'other_guardians', coalesce(x.others, '[]'),
                   'shared', x.shared) order by m.rank)
          from child_family m
          join child c on c.id = m.child_id
          left join insurance i on i.child_id = c.id
          left join health h on h.child_id = c.id
          left join child_photo p on p.child_id = c.id
         cross join lateral (
               select count(*) > 0 as shared,
                      json_agg(json_build_object('first_name', g.first_name,
                          'last_name', g.last_name, 'link', g.link,
                          'authority', g.authority) order by g.family_id, g.rank)
                          filter (where g.id is not null) as others
                 from child_family y
                 left join guardian g on g.family_id = y.family_id
                where y.child_id = c.id
                  and y.family_id <> f.id) x
         where m.family_id = f.id), '[]'),
    'asked', (
        select coalesce(json_agg(q.number order by q.id), '[]')
          from change_set q
         where q.account_id = p_account
           and q.family_id = f.id
           and q.action = 'add'
           and q.section in ('child_general', 'guardian_basic')
           and q.state in ('sent', 'taken', 'incomplete')))
  from family f
 where f.id = p_family);
end
$$;

grant execute on function family_file(bigint, bigint) to portal_api;
analyze peers.tax;
analyze peers.health;
