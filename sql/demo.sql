--
-- The demonstration: run by sql/demo.  People, streets and schools are made up.
--

set client_min_messages = warning;
set search_path = portal, pg_temp;
select pg_advisory_xact_lock(7706737707);

\ir fiction.sql


-- who there is ------------------------------------------------------------

create temp table d_guardian (
    n bigint generated always as identity, town text, family text, rank int, title text,
    last_name text, birth_name text, first_name text, birth_date date, link text,
    authority boolean, payer boolean, profession text);

insert into d_guardian (town, family, rank, title, last_name, birth_name, first_name,
                        birth_date, link, authority, payer, profession) values
('saint-aubin', '104201', 1, 'mrs', 'Martin', 'Lefèvre', 'Camille', '1987-03-14', 'mother', true, true, 'Infirmière'),
('saint-aubin', '104201', 2, 'mr', 'Martin', null, 'Julien', '1985-11-02', 'father', true, false, 'Menuisier'),
('saint-aubin', '104202', 1, 'mrs', 'Dubois', null, 'Sophie', '1984-07-21', 'mother', true, true, 'Comptable'),
('saint-aubin', '104203', 1, 'mr', 'Moreau', null, 'Thomas', '1983-01-30', 'father', true, true, 'Électricien'),
('saint-aubin', '104203', 2, 'mrs', 'Garnier', null, 'Léa', '1990-05-09', 'other', false, false, null),
('saint-aubin', '104204', 1, 'mrs', 'Le Goff-D’Hérouville', 'Le Goff', 'Élodie', '1988-09-17', 'mother', true, true, 'Architecte'),
('saint-aubin', '104204', 2, 'mr', 'D’Hérouville', null, 'Gaël', '1986-02-25', 'father', true, false, 'Enseignant'),
('saint-aubin', '104205', 1, 'mr', 'O''Brien', null, 'Seán', '1982-12-05', 'father', true, true, 'Informaticien'),
('saint-aubin', '104205', 2, 'mrs', 'N’Guyen', null, 'Thị Mai', '1985-04-18', 'mother', true, false, 'Pharmacienne'),
('saint-aubin', '104206', 1, 'mrs', 'Benali', null, 'Yasmina', '1991-06-11', 'mother', true, true, 'Aide-soignante'),
('saint-aubin', '104207', 1, 'mrs', 'Petit', 'Rousseau', 'Monique', '1958-08-03', 'guardian', true, true, null),
('saint-aubin', '104208', 1, 'mrs', 'Müller', null, 'Anna', '1989-10-27', 'mother', true, true, 'Traductrice'),
('saint-aubin', '104208', 2, 'mrs', 'Fournier', null, 'Claire', '1987-01-08', 'mother', true, false, 'Journaliste'),
('saint-aubin', '104209', 1, 'mr', 'Diallo', null, 'Mamadou', '1980-03-03', 'father', true, true, 'Chauffeur'),
('saint-aubin', '104209', 2, 'mrs', 'Diallo', 'Sow', 'Aïssatou', '1984-05-15', 'mother', true, false, null),
('saint-aubin', '104210', 1, 'mrs', 'Petit', 'Rousseau', 'Monique', '1958-08-03', 'guardian', true, true, null),
('saint-aubin', '104211', 1, 'mrs', 'Kowalski', null, 'Magdalena', '1986-02-14', 'mother', true, true, 'Vendeuse'),
('saint-aubin', '104211', 2, 'mr', 'Kowalski', null, 'Piotr', '1984-06-30', 'father', true, false, 'Maçon'),
('saint-aubin', '104212', 1, 'mr', 'Roux', null, 'Jean-Baptiste', '1981-11-19', 'father', true, true, 'Agriculteur'),
('saint-aubin', '104213', 1, 'mrs', 'García López', null, 'María José', '1988-08-22', 'mother', true, true, 'Cuisinière'),
('saint-aubin', '104214', 1, 'mrs', 'Faure', null, 'Inès', '1993-12-12', 'mother', true, true, 'Étudiante'),
('saint-aubin', '104215', 1, 'mr', 'Çelik', null, 'Emre', '1983-07-07', 'father', true, true, 'Restaurateur'),
('saint-aubin', '104215', 2, 'mrs', 'Çelik', null, 'Elif', '1986-10-01', 'mother', true, false, null),
('saint-aubin', '104216', 1, 'mrs', 'Chevalier', null, 'Aurélie', '1985-04-04', 'mother', true, true, 'Notaire'),
('saint-aubin', '104216', 2, 'mr', 'Chevalier', null, 'François', '1983-03-26', 'father', true, false, 'Médecin'),
('saint-aubin', '104217', 1, 'mrs', 'Bœuf', null, 'Noémie', '1990-01-23', 'mother', true, true, 'Fleuriste'),
('saint-aubin', '104218', 1, 'mr', 'Nowak', null, 'Łukasz', '1982-05-29', 'father', true, true, 'Technicien'),
('saint-aubin', '104218', 2, 'mrs', 'Simon', null, 'Hélène', '1984-09-13', 'mother', true, false, 'Bibliothécaire'),
('saint-aubin', '104219', 1, 'mrs', 'Laurent', null, 'Zoé', '1995-02-02', 'mother', true, true, null),
('saint-aubin', '104220', 1, 'mr', 'Traoré', null, 'Ibrahim', '1978-06-18', 'father', true, true, 'Ingénieur'),
('saint-aubin', '104220', 2, 'mrs', 'Traoré', 'Coulibaly', 'Fatou', '1981-08-08', 'mother', true, false, 'Sage-femme'),
('saint-aubin', '104221', 1, 'mr', 'de La Rochefoucauld-Montmorency', null, 'Charles-Édouard', '1977-04-30', 'father', true, true, null),
('saint-aubin', '104222', 1, 'mrs', 'Da Silva', null, 'Conceição', '1987-12-24', 'mother', true, true, 'Gardienne'),
('saint-aubin', '104223', 1, 'mr', 'Li', null, 'Wei', '1984-01-15', 'father', true, true, 'Commerçant'),
('saint-aubin', '104223', 2, 'mrs', 'Wang', null, 'Fang', '1986-11-11', 'mother', true, false, 'Commerçante'),
('saint-aubin', '104224', 1, 'mrs', 'Perrin', null, 'Maëlle', '1992-03-08', 'mother', true, true, 'Éducatrice'),
('saint-aubin', '104225', 1, 'mr', 'Perrin', null, 'Loïc', '1989-07-14', 'father', true, true, 'Pompier'),
('saint-aubin', '104226', 1, 'mrs', 'Haddad', null, 'Leïla', '1985-05-05', 'mother', true, true, 'Avocate'),
('saint-aubin', '104227', 1, 'mr', 'Guérin', null, 'Noël', '1960-12-25', 'guardian', null, true, 'Retraité'),
('saint-aubin', '104227', 2, 'mrs', 'Guérin', 'Blanc', 'Odette', '1962-09-30', 'guardian', null, false, 'Retraitée'),
('saint-aubin', '104228', 1, 'mrs', 'Robin', null, 'Anaïs', '1994-10-10', 'mother', true, true, null),
('beaulieu', '20301', 1, 'mrs', 'Bernard', null, 'Juliette', '1986-06-06', 'mother', true, true, 'Professeure'),
('beaulieu', '20301', 2, 'mr', 'Bernard', null, 'Antoine', '1984-04-14', 'father', true, false, 'Vigneron'),
('beaulieu', '20302', 1, 'mr', 'Girard', null, 'Rémi', '1983-08-19', 'father', true, true, 'Mécanicien'),
('beaulieu', '20303', 1, 'mrs', 'Girard', 'Bonnet', 'Chloé', '1987-02-27', 'mother', true, true, 'Coiffeuse'),
('beaulieu', '20304', 1, 'mrs', 'André', null, 'Solène', '1991-01-01', 'mother', true, true, null),
('beaulieu', '20305', 1, 'mr', 'Mercier', null, 'Jérôme', '1980-10-20', 'father', true, true, 'Facteur'),
('beaulieu', '20305', 2, 'mr', 'Dupont', null, 'Raphaël', '1982-03-17', 'father', true, false, 'Libraire'),
('beaulieu', '20306', 1, 'mrs', 'Ivanova', null, 'Olga', '1985-12-31', 'mother', true, true, 'Pianiste'),
('beaulieu', '20307', 1, 'mr', 'Colin', null, 'Benoît', '1979-05-25', 'father', true, true, 'Agriculteur'),
('beaulieu', '20307', 2, 'mrs', 'Colin', null, 'Agnès', '1981-07-13', 'mother', true, false, 'Secrétaire'),
('beaulieu', '20308', 1, 'mrs', 'Ouédraogo', null, 'Aminata', '1988-11-28', 'mother', true, true, 'Assistante sociale'),
('beaulieu', '20309', 1, 'mr', 'Schmitt', null, 'Günther', '1981-09-01', 'father', true, true, 'Ouvrier'),
('beaulieu', '20309', 2, 'mrs', 'Schmitt', null, 'Brigitte', '1983-01-12', 'mother', true, false, null),
('beaulieu', '20310', 1, 'mrs', 'Vidal', null, 'Océane', '1996-04-22', 'mother', true, true, null),
('beaulieu', '20311', 1, 'mr', 'Prévost', null, 'Maël', '1990-08-16', 'father', true, true, 'Cuisinier'),
('beaulieu', '20312', 1, 'mrs', 'L’Hermitte', null, 'Gwenaëlle', '1984-02-29', 'mother', true, true, 'Vétérinaire');

-- a child of separated parents is in two families
create temp table d_child (
    n bigint generated always as identity, town text, families text[], last_name text,
    first_name text, birth_date date, sex text, diet text);

insert into d_child (town, families, last_name, first_name, birth_date, sex, diet) values
('saint-aubin', '{104201}', 'Martin', 'Léo', '2017-05-12', 'm', 'standard'),
('saint-aubin', '{104201}', 'Martin', 'Nina', '2020-09-03', 'f', 'pai'),
('saint-aubin', '{104202,104203}', 'Moreau-Dubois', 'Hugo', '2016-02-08', 'm', 'standard'),
('saint-aubin', '{104202,104203}', 'Moreau-Dubois', 'Jade', '2019-11-20', 'f', 'no_pork'),
('saint-aubin', '{104203}', 'Moreau', 'Tom', '2023-01-17', 'm', null),
('saint-aubin', '{104204}', 'Le Goff-D’Hérouville', 'Maëlys', '2018-03-04', 'f', 'vegetarian'),
('saint-aubin', '{104205}', 'O''Brien', 'Aoife', '2015-07-22', 'f', 'standard'),
('saint-aubin', '{104205}', 'O''Brien', 'Cillian', '2018-12-01', 'm', 'standard'),
('saint-aubin', '{104205}', 'O''Brien', 'Mai Linh', '2021-06-15', 'f', 'no_meat'),
('saint-aubin', '{104206}', 'Benali', 'Adam', '2019-04-26', 'm', 'no_pork'),
('saint-aubin', '{104207}', 'Petit', 'Lucas', '2016-10-31', 'm', 'standard'),
('saint-aubin', '{104208}', 'Müller-Fournier', 'Émile', '2020-02-29', 'm', 'vegetarian'),
('saint-aubin', '{104209}', 'Diallo', 'Mariam', '2014-08-14', 'f', 'no_pork'),
('saint-aubin', '{104209}', 'Diallo', 'Ousmane', '2017-01-25', 'm', 'no_pork'),
('saint-aubin', '{104209}', 'Diallo', 'Awa', '2019-09-09', 'f', 'no_pork'),
('saint-aubin', '{104209}', 'Diallo', 'Idrissa', '2022-03-30', 'm', null),
('saint-aubin', '{104210}', 'Lambert', 'Rose', '2018-06-21', 'f', 'standard'),
('saint-aubin', '{104211}', 'Kowalski', 'Zofia', '2016-12-06', 'f', 'standard'),
('saint-aubin', '{104211}', 'Kowalski', 'Jan', '2020-05-05', 'm', 'pai'),
('saint-aubin', '{104212}', 'Roux', 'Marie-Lou', '2017-08-28', 'f', 'standard'),
('saint-aubin', '{104213}', 'García López', 'Íñigo', '2019-01-06', 'm', 'standard'),
('saint-aubin', '{104214}', 'Faure', 'Gabin', '2022-10-13', 'm', null),
('saint-aubin', '{104215}', 'Çelik', 'Defne', '2015-03-19', 'f', 'no_pork'),
('saint-aubin', '{104215}', 'Çelik', 'Kaan', '2018-07-02', 'm', 'no_pork'),
('saint-aubin', '{104216}', 'Chevalier', 'Louise', '2016-04-11', 'f', 'standard'),
('saint-aubin', '{104216}', 'Chevalier', 'Paul', '2016-04-11', 'm', 'standard'),
('saint-aubin', '{104217}', 'Bœuf', 'Théo', '2020-11-16', 'm', 'standard'),
('saint-aubin', '{104218}', 'Nowak-Simon', 'Hélio', '2019-02-18', 'm', 'standard'),
('saint-aubin', '{104219}', 'Laurent', 'Lou', '2023-05-27', null, null),
('saint-aubin', '{104220}', 'Traoré', 'Kadiatou', '2014-11-07', 'f', 'standard'),
('saint-aubin', '{104220}', 'Traoré', 'Moussa', '2017-03-23', 'm', 'standard'),
('saint-aubin', '{104221}', 'de La Rochefoucauld-Montmorency', 'Marie-Antoinette Joséphine', '2018-09-29', 'f', 'standard'),
('saint-aubin', '{104222}', 'Da Silva', 'João', '2019-12-19', 'm', 'standard'),
('saint-aubin', '{104223}', 'Li', 'Xiao', '2017-06-08', 'f', 'standard'),
('saint-aubin', '{104224,104225}', 'Perrin', 'Nolan', '2018-01-11', 'm', 'pai'),
('saint-aubin', '{104226}', 'Haddad', 'Samy', '2021-02-03', 'm', 'standard'),
('saint-aubin', '{104227}', 'Guérin', 'Clément', '2015-09-24', 'm', 'standard'),
('saint-aubin', '{104227}', 'Guérin', 'Margaux', '2017-12-10', 'f', 'standard'),
('beaulieu', '{20301}', 'Bernard', 'Alice', '2017-10-05', 'f', 'standard'),
('beaulieu', '{20301}', 'Bernard', 'Victor', '2021-04-17', 'm', 'standard'),
('beaulieu', '{20302,20303}', 'Girard', 'Manon', '2016-08-09', 'f', 'standard'),
('beaulieu', '{20304}', 'André', 'Sacha', '2020-01-20', null, 'vegetarian'),
('beaulieu', '{20305}', 'Mercier-Dupont', 'Iris', '2019-07-31', 'f', 'standard'),
('beaulieu', '{20306}', 'Ivanova', 'Mikhaïl', '2018-05-13', 'm', 'standard'),
('beaulieu', '{20307}', 'Colin', 'Lilou', '2015-11-02', 'f', 'standard'),
('beaulieu', '{20307}', 'Colin', 'Gaspard', '2018-02-16', 'm', 'pai'),
('beaulieu', '{20308}', 'Ouédraogo', 'Issa', '2019-03-12', 'm', 'no_pork'),
('beaulieu', '{20309}', 'Schmitt', 'Mathéo', '2017-09-18', 'm', 'standard'),
('beaulieu', '{20310}', 'Vidal', 'Lina', '2022-12-08', 'f', null),
('beaulieu', '{20311}', 'Prévost', 'Éloïse', '2020-08-24', 'f', 'standard'),
('beaulieu', '{20312}', 'L’Hermitte', 'Malo', '2016-06-27', 'm', 'no_meat');

create temp table d_account (
    n bigint generated always as identity, town text, email text, password text,
    first_name text, last_name text, situation text, guardians text[]);

insert into d_account (town, email, password, first_name, last_name, situation, guardians) values
('saint-aubin', 'camille.martin@exemple.fr', 'tournesol-bicyclette-42', 'Camille', 'Martin', 'couple', '{104201:1}'),
('saint-aubin', 'julien.martin@exemple.fr', 'menuiserie-granite-58', 'Julien', 'Martin', 'couple', '{104201:2}'),
('saint-aubin', 'sophie.dubois@exemple.fr', 'parapluie-violoncelle-17', 'Sophie', 'Dubois', 'separated', '{104202:1}'),
('saint-aubin', 'monique.petit@exemple.fr', 'confiture-locomotive-63', 'Monique', 'Petit', 'two families', '{104207:1,104210:1}'),
('saint-aubin', 'ines.faure@exemple.fr', 'coquelicot-telescope-29', 'Inès', 'Faure', 'unlinked', '{}'),
('beaulieu', 'juliette.bernard@exemple.fr', 'marguerite-sous-marin-71', 'Juliette', 'Bernard', 'couple', '{20301:1}'),
('beaulieu', 'remi.girard@exemple.fr', 'escargot-montgolfiere-36', 'Rémi', 'Girard', 'separated', '{20302:1}'),
('beaulieu', 'solene.andre@exemple.fr', 'pamplemousse-horloge-84', 'Solène', 'André', 'unlinked', '{}');

-- of the towns themselves: who decides, and who sets the rest
create temp table d_agent (
    n bigint generated always as identity, town text, email text, password text,
    first_name text, last_name text, role text, seal_id uuid default gen_random_uuid());

insert into d_agent (town, email, password, first_name, last_name, role) values
('saint-aubin', 'jeanne.caron@saint-aubin.example', 'registre-parchemin-belvedere-26', 'Jeanne', 'Caron', 'validator'),
('saint-aubin', 'paul.delmas@saint-aubin.example', 'girouette-almanach-corniche-53', 'Paul', 'Delmas', 'administrator'),
('beaulieu', 'lucie.weber@beaulieu.example', 'tonnelle-vendange-clocher-47', 'Lucie', 'Weber', 'validator'),
('beaulieu', 'hugues.meyer@beaulieu.example', 'pressoir-lavoir-marronnier-92', 'Hugues', 'Meyer', 'administrator');

create temp table d_code (
    n bigint generated always as identity, town text, guardian text, state text,
    situation text, seal_id uuid default gen_random_uuid());

insert into d_code (town, guardian, state, situation)
select town, unnest(guardians), 'used', situation from d_account order by n;

insert into d_code (town, guardian, state, situation) values
('saint-aubin', '104203:1', 'free', 'separated'),
('saint-aubin', '104204:1', 'free', 'couple'),
('saint-aubin', '104204:2', 'free', 'couple'),
('saint-aubin', '104205:1', 'free', 'couple'),
('saint-aubin', '104205:2', 'free', 'couple'),
('saint-aubin', '104206:1', 'free', 'alone'),
('saint-aubin', '104208:1', 'free', 'couple'),
('saint-aubin', '104209:1', 'free', 'couple'),
('saint-aubin', '104212:1', 'to_print', 'alone'),
('saint-aubin', '104224:1', 'to_print', 'separated'),
('saint-aubin', '104225:1', 'to_print', 'separated'),
('saint-aubin', '104227:1', 'to_print', 'guardianship'),
('saint-aubin', '104228:1', 'to_print', 'no child'),
('saint-aubin', '104213:1', 'expired', 'alone'),
('saint-aubin', '104214:1', 'expired', 'alone'),
('saint-aubin', '104215:1', 'revoked', 'couple'),
('saint-aubin', '104216:1', 'revoked', 'couple'),
('beaulieu', '20301:2', 'free', 'couple'),
('beaulieu', '20303:1', 'free', 'separated'),
('beaulieu', '20304:1', 'to_print', 'alone'),
('beaulieu', '20307:1', 'to_print', 'couple'),
('beaulieu', '20308:1', 'expired', 'alone'),
('beaulieu', '20309:1', 'revoked', 'couple');


-- what the list of codes is made from: the portal keeps no copy of a code whose
-- letter is printed

create schema if not exists portal_demo;
create table if not exists portal_demo.code (
    tenant int, id bigint, copy text not null, primary key (tenant, id));


-- loading, once -----------------------------------------------------------

select not exists (select from town where slug in ('saint-aubin', 'beaulieu')) as load \gset

\if :load
\ir demo_load.sql
\endif


-- each time: origins, and the list of what opens doors --------------------

update town set origin = :'origin1' where slug = 'saint-aubin' and origin <> :'origin1';
update town set origin = :'origin2' where slug = 'beaulieu' and origin <> :'origin2';

update town set agent_origin = regexp_replace(origin, '//', '//agents.')
 where slug in ('saint-aubin', 'beaulieu')
   and agent_origin is distinct from regexp_replace(origin, '//', '//agents.');

select not exists (select
                     from agent a
                     join town t on t.id = a.tenant
                    where t.slug in ('saint-aubin', 'beaulieu')) as load \gset

\if :load
\ir demo_agents.sql
\endif

insert into portal_demo.code (tenant, id, copy)
select k.tenant, k.id, k.copy
  from code k
 where k.copy is not null
    on conflict do nothing;

create temp table d_open as
select row_number() over (order by k.tenant, k.id) as n, k.tenant, k.id, t.slug, k.seal_id, d.copy
  from code k
  join town t on t.id = k.tenant
  join portal_demo.code d on d.tenant = k.tenant and d.id = k.id
 where t.slug in ('saint-aubin', 'beaulieu');

\copy (select 'open', slug, 'code', seal_id, 'code', copy from d_open order by n) to program '"$PORTAL_TOOL" -k "$PORTAL_KEYS" batch > "$PORTAL_WORK/codes"'
create temp table d_opened (n bigint generated always as identity, code text);
\copy d_opened (code) from program 'cat "$PORTAL_WORK/codes"'

create temp table d_secret as
select d.n, d.town, d.email, d.password, a.first_name || ' ' || a.last_name as name, a.role,
       t.agent_origin, a.seal_id, a.totp
  from d_agent d
  join town t on t.slug = d.town
  join agent a on a.tenant = t.id and a.email = d.email;

\copy (select 'open', town, 'agent', seal_id, 'totp', totp from d_secret order by n) to program '"$PORTAL_TOOL" -k "$PORTAL_KEYS" batch > "$PORTAL_WORK/secrets"'
create temp table d_secrets (n bigint generated always as identity, secret text);
\copy d_secrets (secret) from program 'cat "$PORTAL_WORK/secrets"'

\t on
\pset format unaligned
\o :out
select jsonb_pretty(jsonb_build_object(
    'codes', (select jsonb_agg(jsonb_build_object(
                  'code', x.code, 'town', o.slug,
                  'state', case when k.used_at is not null then 'used'
                                when k.revoked_at is not null then 'revoked'
                                when k.expires_at <= now() then 'expired'
                                else 'free' end,
                  'guardian', g.first_name || ' ' || g.last_name,
                  'children', (select count(*) from child_family c
                                where c.tenant = k.tenant and c.family_id = k.family_id),
                  'situation', d.situation) order by o.n)
                from d_opened x
                join d_open o using (n)
                join code k on k.tenant = o.tenant and k.id = o.id
                join family f on f.tenant = k.tenant and f.id = k.family_id
                join guardian g on g.tenant = k.tenant and g.id = k.guardian_id
                left join d_code d on d.town = o.slug
                                  and d.guardian = f.number || ':' || g.rank),
    'accounts', (select jsonb_agg(jsonb_build_object('town', a.town, 'email', a.email,
                            'password', a.password, 'situation', a.situation) order by a.n)
                   from d_account a),
    'agents', (select jsonb_agg(jsonb_build_object('town', a.town, 'url', a.agent_origin,
                          'email', a.email, 'password', a.password, 'role', a.role,
                          'name', a.name, 'totp_secret', s.secret) order by a.n)
                 from (select row_number() over (order by d.n) as place, d.* from d_secret d) a
                 join d_secrets s on s.n = a.place)));
\o /dev/null
