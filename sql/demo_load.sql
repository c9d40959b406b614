--
-- What sql/demo.sql has listed, into the tables.
--

insert into setting (name, value) values ('key_check', :'check')
    on conflict (name) do update set value = excluded.value;

insert into town (id, slug, name, service, family_service, origin, agent_origin, host, theme, logo,
                  theme_css, phone, email, office, hours, counter, mail_from, mail_name,
                  languages, subscription_effect, password_words, captcha_questions, texts,
                  creditor_id)
select coalesce((select max(id) from town), 0) + v.n, v.slug, v.name, 'Portail Citoyen',
       'Espace Famille', v.origin, regexp_replace(v.origin, '//', '//agents.'), v.host, v.theme::jsonb, '/static/logo-' || v.slug || '.svg',
       '/static/theme-' || v.slug || '.css', v.phone, 'enfance@' || v.slug || '.example',
       'Service Enfance et éducation', v.hours, v.counter,
       'ne-pas-repondre@' || v.slug || '.example', v.mail_name, '{fr,en}', v.effect, v.words,
       captcha_sums(), v.texts::jsonb || '{
           "host": {"fr": "Hébergeur imaginaire, 10 quai des Serveurs, 59000 Lille. Téléphone : 03 53 01 09 00",
                    "en": "An imaginary hosting company, 10 quai des Serveurs, 59000 Lille. Phone: 03 53 01 09 00"},
           "service": {"en": "Citizen portal"},
           "family_service": {"en": "Family space"},
           "office": {"en": "Children and education office"}}', v.creditor_id
  from (values
    (1, 'saint-aubin', 'Saint-Aubin-les-Prés', :'origin1', 'localhost',
     '{"brand":"#0f5257","brand_dark":"#0a3a3e","brand_light":"#e4f1f0","on_brand":"#ffffff","accent":"#f6c453","radius":".75rem","arch":"14rem"}',
     '+33353010100', 'du lundi au vendredi, 8 h 30 – 17 h',
     'Mairie, 1 place de la République, 59100 Saint-Aubin-les-Prés',
     'Portail Citoyen de Saint-Aubin-les-Prés', 'relogin',
     '{saint-aubin,saint,aubin,prés,cantine,mairie,école,famille}'::text[],
     '{"mail_name": {"en": "Saint-Aubin-les-Prés Citizen portal"},
       "director": {"fr": "Mme Denise Fournier, maire de Saint-Aubin-les-Prés",
                    "en": "Ms Denise Fournier, mayor of Saint-Aubin-les-Prés"},
       "dpo": {"fr": "Délégué à la protection des données, Mairie, 1 place de la République, 59100 Saint-Aubin-les-Prés, ou dpo@saint-aubin.example",
               "en": "Data protection officer, Mairie, 1 place de la République, 59100 Saint-Aubin-les-Prés, or dpo@saint-aubin.example"},
       "hours": {"en": "Monday to Friday, 8.30am to 5pm"},
       "counter": {"en": "Town hall (Mairie), 1 place de la République, 59100 Saint-Aubin-les-Prés"},
       "no_code": {
           "fr": "Votre code abonné figure sur la lettre que la mairie vous a envoyée. Vous ne l’avez pas, ou plus ? Le Service Enfance et éducation vous en remet un sur présentation d’une pièce d’identité.",
           "en": "Your subscriber code is on the letter that the town hall sent you. You do not have it, or no longer? The Children and education office will give you one if you show proof of your identity."}}',
     'FR72ZZZ123456'),
    (2, 'beaulieu', 'Beaulieu-sur-Vigne', :'origin2', 'beaulieu.localhost',
     '{"brand":"#7a1f3d","brand_dark":"#4f1228","brand_light":"#f8e9ee","on_brand":"#ffffff","accent":"#f3b79b","radius":".25rem","arch":"1rem","font_title":"Georgia, \"Times New Roman\", \"DejaVu Serif\", serif"}',
     '+33353010200', 'le lundi, le mardi et le jeudi, 9 h – 12 h et 14 h – 17 h 30',
     'Mairie, 12 rue des Vendanges, 67300 Beaulieu-sur-Vigne',
     'Portail Citoyen de Beaulieu-sur-Vigne', 'immediate',
     '{beaulieu,vigne,cantine,mairie,école,famille}'::text[],
     '{"mail_name": {"en": "Beaulieu-sur-Vigne Citizen portal"},
       "hours": {"en": "Monday, Tuesday and Thursday, 9am to noon and 2pm to 5.30pm"},
       "counter": {"en": "Town hall (Mairie), 12 rue des Vendanges, 67300 Beaulieu-sur-Vigne"},
       "no_code": {
           "fr": "Le code abonné vous a été remis à l’inscription de votre enfant. Demandez-en un nouveau à l’accueil de la mairie.",
           "en": "You were given the subscriber code when your child was registered. Ask for a new one at the town hall’s reception."}}',
     null)
  ) as v (n, slug, name, origin, host, theme, phone, hours, counter, mail_name, effect, words,
          texts, creditor_id);

insert into family (tenant, number, label, external_id)
select t.id, g.family, string_agg(distinct g.last_name, ' / '), 'F' || g.family
  from d_guardian g
  join town t on t.slug = g.town
 group by t.id, g.family
 order by t.id, g.family;

insert into guardian (tenant, family_id, rank, title, last_name, birth_name, first_name,
                      birth_date, birth_place, link, authority, payer, email, phone_mobile,
                      phone_home, phone_work, profession, employer, external_id)
select f.tenant, f.id, g.rank, g.title, g.last_name, g.birth_name, g.first_name, g.birth_date,
       pg_temp.pick('{Lille,Strasbourg,Nantes,Cork,Dakar,Rennes,Łódź,Épinal,Mulhouse}', g.n),
       g.link, g.authority, g.payer,
       lower(fold(g.first_name)) || '.' || lower(fold(g.last_name)) || '@exemple.fr',
       pg_temp.mobile(g.n),
       case when g.n % 3 = 0 then pg_temp.landline(g.n) end,
       case when g.n % 4 = 1 then pg_temp.landline(g.n + 1000) end,
       g.profession,
       case when g.profession is not null
            then pg_temp.pick('{Centre hospitalier,À son compte,Ville voisine,Ateliers réunis,Coopérative du canton}', g.n + 7)
       end,
       'R' || g.family || '-' || g.rank
  from d_guardian g
  join town t on t.slug = g.town
  join family f on f.tenant = t.id and f.number = g.family
 order by g.n;

insert into address (tenant, guardian_id, family_id, street_number, repetition, street,
                     complement, postal_code, city, hosted_by, city_code)
select g.tenant, g.id, g.family_id, 1 + abs(hashint8(g.family_id)::bigint) % 90,
       case when g.family_id % 7 = 0 then 'bis' end,
       pg_temp.pick('{rue des Tilleuls,rue de l’Église,avenue Jean-Jaurès,impasse du Moulin,place du Marché,chemin des Écoliers,rue Olympe-de-Gouges}', g.family_id),
       case when g.family_id % 4 = 0 then 'Bâtiment B, 2e étage' end,
       case t.slug when 'beaulieu' then '67300' else '59100' end, t.name,
       case when f.number = '104219' then 'Mme Denise Laurent' end,
       case t.slug when 'beaulieu' then '67447' else '59512' end
  from guardian g
  join family f on f.tenant = g.tenant and f.id = g.family_id
  join town t on t.id = g.tenant
 where t.slug in ('saint-aubin', 'beaulieu')
   and f.number <> '104228';

insert into child (tenant, last_name, first_name, birth_date, birth_place, sex, diet, external_id)
select t.id, c.last_name, c.first_name, c.birth_date,
       pg_temp.pick('{Roubaix,Lille,Strasbourg,Tourcoing,Sélestat}', c.n), c.sex, c.diet,
       'E' || c.n
  from d_child c
  join town t on t.slug = c.town
 order by c.n;

insert into child_family (tenant, family_id, rank, child_id)
select t.id, f.id, row_number() over (partition by f.id order by d.birth_date, d.n), c.id
  from d_child d
 cross join unnest(d.families) as x (number)
  join town t on t.slug = d.town
  join family f on f.tenant = t.id and f.number = x.number
  join child c on c.tenant = t.id and c.external_id = 'E' || d.n;

insert into schooling (tenant, child_id, name, level, class, year)
select c.tenant, c.id,
       pg_temp.pick('{École des Tilleuls,École Jacques-Prévert,École Simone-Veil}', c.tenant),
       pg_temp.level(d.birth_date),
       case when d.n % 3 > 0 then 'Classe de ' || pg_temp.pick('{Mme Roy,M. Blanchard,Mme N’Diaye}', d.n) end,
       pg_temp.school_year()
  from d_child d
  join town t on t.slug = d.town
  join child c on c.tenant = t.id and c.external_id = 'E' || d.n
 where pg_temp.level(d.birth_date) <> 'other';

insert into insurance (tenant, child_id, insurer, policy, until)
select c.tenant, c.id, pg_temp.pick('{Mutuelle scolaire,Assurance des familles}', d.n),
       'SC-' || 40000 + d.n, (split_part(pg_temp.school_year(), '-', 2) || '-08-31')::date
  from d_child d
  join town t on t.slug = d.town
  join child c on c.tenant = t.id and c.external_id = 'E' || d.n
 where d.n % 4 <> 0;

update authorisation a
   set answer = case when (d.n + k.rank) % 4 = 0 then 'no' else 'yes' end,
       answered_on = (split_part(pg_temp.school_year(), '-', 1) || '-06-15')::date + k.rank::int,
       school_year = pg_temp.school_year()
  from d_child d
  join town t on t.slug = d.town
  join child c on c.tenant = t.id and c.external_id = 'E' || d.n
 cross join unnest(array['image_internal', 'image_press', 'image_web', 'leave_alone',
                         'transport', 'hospital', 'swimming'])
            with ordinality as k (code, rank)
 where a.tenant = c.tenant
   and a.child_id = c.id
   and k.code = a.code
   and (d.n + k.rank) % 5 <> 0;

insert into contact (tenant, family_id, child_id, rank, last_name, first_name, link,
                     phone_mobile, phone_home, collect, emergency)
select m.tenant, m.family_id, m.child_id, r.rank,
       pg_temp.pick('{Lefèvre,Rousseau,D’Angelo,Weber,Fontaine,O''Neill}', m.family_id * 3 + r.rank),
       pg_temp.pick('{Josette,Gérard,Maïté,Hervé,Françoise,Zacharie}', m.family_id * 5 + r.rank),
       (array['grandparent', 'neighbour', 'aunt_uncle'])[r.rank],
       pg_temp.mobile(m.family_id * 10 + r.rank),
       case when r.rank = 1 then pg_temp.landline(m.family_id * 10) end,
       r.rank <> 2, r.rank = 1
  from child_family m
  join family f on f.tenant = m.tenant and f.id = m.family_id
  join town t on t.id = m.tenant
 cross join generate_series(1, 3) as r (rank)
 where t.slug in ('saint-aubin', 'beaulieu')
   and f.number <> '104217'
   and r.rank <= 1 + m.child_id % 3;

-- one that collects for a school year only
update contact k
   set valid_from = (split_part(pg_temp.school_year(), '-', 1) || '-09-01')::date,
       valid_until = (split_part(pg_temp.school_year(), '-', 2) || '-08-31')::date
  from family f
  join town t on t.id = f.tenant and t.slug = 'saint-aubin'
 where k.tenant = f.tenant
   and k.family_id = f.id
   and f.number = '104201'
   and k.rank = 3;


-- what needs the keys -----------------------------------------------------

create temp table to_seal (n bigint generated always as identity, town text, kind text,
                           row_tenant int, row_id bigint, id uuid, field text, value text);

insert into to_seal (town, kind, row_tenant, row_id, id, field, value)
select t.slug, 'guardian', g.tenant, g.id, g.seal_id, x.field, x.value
  from guardian g
  join family f on f.tenant = g.tenant and f.id = g.family_id
  join town t on t.id = g.tenant
 cross join lateral (values
     ('tax_number', pg_temp.tax_number(g.id)),
     ('notice_reference', '26' || upper(substr(md5(g.id::text), 1, 11))),
     ('reference_income', (14000 + abs(hashint8(g.id)::bigint) % 52000)::text),
     ('caf_number', lpad((abs(hashint8(g.id + 5)::bigint) % 10000000)::text, 7, '0')),
     ('iban', pg_temp.iban(g.id))) as x (field, value)
 where t.slug in ('saint-aubin', 'beaulieu')
   and f.number not in ('104219', '104228')
   and (g.payer or f.number in ('104201', '104202', '104204'));

insert into to_seal (town, kind, row_tenant, row_id, id, field, value)
select t.slug, 'child', c.tenant, c.id, c.seal_id, x.field, x.value
  from d_child d
  join town t on t.slug = d.town
  join child c on c.tenant = t.id and c.external_id = 'E' || d.n
 cross join lateral (values
     ('allergies', case when d.diet = 'pai' then 'Arachide et fruits à coque'
                        when d.n % 6 = 0 then 'Pénicilline' end),
     ('allergy_action', case when d.diet = 'pai'
                             then 'Stylo d’adrénaline dans la trousse rouge, puis appeler le 15.' end),
     ('treatment', case when d.n % 7 = 3 then 'Ventoline avant le sport, deux bouffées.' end),
     ('notes', case when d.n % 5 = 2 then 'S’endort difficilement à la sieste ; garde son doudou.' end)
     ) as x (field, value)
 where x.value is not null;

create temp table to_mac (n bigint generated always as identity, town text, purpose text,
                          value text, account bigint, sealed bigint);

insert into to_mac (town, purpose, value, account)
select town, 'email', lower(email), n from d_account order by n;

insert into to_mac (town, purpose, value, sealed)
select s.town, case s.field when 'caf_number' then 'caf' else 'value' end,
       case s.field when 'caf_number' then s.value
                    else concat_ws('/', s.kind, s.id, s.field, s.value) end, s.n
  from to_seal s
 order by s.n;

\ir seal.sql

\copy (select 'code', town, seal_id from d_code order by n) to program '"$PORTAL_TOOL" -k "$PORTAL_KEYS" batch > "$PORTAL_WORK/out"'
create temp table d_made (n bigint generated always as identity, code text, mac text, copy text);
\copy d_made (code, mac, copy) from program 'cat "$PORTAL_WORK/out"'

\copy (select 'hash', '-', password from d_account order by n) to program '"$PORTAL_TOOL" -k "$PORTAL_KEYS" batch > "$PORTAL_WORK/out"'
create temp table d_hash (n bigint generated always as identity, hash text);
\copy d_hash (hash) from program 'cat "$PORTAL_WORK/out"'

-- by field, of each person
create temp table d_sealed as
select i.row_tenant, i.row_id, i.kind, jsonb_object_agg(i.field, o.value) as sealed,
       jsonb_object_agg(i.field, '\x' || m.value) as mac
  from to_seal i
  join sealed_out o using (n)
  join to_mac k on k.sealed = i.n
  join mac_out m on m.n = k.n
 group by i.row_tenant, i.row_id, i.kind;

insert into tax (tenant, guardian_id, family_id, tax_number, tax_number_mac,
                 notice_reference, notice_reference_mac, reference_income,
                 reference_income_mac, caf_number, caf_mac, shares, quotient,
                 quotient_date, scheme)
select g.tenant, g.id, g.family_id, s.sealed->>'tax_number', (s.mac->>'tax_number')::bytea,
       s.sealed->>'notice_reference', (s.mac->>'notice_reference')::bytea,
       s.sealed->>'reference_income', (s.mac->>'reference_income')::bytea,
       s.sealed->>'caf_number', (s.mac->>'caf_number')::bytea,
       (array[1.5, 2, 2.5, 3, 4])[1 + g.id % 5], 350 + (abs(hashint8(g.id)::bigint) % 1300)::int,
       date_trunc('year', current_date)::date, (array['caf', 'caf', 'caf', 'msa', 'other'])[1 + g.id % 5]
  from d_sealed s
  join guardian g on g.tenant = s.row_tenant and g.id = s.row_id
 where s.kind = 'guardian';

insert into bank (tenant, guardian_id, family_id, holder, iban, iban_mac, iban_last4, bic,
                  mandate_reference, mandate_date)
select g.tenant, g.id, g.family_id, g.first_name || ' ' || g.last_name, s.sealed->>'iban',
       (s.mac->>'iban')::bytea, right(i.value, 4), 'AGRIFRPP',
       case when g.id % 3 > 0 then 'PF-' || g.id || '-1' end,
       case when g.id % 3 > 0 then date '2025-09-01' + (g.id % 60)::int end
  from to_seal i
  join d_sealed s using (row_tenant, row_id, kind)
  join guardian g on g.tenant = i.row_tenant and g.id = i.row_id
 where i.field = 'iban'
   and g.id % 4 <> 3;

update health h
   set doctor_name = case when d.n % 4 > 0 then pg_temp.pick('{Dr Lemaire,Dr Schneider,Dr Ndiaye}', d.n) end,
       doctor_phone = case when d.n % 4 > 0 then pg_temp.landline(d.n + 500) end,
       vaccines = case when d.n % 5 = 0 then 'unanswered' else 'yes' end,
       pai = case when d.diet = 'pai' then 'yes' when d.n % 3 = 0 then 'unanswered' else 'no' end,
       pai_start = case when d.diet = 'pai'
                        then (split_part(pg_temp.school_year(), '-', 1) || '-09-01')::date end,
       pai_end = case when d.diet = 'pai'
                      then (split_part(pg_temp.school_year(), '-', 2) || '-07-05')::date end,
       glasses = case when d.n % 6 = 1 then 'yes' else 'no' end,
       swims = case when d.n % 3 = 1 then 'yes' when d.n % 3 = 2 then 'no' else 'unanswered' end,
       allergies = s.sealed->>'allergies', allergies_mac = (s.mac->>'allergies')::bytea,
       allergy_action = s.sealed->>'allergy_action',
       allergy_action_mac = (s.mac->>'allergy_action')::bytea,
       treatment = s.sealed->>'treatment', treatment_mac = (s.mac->>'treatment')::bytea,
       notes = s.sealed->>'notes', notes_mac = (s.mac->>'notes')::bytea
  from d_child d
  join town t on t.slug = d.town
  join child c on c.tenant = t.id and c.external_id = 'E' || d.n
  left join d_sealed s on s.kind = 'child' and s.row_tenant = c.tenant and s.row_id = c.id
 where h.tenant = c.tenant
   and h.child_id = c.id;


-- codes, accounts and what joins them -------------------------------------

insert into account (tenant, first_name, last_name, email, email_mac, password_hash, state,
                     confirmed_at, signed_up_at)
select t.id, a.first_name, a.last_name, a.email, decode(m.value, 'hex'), h.hash, 'active',
       now() - interval '20 days', now() - interval '20 days'
  from d_account a
  join town t on t.slug = a.town
  join to_mac i on i.account = a.n
  join mac_out m on m.n = i.n
  join d_hash h on h.n = a.n
 order by a.n;

insert into letter_lot (tenant, size, made_at)
select t.id, count(*), now() - interval '2 days'
  from d_code d
  join town t on t.slug = d.town
 where d.state = 'to_print'
 group by t.id;

insert into code (tenant, family_id, guardian_id, mac, seal_id, copy, lot_id, issued_at,
                  expires_at, revoked_at, used_at, used_by)
select g.tenant, g.family_id, g.id, decode(m.mac, 'hex'), d.seal_id,
       case when d.state = 'to_print' then m.copy end, l.id,
       now() - case when d.state = 'to_print' then interval '2 days'
                    else interval '40 days' end,
       now() + case d.state when 'expired' then interval '-2 days' else interval '180 days' end,
       case d.state when 'revoked' then now() - interval '3 days' end,
       case d.state when 'used' then now() - interval '19 days' end, a.id
  from d_code d
  join d_made m using (n)
  join town t on t.slug = d.town
  join family f on f.tenant = t.id and f.number = split_part(d.guardian, ':', 1)
  join guardian g on g.tenant = t.id and g.family_id = f.id
                 and g.rank = split_part(d.guardian, ':', 2)::int
  left join d_account s on s.town = d.town and d.state = 'used' and d.guardian = any (s.guardians)
  left join account a on a.tenant = t.id and a.email = s.email
  left join letter_lot l on l.tenant = t.id and d.state = 'to_print'
 order by d.n;

-- the list of codes has them all, also those whose copy is no more

insert into portal_demo.code (tenant, id, copy)
select k.tenant, k.id, m.copy
  from d_code d
  join d_made m using (n)
  join code k on k.seal_id = d.seal_id;

insert into subscription (tenant, account_id, family_id, guardian_id, code_id, since, effective_at)
select k.tenant, k.used_by, k.family_id, k.guardian_id, k.id, k.used_at, k.used_at
  from code k
  join town t on t.id = k.tenant
 where t.slug in ('saint-aubin', 'beaulieu')
   and k.used_by is not null
 order by k.id;
