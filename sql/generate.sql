--
-- Many families: run by sql/generate.  Ids are counted on from the highest, so
-- that every part can be made by arithmetic, without a join.
--

set client_min_messages = warning;
set search_path = portal, pg_temp;
set work_mem = '128MB';
set maintenance_work_mem = '256MB';

select pg_advisory_xact_lock(7706737707);

\ir fiction.sql

select not exists (select from town where slug = 'grandville') as load \gset
\if :load

insert into town (id, slug, name, service, family_service, origin, host, theme, logo,
                  theme_css, phone, email, office, hours, counter, mail_from, mail_name,
                  captcha_questions)
values ((select coalesce(max(id), 0) + 1 from town), 'grandville', 'Grandville',
        'Portail Citoyen', 'Espace Famille', :'origin', 'grandville.localhost',
        '{"brand":"#0f5257","brand_dark":"#0a3a3e","brand_light":"#e4f1f0","on_brand":"#ffffff","accent":"#f6c453","radius":".75rem"}',
        '/static/logo-saint-aubin.svg', '/static/theme-saint-aubin.css', '+33353010300',
        'enfance@grandville.example', 'Service Enfance et éducation',
        'du lundi au vendredi, 9 h – 17 h', 'Hôtel de ville, 1 place du Parvis',
        'ne-pas-repondre@grandville.example', 'Portail Citoyen de Grandville', captcha_sums());

select id as town from town where slug = 'grandville' \gset
select coalesce(max(id), 0) as f0 from family \gset
select coalesce(max(id), 0) as g0 from guardian \gset
select coalesce(max(id), 0) as c0 from child \gset

-- rows are right by construction: no trigger and no look-up of references
set session_replication_role = replica;

create temp table names (last_names text[], mothers text[], fathers text[], girls text[],
                         boys text[], streets text[]);
insert into names values (
    '{Martin,Bernard,Thomas,Petit,Robert,Richard,Durand,Dubois,Moreau,Laurent,Simon,Michel,Lefèvre,Leroy,Roux,David,Bertrand,Morel,Fournier,Girard,Bonnet,Dupont,Lambert,Fontaine,Rousseau,Vincent,Muller,Faure,André,Mercier,Blanc,Guérin,Boyer,Garnier,Chevalier,François,Legrand,Gauthier,García,Perrin,N’Guyen,O''Brien,Le Goff,D’Angelo,Diallo,Traoré,Benali,Kowalski,Da Silva,Çelik}',
    '{Marie,Camille,Sophie,Élodie,Julie,Aurélie,Émilie,Claire,Hélène,Sarah,Fatima,Laure,Anaïs,Céline,Noémie,Inès}',
    '{Thomas,Nicolas,Julien,Rémi,François,Mehdi,Antoine,Jérôme,Benoît,Loïc,Étienne,Karim,Gaël,Paul,Luc,Mathieu}',
    '{Louise,Alice,Chloé,Inès,Léa,Rose,Anna,Mila,Zoé,Jeanne,Maëlys,Lina,Éva,Nour,Agathe,Iris}',
    '{Gabriel,Léo,Raphaël,Louis,Arthur,Jules,Adam,Maël,Lucas,Hugo,Noé,Sacha,Éden,Nolan,Théo,Malo}',
    '{rue des Tilleuls,rue de l’Église,avenue Jean-Jaurès,impasse du Moulin,place du Marché,chemin des Écoliers,rue Olympe-de-Gouges,boulevard de la Gare}');

\warn 1 of 9: :count families

insert into family (tenant, id, number, label)
select :town, :f0 + n, (500000 + n)::text, pg_temp.pick(last_names, n)
  from generate_series(1, :count) n, names;

\warn 2 of 9: two guardians each

-- the first pays
insert into guardian (tenant, id, family_id, rank, seal_id, title, last_name, first_name,
                      birth_date, birth_place, link, authority, payer, email, phone_mobile,
                      phone_home, profession, employer)
select :town, :g0 + 2 * n - 2 + r, :f0 + n, r, md5('guardian' || n || '-' || r)::uuid,
       case r when 1 then 'mrs' else 'mr' end,
       pg_temp.pick(last_names, case when n % 5 = 0 then n + r - 1 else n end),
       pg_temp.pick(case r when 1 then mothers else fathers end, n * 2 + r),
       date '1975-01-01' + (abs(hashint8(n * 2 + r)::bigint) % 7300)::int, 'Grandville',
       case r when 1 then 'mother' else 'father' end, true, r = 1,
       'parent' || n || '-' || r || '@exemple.fr', pg_temp.mobile(n * 2 + r),
       case when n % 3 = 0 then pg_temp.landline(n) end,
       case when n % 4 > 0 then 'Employé' end, case when n % 4 > 1 then 'Entreprise du canton' end
  from generate_series(1, :count) n, names, generate_series(1, 2) r;

insert into address (tenant, guardian_id, family_id, street_number, street, postal_code, city,
                     city_code)
select :town, :g0 + 2 * n - 2 + r, :f0 + n, 1 + abs(hashint8(n)::bigint) % 120,
       pg_temp.pick(streets, n), '59000', 'Grandville', '59350'
  from generate_series(1, :count) n, names, generate_series(1, 2) r;

\warn 3 of 9: children

-- nine children for five families
create temp table kids as
select row_number() over (order by n, r) as k, n, r
  from generate_series(1, :count) n,
       generate_series(1, (array[1, 2, 2, 3, 1])[1 + n % 5]) r;

insert into child (tenant, id, seal_id, last_name, first_name, birth_date, birth_place, sex, diet)
select :town, :c0 + k, md5('child' || n || '-' || r)::uuid, pg_temp.pick(last_names, n),
       pg_temp.pick(case when k % 2 = 0 then girls else boys end, k),
       date '2014-09-01' + (abs(hashint8(k)::bigint) % 3200)::int, 'Grandville',
       case when k % 2 = 0 then 'f' else 'm' end,
       (array['standard', 'standard', 'standard', 'no_pork', 'vegetarian'])[1 + k % 5]
  from kids, names;

insert into child_family (tenant, family_id, rank, child_id)
select :town, :f0 + n, r, :c0 + k from kids;

\warn 4 of 9: schools and insurances

insert into schooling (tenant, child_id, name, level, class, year)
select :town, :c0 + k, 'École ' || pg_temp.pick('{des Tilleuls,Jacques-Prévert,Simone-Veil}', n),
       (array['ps', 'ms', 'gs', 'cp', 'ce1', 'ce2', 'cm1', 'cm2'])[1 + k % 8],
       'Classe ' || 1 + k % 12, pg_temp.school_year()
  from kids;

insert into insurance (tenant, child_id, insurer, policy, until)
select :town, :c0 + k, 'Mutuelle scolaire', 'SC-' || k,
       (split_part(pg_temp.school_year(), '-', 2) || '-08-31')::date
  from kids
 where k % 4 > 0;

\warn 5 of 9: authorisations and contacts

insert into authorisation (tenant, child_id, code, answer, answered_on, school_year)
select :town, :c0 + k, c.code,
       case when (k + c.n) % 6 = 0 then 'unanswered' when (k + c.n) % 4 = 0 then 'no' else 'yes' end,
       case when (k + c.n) % 6 > 0 then date '2026-06-15' end,
       case when (k + c.n) % 6 > 0 then pg_temp.school_year() end
  from kids
 cross join unnest(array['image_internal', 'image_press', 'image_web', 'leave_alone',
                         'transport', 'hospital', 'swimming']) with ordinality as c (code, n);

insert into contact (tenant, family_id, child_id, rank, last_name, first_name, link,
                     phone_mobile, collect, emergency)
select :town, :f0 + n, :c0 + k, q, pg_temp.pick(last_names, n + q), pg_temp.pick(mothers, k + q),
       (array['grandparent', 'neighbour'])[q], pg_temp.mobile(k * 2 + q), true, q = 1
  from kids, names, generate_series(1, 2) q;

\warn 6 of 9: sealing what is sealed

create temp table to_seal as
select row_number() over () as n, 'grandville' as town, 'guardian' as kind, :g0 + 2 * f - 1 as row_id,
       md5('guardian' || f || '-1')::uuid as id, x.field, x.value
  from generate_series(1, :count) f
 cross join lateral (values
     ('tax_number', pg_temp.tax_number(f)),
     ('notice_reference', '26' || upper(substr(md5(f::text), 1, 11))),
     ('reference_income', (14000 + abs(hashint8(f)::bigint) % 52000)::text),
     ('caf_number', lpad((f % 10000000)::text, 7, '0')),
     ('iban', pg_temp.iban(f))) as x (field, value);

insert into to_seal
select :count::bigint * 5 + row_number() over (), 'grandville', 'child', :c0 + k,
       md5('child' || n || '-' || r)::uuid, x.field, x.value
  from kids
 cross join lateral (values
     ('allergies', case when k % 8 = 0 then 'Arachide' end),
     ('allergy_action', case when k % 8 = 0 then 'Appeler le 15.' end),
     ('treatment', case when k % 16 = 0 then 'Ventoline avant le sport.' end),
     ('notes', case when k % 4 = 0 then 'Garde son doudou à la sieste.' end)) as x (field, value)
 where x.value is not null;

create temp table to_mac (n bigint generated always as identity, town text, purpose text,
                          value text, who bigint);
create temp table cookies as
select s as who, :f0 + 1 + (s - 1) * (:count / greatest(least(:sessions, :count), 1)) as family_id,
       rtrim(translate(encode(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()), 'base64'),
                       '+/', '-_'), '=') as cookie
  from generate_series(1, least(:sessions, :count)) s;
insert into to_mac (town, purpose, value, who)
select 'grandville', p.purpose,
       case p.purpose when 'email' then 'generated-' || who || '@exemple.fr' else cookie end, who
  from cookies, (values ('email'), ('session')) p (purpose);
insert into to_mac (town, purpose, value, who)
select town, case field when 'caf_number' then 'caf' else 'value' end,
       case field when 'caf_number' then value
                  else concat_ws('/', kind, id, field, value) end, n
  from to_seal
 order by n;

\ir seal.sql

\warn 7 of 9: tax, bank, health

create temp table sealed as
select i.n, i.row_id, i.field, i.value as plain, o.value, decode(m.value, 'hex') as mac
  from to_seal i
  join sealed_out o using (n)
  join to_mac k on k.purpose in ('value', 'caf') and k.who = i.n
  join mac_out m on m.n = k.n;

insert into tax (tenant, guardian_id, family_id, tax_number, notice_reference,
                 reference_income, caf_number, tax_number_mac, notice_reference_mac,
                 reference_income_mac, caf_mac, shares, quotient, quotient_date, scheme)
select :town, :g0 + 2 * f - 1, :f0 + f, v[1], v[2], v[3], v[4], m[1], m[2], m[3], m[4],
       (array[1.5, 2, 2.5, 3, 4])[1 + f % 5], 300 + f % 1500, date '2026-01-01', 'caf'
  from (select (s.n - 1) / 5 + 1 as f, array_agg(s.value order by s.n) as v,
               array_agg(s.mac order by s.n) as m
          from sealed s
         where s.n <= :count::bigint * 5
         group by 1) x;

insert into bank (tenant, guardian_id, family_id, holder, iban, iban_mac, iban_last4, bic,
                  mandate_reference, mandate_date)
select :town, s.row_id, :f0 + s.n / 5, 'Parent ' || s.n / 5, s.value, s.mac,
       right(s.plain, 4), 'AGRIFRPP', 'PF-G-' || s.n / 5, date '2025-09-01'
  from sealed s
 where s.field = 'iban';

insert into health (tenant, child_id, doctor_name, doctor_phone, vaccines, pai, glasses, swims,
                    allergies, allergies_mac, allergy_action, allergy_action_mac,
                    treatment, treatment_mac, notes, notes_mac)
select :town, :c0 + k.k, 'Dr Lemaire', pg_temp.landline(k.k), 'yes', 'no',
       case when k.k % 6 = 0 then 'yes' else 'no' end, case when k.k % 3 = 0 then 'yes' else 'no' end,
       a.value, a.mac, d.value, d.mac, t.value, t.mac, n.value, n.mac
  from kids k
  left join sealed a on a.row_id = :c0 + k.k and a.field = 'allergies'
  left join sealed d on d.row_id = :c0 + k.k and d.field = 'allergy_action'
  left join sealed t on t.row_id = :c0 + k.k and t.field = 'treatment'
  left join sealed n on n.row_id = :c0 + k.k and n.field = 'notes';

\warn 8 of 9: :sessions accounts and their sessions

\copy (select 'hash', '-', 'arrosoir-cathedrale-95') to program '"$PORTAL_TOOL" -k "$PORTAL_KEYS" batch > "$PORTAL_WORK/out"'
create temp table made (hash text);
\copy made (hash) from program 'cat "$PORTAL_WORK/out"'

insert into account (tenant, first_name, last_name, email, email_mac, password_hash, state,
                     confirmed_at)
select :town, 'Parent', 'Généré', 'generated-' || i.who || '@exemple.fr', decode(o.value, 'hex'),
       m.hash, 'active', now()
  from to_mac i
  join mac_out o using (n)
 cross join made m
 where i.purpose = 'email'
 order by i.n;

insert into subscription (tenant, account_id, family_id, guardian_id, effective_at)
select :town, a.id, c.family_id, :g0 + 2 * (c.family_id - :f0) - 1, now()
  from cookies c
  join account a on a.tenant = :town and a.email = 'generated-' || c.who || '@exemple.fr';

insert into session (tenant, hash, account_id, epoch, absolute_until)
select :town, decode(o.value, 'hex'), a.id, 1, now() + interval '7 days'
  from to_mac i
  join mac_out o using (n)
  join account a on a.tenant = :town and a.email = 'generated-' || i.who || '@exemple.fr'
 where i.purpose = 'session';

\copy (select c.cookie, a.id, c.family_id from cookies c join account a on a.email = 'generated-' || c.who || '@exemple.fr' order by c.who) to program 'cat > "$PORTAL_WORK/sessions"'

set session_replication_role = origin;

-- what comes later must not meet these ids
select setval(pg_get_serial_sequence('family', 'id'), max(id)) from family;
select setval(pg_get_serial_sequence('guardian', 'id'), max(id)) from guardian;
select setval(pg_get_serial_sequence('child', 'id'), max(id)) from child;

\else
\warn grandville is there already: nothing done
\! : > "$PORTAL_WORK/there"
\endif
