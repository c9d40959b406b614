--
-- Choosing a language, and what a town says in each.
--

begin;
select * from no_plan();

create function pg_temp.lang(address text) returns text language sql as
    $$ select lang from portal.account where email = $1 $$;

-- nobody in particular

select is(ask('saint-aubin', 'set_language', '{"lang": "en", "path": "/aide?q=1"}'),
    '{"status": 303, "location": "/aide?q=1", "session": null, "errors": [], "language": "en"}', 'chosen by nobody');
select is_empty($$select 1 from portal.account where lang <> 'fr'$$, 'no account is touched');
select is(ask('saint-aubin', 'set_language', '{"lang": "de", "path": "/aide"}')->'errors',
    '[{"field": "lang", "code": "choice"}]', 'what the town does not offer');
select is(ask('saint-aubin', 'set_language', '{}')->>'status', '422', 'none');
select is(ask('saint-aubin', 'set_language', jsonb_build_object('lang', 'fr', 'path', p))->>'location', '/', 'not to ' || p)
  from unnest('{//evil.example,https://evil.example,"/\\\\evil.example",/a b,"",evil}'::text[]) p;
select is(ask('saint-aubin', 'set_language', '{"lang": "fr"}')->>'location', '/', 'without a path: home');

-- an account

select is(pg_temp.lang('camille.martin@exemple.fr'), 'fr', 'before');
create temp table chosen on commit drop as
select ask('saint-aubin', 'set_language', '{"lang": "en", "path": "/famille"}',
           account('camille.martin@exemple.fr')) as value;
select is((select value->'session' from chosen), 'null', 'the session stays what it is');
select is((select value->>'language' from chosen), 'en', 'nginx is told the language');
select is((select value->>'location' from chosen), '/famille', 'and goes back');
select is(pg_temp.lang('camille.martin@exemple.fr'), 'en', 'the account keeps it');
select is((select count(*)::int from portal.account where lang = 'en'), 1, 'that one alone');
select is((select outcome from portal.audit where action = 'set_language' and account_id = account('camille.martin@exemple.fr')),
    'ok', 'and the audit knows');

update portal.town set languages = '{fr}' where slug = 'beaulieu';
select is(ask('beaulieu', 'set_language', '{"lang": "en"}')->>'status', '422', 'a town of one language');

-- its words

select is(portal.town_text('{"office": {"en": "Office"}}', 'office', 'en', 'Service'), 'Office', 'in another language');
select is(portal.town_text('{"office": {"en": "Office"}}', 'office', 'fr', 'Service'), 'Service', 'in its own');
select is(portal.town_text('{"office": "Bureau"}', 'office', 'en', 'Service'), 'Service', 'a plain text is no translation');
select is(portal.town_text('{}', 'office', 'en', 'Service'), 'Service', 'none');

delete from portal.outbox;
insert into portal.outbox (tenant, recipient, template, lang, message_id)
values (1, 'a@exemple.fr', 'account_exists', 'fr', 'a@x.fr'), (1, 'b@exemple.fr', 'account_exists', 'en', 'b@x.fr');
select results_eq($$select value->>'service', value->>'office', value->>'from_name'
      from json_array_elements(as_jobs('mail_claim', '{}')) order by value->>'lang' desc$$,
    $$values ('Portail Citoyen', 'Service Enfance et éducation', 'Portail Citoyen de Saint-Aubin-les-Prés'),
             ('Citizen portal', 'Children and education office', 'Saint-Aubin-les-Prés Citizen portal')$$,
    'a mail names the town as its language does');

-- written questions

select is((select count(*)::int from jsonb_array_elements(portal.captcha_sums()) x
            where x->'q'->>'fr' is null or x->'q'->>'en' is null or jsonb_array_length(x->'a') not between 3 and 8), 0,
    'each question in both languages, with answers that nginx reads');

select * from finish();
rollback;
